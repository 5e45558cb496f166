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
from reconciler.spec.excerpt_masking import is_below_secret, may_hold_secret

Position: TypeAlias = tuple[int, int]
"""Line and column, both from 0, as the parser counts them."""

_BARE_REFERENCE = re.compile(r"\{\s*(?P<key>secret|value)\s*:\s+(?P<text>\w+:[^\s{},\[\]\"']*)")
_VARIABLE = re.compile(r"env:[A-Z_][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class _ParserFinding:
    """What the parser said, with the text it was said about."""

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
    def is_at_end(self) -> bool:
        remaining_lines = [self.line[self.position[1] :], *self.lines[self.position[0] + 1 :]]
        return not any(line.strip() for line in remaining_lines)


@dataclass(frozen=True, slots=True)
class _Explanation:
    """The same in human words, with the place that should be looked at."""

    message: str
    help: str
    position: Position


def explain_syntax_error(error: Any, text: str, path: str, open_bracket: Position | None) -> Diagnostic:
    """A diagnostic for an error of the YAML parser.

    `opened` is the place of the innermost bracket that was still open. The excerpt is withheld
    where the line may show a value of a `config`.
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
    explanation = next(
        (explanation for explain in _EXPLAINERS if (explanation := explain(finding)) is not None),
        _Explanation(
            "this is not valid YAML",
            "compare the indentation, quotes and brackets here with the lines above",
            finding.position,
        ),
    )
    return Diagnostic(
        "yaml-syntax",
        explanation.message,
        to_span(explanation.position, lines, path),
        help=explanation.help,
        secret=may_hold_secret(lines, explanation.position[0]),
        secret_line=is_below_secret(lines, explanation.position[0]),
    )


def to_span(position: Position, lines: list[str], path: str) -> Span:
    """One character at a place, moved to the end of the text where it lies behind it."""
    line, column = position
    last = max(len(lines) - (2 if len(lines) > 1 and not lines[-1] else 1), 0)
    if line > last:
        line, column = last, len(lines[last])
    return Span(path, line + 1, column + 1, line + 1, column + 2)


def _to_position(mark: Any) -> Position | None:
    return None if mark is None else (mark.line, mark.column)


def _explain_tab(finding: _ParserFinding) -> _Explanation | None:
    indentation = finding.line[: finding.position[1]]
    if (
        finding.character == "\t"
        or (not indentation.strip() and "\t" in indentation)
        or "tab character" in finding.problem
    ):
        return _Explanation(
            "a tab stands where YAML wants spaces", "indent with spaces only", finding.position
        )
    return None


def _explain_bare_reference(finding: _ParserFinding) -> _Explanation | None:
    """`{secret: env:FOO}`, which YAML allows and the parser does not."""
    match = next(
        (
            candidate
            for candidate in _BARE_REFERENCE.finditer(finding.line)
            if candidate.start() < finding.position[1] <= candidate.end()
        ),
        None,
    )
    if match is None:
        return None
    text = match["text"] if _VARIABLE.fullmatch(match["text"]) else "scheme:locator"
    return _Explanation(
        "a reference between braces must stand in quotes",
        f'put the reference in quotes: `{{{match["key"]}: "{text}"}}`',
        (finding.position[0], match.start("text")),
    )


def _explain_unclosed_quote(finding: _ParserFinding) -> _Explanation | None:
    if "quoted scalar" in finding.context and "end of stream" in finding.problem:
        return _Explanation("this quoted text is never closed", "add the closing quote", finding.start)
    return None


def _explain_bad_escape(finding: _ParserFinding) -> _Explanation | None:
    if "quoted scalar" in finding.context and (
        "escape" in finding.problem or "hexdecimal" in finding.problem
    ):
        return _Explanation(
            "a backslash in double quotes starts an escape that YAML does not know",
            "use single quotes, in which a backslash is only a backslash, or write it twice",
            finding.position,
        )
    return None


def _explain_unclosed_bracket(finding: _ParserFinding) -> _Explanation | None:
    if "flow" in finding.context and finding.is_at_end and finding.open_bracket:
        line, column = finding.open_bracket
        bracket = finding.lines[line][column : column + 1]
        closing = {"[": "]", "{": "}"}.get(bracket, "")
        return _Explanation(
            f"this `{bracket}` is never closed", f"add the closing `{closing}`", finding.open_bracket
        )
    return None


def _explain_inside_brackets(finding: _ParserFinding) -> _Explanation | None:
    if "flow mapping" in finding.context or "flow sequence" in finding.context:
        closing = "`}`" if "mapping" in finding.context else "`]`"
        return _Explanation(
            f"a comma or {closing} is missing before this",
            f"the bracket opens at line {finding.start[0] + 1}: separate its entries by commas and close it",
            finding.position,
        )
    if "flow" in finding.context:
        return _Explanation(
            "a value is missing before this", "remove the extra comma or bracket", finding.position
        )
    return None


def _explain_reserved_character(finding: _ParserFinding) -> _Explanation | None:
    if "cannot start any token" in finding.problem:
        return _Explanation(
            "a value cannot start with this character unless it is quoted",
            "put the whole value in quotes",
            finding.position,
        )
    return None


def _explain_anchor(finding: _ParserFinding) -> _Explanation | None:
    kind = {"while scanning an anchor": "&", "while scanning an alias": "*"}.get(finding.context)
    if kind:
        return _Explanation(
            f"`{kind}` starts an anchor name here, but no name follows",
            "put the value in quotes if the character belongs to it",
            finding.start,
        )
    return None


def _explain_colon(finding: _ParserFinding) -> _Explanation | None:
    if "mapping values are not allowed" not in finding.problem:
        return None
    if re.search(r":\s", finding.line[: finding.position[1]]):
        return _Explanation(
            "a second `:` on one line makes YAML expect another mapping",
            "put the value in quotes if the colon belongs to it",
            finding.position,
        )
    return _Explanation(
        "no key can stand here: the line before is not finished, or this one is indented too far",
        "write `key: value` with a space after the colon, and start the keys of one mapping in one column",
        finding.position,
    )


def _explain_missing_colon(finding: _ParserFinding) -> _Explanation | None:
    if "could not find expected ':'" in finding.problem:
        return _Explanation(
            "this line has a key without a `:`",
            "write `key: value`; text of several lines needs `|` and indentation",
            finding.start,
        )
    return None


def _explain_misplaced_item(finding: _ParserFinding) -> _Explanation | None:
    if "block sequence entries are not allowed" in finding.problem:
        return _Explanation(
            "a list cannot start here",
            "put `- ` at the start of its own line, or quote the value if the dash belongs to it",
            finding.position,
        )
    return None


def _explain_indentation(finding: _ParserFinding) -> _Explanation | None:
    if "block mapping" not in finding.context and "block collection" not in finding.context:
        return None
    if finding.line[: finding.position[1]].strip():
        return _Explanation(
            "something follows a value that is complete already",
            "put the whole value in quotes, or start a new line",
            finding.position,
        )
    return _Explanation(
        "this line fits no block above it",
        "indent it like its siblings: keys of one mapping, or dashes of one list, start in the same column",
        finding.position,
    )


def _explain_trailing(finding: _ParserFinding) -> _Explanation | None:
    if "document start" in finding.problem:
        return _Explanation(
            "the document ends before this",
            "remove what is too much, or indent it below the key that it belongs to",
            finding.position,
        )
    return None


def _explain_directive(finding: _ParserFinding) -> _Explanation | None:
    if "directive" in finding.context or "directive" in finding.problem or "incompatible" in finding.problem:
        return _Explanation(
            "a line that starts with `%` is a YAML directive", "remove the line", finding.position
        )
    return None


def _explain_tag(finding: _ParserFinding) -> _Explanation | None:
    if "tag" in finding.problem or "tag" in finding.context:
        return _Explanation(
            "`!` starts a YAML tag, and specs have none", "put the value in quotes", finding.start
        )
    return None


def _explain_block_text(finding: _ParserFinding) -> _Explanation | None:
    if "block scalar" in finding.context:
        return _Explanation(
            "`|` or `>` starts text on the next lines, and nothing else can follow it here",
            "start the text on the next line, indented by spaces, or quote the value",
            finding.position,
        )
    return None


_EXPLAINERS: tuple[Callable[[_ParserFinding], _Explanation | None], ...] = (
    _explain_tab,
    _explain_bare_reference,
    _explain_unclosed_quote,
    _explain_bad_escape,
    _explain_unclosed_bracket,
    _explain_inside_brackets,
    _explain_directive,
    _explain_reserved_character,
    _explain_anchor,
    _explain_colon,
    _explain_missing_colon,
    _explain_misplaced_item,
    _explain_block_text,
    _explain_tag,
    _explain_indentation,
    _explain_trailing,
)
