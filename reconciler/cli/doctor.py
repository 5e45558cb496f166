"""Define the `reconciler doctor` command."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import ExitCode
from reconciler.cli.help_pages import Command
from reconciler.cli.option_groups import OptionGroup, option
from reconciler.cli.options import format_option, secrets_mode_option, shared_options, variables_option
from reconciler.cli.output import OutputOptions
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext


@click.command("doctor", cls=Command)
@format_option("text", "json")
@option(
    OptionGroup.STATE,
    "--write-check",
    is_flag=True,
    help="Also check the writes of a state in git or in a bucket, with an object of its own that is deleted again.",
)
@shared_options
@variables_option
@secrets_mode_option
def command(settings: Settings, output: OutputOptions, form: str, write_check: bool) -> ExitCode:
    """Check the whole set-up: key, account, network, project, state, secrets. Only reads.

    Shows a line for each check, and the next step for each finding. Exits with 1 if there is an error;
    warnings alone exit with 0. Without a project file it checks the account, without credentials the rest.
    """
    from reconciler.cli.context import run_command

    return run_command(settings, output, form, partial(_examine, write_check=write_check))


def _examine(context: CommandContext, write_check: bool) -> ExitCode:
    from reconciler.operations.doctor.checkup import run_checkup
    from reconciler.report.doctor import render_checkup, serialize_checkup

    with context.make_progress() as progress:
        checkup = run_checkup(context.settings, progress, write_check=write_check)
    code = ExitCode.FAILED if checkup.has_errors else ExitCode.OK
    run = context.renderer.run
    context.print_result(render_checkup(checkup, run.get_out_width(), shows_all=run.is_verbose))
    context.print_document(code, serialize_checkup(checkup))
    return code
