"""Which commands there are, known without importing any of them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

import click

from reconciler.model.nearest import nearest

SUMMARIES: Mapping[str, str] = MappingProxyType(
    {
        "validate": "Check the specs. Needs no network and no credentials.",
        "plan": "Show what apply would change. Only reads.",
        "apply": "Make the account what the specs say, after asking.",
        "explain": "Say what the code of an error or warning means.",
        "emulate": "Serve a Fivetran of your own on this machine.",
    }
)


class LazyGroup(click.Group):
    """A group that imports a command when it is used, so that `--help` costs next to nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order in which a newcomer needs them."""
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command. It holds it under the name `command`."""
        if cmd_name not in SUMMARIES:
            return None
        command: click.Command = import_module(f"reconciler.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant; a slip gets the nearest name."""
        if args and args[0] not in SUMMARIES and not args[0].startswith("-"):
            meant = nearest(args[0], SUMMARIES)
            hint = f"did you mean `{meant}`?" if meant else "`reconciler --help` lists all commands"
            raise click.UsageError(f"there is no command `{args[0]}`: {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from their summaries alone."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))
