"""Lay out the help pages of commands: examples first, options in groups, exit codes at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import click

from reconciler.cli.option_groups import OptionGroup, get_group

_HYPHEN = "\N{NON-BREAKING HYPHEN}"
_LONGEST_SENTENCE = 200
_WIDEST_TERM = 26  # cells of an option; a longer one gets a line of its own


class _StyledFormatter(click.HelpFormatter):
    """Formatter with bold headings, if `is_styled`. It never breaks the name of an option at its hyphens."""

    is_styled = False

    def write_heading(self, heading: str) -> None:
        """Write a heading."""
        super().write_heading(self.style(heading, bold=True))

    def write_text(self, text: str) -> None:
        """Write folded paragraphs."""
        super().write_text(text.replace("-", _HYPHEN))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = _WIDEST_TERM, col_spacing: int = 2
    ) -> None:
        """Write terms beside their folded meanings."""
        super().write_dl([(term, text.replace("-", _HYPHEN)) for term, text in rows], col_max, col_spacing)

    def getvalue(self) -> str:
        """Return the text of the page."""
        return super().getvalue().replace(_HYPHEN, "-")

    def style(self, text: str, **looks: bool) -> str:
        """Style a text if the page has styles."""
        return click.style(text, **looks) if self.is_styled else text


class _HelpContext(click.Context):
    """Context whose help pages have styles if the output has colours: `color` decides, else the terminal."""

    def make_formatter(self) -> click.HelpFormatter:
        """Make the formatter of a help page."""
        formatter = _StyledFormatter(width=self.terminal_width, max_width=self.max_content_width)
        formatter.is_styled = sys.stdout.isatty() if self.color is None else self.color
        return formatter


class Command(click.Command):
    """Command whose help page has examples, groups of options and exit codes."""

    context_class = _HelpContext

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse arguments. The errors of click's parser do not name the command, whose page they should point to."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the whole page."""
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        _write_examples(ctx, formatter)
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)
        _write_options(ctx, formatter)
        _write_exit_codes(ctx, formatter)


class CommandGroup(Command, click.Group):
    """Group of commands with such help pages. Commands that it defines are of this kind too."""

    command_class = Command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, each with the whole first sentence of its help."""
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, each.get_short_help_str(_LONGEST_SENTENCE))
                    for name, each in commands.items()
                    if each
                ]
            )


def _write_examples(context: click.Context, formatter: click.HelpFormatter) -> None:
    from reconciler.cli.help_content import list_examples  # only for help pages

    style: Any = getattr(formatter, "style", lambda text, **_: text)
    with formatter.section("Examples"):
        indent = " " * formatter.current_indent
        for command, purpose in list_examples(_get_name(context)):
            formatter.write(f"{indent}{style(f'# {purpose}', dim=True)}\n{indent}{command}\n")


def _write_options(context: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the options below the headings of their groups, with their meanings in one column."""
    options = [each for each in context.command.get_params(context) if isinstance(each, click.Option)]
    records = {group: _list_records(context, options, group) for group in OptionGroup}
    terms = (len(term) for rows in records.values() for term, _ in rows)
    width = max((each for each in terms if each <= _WIDEST_TERM), default=0)
    for group, rows in records.items():
        if rows:
            with formatter.section(group):
                formatter.write_dl([(term.ljust(width), meaning) for term, meaning in rows])


def _list_records(
    context: click.Context, options: Iterable[click.Option], group: OptionGroup
) -> list[tuple[str, str]]:
    records = (each.get_help_record(context) for each in options if get_group(each) is group)
    return [record for record in records if record is not None]


def _write_exit_codes(context: click.Context, formatter: click.HelpFormatter) -> None:
    from reconciler.cli.help_content import list_exit_codes  # only for help pages

    with formatter.section("Exit codes"):
        formatter.write_dl([(str(int(code)), code.meaning) for code in list_exit_codes(_get_name(context))])


def _get_name(context: click.Context) -> str:
    """Return the name of a command below the program, such as `state move`; empty for the program itself."""
    names = []
    while context.parent is not None:
        names.append(context.info_name or "")
        context = context.parent
    return " ".join(reversed(names))
