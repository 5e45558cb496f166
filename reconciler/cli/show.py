"""`reconciler show`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import Exit
from reconciler.cli.options import Shared, format_option, offline_options
from reconciler.cli.plan_file import read_plan, signature_option, signer
from reconciler.cli.planned import PLAN_FORMS, Telling, tell_planned

if TYPE_CHECKING:
    from reconciler.cli.session import Session


@click.command("show")
@click.argument("plan", metavar="PLAN", type=click.Path(path_type=Path))
@format_option(*PLAN_FORMS)
@signature_option
@offline_options
def command(*, shared: Shared, form: str, plan: Path, signature_key: str | None) -> Exit:
    """Show a plan that `plan --out` saved. Needs no network; also shows one that is not valid any more.

    In every form that `plan` has, so that one plan is made and many tools get theirs.
    """
    from reconciler.cli.session import in_session

    return in_session(shared, form, partial(_show, path=plan, key=signature_key))


def _show(session: Session, path: Path, key: str | None) -> Exit:
    from reconciler.report.plan_json import saved_data
    from reconciler.report.saved_text import saved_text

    saved = read_plan(session, path, signer(session, key))
    times = (saved.created_at, saved.expires_at, session.clock.now())
    about = saved_data(*times, version=saved.tool)
    lead = saved_text(*times, version=saved.tool)
    tell_planned(session, Telling(saved.plan, Exit.OK, saved.created_at, lead=lead, saved=about))
    return Exit.OK
