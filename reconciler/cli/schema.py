"""Define the `reconciler schema` command."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import ExitCode
from reconciler.cli.options import offline_options
from reconciler.cli.output import OutputOptions
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext

_BESIDE_PROJECT = ""


@click.command("schema")
@click.argument("kind", type=click.Choice(["spec", "project"]), default="spec")
@click.option(
    "--write",
    "folder",
    is_flag=False,
    flag_value=_BESIDE_PROJECT,
    metavar="[DIR]",
    help="Write both schemas into DIR, by default `.reconciler/schema` beside the project file.",
)
@offline_options
def command(settings: Settings, output: OutputOptions, kind: str, folder: str | None) -> ExitCode:
    """Print the JSON Schema of a spec file, or of the project file.

    Editors use it to complete and explain services, fields and values, and to underline errors. A schema cannot
    check rules between several fields; `validate` does.
    """
    from reconciler.cli.context import run_command

    return run_command(
        settings,
        output,
        "text",
        partial(_print, kind=kind) if folder is None else partial(_write, folder=folder),
    )


def _print(context: CommandContext, kind: str) -> ExitCode:
    from reconciler.operations.schema import build_schema
    from reconciler.report.spec_files import render_schema
    from reconciler.report.style import write_plain

    write_plain(context.out, render_schema(build_schema(kind)))
    return ExitCode.OK


def _write(context: CommandContext, folder: str) -> ExitCode:
    from reconciler.operations.schema import write_schemas
    from reconciler.report.spec_files import render_written_files

    result = write_schemas(context.settings, Path(folder) if folder != _BESIDE_PROJECT else None)
    context.print_result(render_written_files(result.files.values(), result.modelines))
    return ExitCode.OK
