"""Define the `reconciler drift` command."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.drift_accept import AcceptOptions, accept_drift, accept_options, check_acceptance
from reconciler.cli.exit import ExitCode, get_exit_code
from reconciler.cli.help_pages import Command
from reconciler.cli.option_groups import OptionGroup, option
from reconciler.cli.options import (
    connections_option,
    format_option,
    full_option,
    projects_options,
    run_options,
    scope_options,
    strict_option,
    variables_option,
)
from reconciler.cli.output import OutputOptions
from reconciler.cli.projects import OnPlan, check_several, choose_columns, ignore_plan, run_projects
from reconciler.cli.usage import MisuseError
from reconciler.report.formats import Document, list_formats
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext
    from reconciler.model.plan import Plan
    from reconciler.report.drift import UnmanagedGroups


@click.command("drift", cls=Command)
@accept_options
@format_option(*list_formats(Document.DRIFT))
@option(OptionGroup.OUTPUT, "--detailed-exitcode", is_flag=True, help="Exit with 2 if anything drifted.")
@projects_options
@variables_option
@connections_option
@strict_option
@scope_options
@run_options
@full_option
@option(
    OptionGroup.SCOPE,
    "--budget",
    type=click.IntRange(min=1),
    metavar="N",
    help="Send at most N requests, retries included: read the destinations that were read least recently.",
)
def command(
    *,
    settings: Settings,
    output: OutputOptions,
    form: str,
    detailed_exitcode: bool,
    projects: tuple[Path, ...],
    acceptance: AcceptOptions,
    budget: int | None,
) -> ExitCode:
    """Show changes and deletions made outside the specs, and groups without a spec.

    Only reads the account. An edit of the specs is not drift; `reconciler plan` shows both. Fivetran never shows
    secrets, so they are not compared. Without a recorded apply, drift cannot be distinguished from an edit. An entry
    that cannot be compared is an error, beside the rest of the drift.

    --accept takes the drift into the specs. Checks before writing that the plan of the accepted fields is empty. Leaves
    out drift that fails this check, with the reason, and the exit code is 1 then.

    --budget reads a part of the destinations in each run, and reports how many runs read all of them. The times of the
    reads are kept beside the state.
    """
    from reconciler.cli.context import run_command

    check_acceptance(acceptance, settings, form, detailed=detailed_exitcode)
    if budget is not None:
        _check_budget(acceptance, settings)
    if acceptance.accepts and projects:
        raise MisuseError("`--accept` writes the specs of one project", "name one project with `--project`")
    if acceptance.accepts:
        return accept_drift(settings, output, form, acceptance)
    changes_exit = ExitCode.CHANGES if detailed_exitcode else ExitCode.OK
    settings = replace(settings, compare_secrets=False, max_requests=budget)
    work = partial(_show_drift, changes_exit=changes_exit)
    if projects:
        check_several(form, {"--budget": budget is not None})
        columns = choose_columns(is_drift=True)
        return run_projects(projects, settings, output, form, work=work, columns=columns)
    return run_command(settings, output, form, work)


def _check_budget(acceptance: AcceptOptions, settings: Settings) -> None:
    """Refuse options that need more reads than a budget decides about. Raises MisuseError."""
    if acceptance.accepts:
        raise MisuseError(
            "`--budget` reads some destinations, and `--accept` takes the drift of all",
            "name the drifted entries: `--accept ADDRESS` reads only these, without `--budget`",
        )
    if settings.lists_connections:
        raise MisuseError(
            "`--connections` costs a request per group, which a budget of destinations leaves out",
            "list them in a run of their own, without `--budget`",
        )


def _show_drift(
    context: CommandContext, on_plan: OnPlan = ignore_plan, *, changes_exit: ExitCode
) -> ExitCode:
    from reconciler.cli.events import open_event_log
    from reconciler.operations.budgeted_drift import plan_within_budget
    from reconciler.planning.pipeline import make_plan
    from reconciler.report.drift import UnmanagedGroups
    from reconciler.workspace.audit import combine_listeners
    from reconciler.workspace.workspace import open_workspace, with_lock_renewal

    with open_event_log(context, "drift") as log:
        with (
            context.make_progress() as progress,
            open_workspace(context.settings, combine_listeners(progress, log)) as workspace,
        ):
            budget = context.settings.max_requests
            plan = (
                with_lock_renewal(workspace, make_plan).plan
                if budget is None
                else with_lock_renewal(workspace, partial(plan_within_budget, budget=budget))
            )
            on_plan(plan)
        log.log_plan(plan, {})
        code = render_drift(context, plan, UnmanagedGroups.LISTED, changes_exit)
        log.log_finish(code, code.reason)
    return code


def render_drift(
    context: CommandContext, plan: Plan, unmanaged_groups: UnmanagedGroups, changes_exit: ExitCode
) -> ExitCode:
    """Print the drift of a plan. Returns the exit code: an omitted entry may have drifted as well."""
    from reconciler.report.renderer import DriftReport

    code = changes_exit if plan.drifted else ExitCode.OK
    if plan.omissions:
        code = get_exit_code(plan.omissions)
    context.show(context.renderer.drift(DriftReport(plan, code, unmanaged_groups)))
    return code
