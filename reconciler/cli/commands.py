"""List all commands without importing their modules."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

import click
from click.shell_completion import CompletionItem

from reconciler.cli.help_pages import CommandGroup

SUMMARIES: Mapping[str, str] = MappingProxyType(
    {
        "init": "Begin a project: check the credentials, write a project file.",
        "import": "Write specs for existing groups. Only reads the account.",
        "validate": "Check the specs. Needs no network and no credentials.",
        "doctor": "Check the whole set-up, and say what to do. Only reads.",
        "plan": "Show what apply would change. Only reads.",
        "apply": "Change the account to match the specs, after asking.",
        "show": "Show a saved plan.",
        "test": "Run the setup tests of destinations. Changes nothing else.",
        "trust": "List and pin certificates and SSH host keys.",
        "drift": "Show changes made outside the specs. Only reads.",
        "snapshot": "Write the account to a file, for plans without it.",
        "graph": "Draw groups and destinations with their planned changes.",
        "state": "Show and correct the recorded state.",
        "catalogue": "List known services with all their fields.",
        "schema": "Write JSON Schemas, so that editors complete and check specs.",
        "fmt": "Bring spec files into their normal form.",
        "explain": "Explain the code of an error or warning.",
        "emulate": "Serve an emulated Fivetran on this machine.",
        "completion": "Print a completion script for a shell.",
        "help": "Show the guide to a topic, or list all topics.",
    }
)


_MODULES: Mapping[str, str] = MappingProxyType({"import": "import_command"})
"""Modules of commands whose names are keywords of Python."""


class LazyGroup(CommandGroup):
    """A group that imports a command on its first use, so that `--help` stays instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List all names in the order in which a new user needs them."""
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command, which defines it as `command`."""
        if cmd_name not in SUMMARIES:
            return None
        module = _MODULES.get(cmd_name, cmd_name)
        command: click.Command = import_module(f"reconciler.cli.{module}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names from the table alone. Options begin with a dash."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=summary)
            for name, summary in SUMMARIES.items()
            if name.startswith(incomplete)
        ]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a command. Raises MisuseError with a pointer for a word of another tool, else the nearest name."""
        is_known = not args or args[0] in SUMMARIES or args[0].startswith("-")
        if not (is_known or ctx.resilient_parsing):  # a shell that asks for completions wants no error
            from reconciler.cli.pointers import COMMANDS
            from reconciler.cli.usage import MisuseError
            from reconciler.model.suggestions import did_you_mean

            advice = COMMANDS.get(args[0]) or did_you_mean(args[0], SUMMARIES)
            raise MisuseError(f"there is no command `{args[0]}`", advice)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from their summaries alone."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))
