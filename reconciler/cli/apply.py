"""`reconciler apply`."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import Exit, exit_after, exit_for
from reconciler.cli.options import (
    Shared,
    format_option,
    recreate_option,
    run_options,
    scope_options,
    secrets_option,
    settings_option,
    shared_options,
    strict_option,
)
from reconciler.cli.plan_file import digest, read_plan, signature_option, signer
from reconciler.cli.question import agreed, somebody_answers
from reconciler.cli.usage import MisuseError
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.nearest import did_you_mean
from reconciler.model.plan import Plan

if TYPE_CHECKING:
    from reconciler.cli.session import Session
    from reconciler.engine.planfile import SavedPlan
    from reconciler.model.outcome import Applied
    from reconciler.operations.memory import Reviewed
    from reconciler.operations.plan import Planned
    from reconciler.operations.settings import Settings
    from reconciler.operations.workspace import Workspace
    from reconciler.report.event_log import EventLog


def _allowances(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, float]:
    """`LIMIT=N` options as numbers by limit."""
    allowed: dict[str, float] = {}
    for text in given:
        name, _, number = text.partition("=")
        if name not in _LIMITS:
            advice = did_you_mean(name, _LIMITS) or f"limits are {', '.join(f'`{each}`' for each in _LIMITS)}"
            raise MisuseError(f"there is no limit `{name}`", advice)
        try:
            allowed[name] = float(number)
        except ValueError:
            raise MisuseError(f"`{text}` gives no number", f"write for example `--allow {name}=3`") from None
    return allowed


_LIMITS = ("deletes", "replacements", "changed_fraction")


@dataclass(frozen=True, slots=True)
class Approval:
    """What a person has agreed to before the run: a saved plan, or the digest of one; else somebody is asked, unless
    that is not wanted either."""

    path: Path | None = None
    key: str | None = None
    digest: str | None = None
    must_ask: bool = True


@click.command("apply")
@click.argument("plan", required=False, metavar="[PLAN]", type=click.Path(path_type=Path))
@format_option("text", "json", "github")
@click.option(
    "--allow",
    metavar="LIMIT=N",
    multiple=True,
    callback=_allowances,
    help="Raise a limit of the project for this run: deletes, replacements, changed_fraction. Needs --reason.",
)
@click.option(
    "--override",
    "overridden",
    metavar="POLICY",
    multiple=True,
    help="Go on although this soft policy of the project refuses the plan. Needs --reason. Repeatable.",
)
@click.option(
    "--resend-create",
    "resent_creates",
    metavar="ADDRESS",
    multiple=True,
    help="Create this now although an earlier request for it may still take effect: an address or a key, `*` for any"
    " text. For users who have looked at Fivetran. Needs --reason. Repeatable.",
)
@click.option(
    "--reason", metavar="TEXT", help="Why a limit is raised, a policy overridden or a create sent again."
)
@click.option(
    "--expect",
    metavar="DIGEST",
    callback=digest,
    help="Apply only if the plan has this digest, and then without asking.",
)
@signature_option
@click.option(
    "--require-signature", is_flag=True, help="Refuse a saved plan that is not signed with the key."
)
@click.option("--auto-approve", is_flag=True, help="Do not ask. Needed where nobody can answer.")
@shared_options
@strict_option
@secrets_option
@recreate_option
@scope_options
@settings_option
@run_options
@click.option("--fail-fast", is_flag=True, help="Start nothing more after the first failure.")
def command(
    *,
    shared: Shared,
    form: str,
    plan: Path | None,
    expect: str | None,
    signature_key: str | None,
    require_signature: bool,
    auto_approve: bool,
    allow: dict[str, float],
    overridden: tuple[str, ...],
    resent_creates: tuple[str, ...],
    reason: str | None,
    fail_fast: bool,
) -> Exit:
    """Make a plan, show it, ask, and carry it out; or carry out exactly the saved PLAN, without asking.

    A saved plan is made again first: it is carried out only if specs, secrets and account still give what was
    reviewed. Changes that do not depend on a failed one go on. Applying again after any failure goes on where
    it stopped: what exists is found and not made twice.
    """
    from reconciler.cli.session import in_session

    if plan is not None:
        _refuse_options_beside_a_plan(shared, expect)
    if signature_key is not None and plan is None:
        raise MisuseError("`--signature-key` is for a saved plan", "name its file")
    if require_signature and signature_key is None:
        raise MisuseError("`--require-signature` needs the key", "add `--signature-key env:NAME`")
    must_ask = not (auto_approve or plan is not None or expect is not None)
    if form == "json" and must_ask:
        raise MisuseError("`--format json` shows no plan to approve", "add `--auto-approve`")
    exceptions = {"--allow": allow, "--override": overridden, "--resend-create": resent_creates}
    _refuse_exceptions_without_a_reason([name for name, given in exceptions.items() if given], reason)
    chosen = replace(
        shared,
        allowed=allow,
        overridden=overridden,
        resent_creates=resent_creates,
        reason=reason,
        fail_fast=fail_fast,
    )
    approval = Approval(plan, signature_key, expect, must_ask)
    return in_session(chosen, form, partial(_apply, approval=approval), failing="Not applied")


def _refuse_exceptions_without_a_reason(exceptions: list[str], reason: str | None) -> None:
    """`exceptions` are the options that need a reason, as far as they are given."""
    told = bool(reason and reason.strip())
    if exceptions and not told:
        raise MisuseError(f"`{exceptions[0]}` needs a reason", 'write for example `--reason "as agreed"`')
    if told and not exceptions:
        raise MisuseError(
            "`--reason` says why a limit is raised, a policy overridden or a create sent again",
            "add `--allow`, `--override` or `--resend-create`",
        )


def _refuse_options_beside_a_plan(shared: Shared, expect: str | None) -> None:
    """A saved plan says itself what it is about."""
    given = {
        "--target": shared.targets,
        "--exclude": shared.excludes,
        "--changed-since": shared.changed_since,
        "--resend-secret": shared.resend,
        "--recreate": shared.recreate,
        "--secrets": not shared.compare_secrets,
        "--expect": expect,
    }
    for name, value in given.items():
        if value:
            raise MisuseError(
                f"`{name}` cannot stand beside a saved plan", "a plan knows its own scope: leave it out"
            )


def _apply(session: Session, approval: Approval) -> Exit:
    from reconciler.cli.events import event_log, succeeding
    from reconciler.cli.interrupt import cancelling
    from reconciler.operations.apply import adopt_only, apply_plan
    from reconciler.operations.workspace import Access, open_workspace, while_tended
    from reconciler.report.event_log import both

    if approval.must_ask and not somebody_answers():
        raise ReconcilerError([_NO_TERMINAL])
    saved, settings = _saved(session, approval)
    cancelled = threading.Event()
    with (
        ExitStack() as until_the_end,
        event_log(session, "apply") as log,
        session.progress() as progress,
        open_workspace(settings, both(progress, log), Access.WRITE, cancelled) as workspace,
        succeeding(log),
    ):
        end = partial(_end, session, log)
        confirmed = workspace.account_confirmed or saved is not None
        if not confirmed and not somebody_answers():
            raise ReconcilerError([_ACCOUNT_UNCONFIRMED])
        planned, reviewed = while_tended(workspace, partial(_planned, approval=approval, saved=saved))
        progress.close()
        log.planned(planned.plan, session.shared.allowed, session.shared.reason)
        session.tell_warnings(planned.plan.warnings)
        _tell(session, planned.plan, saved)
        if planned.plan.blockers:
            session.tell_blockers(planned.plan.blockers)
            return end(exit_for(planned.plan.blockers), planned.plan, None)
        if not planned.plan.effective:
            adopt_only(workspace, planned)
            return end(Exit.OK, planned.plan, None)
        if (approval.must_ask or not confirmed) and not _agreed(session, planned.plan, approval):
            session.tell("Nothing was applied.")
            return end(Exit.FAILED, planned.plan, None)
        progress.expect(tuple(change.address for change in planned.plan.effective))
        # Until all is put away: a signal behind the last change is none before the first.
        until_the_end.enter_context(cancelling(cancelled, before_leaving=progress.close))
        session.tell("")
        applied = apply_plan(workspace, planned, reviewed)
        progress.close()
        return end(exit_after(applied), planned.plan, applied)


def _saved(session: Session, approval: Approval) -> tuple[SavedPlan | None, Settings]:
    """The saved plan, if there is one, and the settings under which it was made."""
    if approval.path is None:
        return None, session.settings
    saved = read_plan(session, approval.path, signer(session, approval.key))
    return saved, replace(session.settings, compare_secrets=saved.compare_secrets, resend=saved.resend)


def _planned(
    workspace: Workspace, approval: Approval, saved: SavedPlan | None
) -> tuple[Planned, Reviewed | None]:
    """The plan that is carried out: always a new one, and the approved one where there is one. With a digest also
    the form in which it is remembered until all of it is in effect."""
    from reconciler.operations.plan import make_plan
    from reconciler.operations.reviewed import approved_plan, plan_again

    if saved is not None:
        return plan_again(workspace, saved), None
    if approval.digest is not None:
        return approved_plan(workspace, approval.digest)
    return make_plan(workspace), None


def _tell(session: Session, plan: Plan, saved: SavedPlan | None) -> None:
    from reconciler.report.saved_text import still_current

    if saved is None or not plan.effective:
        session.tell_plan(plan)
    else:
        session.tell(still_current(saved.plan, plan))


_NO_TERMINAL = Diagnostic(
    "no-terminal",
    "apply asks before it changes anything, and nobody can answer here",
    help="look at `reconciler plan` first, then add `--auto-approve`",
)
_ACCOUNT_UNCONFIRMED = Diagnostic(
    "account-unconfirmed",
    "the project file does not say which account it is for, and nobody can be asked here",
    help="set `account_id:` in the project file; `reconciler plan` shows the account of your credentials",
)


def _agreed(session: Session, plan: Plan, approval: Approval) -> bool:
    """Ask about the account and, unless the changes are approved already, about what they destroy."""
    from reconciler.report.destruction_text import confirmation
    from reconciler.report.plan_words import account_text

    question = f"Apply these changes to account {account_text(plan)}?"
    destroying = confirmation(plan) if approval.must_ask else None
    if destroying is None:
        return agreed(session, question)
    return agreed(session, f"{question}\n{destroying.what}", destroying.answer, destroying.prompt)


def _end(session: Session, log: EventLog, code: Exit, plan: Plan, applied: Applied | None) -> Exit:
    """Log and print the end of a run, in the form that was asked for."""
    from reconciler.cli.planned import leave_applied
    from reconciler.report.apply_json import applied_data
    from reconciler.report.apply_text import summary
    from reconciler.report.plan_json import plan_data

    log.finished(code, code.reason, applied)
    if applied is not None:
        session.tell("")
        session.tell(summary(applied))
        if applied.problems and not session.wants_document:
            session.tell_diagnostics(applied.problems)
    if session.form == "github":
        leave_applied(session, plan, code, applied)
    session.tell_document(
        code, {"plan": plan_data(plan), "applied": None if applied is None else applied_data(applied)}
    )
    return code
