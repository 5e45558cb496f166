"""YAML syntax errors, in words that say what to change.

The parser speaks of tokens and indicators. Here its finding is looked at again together with the
text, because what a person has to repair is usually visible there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.source import Span

Place: TypeAlias = tuple[int, int]
"""Line and column, both from 0, as the parser counts them."""

# From the first such word on, a line of a broken file may be part of a destination.
SECRET_WORDS = "passw|passphrase|secret|key|token|credential"  # noqa: S105 - words, not one of them a password
_SETTINGS = re.compile(f"config|destination|profiles|defaults|{SECRET_WORDS}")
_SECRET_KEY = re.compile(rf"\s*(?:-\s+)?[\"']?\w*(?:{SECRET_WORDS})\w*[\"']?\s*:", re.IGNORECASE)
_HARMLESS = re.compile(
    r"""\s*(?:-\s*)?(?:#.*|---|
    (?:version|specs|overrides|account_id|groups|profiles|destination|config|extra_config):\s*(?:\#.*)?|
    (?:version|id|name|profile|service|region|time_zone_offset):\s+[^\s{}\[\]:]?[\w\s@`"'+*&!%.-]*)?\r?""",
    re.VERBOSE,
)
_BARE_REFERENCE = re.compile(r"\{\s*(?P<key>secret|value)\s*:\s+(?P<text>\w+:[^\s{},\[\]\"']*)")
_VARIABLE = re.compile(r"env:[A-Z_][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class _Finding:
    """What the parser said, with the text it was said about."""

    lines: list[str]
    context: str
    problem: str
    at: Place
    since: Place
    opened: Place | None

    @property
    def line(self) -> str:
        return self.lines[self.at[0]] if self.at[0] < len(self.lines) else ""

    @property
    def character(self) -> str:
        return self.line[self.at[1] : self.at[1] + 1]

    @property
    def at_end(self) -> bool:
        following = [self.line[self.at[1] :], *self.lines[self.at[0] + 1 :]]
        return not any(line.strip() for line in following)


@dataclass(frozen=True, slots=True)
class _Meaning:
    """The same in human words, with the place that should be looked at."""

    message: str
    help: str
    at: Place


def syntax_error(error: Any, text: str, path: str, opened: Place | None) -> Diagnostic:
    """A diagnostic for an error of the YAML parser.

    `opened` is the place of the innermost bracket that was still open. The excerpt is withheld
    where the line may show a value of a `config`.
    """
    lines = text.split("\n")
    finding = _Finding(
        lines,
        str(getattr(error, "context", None) or ""),
        str(getattr(error, "problem", None) or ""),
        _place(getattr(error, "problem_mark", None)) or (0, 0),
        _place(getattr(error, "context_mark", None)) or (0, 0),
        opened,
    )
    meaning = next(
        (meaning for explain in _EXPLAINERS if (meaning := explain(finding)) is not None),
        _Meaning(
            "this is not valid YAML",
            "compare the indentation, quotes and brackets here with the lines above",
            finding.at,
        ),
    )
    return Diagnostic(
        "yaml-syntax",
        meaning.message,
        span_of(meaning.at, lines, path),
        help=meaning.help,
        secret=may_hold_secret(lines, meaning.at[0]),
        secret_line=is_below_secret(lines, meaning.at[0]),
    )


def may_hold_secret(lines: list[str], number: int) -> bool:
    """Whether a line (from 0) may show a value of a `config`, judged by the text alone.

    In a file that no parser understands neither indentation nor brackets say where a `config` ends: a
    line can be shown where it stands before every destination, or has a key that is known to be harmless.
    """
    number = min(number, len(lines) - 1)
    if _HARMLESS.fullmatch(lines[number]):
        return False
    return any(_SETTINGS.search(line) for line in lines[: number + 1])


def is_below_secret(lines: list[str], number: int) -> bool:
    """Whether a line (from 0) belongs to a key that sounds secret, so that its own key is none: what stands
    there may be a password with a colon in it."""
    number = min(number, len(lines) - 1)
    depth = _indent(lines[number])
    for line in reversed(lines[:number]):
        if line.strip() and _indent(line) < depth:
            depth = _indent(line)
            if _SECRET_KEY.match(line):
                return True
    return False


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def span_of(place: Place, lines: list[str], path: str) -> Span:
    """One character at a place, moved to the end of the text where it lies behind it."""
    line, column = place
    last = max(len(lines) - (2 if len(lines) > 1 and not lines[-1] else 1), 0)
    if line > last:
        line, column = last, len(lines[last])
    return Span(path, line + 1, column + 1, line + 1, column + 2)


def _place(mark: Any) -> Place | None:
    return None if mark is None else (mark.line, mark.column)


def _tab(finding: _Finding) -> _Meaning | None:
    before = finding.line[: finding.at[1]]
    if (
        finding.character == "\t"
        or (not before.strip() and "\t" in before)
        or "tab character" in finding.problem
    ):
        return _Meaning("a tab stands where YAML wants spaces", "indent with spaces only", finding.at)
    return None


def _bare_reference(finding: _Finding) -> _Meaning | None:
    """`{secret: env:FOO}`, which YAML allows and the parser does not."""
    found = next(
        (
            each
            for each in _BARE_REFERENCE.finditer(finding.line)
            if each.start() < finding.at[1] <= each.end()
        ),
        None,
    )
    if found is None:
        return None
    text = found["text"] if _VARIABLE.fullmatch(found["text"]) else "scheme:locator"
    return _Meaning(
        "a reference between braces must stand in quotes",
        f'put the reference in quotes: `{{{found["key"]}: "{text}"}}`',
        (finding.at[0], found.start("text")),
    )


def _unclosed_quote(finding: _Finding) -> _Meaning | None:
    if "quoted scalar" in finding.context and "end of stream" in finding.problem:
        return _Meaning("this quoted text is never closed", "add the closing quote", finding.since)
    return None


def _bad_escape(finding: _Finding) -> _Meaning | None:
    if "quoted scalar" in finding.context and (
        "escape" in finding.problem or "hexdecimal" in finding.problem
    ):
        return _Meaning(
            "a backslash in double quotes starts an escape that YAML does not know",
            "use single quotes, in which a backslash is only a backslash, or write it twice",
            finding.at,
        )
    return None


def _unclosed_bracket(finding: _Finding) -> _Meaning | None:
    if "flow" in finding.context and finding.at_end and finding.opened:
        line, column = finding.opened
        bracket = finding.lines[line][column : column + 1]
        closing = {"[": "]", "{": "}"}.get(bracket, "")
        return _Meaning(f"this `{bracket}` is never closed", f"add the closing `{closing}`", finding.opened)
    return None


def _inside_brackets(finding: _Finding) -> _Meaning | None:
    if "flow mapping" in finding.context or "flow sequence" in finding.context:
        wanted = "`}`" if "mapping" in finding.context else "`]`"
        return _Meaning(
            f"a comma or {wanted} is missing before this",
            f"the bracket opens at line {finding.since[0] + 1}: separate its entries by commas and close it",
            finding.at,
        )
    if "flow" in finding.context:
        return _Meaning("a value is missing before this", "remove the extra comma or bracket", finding.at)
    return None


def _reserved_character(finding: _Finding) -> _Meaning | None:
    if "cannot start any token" in finding.problem:
        return _Meaning(
            "a value cannot start with this character unless it is quoted",
            "put the whole value in quotes",
            finding.at,
        )
    return None


def _anchor(finding: _Finding) -> _Meaning | None:
    kind = {"while scanning an anchor": "&", "while scanning an alias": "*"}.get(finding.context)
    if kind:
        return _Meaning(
            f"`{kind}` starts an anchor name here, but no name follows",
            "put the value in quotes if the character belongs to it",
            finding.since,
        )
    return None


def _colon(finding: _Finding) -> _Meaning | None:
    if "mapping values are not allowed" not in finding.problem:
        return None
    if re.search(r":\s", finding.line[: finding.at[1]]):
        return _Meaning(
            "a second `:` on one line makes YAML expect another mapping",
            "put the value in quotes if the colon belongs to it",
            finding.at,
        )
    return _Meaning(
        "no key can stand here: the line before is not finished, or this one is indented too far",
        "write `key: value` with a space after the colon, and start the keys of one mapping in one column",
        finding.at,
    )


def _missing_colon(finding: _Finding) -> _Meaning | None:
    if "could not find expected ':'" in finding.problem:
        return _Meaning(
            "this line has a key without a `:`",
            "write `key: value`; text of several lines needs `|` and indentation",
            finding.since,
        )
    return None


def _misplaced_item(finding: _Finding) -> _Meaning | None:
    if "block sequence entries are not allowed" in finding.problem:
        return _Meaning(
            "a list cannot start here",
            "put `- ` at the start of its own line, or quote the value if the dash belongs to it",
            finding.at,
        )
    return None


def _indentation(finding: _Finding) -> _Meaning | None:
    if "block mapping" not in finding.context and "block collection" not in finding.context:
        return None
    if finding.line[: finding.at[1]].strip():
        return _Meaning(
            "something follows a value that is complete already",
            "put the whole value in quotes, or start a new line",
            finding.at,
        )
    return _Meaning(
        "this line fits no block above it",
        "indent it like its siblings: keys of one mapping, or dashes of one list, start in the same column",
        finding.at,
    )


def _trailing(finding: _Finding) -> _Meaning | None:
    if "document start" in finding.problem:
        return _Meaning(
            "the document ends before this",
            "remove what is too much, or indent it below the key that it belongs to",
            finding.at,
        )
    return None


def _directive(finding: _Finding) -> _Meaning | None:
    if "directive" in finding.context or "directive" in finding.problem or "incompatible" in finding.problem:
        return _Meaning("a line that starts with `%` is a YAML directive", "remove the line", finding.at)
    return None


def _tag(finding: _Finding) -> _Meaning | None:
    if "tag" in finding.problem or "tag" in finding.context:
        return _Meaning(
            "`!` starts a YAML tag, and specs have none", "put the value in quotes", finding.since
        )
    return None


def _block_text(finding: _Finding) -> _Meaning | None:
    if "block scalar" in finding.context:
        return _Meaning(
            "`|` or `>` starts text on the next lines, and nothing else can follow it here",
            "start the text on the next line, indented by spaces, or quote the value",
            finding.at,
        )
    return None


_EXPLAINERS: tuple[Callable[[_Finding], _Meaning | None], ...] = (
    _tab,
    _bare_reference,
    _unclosed_quote,
    _bad_escape,
    _unclosed_bracket,
    _inside_brackets,
    _directive,
    _reserved_character,
    _anchor,
    _colon,
    _missing_colon,
    _misplaced_item,
    _block_text,
    _tag,
    _indentation,
    _trailing,
)
