"""Define the `reconciler show` command."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import ExitCode
from reconciler.cli.help_pages import Command
from reconciler.cli.options import format_option, full_option, offline_options, verbose_option
from reconciler.cli.output import OutputOptions
from reconciler.cli.plan_file import (
    explain_other_project,
    find_plan_project,
    make_signer,
    read_plan,
    signature_option,
)
from reconciler.model.diagnostic import Severity
from reconciler.report.formats import Document, list_formats
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext


@click.command("show", cls=Command)
@click.argument("plan", metavar="PLAN", type=click.Path(path_type=Path))
@format_option(*list_formats(Document.PLAN))
@signature_option
@offline_options
@verbose_option
@full_option
def command(
    *, settings: Settings, output: OutputOptions, form: str, plan: Path, signature_key: str | None
) -> ExitCode:
    """Show a plan that `plan --out` saved, also an expired plan. Needs no network.

    Has every format of `plan`, so that many tools can read the same plan.
    """
    from reconciler.cli.context import run_command

    return run_command(settings, output, form, partial(_show, path=plan, key=signature_key))


def _show(context: CommandContext, path: Path, key: str | None) -> ExitCode:
    from reconciler.report.plan_json import serialize_validity
    from reconciler.report.plan_text import render_validity
    from reconciler.report.renderer import PlanReport

    saved = read_plan(context, path, make_signer(context, key))
    times = (saved.created_at, saved.expires_at, context.settings.clock.now())
    validity = serialize_validity(*times, saved.tool, saved.project, variables=saved.variables)
    header = render_validity(*times, saved.tool, saved.variables)
    plan, renderer = saved.plan, context.renderer
    other_project = find_plan_project(context.settings, path, saved)
    if other_project is not None:
        warning = explain_other_project(context.settings, path, other_project, Severity.WARNING)
        plan = replace(plan, warnings=(*plan.warnings, warning))
        # Formats name the project, so that a later comment can replace this comment.
        renderer = replace(renderer, run=replace(renderer.run, project_file=str(other_project)))
    report = PlanReport(plan, ExitCode.OK, saved.created_at, header=header, saved=validity)
    context.show(renderer.plan(report))
    return ExitCode.OK
