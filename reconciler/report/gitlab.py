"""The counts of a plan as GitLab's merge request widget reads them (`reports: terraform:`)."""

from __future__ import annotations

import json

from reconciler.model.plan import Plan
from reconciler.report.plan_words import added_changed_destroyed

MOST = 999_999
"""GitLab refuses numbers of more digits."""


def gitlab_counts(plan: Plan) -> str:
    """Exactly the three keys that it wants, with the numbers of the `Plan:` line."""
    counts = zip(("create", "update", "delete"), added_changed_destroyed(plan), strict=True)
    return json.dumps({name: min(number, MOST) for name, number in counts})
