"""A plan told in the form that was asked for: one that was made just now, or one that was saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from reconciler.cli.exit import ExitCode
from reconciler.model.plan import Plan

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext
    from reconciler.model.outcome import ApplyResult
    from reconciler.report.style import StyledText

PLAN_FORMATS = (
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
class PlanOutput:
    """What is told of a plan: `made_at` is when it was made, `code` how the run ends. `lead` and `trail` are said to
    people before and after it; `saved` is about its file."""

    plan: Plan
    code: ExitCode
    created_at: datetime
    header: StyledText | None = None
    footer: StyledText | None = None
    saved: Mapping[str, Any] | None = None


def render_plan_output(context: CommandContext, output: PlanOutput) -> None:
    """People get warnings, the plan, and what stops it; programs one document with all of that."""
    plan = output.plan
    context.render_warnings(plan.warnings)
    if output.header is not None:
        context.print_result(output.header)
    context.render_plan(plan)
    context.render_blockers(plan.blockers)
    if output.footer is not None:
        context.print_result(output.footer)
    _render_document(context, output)


def write_github_apply(
    context: CommandContext, plan: Plan, code: ExitCode, applied: ApplyResult | None
) -> None:
    """What a step of GitHub Actions keeps of an apply: what went wrong as annotations, what was done as its summary,
    and the outputs of the plan with the exit code of the run. Without anything to do it is the plan that is kept."""
    from reconciler.report.apply import render_apply_markdown
    from reconciler.report.github import build_plan_outputs

    if applied is None:
        context.write_github_plan(plan, code)
        return
    context.annotate(diagnostic for outcome in applied.outcomes for diagnostic in outcome.diagnostics)
    context.write_github_files(
        code, build_plan_outputs(plan), lambda room: render_apply_markdown(applied, room)
    )


def _render_document(context: CommandContext, output: PlanOutput) -> None:
    from reconciler.report.plan_json import serialize_plan

    plan, code = output.plan, output.code
    saved = {} if output.saved is None else {"saved": output.saved}
    match context.form:
        case "terraform-json":
            from reconciler.report.terraform_json import build_terraform_plan

            extra = {**saved, "exit": {"code": int(code), "reason": code.reason}}
            context.write_document(build_terraform_plan(plan, output.created_at, extra))
        case "gitlab":
            from reconciler.report.gitlab import render_gitlab_counts

            if not plan.gone_or_hidden:  # its widget has no room for anything but counts
                context.write(render_gitlab_counts(plan))
        case "junit":
            from reconciler.report.junit import render_plan_junit

            context.write(render_plan_junit(plan, str(context.shared.project)))
        case "github":
            context.write_github_plan(plan, code)
        case _:
            findings = (*plan.warnings, *plan.blockers)
            context.render_document(code, {**saved, **serialize_plan(plan)}, findings, plan.judgements)
