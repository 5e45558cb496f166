"""Report wrong usage of the command line like all other findings."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Sequence
from itertools import pairwise

import click

from reconciler.cli.exit import ExitCode
from reconciler.cli.pointers import OPTIONS, STATE_COMMANDS
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.suggestions import did_you_mean

_NO_COMMAND = re.compile(r"No such command '(?P<name>[^']*)'")
_EXTRA_ARGUMENTS = re.compile(r"Got unexpected extra arguments? \((?P<words>.*)\)")
_ONE_DASH = re.compile(r"-[a-z][a-z-]+")
_QUOTED = re.compile(r"'([^']*)'")


class MisuseError(click.UsageError):
    """A command line that is invalid, with one remedy."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message, click.get_current_context(silent=True))
        self.advice = advice


def render_usage_error(
    error: click.ClickException, arguments: Sequence[str], commands: Collection[str]
) -> ExitCode:
    """Report a wrong command line like any other diagnostic; with `--format json` as a document.

    `commands` are the names of all commands.
    """
    from reconciler.cli.output import choose_colour
    from reconciler.report.diagnostics import render_short
    from reconciler.report.json_document import build_failure_document, dump_document
    from reconciler.report.style import make_console, write_plain

    diagnostic = _build_diagnostic(error, arguments, commands)
    if "--format=json" in arguments or ("--format", "json") in pairwise(arguments):
        write_plain(
            make_console(sys.stdout),
            dump_document(build_failure_document(ExitCode.USAGE, ExitCode.USAGE.reason, [diagnostic])),
        )
    else:
        colour = choose_colour(os.environ, no_color="--no-color" in arguments)
        make_console(sys.stderr, colour).print(render_short(diagnostic))
    return ExitCode.USAGE


def _build_diagnostic(
    error: click.ClickException, arguments: Sequence[str], commands: Collection[str]
) -> Diagnostic:
    """Build the diagnostic of a wrong command line; the help line names a better command line, or a help page."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = next((word for word in arguments if word in commands), "")
    message, advice = _describe_error(error, command, arguments)
    path = context.command_path if context and context.parent else f"reconciler {command}".strip()
    return Diagnostic("wrong-usage", message, help=advice or f"`{path} --help` shows the usage")


def _describe_error(error: click.ClickException, command: str, arguments: Sequence[str]) -> tuple[str, str]:
    """Return message and advice. If the advice is empty, the help page is the advice."""
    match error:
        case MisuseError():
            return error.message, error.advice
        case click.NoSuchOption():
            return _describe_unknown_option(error, command, arguments)
        case click.BadOptionUsage():
            needs = "takes no value" if "does not take" in error.message else "needs a value"
            return f"`{error.option_name}` {needs}", ""
        case click.MissingParameter():
            return f"{_format_parameter(error)} is missing", _list_choices(error)
        case click.BadParameter():
            return f"{_format_parameter(error)}: {_describe_invalid_value(error)}", _suggest_choice(error)
    return _describe_other_error(error)


def _describe_other_error(error: click.ClickException) -> tuple[str, str]:
    context = error.ctx if isinstance(error, click.UsageError) else None
    if type(error).__name__ == "NoArgsIsHelpError" and context:  # click offers the name since 8.2 only
        return f"`{context.command_path}` needs a command", ""
    message = error.format_message().rstrip(".")
    if found := _NO_COMMAND.search(message):
        group = context.command if context else None
        known = group.list_commands(context) if context and isinstance(group, click.Group) else ()
        pointers = STATE_COMMANDS if group and group.name == "state" else {}
        advice = pointers.get(found["name"]) or did_you_mean(found["name"], known)
        return f"there is no command `{found['name']}`", advice
    if found := _EXTRA_ARGUMENTS.search(message):
        return f"`{found['words']}` is an unexpected argument", ""
    return _lowercase_first(message), ""


def _describe_unknown_option(
    error: click.NoSuchOption, command: str, arguments: Sequence[str]
) -> tuple[str, str]:
    """Describe an unknown option. A word such as `-target` stands for itself, not for the letters that click reads."""
    for word in (*_list_words_with_one_dash(error, arguments), error.option_name):
        name = word.lstrip("-")
        if word != f"--{name}" and f"--{name}" in _list_options(error):
            return f"there is no option `{word}`", f"options have two dashes: `--{name}`"
        if name in OPTIONS:
            return f"there is no option `{word}`", OPTIONS[name]
    return f"there is no option `{error.option_name}`", _suggest_option(error, command, arguments)


def _list_words_with_one_dash(error: click.NoSuchOption, arguments: Sequence[str]) -> list[str]:
    """List the words that a letter which click does not know may be part of."""
    words = [word.partition("=")[0] for word in arguments if _ONE_DASH.match(word)]
    is_letter = not error.option_name.startswith("--")
    return [word for word in words if is_letter and error.option_name[1:] in word]


def _list_options(error: click.NoSuchOption) -> list[str]:
    return [name for option in (error.ctx.command.params if error.ctx else []) for name in option.opts]


def _suggest_option(error: click.NoSuchOption, command: str, arguments: Sequence[str]) -> str:
    """Suggest the nearest option, or the right place of the option."""
    if command and arguments.index(command) > 0 and error.ctx and error.ctx.parent is None:
        return f"options stand after the command: `reconciler {command} {error.option_name}`"
    return did_you_mean(error.option_name, _list_options(error))


def _format_parameter(error: click.BadParameter) -> str:
    if error.param is None:
        return "a value"
    if isinstance(error.param, click.Option):
        return f"`{max(error.param.opts, key=len)}`"
    name = error.param.metavar or error.param.name or ""
    return f"`{name.removesuffix('...').strip('[]').upper()}`"


def _describe_invalid_value(error: click.BadParameter) -> str:
    kind = error.param.type if error.param else None
    message = _QUOTED.sub(r"`\1`", error.message.rstrip("."))
    if isinstance(kind, click.IntRange) and " is not in the range " in message:
        return f"{message.split()[0]} is not between {kind.min} and {kind.max}"
    return _lowercase_first(message)


def _list_choices(error: click.BadParameter) -> str:
    kind = error.param.type if error.param else None
    return (
        f"one of {', '.join(f'`{choice}`' for choice in kind.choices)}"
        if isinstance(kind, click.Choice)
        else ""
    )


def _suggest_choice(error: click.BadParameter) -> str:
    kind = error.param.type if error.param else None
    given = _QUOTED.match(error.message)
    return did_you_mean(given[1], map(str, kind.choices)) if given and isinstance(kind, click.Choice) else ""


def _lowercase_first(message: str) -> str:
    return message[:1].lower() + message[1:]
