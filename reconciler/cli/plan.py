"""`reconciler plan`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import Exit, exit_for
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
from reconciler.cli.plan_file import duration, signature_option, signer, write_plan
from reconciler.cli.planned import PLAN_FORMS, Telling, tell_planned
from reconciler.cli.usage import MisuseError

if TYPE_CHECKING:
    from reconciler.cli.session import Session


_DRIFT_FORMS = {"text", "json", "github", "sarif"}


@dataclass(frozen=True, slots=True)
class Saving:
    """Where a plan is saved, how long it is valid, and the reference of the key that signs it."""

    path: Path
    valid_for: timedelta
    key: str | None


@click.command("plan")
@format_option(*PLAN_FORMS)
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit with 2 if apply would do something; with --drift-only, if anything drifted.",
)
@click.option("--drift-only", is_flag=True, help="Show only what was changed or deleted outside the specs.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Save the plan for `apply FILE`."
)
@click.option(
    "--expires",
    "valid_for",
    default="7d",
    show_default=True,
    metavar="TIME",
    callback=duration,
    help="How long a saved plan is valid: minutes, hours or days, as in 90m, 12h, 7d.",
)
@signature_option
@shared_options
@strict_option
@secrets_option
@recreate_option
@scope_options
@settings_option
@run_options
def command(
    *,
    shared: Shared,
    form: str,
    detailed_exitcode: bool,
    drift_only: bool,
    out: Path | None,
    valid_for: timedelta,
    signature_key: str | None,
) -> Exit:
    """Show what apply would change, and change nothing.

    Compares the specs with the account. Only fields that a spec declares are looked at. With --out the plan is
    also saved, so that exactly what was reviewed can be applied.
    """
    from reconciler.cli.session import in_session

    if drift_only and (form not in _DRIFT_FORMS or out is not None):
        what = f"`--format {form}`" if form not in _DRIFT_FORMS else "`--out`"
        raise MisuseError(f"{what} is for whole plans", "leave `--drift-only` out")
    if signature_key is not None and out is None:
        raise MisuseError("`--signature-key` signs a saved plan", "add `--out FILE`")
    saving = None if out is None else Saving(out, valid_for, signature_key)
    changes_exit = Exit.CHANGES if detailed_exitcode else Exit.OK
    work = partial(_plan, changes_exit=changes_exit, drift_only=drift_only, saving=saving)
    return in_session(shared, form, work)


def _plan(session: Session, changes_exit: Exit, drift_only: bool, saving: Saving | None) -> Exit:
    from reconciler.cli.drift import tell_drift
    from reconciler.cli.events import event_log
    from reconciler.operations.plan import make_plan
    from reconciler.operations.reviewed import saved_plan
    from reconciler.operations.workspace import open_workspace
    from reconciler.report.drift_text import Others
    from reconciler.report.event_log import both
    from reconciler.report.saved_text import saved_to

    sign = signer(session, saving.key) if saving is not None else None
    with event_log(session, "plan") as log:
        with (
            session.progress() as progress,
            open_workspace(session.settings, both(progress, log)) as workspace,
        ):
            if saving is not None:
                workspace.memory.prepare()  # fingerprints tell whether a secret changed since the review
            planned = make_plan(workspace)
            plan = planned.plan
            if saving is not None:
                write_plan(session, saving.path, saved_plan(workspace, planned, saving.valid_for), sign)
        log.planned(plan, {})
        if drift_only:
            code = tell_drift(session, plan, Others.LEFT_OUT, changes_exit)
        else:
            code = changes_exit if plan.effective else Exit.OK
            if plan.blockers:
                code = exit_for(plan.blockers)
            where = None
            if saving is not None and not plan.blockers:
                where = saved_to(str(saving.path), sandbox=session.shared.sandbox)
            tell_planned(session, Telling(plan, code, session.clock.now(), trail=where))
        log.finished(code, code.reason)
    return code
