"""`reconciler apply`."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import Exit, exit_after, exit_for
from reconciler.cli.options import (
    Shared,
    format_option,
    run_options,
    scope_options,
    secrets_option,
    shared_options,
    strict_option,
)
from reconciler.cli.question import agreed, somebody_answers
from reconciler.cli.usage import MisuseError
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.nearest import did_you_mean
from reconciler.model.plan import Plan

if TYPE_CHECKING:
    from reconciler.cli.session import Session
    from reconciler.model.outcome import Applied
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


@click.command("apply")
@format_option("text", "json")
@click.option(
    "--allow",
    metavar="LIMIT=N",
    multiple=True,
    callback=_allowances,
    help="Raise a limit of the project for this run: deletes, replacements, changed_fraction. Needs --reason.",
)
@click.option("--reason", metavar="TEXT", help="Why a limit is raised.")
@click.option("--auto-approve", is_flag=True, help="Do not ask. Needed where nobody can answer.")
@shared_options
@strict_option
@secrets_option
@scope_options
@run_options
@click.option("--fail-fast", is_flag=True, help="Start nothing more after the first failure.")
def command(
    *,
    shared: Shared,
    form: str,
    auto_approve: bool,
    allow: dict[str, float],
    reason: str | None,
    fail_fast: bool,
) -> Exit:
    """Make a plan, show it, ask, and carry it out.

    Changes that do not depend on a failed one go on. Applying again after any failure goes on where
    it stopped: what exists is found and not made twice.
    """
    from reconciler.cli.session import in_session

    if form == "json" and not auto_approve:
        raise MisuseError("`--format json` shows no plan to approve", "add `--auto-approve`")
    if bool(allow) != bool(reason and reason.strip()):
        raise MisuseError(
            "`--allow` and `--reason` belong together", 'write for example `--reason "as agreed"`'
        )
    return in_session(
        replace(shared, allowed=allow, fail_fast=fail_fast), form, partial(_apply, must_ask=not auto_approve)
    )


def _apply(session: Session, must_ask: bool) -> Exit:
    from reconciler.cli.events import event_log, succeeding
    from reconciler.cli.interrupt import cancelling
    from reconciler.operations.apply import adopt_only, apply_plan
    from reconciler.operations.plan import make_plan
    from reconciler.operations.workspace import Access, open_workspace
    from reconciler.report.event_log import both

    if must_ask and not somebody_answers():
        raise ReconcilerError([_NO_TERMINAL])
    cancelled = threading.Event()
    with (
        event_log(session, "apply") as log,
        session.progress() as progress,
        open_workspace(session.settings, both(progress, log), Access.WRITE, cancelled) as workspace,
        succeeding(log),
    ):
        end = partial(_end, session, log)
        if not workspace.account_confirmed and not somebody_answers():
            raise ReconcilerError([_ACCOUNT_UNCONFIRMED])
        planned = make_plan(workspace)
        progress.close()
        log.planned(planned.plan, session.shared.allowed, session.shared.reason)
        session.tell_warnings(planned.plan.warnings)
        session.tell_plan(planned.plan)
        if planned.plan.blockers:
            session.tell_blockers(planned.plan.blockers)
            return end(exit_for(planned.plan.blockers), planned.plan, None)
        if not planned.plan.effective:
            adopt_only(workspace, planned)
            return end(Exit.OK, planned.plan, None)
        if (must_ask or not workspace.account_confirmed) and not _agreed(session, planned.plan):
            session.tell("Nothing was applied.")
            return end(Exit.FAILED, planned.plan, None)
        progress.expect(tuple(change.address for change in planned.plan.effective))
        with cancelling(cancelled, before_leaving=progress.close):
            session.tell("")
            applied = apply_plan(workspace, planned)
            progress.close()
            return end(exit_after(applied), planned.plan, applied)


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


def _agreed(session: Session, plan: Plan) -> bool:
    from reconciler.report.plan_words import account_text

    return agreed(session, f"Apply these changes to account {account_text(plan)}?")


def _end(session: Session, log: EventLog, code: Exit, plan: Plan, applied: Applied | None) -> Exit:
    """Log and print the end of a run, in the form that was asked for."""
    from reconciler.report.apply_json import applied_data
    from reconciler.report.apply_text import summary
    from reconciler.report.plan_json import plan_data

    log.finished(code, code.reason, applied)
    if applied is not None:
        session.tell("")
        session.tell(summary(applied))
        if applied.problems and not session.wants_document:
            session.tell_diagnostics(applied.problems)
    session.tell_document(
        code, {"plan": plan_data(plan), "applied": None if applied is None else applied_data(applied)}
    )
    return code
