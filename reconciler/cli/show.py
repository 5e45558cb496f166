"""`reconciler show`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import Exit
from reconciler.cli.options import Shared, format_option, offline_options
from reconciler.cli.plan_file import read_plan, signature_option, signer

if TYPE_CHECKING:
    from reconciler.cli.session import Session


@click.command("show")
@click.argument("plan", metavar="PLAN", type=click.Path(path_type=Path))
@format_option("text", "json", "markdown")
@signature_option
@offline_options
def command(*, shared: Shared, form: str, plan: Path, signature_key: str | None) -> Exit:
    """Show a plan that `plan --out` saved. Needs no network; also shows one that is not valid any more."""
    from reconciler.cli.session import in_session

    return in_session(shared, form, partial(_show, path=plan, key=signature_key))


def _show(session: Session, path: Path, key: str | None) -> Exit:
    from reconciler.report.plan_json import plan_data, saved_data
    from reconciler.report.saved_text import saved_text

    saved = read_plan(session, path, signer(session, key))
    session.tell_warnings(saved.plan.warnings)
    times = (saved.created_at, saved.expires_at, session.clock.now())
    session.tell(saved_text(*times, version=saved.tool))
    session.tell_plan(saved.plan)
    session.tell_blockers(saved.plan.blockers)
    session.tell_document(Exit.OK, {"saved": saved_data(*times, version=saved.tool), **plan_data(saved.plan)})
    return Exit.OK
