"""Explain YAML syntax errors with advice.

Messages of the parser name tokens and indicators. The table at the end maps its finding, together with the text of the
line, to the probable mistake of the user.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.source import Span
from reconciler.spec.excerpt_masking import is_below_secret, may_hold_secret

Position: TypeAlias = tuple[int, int]
"""Line and column, both from 0, as in the parser."""

_MAX_KEY_LENGTH = 1024  # characters that the parser looks ahead for the colon of a key


@dataclass(frozen=True, slots=True)
class _ParserFinding:
    """Finding of the parser, with the lines of the file."""

    lines: list[str]
    context: str
    problem: str
    position: Position
    start: Position
    open_bracket: Position | None

    @property
    def line(self) -> str:
        return self.lines[self.position[0]] if self.position[0] < len(self.lines) else ""

    @property
    def character(self) -> str:
        return self.line[self.position[1] : self.position[1] + 1]

    @property
    def before(self) -> str:
        """Return the text of the line before the position."""
        return self.line[: self.position[1]]

    @property
    def has_tab(self) -> bool:
        """Return whether a tab indents the line, or stands at the position."""
        is_in_indentation = not self.before.strip() and "\t" in self.before
        return self.character == "\t" or is_in_indentation or "tab character" in self.problem

    @property
    def bracket(self) -> str:
        """Return the innermost bracket that is still open."""
        line, column = self.open_bracket or (0, 0)
        return self.lines[line][column : column + 1]

    @property
    def closing_bracket(self) -> str:
        return {"[": "]", "{": "}"}.get(self.bracket, "")

    @property
    def start_line(self) -> int:
        """Return the line, from 1, at which the context of the parser starts."""
        return self.start[0] + 1

    @property
    def mark(self) -> str:
        """Return the `&` or `*` of an anchor or alias that the parser was reading; empty for any other finding."""
        return {"while scanning an anchor": "&", "while scanning an alias": "*"}.get(self.context, "")

    @property
    def has_long_key(self) -> bool:
        """Whether the parser gave up a key for its length."""
        return self.character == ":" and self.position[1] > _MAX_KEY_LENGTH

    @property
    def has_unsupported_anchor(self) -> bool:
        """Whether the name of an anchor goes on with a character that YAML 1.2 allows and the parser does not."""
        line, column = self.start
        return bool(self.mark) and re.match(r"[&*][\w-]", self.lines[line][column:]) is not None

    @property
    def is_in_flow_entry(self) -> bool:
        """Whether the parser expects the end of an entry between brackets."""
        return "flow" in self.context and "expected ','" in self.problem

    @property
    def has_multiline_key(self) -> bool:
        """Whether the entry between brackets has several lines so far, and no `:` before the position."""
        preceding = "\n".join([*self.lines[self.start[0] : self.position[0]], self.before])
        entry = re.split(r"[{\[,]", preceding)[-1]
        return "\n" in entry and ": " not in entry

    @property
    def is_at_end(self) -> bool:
        remaining_lines = [self.line[self.position[1] :], *self.lines[self.position[0] + 1 :]]
        return not any(line.strip() for line in remaining_lines)


@dataclass(frozen=True, slots=True)
class _Explanation:
    """Row of the table: the condition of an explanation, its texts, and its place.

    `applies` decides about a finding. `message` and `help` are formats with the finding as `it`. `position` names the
    attribute of the finding with the place to show.
    """

    applies: Callable[[_ParserFinding], object]
    message: str
    help: str
    position: str = "position"


def explain_syntax_error(error: Any, text: str, path: str, open_bracket: Position | None) -> Diagnostic:
    """Build the diagnostic for an error of the YAML parser.

    `open_bracket` is the place of the innermost bracket that is still open. The excerpt is withheld if the line may
    show a value of a `config`.
    """
    lines = text.split("\n")
    finding = _ParserFinding(
        lines,
        str(getattr(error, "context", None) or ""),
        str(getattr(error, "problem", None) or ""),
        _to_position(getattr(error, "problem_mark", None)) or (0, 0),
        _to_position(getattr(error, "context_mark", None)) or (0, 0),
        open_bracket,
    )
    explanation = next(row for row in _EXPLANATIONS if row.applies(finding))
    position: Position = getattr(finding, explanation.position)
    return Diagnostic(
        "yaml-syntax",
        explanation.message.format(it=finding),
        to_span(position, lines, path),
        help=explanation.help.format(it=finding),
        secret=may_hold_secret(lines, position[0]),
        secret_line=is_below_secret(lines, position[0]),
    )


def to_span(position: Position, lines: list[str], path: str) -> Span:
    """Build the span of one character. A position behind the text is moved to its end."""
    line, column = position
    last = max(len(lines) - (2 if len(lines) > 1 and not lines[-1] else 1), 0)
    if line > last:
        line, column = last, len(lines[last])
    return Span(path, line + 1, column + 1, line + 1, column + 2)


def _to_position(mark: Any) -> Position | None:
    return None if mark is None else (mark.line, mark.column)


def _match_words(context: str = "", problem: str = "") -> Callable[[_ParserFinding], bool]:
    """Build a condition: the finding of the parser contains these words."""
    return lambda it: context in it.context and problem in it.problem


def _is_in_block(it: _ParserFinding) -> bool:
    return "block mapping" in it.context or "block collection" in it.context


_EXPLANATIONS = (
    _Explanation(
        lambda it: it.has_tab and re.match(r"\s*(#|$)", it.line),
        "a tab on an empty line, or before a comment, is not supported",
        "remove the tab, or put spaces in its place",
    ),
    _Explanation(lambda it: it.has_tab, "a tab stands where YAML wants spaces", "indent with spaces only"),
    _Explanation(
        lambda it: it.has_long_key,
        f"a key of more than {_MAX_KEY_LENGTH:,} characters is not supported",
        "shorten the key; if this is no key, put the text in quotes",
    ),
    _Explanation(
        _match_words(problem="found unexpected ':'"),
        "a colon at the end of a text between brackets is not supported",
        "write the value behind it, or `null`; if the colon belongs to the text, put the text in quotes",
    ),
    _Explanation(
        lambda it: it.character == ":" and it.before.strip() in {"", "{", "["} and not it.is_in_flow_entry,
        "a key is missing before this `:`",
        "write the key; if the colon belongs to a text, put the text in quotes",
    ),
    _Explanation(
        lambda it: it.character == ":" and it.is_in_flow_entry and it.has_multiline_key,
        "a key between brackets that starts on an earlier line than its `:` is not supported",
        "write the key and its `:` on one line",
    ),
    _Explanation(
        _match_words("quoted scalar", "end of stream"),
        "this quoted text is never closed",
        "add the closing quote",
        "start",
    ),
    _Explanation(
        lambda it: "quoted scalar" in it.context and ("escape" in it.problem or "hexdecimal" in it.problem),
        "a backslash in double quotes starts an escape that YAML does not know",
        "use single quotes, in which a backslash is only a backslash, or write it twice",
    ),
    _Explanation(
        lambda it: "flow" in it.context and it.character == "{" and it.before.endswith("$"),
        "a variable between brackets needs quotes",
        'put the whole text in quotes: `"${{NAME}}"`',
    ),
    _Explanation(
        lambda it: "flow" in it.context and it.is_at_end and it.open_bracket,
        "this `{it.bracket}` is never closed",
        "add the closing `{it.closing_bracket}`",
        "open_bracket",
    ),
    _Explanation(
        _match_words("flow mapping"),
        "a comma or `}}` is missing before this",
        "the bracket opens at line {it.start_line}: separate its entries by commas and close it",
    ),
    _Explanation(
        _match_words("flow sequence"),
        "a comma or `]` is missing before this",
        "the bracket opens at line {it.start_line}: separate its entries by commas and close it",
    ),
    _Explanation(_match_words("flow"), "a value is missing before this", "remove the extra comma or bracket"),
    _Explanation(
        lambda it: "directive" in it.context or "directive" in it.problem or "incompatible" in it.problem,
        "a line that starts with `%` is a YAML directive",
        "remove the line",
    ),
    _Explanation(
        _match_words(problem="cannot start any token"),
        "a value cannot start with this character unless it is quoted",
        "put the whole value in quotes",
    ),
    _Explanation(
        lambda it: it.has_unsupported_anchor,
        "an anchor name with other characters than letters, digits, `_` and `-` is not supported",
        "rename the anchor, or put the value in quotes if the `{it.mark}` belongs to it",
        "start",
    ),
    _Explanation(
        lambda it: it.mark,
        "`{it.mark}` starts an anchor name here, but no name follows",
        "put the value in quotes if the character belongs to it",
        "start",
    ),
    _Explanation(
        lambda it: "mapping values are not allowed" in it.problem and re.search(r":\s", it.before),
        "a second `:` on one line makes YAML expect another mapping",
        "put the value in quotes if the colon belongs to it",
    ),
    _Explanation(
        _match_words(problem="mapping values are not allowed"),
        "no key can stand here: the line before is not finished, or this one is indented too far",
        "write `key: value` with a space after the colon, and start the keys of one mapping in one column",
    ),
    _Explanation(
        _match_words(problem="could not find expected ':'"),
        "this line has a key without a `:`",
        "write `key: value`; text of several lines needs `|` and indentation",
        "start",
    ),
    _Explanation(
        _match_words(problem="block sequence entries are not allowed"),
        "a list cannot start here",
        "put `- ` at the start of its own line, or quote the value if the dash belongs to it",
    ),
    _Explanation(
        _match_words("block scalar"),
        "`|` or `>` starts text on the next lines, and nothing else can follow it here",
        "start the text on the next line, indented by spaces, or quote the value",
    ),
    _Explanation(
        lambda it: "tag" in it.problem or "tag" in it.context,
        "`!` starts a YAML tag, and specs have none",
        "put the value in quotes",
        "start",
    ),
    _Explanation(
        lambda it: _is_in_block(it) and it.before.strip(),
        "something follows a value that is complete already",
        "put the whole value in quotes, or start a new line",
    ),
    _Explanation(
        _is_in_block,
        "this line fits no block above it",
        "indent it like its siblings: keys of one mapping, or dashes of one list, start in the same column",
    ),
    _Explanation(
        _match_words(problem="document start"),
        "the document ends before this",
        "remove the extra text, or indent it below the key that it belongs to",
    ),
    _Explanation(
        lambda it: True,
        "this is not valid YAML",
        "compare the indentation, quotes and brackets here with the lines above",
    ),
)
"""Explanations from special to general: the first explanation that applies is used."""
