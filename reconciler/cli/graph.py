"""Define the `reconciler graph` command."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import ExitCode, get_exit_code
from reconciler.cli.help_pages import Command
from reconciler.cli.options import (
    format_option,
    scope_options,
    secrets_option,
    shared_options,
    variables_option,
)
from reconciler.cli.output import OutputOptions
from reconciler.cli.usage import MisuseError
from reconciler.model.diagnostic import Diagnostic, Severity, select_errors
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.cli.context import CommandContext
    from reconciler.model.graph import GraphNode


@click.command("graph", cls=Command)
@format_option("mermaid", "json")
@click.option("--offline", is_flag=True, help="Draw the declared entries without reading the account.")
@shared_options
@variables_option
@secrets_option
@scope_options
def command(settings: Settings, output: OutputOptions, form: str, offline: bool) -> ExitCode:
    """Draw groups and destinations with their planned changes.

    Prints a Mermaid flowchart, which GitHub and GitLab draw in a ```mermaid block. Arrows lead from an entry to
    the entries that need it. Only reads.
    """
    from reconciler.cli.context import run_command

    if offline and (settings.targets or settings.excludes or settings.changed_since):
        advice = "leave `--target`, `--exclude` and `--changed-since` out"
        raise MisuseError("`--offline` draws all declared entries", advice)
    return run_command(settings, output, form, partial(_draw, offline=offline))


def _draw(context: CommandContext, offline: bool) -> ExitCode:
    from reconciler.report.graph import fits_mermaid, render_mermaid, serialize_graph
    from reconciler.report.style import write_plain

    nodes, findings = _load_declared_graph(context) if offline else _load_planned_graph(context)
    code = get_exit_code(findings) if select_errors(findings) else ExitCode.OK
    chart = "" if context.renderer.is_document else render_mermaid(nodes)
    too_large = () if fits_mermaid(chart) else (_TOO_LARGE,)
    context.show(context.renderer.warnings((*findings, *too_large)))
    if not context.renderer.is_document:
        write_plain(context.out, chart)
    context.print_document(code, serialize_graph(nodes, findings))
    return code


_TOO_LARGE = Diagnostic(
    "graph-too-large",
    "the flowchart is larger than Mermaid draws by default",
    severity=Severity.WARNING,
    help="draw a part with `--target`, or raise `maxTextSize` and `maxEdges` of Mermaid",
)


def _load_declared_graph(context: CommandContext) -> tuple[Sequence[GraphNode], Sequence[Diagnostic]]:
    from reconciler.operations.graph import build_declared_graph
    from reconciler.workspace.specs import load_specs

    specs = load_specs(context.settings)
    return build_declared_graph(specs), specs.warnings


def _load_planned_graph(context: CommandContext) -> tuple[Sequence[GraphNode], Sequence[Diagnostic]]:
    from reconciler.operations.graph import build_planned_graph
    from reconciler.planning.pipeline import make_plan
    from reconciler.workspace.workspace import open_workspace, with_lock_renewal

    with context.make_progress() as progress, open_workspace(context.settings, progress) as workspace:
        plan = with_lock_renewal(workspace, make_plan).plan
    return build_planned_graph(workspace.specs, plan), (*plan.warnings, *plan.omissions)
