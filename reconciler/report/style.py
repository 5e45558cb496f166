"""Define colours and symbols, and make consoles that fold long lines between words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import IO, TextIO, TypeAlias, cast

from rich.cells import cell_len
from rich.console import Console, ConsoleRenderable, RenderHook
from rich.style import Style
from rich.text import Text

from reconciler.model.diagnostic import Severity
from reconciler.model.outcome import Status
from reconciler.model.plan import Action
from reconciler.report.colour import Colour
from reconciler.report.stream import SafeStream

_WORD = re.compile(r"\S+")
_WORD_OR_CODE = re.compile(r"(?:[^\s`]|`[^`]*`)+(?=\s|$)|\S+")
_HANGING_INDENT = 4


def wrap_text(text: Text, width: int) -> Text:
    """Fold a text into lines of at most `width` cells, as far as its words allow.

    Lines break between words, and not inside a command in backticks that fits on a line; the following lines are
    indented a little deeper than the first.
    """
    return Text("\n", end=text.end).join(
        [part for line in text.split("\n", allow_blank=True) for part in _split_line(line, width)]
    )


def fold_lines(text: str, width: int | None) -> str:
    """Fold the lines of a plain text as `wrap_text` does, if they have a `width`."""
    return text if width is None else wrap_text(Text(text), width).plain


def fold_words(line: str, width: int) -> list[str]:
    """Fold a line into lines of at most `width` cells without an indent, as far as its words allow."""
    starts = [0, *_find_breaks(line, width, 0)]
    return [line[start:end].rstrip() for start, end in zip(starts, [*starts[1:], None], strict=True)]


def _split_line(line: Text, width: int) -> Iterator[Text]:
    if cell_len(line.plain) <= width or any(span.style == COPIED for span in line.spans):
        yield line
        return
    indent = len(line.plain) - len(line.plain.lstrip())
    hanging = indent + _HANGING_INDENT if indent + _HANGING_INDENT <= width // 2 else 0
    for number, part in enumerate(line.divide(_find_breaks(line.plain, width, hanging))):
        part.rstrip()
        yield Text(" " * hanging).append_text(part) if number else part


def _find_breaks(line: str, width: int, hanging: int) -> list[int]:
    """Find the starts of new lines: before each word that would not fit."""
    breaks: list[int] = []
    start, available = 0, width
    for word_start, word_end in _find_words(line, width - hanging):
        if cell_len(line[start:word_end]) > available and line[start:word_start].strip():
            start, available = word_start, width - hanging
            breaks.append(start)
    return breaks


def _find_words(line: str, width: int) -> Iterator[tuple[int, int]]:
    """Find start and end of each word. Code in backticks is one word, unless it is wider than `width` cells."""
    for match in _WORD_OR_CODE.finditer(line):
        if cell_len(match.group()) <= width:
            yield match.span()
        else:
            yield from (word.span() for word in _WORD.finditer(line, *match.span()))


Screen: TypeAlias = Console
"""Console of rich, made by `make_console`."""
StyledText: TypeAlias = Text
"""Text of rich with its colours."""


QUIET = "dim"
STRONG = "bold"
LINK = "bright_blue"  # readable on a dark and on a light background; plain blue is too dark on many terminals
GOOD = "green"
WARN = "yellow"
BAD = "red"
COPIED = Style(meta={"copied": True})
"""Style of a text that users copy, without a look of its own. Its line is not folded."""

SYMBOLS = {Action.CREATE: "+", Action.UPDATE: "~", Action.ADOPT: "<-", Action.VERIFY: "?", Action.NO_OP: " "}
SYMBOLS |= {
    Action.REPLACE: "-/+",
    Action.DELETE: "-",
    Action.FORGET: ".",
    Action.APPROVE: "✓",
    Action.REVOKE: "✗",
}
ACTION_STYLES = {
    Action.CREATE: GOOD,
    Action.UPDATE: WARN,
    Action.ADOPT: "cyan",
    Action.VERIFY: "cyan",
    Action.APPROVE: GOOD,
    Action.REVOKE: BAD,
    Action.REPLACE: BAD,
    Action.DELETE: BAD,
    Action.FORGET: QUIET,
    Action.NO_OP: QUIET,
}
SEVERITY_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow"}
STATUS_STYLES = {
    Status.DONE: GOOD,
    Status.FAILED: BAD,
    Status.UNKNOWN: BAD,
    Status.SKIPPED: WARN,
    Status.HELD: WARN,
    Status.CANCELLED: WARN,
    Status.AWAITING_APPROVAL: WARN,
}


class _WordWrapHook(RenderHook):
    """Render hook that breaks long lines between words."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Fold all texts that rich is about to show."""
        width = self._console.width
        return [
            wrap_text(renderable, width) if isinstance(renderable, Text) else renderable
            for renderable in renderables
        ]


def make_console(stream: TextIO, colour: Colour = Colour.AUTO, redact: Callable[[str], str] = str) -> Console:
    """Make a console on `stream` that interprets no markup and never raises.

    Lines are folded on a terminal only; `colour` decides about colours. `redact` changes every text right before it is
    written.
    """
    safe = SafeStream(stream, redact)
    terminal = safe.isatty()
    console = Console(
        file=cast("IO[str]", safe),
        force_terminal=terminal,
        color_system="standard" if colour is Colour.ALWAYS or (terminal and colour is Colour.AUTO) else None,
        no_color=colour is Colour.NEVER,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=True,
        legacy_windows=False,
    )
    if terminal:
        console.push_render_hook(_WordWrapHook(console))
    return console


def get_terminal_width(console: Console) -> int | None:
    """Return the cells of a terminal's line; None for a console without a terminal."""
    return console.width if console.is_terminal else None


def get_stream_failure(console: Console) -> OSError | None:
    """Return the error that stopped the output of a console of `make_console`; None if the output works."""
    return cast("SafeStream", console.file).failure


def write_plain(console: Console, text: str) -> None:
    """Write text for programs exactly as it is, with a line end."""
    console.file.write(f"{text}\n")
    console.file.flush()


def join_lines(parts: list[Text]) -> Text:
    """Join several lines to one text."""
    return Text("\n").join(parts)


def format_count(number: int, noun: str) -> str:
    """Format a number: `1 group`, `12 groups`, `3,000 groups`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def format_duration(duration: float) -> str:
    """Format seconds: `0.4 s`, `3.1 s`, `2 min 5 s`."""
    if duration < 60:
        return f"{duration:.1f} s"
    total = round(duration)
    return f"{total // 60} min {total % 60} s"


def format_clock(seconds: float) -> str:
    """Format whole seconds as a clock does: `0:52`, `12:05`, `1:02:03`."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
