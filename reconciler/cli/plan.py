"""`reconciler plan`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import Exit, exit_for
from reconciler.cli.options import (
    Shared,
    format_option,
    run_options,
    scope_options,
    secrets_option,
    shared_options,
    strict_option,
)
from reconciler.cli.usage import MisuseError

if TYPE_CHECKING:
    from reconciler.cli.session import Session


@click.command("plan")
@format_option("text", "json", "markdown", "github", "sarif")
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit with 2 if apply would do something; with --drift-only, if anything drifted.",
)
@click.option("--drift-only", is_flag=True, help="Show only what was changed or deleted outside the specs.")
@shared_options
@strict_option
@secrets_option
@scope_options
@run_options
def command(shared: Shared, form: str, detailed_exitcode: bool, drift_only: bool) -> Exit:
    """Show what apply would change, and change nothing.

    Compares the specs with the account. Only fields that a spec declares are looked at.
    """
    from reconciler.cli.session import in_session

    if drift_only and form == "markdown":
        raise MisuseError("`--format markdown` shows whole plans", "leave `--drift-only` out")
    changes_exit = Exit.CHANGES if detailed_exitcode else Exit.OK
    return in_session(shared, form, partial(_plan, changes_exit=changes_exit, drift_only=drift_only))


def _plan(session: Session, changes_exit: Exit, drift_only: bool) -> Exit:
    from reconciler.cli.drift import tell_drift
    from reconciler.cli.events import event_log
    from reconciler.operations.plan import make_plan
    from reconciler.operations.workspace import open_workspace
    from reconciler.report.drift_text import Others
    from reconciler.report.event_log import both
    from reconciler.report.plan_json import plan_data

    with event_log(session, "plan") as log:
        with (
            session.progress() as progress,
            open_workspace(session.settings, both(progress, log)) as workspace,
        ):
            plan = make_plan(workspace).plan
        log.planned(plan, {})
        if drift_only:
            code = tell_drift(session, plan, Others.LEFT_OUT, changes_exit)
        else:
            code = changes_exit if plan.effective else Exit.OK
            if plan.blockers:
                code = exit_for(plan.blockers)
            session.tell_warnings(plan.warnings)
            session.tell_plan(plan)
            session.tell_blockers(plan.blockers)
            session.tell_document(code, plan_data(plan), (*plan.warnings, *plan.blockers))
        log.finished(code, code.reason)
    return code
