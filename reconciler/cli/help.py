"""Define the `reconciler help` command."""

from __future__ import annotations

import io
import os
import sys

import click

from reconciler.cli.commands import SUMMARIES
from reconciler.cli.completion_items import complete_from
from reconciler.cli.exit import ExitCode
from reconciler.cli.help_pages import Command
from reconciler.cli.option_groups import OptionGroup, option
from reconciler.cli.options import no_color_option
from reconciler.cli.output import choose_colour, get_terminal_columns, print_text
from reconciler.cli.pager import show_text
from reconciler.cli.usage import MisuseError
from reconciler.model.suggestions import did_you_mean
from reconciler.operations.guides import list_guide_topics, read_guide, read_guide_summaries
from reconciler.report.colour import Colour


@click.command("help", cls=Command)
@click.argument("topic", required=False, shell_complete=complete_from(list_guide_topics))
@option(
    OptionGroup.OUTPUT,
    "--no-pager",
    is_flag=True,
    help="Print the guide, also if it is longer than the screen.",
)
@no_color_option
@click.pass_context
def command(context: click.Context, topic: str | None, no_pager: bool, no_color: bool) -> ExitCode:
    """Show the guide to TOPIC. Without it all topics are listed.

    A terminal gets the guide in the pager that PAGER names, by default `less`; a pipe or a file gets it as Markdown.
    The name of a command that has no guide shows its `--help`.
    """
    if topic is None:
        return _list_topics()
    if topic in list_guide_topics():
        guide = read_guide(topic).rstrip("\n")
        text = _render(guide, no_color) if sys.stdout.isatty() else guide
    elif topic in SUMMARIES:
        text = _get_help_page(context.find_root(), topic)
    else:
        advice = (
            did_you_mean(topic, [*list_guide_topics(), *SUMMARIES]) or "`reconciler help` lists all topics"
        )
        raise MisuseError(f"there is no topic `{topic}`", advice)
    return show_text(text, may_page=not no_pager)


def _list_topics() -> ExitCode:
    from reconciler.report.guide_text import render_guide_list

    return print_text(render_guide_list(read_guide_summaries(), get_terminal_columns()))


def _render(guide: str, no_color: bool) -> str:
    """Render a guide for the terminal."""
    from reconciler.report.guide_text import print_guide
    from reconciler.report.style import make_console

    is_plain = choose_colour(os.environ, no_color=no_color) is Colour.NEVER
    page = io.StringIO()
    print_guide(make_console(page, Colour.NEVER if is_plain else Colour.ALWAYS), guide)
    return page.getvalue().rstrip("\n")


def _get_help_page(root: click.Context, name: str) -> str:
    group = root.command
    command = group.get_command(root, name) if isinstance(group, click.Group) else None
    if command is None:
        raise MisuseError(f"there is no command `{name}`")
    with command.context_class(command, parent=root, info_name=name) as context:
        return command.get_help(context)
