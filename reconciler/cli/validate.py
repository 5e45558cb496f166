"""Define the `reconciler validate` command."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import ExitCode, get_exit_code
from reconciler.cli.help_pages import Command
from reconciler.cli.option_groups import OptionGroup, option
from reconciler.cli.options import (
    format_option,
    offline_options,
    secrets_mode_option,
    settings_option,
    strict_option,
    variables_option,
)
from reconciler.cli.output import OutputOptions
from reconciler.cli.usage import MisuseError
from reconciler.report.formats import Document, list_formats
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext
    from reconciler.operations.validate import ValidationResult


@click.command("validate", cls=Command)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@format_option(*list_formats(Document.VALIDATION))
@click.option(
    "--online",
    is_flag=True,
    help="Also check the references, and that entries, links and agents fit the account. Sends GET requests only.",
)
@option(
    OptionGroup.OUTPUT,
    "--statistics",
    "counts_codes",
    is_flag=True,
    help="Count the findings of each code, and do not show them. For `full` and `concise`.",
)
@offline_options
@variables_option
@strict_option
@secrets_mode_option
@settings_option
def command(
    *,
    settings: Settings,
    output: OutputOptions,
    form: str,
    paths: tuple[Path, ...],
    online: bool,
    counts_codes: bool,
) -> ExitCode:
    """Check the project file and every spec that it names.

    PATH (a file, or a folder with files of the project) limits the findings, not the files that are read.
    Without `--online` it needs no network, no credentials and no secrets.

    Findings go to stderr; with `--format json`, `sarif` or `junit` stdout is one document, with `github` stdout
    has annotations and the step gets a summary.
    """
    from reconciler.cli.context import run_command

    if not (online or settings.compare_secrets):
        raise MisuseError("`--secrets` is for `--online`", "leave `--secrets` out: no secret is read")
    if counts_codes and form not in _TEXTS:
        raise MisuseError(
            f"`--statistics` is no part of `--format {form}`",
            "leave one of them out: documents have every finding",
        )
    output = replace(output, counts_codes=counts_codes)
    work = partial(_validate, paths=paths, online=online)
    return run_command(settings, output, form, work, command="validate")


_TEXTS = ("full", "concise")


def _validate(context: CommandContext, paths: tuple[Path, ...], online: bool) -> ExitCode:
    from reconciler.report.renderer import ValidationReport

    validated = _validate_online(context, paths) if online else _validate_offline(context, paths)
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
        validated.ignored,
    )
    context.show(context.renderer.validation(report))
    return code


def _validate_offline(context: CommandContext, paths: tuple[Path, ...]) -> ValidationResult:
    from reconciler.operations.validate import validate

    return validate(context.settings, paths)


def _validate_online(context: CommandContext, paths: tuple[Path, ...]) -> ValidationResult:
    from reconciler.operations.doctor.online import validate_online

    with context.make_progress() as progress:
        return validate_online(context.settings, paths, progress)
