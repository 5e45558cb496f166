"""Define the `reconciler apply` command."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.completion_items import complete_address, complete_limit, complete_policy
from reconciler.cli.durations import make_duration_parser
from reconciler.cli.exit import ExitCode, get_apply_exit_code, get_exit_code
from reconciler.cli.help_pages import Command
from reconciler.cli.option_groups import OptionGroup, option
from reconciler.cli.options import (
    format_option,
    full_option,
    recreate_option,
    run_options,
    scope_options,
    secrets_option,
    settings_option,
    shared_options,
    strict_option,
    variables_option,
)
from reconciler.cli.output import OutputOptions
from reconciler.cli.plan_file import (
    check_digest,
    explain_other_project,
    find_plan_project,
    make_signer,
    read_plan,
    signature_option,
)
from reconciler.cli.prompt import can_prompt, confirm
from reconciler.cli.usage import MisuseError
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.given_variables import GivenVariables
from reconciler.model.limit_names import LIMIT_NAMES
from reconciler.model.plan import Action, Plan
from reconciler.model.suggestions import did_you_mean
from reconciler.report.formats import Document, list_formats
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext
    from reconciler.model.outcome import ApplyResult
    from reconciler.planning.pipeline import PlanResult
    from reconciler.workspace.audit import EventLog
    from reconciler.workspace.planfile import SavedPlan
    from reconciler.workspace.project_state import ApprovedPlan
    from reconciler.workspace.workspace import Workspace


def _parse_allowances(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, float]:
    """Parse `LIMIT=N` options to numbers by limit."""
    allowed: dict[str, float] = {}
    for text in values:
        name, _, number = text.partition("=")
        if name not in LIMIT_NAMES:
            advice = (
                did_you_mean(name, LIMIT_NAMES)
                or f"limits are {', '.join(f'`{limit}`' for limit in LIMIT_NAMES)}"
            )
            raise MisuseError(f"there is no limit `{name}`", advice)
        try:
            allowed[name] = float(number)
        except ValueError:
            raise MisuseError(f"`{text}` has no number", f"write for example `--allow {name}=3`") from None
    return allowed


@dataclass(frozen=True, slots=True)
class Approval:
    """Approval given before the run: a saved plan, or the digest of a plan.

    With `must_ask` the user is asked instead. `wait` is the longest wait for links and agents before the plan.
    """

    path: Path | None = None
    key: str | None = None
    digest: str | None = None
    must_ask: bool = True
    wait: timedelta | None = None


@click.command("apply", cls=Command)
@click.argument("plan", required=False, metavar="[PLAN]", type=click.Path(path_type=Path))
@format_option(*list_formats(Document.APPLY))
@option(
    OptionGroup.SAFETY,
    "--allow",
    metavar="LIMIT=N",
    multiple=True,
    shell_complete=complete_limit,
    callback=_parse_allowances,
    help=f"Raise a limit of the project for this run: {', '.join(LIMIT_NAMES)}. Needs --reason.",
)
@option(
    OptionGroup.SAFETY,
    "--override",
    "overridden",
    metavar="POLICY",
    multiple=True,
    shell_complete=complete_policy,
    help="Apply even if this soft policy of the project refuses the plan. Needs --reason. Repeatable.",
)
@option(
    OptionGroup.SAFETY,
    "--resend-create",
    "resent_creates",
    metavar="ADDRESS",
    multiple=True,
    shell_complete=complete_address,
    help="Create this entry now even if an earlier request for it may still take effect: an address or a key, `*` for"
    " any text. Look at Fivetran first. Needs --reason. Repeatable.",
)
@option(
    OptionGroup.SECRETS,
    "--secrets-as-they-are",
    "asserts_secrets",
    is_flag=True,
    help="Record the declared secrets that have no fingerprint as what Fivetran has, without sending them, so that a"
    " later change of a secret is noticed. Needs --reason.",
)
@option(
    OptionGroup.SAFETY,
    "--reason",
    metavar="TEXT",
    help="Reason to raise a limit, override a policy, send a create again or record secrets as they are.",
)
@option(
    OptionGroup.SAVED_PLAN,
    "--expect",
    metavar="DIGEST",
    callback=check_digest,
    help="Apply without asking, but only a plan with this digest.",
)
@signature_option
@option(
    OptionGroup.SAVED_PLAN,
    "--require-signature",
    is_flag=True,
    help="Refuse a saved plan without a signature of the key.",
)
@option(OptionGroup.SAFETY, "--auto-approve", is_flag=True, help="Do not ask. Required without a terminal.")
@option(
    OptionGroup.SAFETY,
    "--wait",
    metavar="TIME",
    callback=make_duration_parser("`90s`, `20m` or `1h`"),
    help="Before the plan, wait for private links in creation and for offline hybrid agents: 90s, 20m, 1h.",
)
@shared_options
@variables_option
@strict_option
@secrets_option
@recreate_option
@scope_options
@settings_option
@run_options
@full_option
@option(
    OptionGroup.SAFETY, "--fail-fast", is_flag=True, help="Start no further change after the first failure."
)
def command(
    *,
    settings: Settings,
    output: OutputOptions,
    form: str,
    plan: Path | None,
    expect: str | None,
    signature_key: str | None,
    require_signature: bool,
    auto_approve: bool,
    wait: timedelta | None,
    allow: dict[str, float],
    overridden: tuple[str, ...],
    resent_creates: tuple[str, ...],
    asserts_secrets: bool,
    reason: str | None,
    fail_fast: bool,
) -> ExitCode:
    """Make a plan, show it, ask, and apply it; or apply exactly the saved PLAN, without asking.

    A saved plan is planned again first, and applied only if specs, secrets and account still give the reviewed
    plan. Changes that do not depend on a failed change continue. After a failure, apply again: existing objects
    are found and not created twice.
    """
    from reconciler.cli.context import run_command

    if plan is not None:
        _reject_options_with_saved_plan(settings, expect)
    _check_signature_options(plan, signature_key, require_signature)
    if asserts_secrets:
        _check_assertion(settings, plan, expect)
    must_ask = not (auto_approve or plan is not None or expect is not None)
    if form == "json" and must_ask:
        raise MisuseError("`--format json` shows no plan to approve", "add `--auto-approve`")
    exceptions = {
        "--allow": allow,
        "--override": overridden,
        "--resend-create": resent_creates,
        _ASSERTING: asserts_secrets,
    }
    _require_reason([name for name, values in exceptions.items() if values], reason)
    updated = replace(
        settings,
        allowed=allow,
        overridden=overridden,
        resent_creates=resent_creates,
        asserts_secrets=asserts_secrets,
        reason=reason,
        fail_fast=fail_fast,
    )
    approval = Approval(plan, signature_key, expect, must_ask, wait)
    return run_command(updated, output, form, partial(_apply, approval=approval), command="apply")


def _check_signature_options(plan: Path | None, key: str | None, is_required: bool) -> None:
    """Refuse a key without a saved plan, and a required signature without a key."""
    if key is not None and plan is None:
        raise MisuseError("`--signature-key` is for a saved plan", "name its file")
    if is_required and key is None:
        raise MisuseError("`--require-signature` needs the key", "add `--signature-key env:NAME`")


_ASSERTING = "--secrets-as-they-are"


def _check_assertion(settings: Settings, plan: Path | None, expect: str | None) -> None:
    """Refuse to assert secrets in a run that compares none, or whose approval does not cover them."""
    if not settings.compare_secrets:
        raise MisuseError(
            f"`{_ASSERTING}` reads secrets, and `--secrets skip` forbids it", "leave one of them out"
        )
    if plan is not None or expect is not None:
        approved = "a saved plan" if plan is not None else "`--expect`"
        raise MisuseError(
            f"`{_ASSERTING}` cannot be used with {approved}",
            "run it by itself: neither a saved plan nor a digest covers the secrets that it records",
        )


def _require_reason(exceptions: list[str], reason: str | None) -> None:
    """Refuse exceptions without a reason. `exceptions` are the given options that need a reason."""
    has_reason = bool(reason and reason.strip())
    if exceptions and not has_reason:
        raise MisuseError(f"`{exceptions[0]}` needs a reason", 'write for example `--reason "as agreed"`')
    if has_reason and not exceptions:
        raise MisuseError(
            "`--reason` says why a limit is raised, a policy overridden, a create sent again or a secret recorded",
            f"add `--allow`, `--override`, `--resend-create` or `{_ASSERTING}`",
        )


def _reject_options_with_saved_plan(settings: Settings, expect: str | None) -> None:
    """Refuse options that contradict a saved plan, which has its own scope, variables and secrets."""
    given = {
        "--target": settings.targets,
        "--exclude": settings.excludes,
        "--changed-since": settings.changed_since,
        "--resend-secret": settings.resend,
        "--recreate": settings.recreate,
        "--secrets": not settings.compare_secrets,
        "--var": settings.given.texts,
        "--expect": expect,
    }
    for name, value in given.items():
        if value:
            raise MisuseError(
                f"`{name}` cannot be used with a saved plan",
                "leave it out: a saved plan has its own scope, variables and secrets",
            )


def _apply(context: CommandContext, approval: Approval) -> ExitCode:
    from reconciler.applying.pipeline import apply_plan
    from reconciler.cli.events import log_abandoned_runs, open_event_log
    from reconciler.cli.interrupt import cancel_on_signal
    from reconciler.workspace.audit import combine_listeners
    from reconciler.workspace.workspace import Access, open_workspace, with_lock_renewal

    if approval.must_ask and not can_prompt():
        raise ReconcilerError([_NO_TERMINAL])
    saved, settings = _load_saved_plan(context, approval)
    cancelled = threading.Event()
    with (
        ExitStack() as exit_stack,
        open_event_log(context, "apply") as log,
        context.make_progress() as progress,
        open_workspace(settings, combine_listeners(progress, log), Access.WRITE, cancelled) as workspace,
        log_abandoned_runs(log),
    ):
        finish = partial(_finish, context, log, workspace)
        is_confirmed = workspace.is_account_confirmed or saved is not None
        if not is_confirmed and not can_prompt():
            raise ReconcilerError([_ACCOUNT_UNCONFIRMED])
        planned, approved = with_lock_renewal(workspace, partial(_make_plan, approval=approval, saved=saved))
        progress.close()
        log.log_plan(planned.plan, context.settings.allowed, context.settings.reason, planned.asserted)
        context.show(context.renderer.plan_warnings(planned.plan))
        _render_plan(context, planned.plan, saved)
        must_confirm = approval.must_ask or not is_confirmed
        code = _end_without_changes(context, workspace, planned, approval, must_confirm=must_confirm)
        if code is not None:
            return finish(code, planned)
        # Keep handling signals until the state is saved, so a late Ctrl-C is not reported as 'nothing changed'.
        exit_stack.enter_context(cancel_on_signal(cancelled, progress.announce_stop, progress.close_at_once))
        context.print_result("")
        progress.expect(tuple(change.address for change in planned.plan.effective))
        applied = apply_plan(workspace, planned, approved)
        progress.close()
        return finish(get_apply_exit_code(applied), planned, applied=applied)


def _end_without_changes(
    context: CommandContext,
    workspace: Workspace,
    planned: PlanResult,
    approval: Approval,
    *,
    must_confirm: bool,
) -> ExitCode | None:
    """End an apply that is blocked, has no effective changes, or is declined by the user; None for any other apply."""
    from reconciler.applying.pipeline import adopt_only
    from reconciler.report.assertions import render_assertions

    plan = planned.plan
    if plan.blockers:
        context.show(context.renderer.blockers(plan.blockers))
        return get_exit_code(plan.blockers)
    if context.settings.asserts_secrets:
        context.print_result("")
        context.print_result(render_assertions(planned.asserted, plan))
    has_question = bool(plan.effective or planned.asserted)
    if must_confirm and has_question and not _confirm(context, planned, approval):
        context.print_result("Nothing was applied.")
        return ExitCode.FAILED
    if not plan.effective:
        adopt_only(workspace, planned)
        return ExitCode.OK
    return None


def _load_saved_plan(context: CommandContext, approval: Approval) -> tuple[SavedPlan | None, Settings]:
    """Load the saved plan, if there is one, and the settings that it was made with."""
    if approval.path is None:
        return None, context.settings
    saved = read_plan(context, approval.path, make_signer(context, approval.key))
    other_project = find_plan_project(context.settings, approval.path, saved)
    if other_project is not None:
        raise ReconcilerError([explain_other_project(context.settings, approval.path, other_project)])
    return saved, replace(
        context.settings,
        compare_secrets=saved.compare_secrets,
        resend=saved.resend,
        given=GivenVariables(saved.variables, "plan-spec-changed"),
    )


def _make_plan(
    workspace: Workspace, approval: Approval, saved: SavedPlan | None
) -> tuple[PlanResult, ApprovedPlan | None]:
    """Make the plan to apply: always a new plan, compared with the approved plan, if any.

    With a digest also returns the approved plan, which the state keeps until all of it is in effect.
    """
    from reconciler.planning.pipeline import make_plan
    from reconciler.planning.readiness import wait_for_objects
    from reconciler.planning.saved_plans import load_approved_plan, replan

    if approval.wait is not None:
        wait_for_objects(workspace, approval.wait.total_seconds())
    if saved is not None:
        return replan(workspace, saved), None
    if approval.digest is not None:
        return load_approved_plan(workspace, approval.digest)
    return make_plan(workspace), None


def _render_plan(context: CommandContext, plan: Plan, saved: SavedPlan | None) -> None:
    from reconciler.report.plan_text import render_still_current

    if saved is None or not plan.effective:
        context.show(context.renderer.changes(plan))
    else:
        context.print_result(render_still_current(saved.plan, plan, saved.variables))


_NO_TERMINAL = Diagnostic(
    "no-terminal",
    "apply asks before it changes anything, and there is no terminal to answer on",
    help="look at `reconciler plan` first, then add `--auto-approve`",
)
_ACCOUNT_UNCONFIRMED = Diagnostic(
    "account-unconfirmed",
    "the project file does not name its account, and there is no terminal to ask on",
    help="set `account_id:` in the project file; `reconciler plan` shows the account of your credentials",
)


def _confirm(context: CommandContext, planned: PlanResult, approval: Approval) -> bool:
    """Ask about the account and, unless the changes are approved already, about the objects that they destroy. The
    question covers the secrets that the operator asserts."""
    from reconciler.report.assertions import render_question
    from reconciler.report.destruction_text import build_confirmation
    from reconciler.report.plan_summary import format_account

    plan, count = planned.plan, len(planned.asserted)
    question = f"Apply these changes to account {format_account(plan)}?"
    if count:
        question = render_question(count, format_account(plan), has_changes=bool(plan.effective))
    destruction = build_confirmation(plan) if approval.must_ask else None
    if destruction is None:
        return confirm(context, question)
    return confirm(context, f"{question}\n{destruction.summary}", destruction.answer, destruction.prompt)


def _finish(
    context: CommandContext,
    log: EventLog,
    workspace: Workspace,
    code: ExitCode,
    planned: PlanResult,
    *,
    applied: ApplyResult | None = None,
) -> ExitCode:
    """Log and print the end of a run."""
    from reconciler.applying.records import find_unrecorded
    from reconciler.report.renderer import ApplyReport

    log.log_finish(code, code.reason, applied)
    unrecorded = find_unrecorded(planned.asserted, workspace.state.records)
    context.show(
        context.renderer.applied(ApplyReport(planned.plan, code, applied, planned.asserted, unrecorded))
    )
    _point_to_own_account(context, planned.plan, applied)
    return code


def _point_to_own_account(context: CommandContext, plan: Plan, applied: ApplyResult | None) -> None:
    """Print the way from a sandbox to an own account, once a sandbox has its first objects."""
    from reconciler.report.initialisation import render_way_to_account
    from reconciler.report.style import get_stream_failure

    is_first = plan.count(Action.CREATE) == len(plan.changes) > 0
    is_lost = get_stream_failure(context.out) is not None
    is_shown = not (context.output.is_quiet or context.renderer.is_document or is_lost)
    if context.settings.sandbox and applied is not None and is_first and is_shown:
        context.err.print(render_way_to_account())
