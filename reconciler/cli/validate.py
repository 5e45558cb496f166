"""Define the `reconciler validate` command."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import ExitCode, get_exit_code
from reconciler.cli.options import (
    format_option,
    offline_options,
    settings_option,
    strict_option,
    variables_option,
)
from reconciler.cli.output import OutputOptions
from reconciler.report.formats import Document, list_formats
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext


@click.command("validate")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@format_option(*list_formats(Document.VALIDATION))
@offline_options
@variables_option
@strict_option
@settings_option
def command(settings: Settings, output: OutputOptions, form: str, paths: tuple[Path, ...]) -> ExitCode:
    """Check the project file and every spec that it names.

    PATH (a file, or a folder with files of the project) limits the findings, not the files that are read.
    Needs no network, no credentials and no secrets.

    Findings go to stderr; with `--format json`, `sarif` or `junit` stdout is one document, with `github` stdout
    has annotations and the step gets a summary.
    """
    from reconciler.cli.context import run_command

    return run_command(settings, output, form, partial(_validate, paths=paths), command="validate")


def _validate(context: CommandContext, paths: tuple[Path, ...]) -> ExitCode:
    from reconciler.operations.validate import validate
    from reconciler.report.renderer import ValidationReport

    validated = validate(context.settings, paths)
    code = get_exit_code(validated.refusals) if validated.refusals else ExitCode.OK
    report = ValidationReport(
        code,
        validated.groups,
        validated.destinations,
        validated.files,
        {str(address): file for address, file in validated.entries.items()},
        validated.warnings,
        validated.refusals,
        validated.judgements,
        validated.elsewhere,
    )
    context.show(context.renderer.validation(report))
    return code
