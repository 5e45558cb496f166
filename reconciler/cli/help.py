"""Define the `reconciler help` command."""

from __future__ import annotations

import os
import shutil
import sys

import click

from reconciler.cli.commands import SUMMARIES
from reconciler.cli.completion_items import complete_from
from reconciler.cli.exit import ExitCode
from reconciler.cli.options import no_color_option
from reconciler.cli.output import choose_colour, print_text, report_lost_output
from reconciler.cli.usage import MisuseError
from reconciler.model.suggestions import did_you_mean
from reconciler.operations.guides import list_guide_topics, read_guide, read_guide_summaries


@click.command("help")
@click.argument("topic", required=False, shell_complete=complete_from(list_guide_topics))
@no_color_option
@click.pass_context
def command(context: click.Context, topic: str | None, no_color: bool) -> ExitCode:
    """Show the guide to TOPIC. Without it all topics are listed.

    A pipe or a file gets the guide as Markdown. The name of a command that has no guide shows its `--help`.
    """
    if topic is None:
        return _list_topics()
    if topic in list_guide_topics():
        return _show(read_guide(topic), no_color)
    if topic in SUMMARIES:
        return _show_options(context.find_root(), topic)
    advice = did_you_mean(topic, [*list_guide_topics(), *SUMMARIES]) or "`reconciler help` lists all topics"
    raise MisuseError(f"there is no topic `{topic}`", advice)


def _list_topics() -> ExitCode:
    from reconciler.report.guide_text import render_guide_list

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return print_text(render_guide_list(read_guide_summaries(), width))


def _show(text: str, no_color: bool) -> ExitCode:
    if not sys.stdout.isatty():
        return print_text(text.rstrip("\n"))
    from reconciler.report.guide_text import print_guide
    from reconciler.report.style import get_stream_failure, make_console

    console = make_console(sys.stdout, choose_colour(os.environ, no_color=no_color))
    print_guide(console, text)
    return report_lost_output(get_stream_failure(console))


def _show_options(root: click.Context, name: str) -> ExitCode:
    group = root.command
    command = group.get_command(root, name) if isinstance(group, click.Group) else None
    if command is None:
        raise MisuseError(f"there is no command `{name}`")
    with click.Context(command, parent=root, info_name=name) as context:
        return print_text(command.get_help(context))
