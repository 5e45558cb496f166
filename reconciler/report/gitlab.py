"""The counts of a plan as GitLab's merge request widget reads them (`reports: terraform:`)."""

from __future__ import annotations

import json

from reconciler.model.plan import Plan
from reconciler.report.plan_summary import count_changes

MAX_COUNT = 999_999
"""GitLab refuses numbers of more digits."""


def render_gitlab_counts(plan: Plan) -> str:
    """Exactly the three keys that it wants, with the numbers of the `Plan:` line."""
    counts = zip(("create", "update", "delete"), count_changes(plan), strict=True)
    return json.dumps({name: min(number, MAX_COUNT) for name, number in counts})
