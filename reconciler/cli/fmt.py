"""Define the `reconciler fmt` command."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import ExitCode
from reconciler.cli.help_pages import Command
from reconciler.cli.option_groups import OptionGroup, option
from reconciler.cli.options import offline_options
from reconciler.cli.output import OutputOptions
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext


@click.command("fmt", cls=Command)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 if something would change.")
@offline_options
@option(OptionGroup.OUTPUT, "-v", "--verbose", is_flag=True, help="Show what changes, as a diff.")
def command(
    settings: Settings, output: OutputOptions, paths: tuple[Path, ...], check: bool, verbose: bool
) -> ExitCode:
    """Bring spec files into their normal form: all files of the project, or each PATH.

    Normal form: LF line ends, no blanks at line ends, no byte order mark, at most one empty line in
    a row, two spaces of indentation for each mapping, and `id`, `name`, `was`, `destination` in this
    order. Comments, quotes, anchors and flow style stay as they are, and so does the meaning.

    Lists the files that changed; with `-v` it shows how.
    """
    from reconciler.cli.context import run_command

    return run_command(settings, output, "text", partial(_format, paths=paths, check=check, verbose=verbose))


def _format(context: CommandContext, paths: tuple[Path, ...], check: bool, verbose: bool) -> ExitCode:
    from reconciler.operations.fmt import Mode, format_specs
    from reconciler.report.spec_files import render_changed_files, render_diff, render_summary

    formatted = format_specs(context.settings, paths, Mode.CHECK if check else Mode.WRITE)
    if verbose:
        for file in formatted.changed:
            context.print_result(render_diff(file.path, file.before, file.after))
    elif formatted.changed:
        context.print_result(render_changed_files(file.path for file in formatted.changed))
    context.err.print(render_summary(len(formatted.changed), formatted.files, written=not check))
    return ExitCode.FAILED if check and formatted.changed else ExitCode.OK
