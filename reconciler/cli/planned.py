"""A plan told in the form that was asked for: one that was made just now, or one that was saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from reconciler.cli.exit import Exit
from reconciler.model.plan import Plan

if TYPE_CHECKING:
    from reconciler.cli.session import Session
    from reconciler.model.outcome import Applied
    from reconciler.report.style import Styled

PLAN_FORMS = (
    "text",
    "json",
    "markdown",
    "github",
    "gitlab",
    "junit",
    "sarif",
    "terraform",
    "terraform-json",
)
"""Forms of a whole plan."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What is told of a plan: `made_at` is when it was made, `code` how the run ends. `lead` and `trail` are said to
    people before and after it; `saved` is about its file."""

    plan: Plan
    code: Exit
    made_at: datetime
    lead: Styled | None = None
    trail: Styled | None = None
    saved: Mapping[str, Any] | None = None


def tell_planned(session: Session, telling: Telling) -> None:
    """People get warnings, the plan, and what stops it; programs one document with all of that."""
    plan = telling.plan
    session.tell_warnings(plan.warnings)
    if telling.lead is not None:
        session.tell(telling.lead)
    session.tell_plan(plan)
    session.tell_blockers(plan.blockers)
    if telling.trail is not None:
        session.tell(telling.trail)
    _tell_document(session, telling)


def leave_applied(session: Session, plan: Plan, code: Exit, applied: Applied | None) -> None:
    """What a step of GitHub Actions keeps of an apply: what went wrong as annotations, what was done as its summary,
    and the outputs of the plan with the exit code of the run. Without anything to do it is the plan that is kept."""
    from reconciler.report.apply_markdown import applied_markdown
    from reconciler.report.github_job import outputs_of_plan

    if applied is None:
        session.leave_plan(plan, code)
        return
    session.annotate(found for outcome in applied.outcomes for found in outcome.diagnostics)
    session.leave(code, outputs_of_plan(plan), lambda room: applied_markdown(applied, room))


def _tell_document(session: Session, telling: Telling) -> None:
    from reconciler.report.plan_json import plan_data

    plan, code = telling.plan, telling.code
    about = {} if telling.saved is None else {"saved": telling.saved}
    match session.form:
        case "terraform-json":
            from reconciler.report.terraform_json import terraform_plan

            extra = {**about, "exit": {"code": int(code), "reason": code.reason}}
            session.write_document(terraform_plan(plan, telling.made_at, extra))
        case "gitlab":
            from reconciler.report.gitlab import gitlab_counts

            if not plan.unseen:  # its widget has no room for anything but counts
                session.write(gitlab_counts(plan))
        case "junit":
            from reconciler.report.junit import plan_junit

            session.write(plan_junit(plan, str(session.shared.project)))
        case "github":
            session.leave_plan(plan, code)
        case _:
            findings = (*plan.warnings, *plan.blockers)
            session.tell_document(code, {**about, **plan_data(plan)}, findings, plan.judgements)
