"""The `reconciler` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import NoReturn

import click

from reconciler import __version__
from reconciler.cli.commands import LazyGroup
from reconciler.cli.exit import Exit


@click.group(
    cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="reconciler", message="%(prog)s %(version)s")
@click.pass_context
def reconciler(context: click.Context) -> None:
    """Keep the groups and destinations of a Fivetran account as YAML files say.

    Credentials come from FIVETRAN_APIKEY and FIVETRAN_APISECRET. Start without any account:

      reconciler plan --sandbox
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main() -> NoReturn:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code. Everything for the user has been printed by then."""
    try:
        outcome = reconciler.main(list(arguments), prog_name="reconciler", standalone_mode=False)
    except click.ClickException as error:
        return _wrong_usage(error, arguments)
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    return outcome if isinstance(outcome, int) else Exit.OK


def _wrong_usage(error: click.ClickException, arguments: Sequence[str]) -> int:
    """Say it like any other diagnostic; whoever asked for JSON gets a document instead."""
    from reconciler.model.diagnostic import Diagnostic
    from reconciler.report.diagnostics import short
    from reconciler.report.document import dumped, failure
    from reconciler.report.style import Colour, make_console, write_plain

    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "reconciler"
    message = error.format_message().rstrip(".")
    diagnostic = Diagnostic(
        "wrong-usage",
        message[:1].lower() + message[1:],
        help=f"`{command} --help` lists what there is",
    )
    if _asks_for_json(arguments):
        write_plain(make_console(sys.stdout), dumped(failure(Exit.USAGE, Exit.USAGE.reason, [diagnostic])))
    else:
        make_console(sys.stderr, Colour.NEVER).print(short(diagnostic))
    return Exit.USAGE


def _asks_for_json(arguments: Sequence[str]) -> bool:
    return "--format=json" in arguments or ("--format", "json") in pairwise(arguments)
