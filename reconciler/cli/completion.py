"""Define the `reconciler completion` command."""

from __future__ import annotations

import click

from reconciler.cli.completion_shells import SHELLS, VARIABLE
from reconciler.cli.exit import ExitCode
from reconciler.cli.help_pages import Command
from reconciler.cli.output import print_text

_PROGRAM = "reconciler"


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def command(context: click.Context, shell: str) -> ExitCode:
    """Print the script that makes SHELL complete commands, options, names of the project, services, codes and topics.

    \b
    bash:  eval "$(reconciler completion bash)"   in ~/.bashrc
    zsh:   eval "$(reconciler completion zsh)"    in ~/.zshrc
    fish:  reconciler completion fish | source    in ~/.config/fish/config.fish
    """
    script = SHELLS[shell](context.find_root().command, {}, _PROGRAM, VARIABLE)
    # Not `source()`, which starts the bash of this machine for its version and may print a warning.
    return print_text((script.source_template % script.source_vars()).strip())
