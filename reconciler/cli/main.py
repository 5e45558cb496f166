"""Define the `reconciler` command, and run it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from reconciler import __version__
from reconciler.cli.commands import SUMMARIES, LazyGroup
from reconciler.cli.completion_shells import VARIABLE, register_shells
from reconciler.cli.exit import ExitCode
from reconciler.cli.interrupt import install_sigterm_handler
from reconciler.cli.output import choose_colour, print_text, replace_closed_streams, report_lost_output
from reconciler.report.colour import Colour
from reconciler.report.stream import SafeStream


@click.group(
    cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="reconciler", message="%(prog)s %(version)s")
@click.pass_context
def reconciler(context: click.Context) -> None:
    """Manage the groups and destinations of a Fivetran account by YAML files.

    Credentials come from FIVETRAN_APIKEY and FIVETRAN_APISECRET.
    """
    if context.invoked_subcommand is None:
        context.exit(print_text(context.get_help()))


_COLOUR_OF_PAGES = {Colour.AUTO: None, Colour.ALWAYS: True, Colour.NEVER: False}
"""Use of colours as click names it."""


def main() -> NoReturn:
    """Run the command line of this process."""
    replace_closed_streams()
    install_sigterm_handler()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command line. Returns its exit code. All output for the user has been printed by then."""
    if VARIABLE in os.environ:
        register_shells()
    colour = choose_colour(os.environ, no_color="--no-color" in arguments)
    try:
        outcome = reconciler.main(
            list(arguments), prog_name="reconciler", standalone_mode=False, color=_COLOUR_OF_PAGES[colour]
        )
    except click.ClickException as error:
        from reconciler.cli.usage import render_usage_error

        return render_usage_error(error, arguments, SUMMARIES)
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except OSError as error:  # click prints versions and help pages itself, and does not handle a closed pipe
        SafeStream(sys.stdout).flush()  # the interpreter would fail once more to write the rest at exit
        return report_lost_output(error)
    return outcome if isinstance(outcome, int) else ExitCode.OK
