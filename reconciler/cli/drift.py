"""`reconciler drift`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import Exit, exit_for
from reconciler.cli.options import (
    Shared,
    format_option,
    run_options,
    scope_options,
    shared_options,
    strict_option,
)

if TYPE_CHECKING:
    from reconciler.cli.session import Session
    from reconciler.model.plan import Plan
    from reconciler.report.drift_text import Others


@click.command("drift")
@format_option("text", "json")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if anything drifted.")
@shared_options
@strict_option
@scope_options
@run_options
def command(shared: Shared, form: str, detailed_exitcode: bool) -> Exit:
    """Show what was changed or deleted outside the specs, and which groups no spec is about.

    Only reads. What an edit of the specs asks for is no drift; `reconciler plan` shows both. Fivetran never
    shows secrets, so they are not compared. Where no apply is remembered, drift cannot be told from an edit. What an
    earlier run knows and these credentials do not see is an error, beside everything else that drifted.
    """
    from reconciler.cli.session import in_session

    changes_exit = Exit.CHANGES if detailed_exitcode else Exit.OK
    return in_session(
        replace(shared, compare_secrets=False), form, partial(_drift, changes_exit=changes_exit)
    )


def _drift(session: Session, changes_exit: Exit) -> Exit:
    from reconciler.cli.events import event_log
    from reconciler.operations.plan import make_plan
    from reconciler.operations.workspace import open_workspace
    from reconciler.report.drift_text import Others
    from reconciler.report.event_log import both

    with event_log(session, "drift") as log:
        with (
            session.progress() as progress,
            open_workspace(session.settings, both(progress, log)) as workspace,
        ):
            plan = make_plan(workspace).plan
        log.planned(plan, {})
        code = tell_drift(session, plan, Others.LISTED, changes_exit)
        log.finished(code, code.reason)
    return code


def tell_drift(session: Session, plan: Plan, others: Others, changes_exit: Exit) -> Exit:
    """Print only what drifted of a plan, and what it could not see. What else keeps it from being applied is of no
    interest here."""
    from reconciler.report.drift_json import drift_data
    from reconciler.report.drift_text import drift_text
    from reconciler.report.github_job import outputs_of_drift
    from reconciler.report.style import width_of

    code = changes_exit if plan.drifted else Exit.OK
    if plan.unseen:
        code = exit_for(plan.unseen)
    session.tell_warnings(plan.warnings)
    session.tell(drift_text(plan, others, width_of(session.out)))
    session.tell_blockers(plan.unseen)
    session.tell_document(code, drift_data(plan), (*plan.warnings, *plan.unseen))
    if session.form == "github":
        session.leave(code, outputs_of_drift(plan))
    return code
