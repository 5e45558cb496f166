"""Render the counts of a plan for the merge request widget of GitLab (`reports: terraform:`)."""

from __future__ import annotations

import json

from reconciler.model.plan import Plan
from reconciler.report.plan_summary import count_changes
from reconciler.report.renderer import Parts, PlanReport, Renderer, make_verbatim
from reconciler.report.style import StyledText

MAX_COUNT = 999_999
"""Largest count: GitLab refuses numbers of more digits."""


def render_gitlab_counts(plan: Plan) -> str:
    """Render exactly the three keys that the widget reads, with the numbers of the `Plan:` line."""
    counts = zip(("create", "update", "delete"), count_changes(plan), strict=True)
    return json.dumps({name: min(number, MAX_COUNT) for name, number in counts})


class GitlabRenderer(Renderer):
    """Renderer of the counts of a plan. The widget shows no diagnostics, so they go to stderr."""

    is_document = True
    shows_outcomes_live = False

    def result(self, text: StyledText | str) -> Parts:
        """Render nothing."""
        return iter(())

    def plan_warnings(self, plan: Plan) -> Parts:
        """Render all warnings of a plan."""
        yield from self.warnings(plan.warnings)

    def changes(self, plan: Plan) -> Parts:
        """Render nothing."""
        return iter(())

    def plan(self, report: PlanReport) -> Parts:
        """Render the counts. Counts without omitted entries would be wrong, so such a plan has no document."""
        yield from super().plan(report)
        if not report.plan.omissions:
            yield make_verbatim(render_gitlab_counts(report.plan))
