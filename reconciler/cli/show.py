"""`reconciler show`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import ExitCode
from reconciler.cli.options import Shared, format_option, offline_options
from reconciler.cli.plan_file import make_signer, read_plan, signature_option
from reconciler.cli.plan_output import PLAN_FORMATS, PlanOutput, render_plan_output

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext


@click.command("show")
@click.argument("plan", metavar="PLAN", type=click.Path(path_type=Path))
@format_option(*PLAN_FORMATS)
@signature_option
@offline_options
def command(*, shared: Shared, form: str, plan: Path, signature_key: str | None) -> ExitCode:
    """Show a plan that `plan --out` saved. Needs no network; also shows one that is not valid any more.

    In every form that `plan` has, so that one plan is made and many tools get theirs.
    """
    from reconciler.cli.context import run_command

    return run_command(shared, form, partial(_show, path=plan, key=signature_key))


def _show(context: CommandContext, path: Path, key: str | None) -> ExitCode:
    from reconciler.report.plan_json import serialize_validity
    from reconciler.report.plan_text import render_validity

    saved = read_plan(context, path, make_signer(context, key))
    times = (saved.created_at, saved.expires_at, context.clock.now())
    validity = serialize_validity(*times, version=saved.tool)
    header = render_validity(*times, version=saved.tool)
    render_plan_output(
        context, PlanOutput(saved.plan, ExitCode.OK, saved.created_at, header=header, saved=validity)
    )
    return ExitCode.OK
