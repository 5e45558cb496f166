"""Define the `reconciler plan` command."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import ExitCode, get_exit_code
from reconciler.cli.help_pages import Command
from reconciler.cli.option_groups import OptionGroup, option
from reconciler.cli.options import (
    connections_option,
    format_option,
    full_option,
    projects_options,
    recreate_option,
    run_options,
    scope_options,
    secrets_option,
    settings_option,
    strict_option,
    variables_option,
)
from reconciler.cli.output import OutputOptions
from reconciler.cli.plan_file import (
    format_apply_command,
    make_signer,
    parse_expiry,
    signature_option,
    write_plan,
)
from reconciler.cli.projects import OnPlan, check_several, choose_columns, ignore_plan, run_projects
from reconciler.cli.usage import MisuseError
from reconciler.report.formats import Document, list_formats
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext
    from reconciler.model.plan import Plan


@dataclass(frozen=True, slots=True)
class SaveOptions:
    """File of a saved plan, its validity, and the reference of the key that signs it."""

    path: Path
    valid_for: timedelta
    key: str | None


@click.command("plan", cls=Command)
@format_option(*list_formats(Document.PLAN))
@option(
    OptionGroup.OUTPUT,
    "--detailed-exitcode",
    is_flag=True,
    help="Exit with 2 if apply would change something; with --drift-only, if anything drifted.",
)
@option(
    OptionGroup.OUTPUT,
    "--drift-only",
    is_flag=True,
    help="Show only changes and deletions made outside the specs.",
)
@option(
    OptionGroup.SAVED_PLAN,
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Save the plan for `apply FILE`.",
)
@option(
    OptionGroup.SAVED_PLAN,
    "--expires",
    "valid_for",
    default="7d",
    show_default=True,
    metavar="TIME",
    callback=parse_expiry,
    help="How long a saved plan is valid: minutes, hours or days, as in 90m, 12h, 7d.",
)
@signature_option
@option(
    OptionGroup.CONNECTION,
    "--against",
    type=click.Path(path_type=Path),
    metavar="SNAPSHOT",
    help="Plan against a file of `reconciler snapshot` and not against the account: without credentials, secrets and"
    " lock. Such a plan cannot be saved or applied.",
)
@projects_options
@variables_option
@connections_option
@strict_option
@secrets_option
@recreate_option
@scope_options
@settings_option
@run_options
@full_option
def command(
    *,
    settings: Settings,
    output: OutputOptions,
    form: str,
    detailed_exitcode: bool,
    drift_only: bool,
    out: Path | None,
    valid_for: timedelta,
    signature_key: str | None,
    against: Path | None,
    projects: tuple[Path, ...],
) -> ExitCode:
    """Show the changes that apply would make. Only reads.

    Compares the specs with the account, field by field as the specs declare them. --out saves the plan, so that
    apply can carry out exactly the reviewed plan.
    """
    from reconciler.cli.context import run_command

    has_drift = form in list_formats(Document.DRIFT)
    if drift_only and (not has_drift or out is not None):
        option = "`--out`" if has_drift else f"`--format {form}`"
        raise MisuseError(f"{option} is for whole plans", "leave `--drift-only` out")
    if signature_key is not None and out is None:
        raise MisuseError("`--signature-key` signs a saved plan", "add `--out FILE`")
    if against is not None:
        settings = _plan_against(settings, against, is_saved=out is not None)
    save_options = None if out is None else SaveOptions(out, valid_for, signature_key)
    changes_exit = ExitCode.CHANGES if detailed_exitcode else ExitCode.OK
    work = partial(_plan, changes_exit=changes_exit, drift_only=drift_only, save_options=save_options)
    if projects:
        check_several(form, {"--out": out is not None})
        columns = choose_columns(is_drift=drift_only)
        return run_projects(projects, settings, output, form, work=work, columns=columns)
    return run_command(settings, output, form, work)


def _plan_against(settings: Settings, snapshot: Path, *, is_saved: bool) -> Settings:
    """Build the settings of a plan against a snapshot, which reads no secrets."""
    if is_saved:
        raise MisuseError(
            "`--out` saves a plan that apply takes, and a plan against a snapshot is no such plan",
            "leave `--out` out, or plan without `--against`",
        )
    if settings.sandbox:
        raise MisuseError("`--against` and `--sandbox` exclude each other", "leave one of them out")
    if settings.resend:
        raise MisuseError(
            "`--resend-secret` has no meaning in a plan against a snapshot, which reads no secret",
            "leave `--resend-secret` out",
        )
    source = click.get_current_context().get_parameter_source("secrets")
    if settings.compare_secrets and source is click.core.ParameterSource.COMMANDLINE:
        raise MisuseError(
            "`--secrets resolve` has no meaning in a plan against a snapshot, which reads no secret",
            "leave `--secrets` out",
        )
    return replace(settings, against=snapshot, compare_secrets=False)


def _plan(
    context: CommandContext,
    on_plan: OnPlan = ignore_plan,
    *,
    changes_exit: ExitCode,
    drift_only: bool,
    save_options: SaveOptions | None,
) -> ExitCode:
    from reconciler.cli.drift import render_drift
    from reconciler.cli.events import open_event_log
    from reconciler.planning.pipeline import make_plan
    from reconciler.planning.saved_plans import build_saved_plan, refuse_hidden_variables
    from reconciler.report.drift import UnmanagedGroups
    from reconciler.workspace.audit import combine_listeners
    from reconciler.workspace.plan_project import record_project
    from reconciler.workspace.workspace import open_workspace, with_lock_renewal

    sign = make_signer(context, save_options.key) if save_options is not None else None
    with open_event_log(context, "plan") as log:
        with (
            context.make_progress() as progress,
            open_workspace(context.settings, combine_listeners(progress, log)) as workspace,
        ):
            if save_options is not None:
                refuse_hidden_variables(workspace.specs)
                workspace.state.ensure_key()  # `apply` compares fingerprints to find changed secrets
            planned = with_lock_renewal(workspace, make_plan)
            plan = planned.plan
            on_plan(plan)
            if save_options is not None:
                project = record_project(
                    workspace.specs.project.path, context.settings.directory / save_options.path
                )
                saved = build_saved_plan(workspace, planned, save_options.valid_for, project)
                write_plan(context, save_options.path, saved, sign)
        log.log_plan(plan, {})
        if drift_only:
            code = render_drift(context, plan, UnmanagedGroups.OMITTED, changes_exit)
        else:
            code = _render_plan(context, plan, changes_exit, save_options)
        log.log_finish(code, code.reason)
    return code


def _render_plan(
    context: CommandContext, plan: Plan, changes_exit: ExitCode, save_options: SaveOptions | None
) -> ExitCode:
    """Print a plan and, if it was saved without blockers, the command that applies it. Returns the exit code."""
    from reconciler.report.plan_text import render_save_notice
    from reconciler.report.renderer import PlanReport

    code = changes_exit if plan.effective else ExitCode.OK
    if plan.blockers:
        code = get_exit_code(plan.blockers)
    notice = None
    if save_options is not None and not plan.blockers:
        command = format_apply_command(context.settings, save_options.path, save_options.key)
        notice = render_save_notice(str(save_options.path), command)
    report = PlanReport(plan, code, context.settings.clock.now(), footer=notice)
    context.show(context.renderer.plan(report))
    return code
