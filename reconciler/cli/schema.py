"""Define the `reconciler schema` command."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import ExitCode
from reconciler.cli.help_pages import Command
from reconciler.cli.options import offline_options
from reconciler.cli.output import OutputOptions
from reconciler.cli.usage import MisuseError
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext

_BESIDE_PROJECT = ""


@click.command("schema", cls=Command)
@click.argument("kind", type=click.Choice(["spec", "project"]), default="spec")
@click.option(
    "--write",
    "folder",
    is_flag=False,
    flag_value=_BESIDE_PROJECT,
    metavar="[DIR]",
    help="Write both schemas of the project into DIR, by default `.schema` beside the project file.",
)
@click.option(
    "--check",
    "checked_folder",
    is_flag=False,
    flag_value=_BESIDE_PROJECT,
    metavar="[DIR]",
    help="Write nothing; exit with 1 if `--write` would change a file.",
)
@offline_options
def command(
    settings: Settings, output: OutputOptions, kind: str, folder: str | None, checked_folder: str | None
) -> ExitCode:
    """Print the JSON Schema of a spec file, or of the project file.

    Editors use it to complete and explain services, fields and values, and to underline errors. A schema cannot
    check rules between several fields; `validate` does.

    With `--write` the schema of spec files also knows the profiles of the project, and the fields below `config` if
    the service comes from a profile, from the defaults or from an override.
    """
    from reconciler.cli.context import run_command

    if folder is not None and checked_folder is not None:
        raise MisuseError("`--check` writes nothing, so `--write` cannot stand beside it", "give one of them")
    work = partial(_print, kind=kind)
    if folder is not None:
        work = partial(_write, folder=_parse_folder(folder))
    elif checked_folder is not None:
        work = partial(_check, folder=_parse_folder(checked_folder))
    return run_command(settings, output, "text", work)


def _parse_folder(folder: str) -> Path | None:
    return None if folder == _BESIDE_PROJECT else Path(folder)


def _print(context: CommandContext, kind: str) -> ExitCode:
    from reconciler.operations.schema import build_schema
    from reconciler.report.spec_files import render_schema
    from reconciler.report.style import write_plain

    write_plain(context.out, render_schema(build_schema(kind)))
    return ExitCode.OK


def _write(context: CommandContext, folder: Path | None) -> ExitCode:
    from reconciler.operations.schema_files import write_schemas
    from reconciler.report.spec_files import render_written_files

    result = write_schemas(context.settings, folder)
    context.print_result(render_written_files(result.files, result.modelines))
    return ExitCode.OK


def _check(context: CommandContext, folder: Path | None) -> ExitCode:
    from reconciler.operations.schema_files import check_schemas

    check_schemas(context.settings, folder)
    context.err.print("The schemas are current.")
    return ExitCode.OK
