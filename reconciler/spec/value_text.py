"""Render values as YAML that the parser of specs reads back exactly."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.sanitize import escape
from reconciler.model.variable_mark import escape_variables
from reconciler.spec.certificate_files import PEM
from reconciler.spec.characters import describe_character, find_forbidden_in_value
from reconciler.spec.merge import UNSET
from reconciler.spec.new_entry import QuotedText, Verbatim
from reconciler.spec.reference import SECRET, VALUE
from reconciler.spec.scalars import parse_scalar

Path: TypeAlias = tuple[str | int, ...]

_FLOW_WIDTH = 80
_SHORT_KEYS = frozenset({SECRET, VALUE, UNSET, PEM, "run"})  # `{run: false}` switches setup tests off
_PLAIN = re.compile(r"[^\W\d][^\n\r\t]*|[./][^\n\r\t]*|\d[^\n\r\t]*")
_NEEDS_QUOTES = re.compile(r": |:$| #|^ | $|[\[\]{},\"'`]|^(?:---|\.\.\.)")
_NEEDS_QUOTES_IN_FLOW = re.compile(r"[?:\[\]{},\"'`#&*!|>%@]")
# Words, numbers and dates of YAML 1.1, which other readers of a spec may take for no text.
_NO_TEXT_ELSEWHERE = re.compile(
    r"(?i:y|n|yes|no|on|off|true|false|null|nan|inf|\.nan|\.inf)|[0-9.][0-9_.,:eExXoObBa-fA-F+tTzZ -]*"
)
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


@dataclass(frozen=True, slots=True)
class ValueText:
    """Text of a value: `head` stands behind its key, `lines` stand below, already indented."""

    head: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BlockStyle:
    """Style of blocks: the number of blanks of a level, the comments above keys, the paths of the mappings whose
    entries are set apart by empty lines, and the paths of the lists that have a line for each item, however short they
    are. Without `allows_blocks`, texts of several lines stand in quotes."""

    step: int = 2
    comments: Mapping[Path, Sequence[str]] = field(default_factory=dict)
    spaced: frozenset[Path] = frozenset()
    allows_blocks: bool = True
    block_lists: frozenset[Path] = frozenset()


def to_raw(value: Any) -> Any:
    """Convert literal data to the data of a spec, in which `$${` stands for `${`. Verbatim texts stay."""
    match value:
        case Verbatim():
            return str(value)
        case QuotedText():
            return QuotedText(escape_variables(value))
        case str():
            return escape_variables(value)
        case Mapping():
            return {to_raw(key): to_raw(below) for key, below in value.items()}
        case list() | tuple():
            return [to_raw(item) for item in value]
    return value


def render_value(value: Any, indent: int, style: BlockStyle, path: Path = ()) -> ValueText:
    """Render raw data behind a key. Blocks below stand in the column `indent`. Raises ReconcilerError."""
    if isinstance(value, dict):
        if _is_inline_mapping(value):
            return ValueText(render_flow(value))
        return ValueText("", tuple(render_pairs(value, indent, style, path)))
    if isinstance(value, list):
        flow_text = render_flow(value)
        if not value or (len(flow_text) <= _FLOW_WIDTH and path not in style.block_lists):
            return ValueText(flow_text)
        return ValueText("", tuple(render_items(value, indent, style, path)))
    if isinstance(value, str) and style.allows_blocks and _can_be_block(value):
        return _render_block_text(value, indent)
    return ValueText(render_scalar(value))


def render_pairs(pairs: Mapping[str, Any], indent: int, style: BlockStyle, path: Path = ()) -> list[str]:
    """Render the keys and values of a block mapping as lines in the column `indent`. Raises ReconcilerError."""
    lines: list[str] = []
    for key, value in pairs.items():
        if lines and path in style.spaced:
            lines.append("")
        below = (*path, key)
        lines += render_comments(style.comments.get(below, ()), indent)
        text = render_value(value, indent + style.step, style, below)
        lines.append(f"{' ' * indent}{render_scalar(key)}:{f' {text.head}' if text.head else ''}")
        lines += text.lines
    return lines


def render_items(items: Sequence[Any], indent: int, style: BlockStyle, path: Path = ()) -> list[str]:
    """Render the items of a block list as lines, with the dashes in the column `indent`. Raises ReconcilerError."""
    lines: list[str] = []
    for number, item in enumerate(items):
        if isinstance(item, dict) and not _is_inline_mapping(item):
            first, *rest = render_pairs(item, indent + 2, style, (*path, number))
            lines += [f"{' ' * indent}- {first.lstrip()}", *rest]
        else:
            lines.append(f"{' ' * indent}- {render_flow(item)}")
    return lines


def render_comments(comments: Sequence[str], indent: int) -> list[str]:
    """Render comments as lines in a column. Characters that do not print are escaped."""
    texts = (escape(comment).rstrip() for comment in comments)
    return [f"{' ' * indent}#{f' {text}' if text else ''}" for text in texts]


def render_flow(value: Any) -> str:
    """Render raw data on one line. Raises ReconcilerError."""
    if isinstance(value, dict):
        pairs = (f"{render_scalar(key, in_flow=True)}: {render_flow(below)}" for key, below in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(render_flow, value))}]"
    return render_scalar(value, in_flow=True)


def render_scalar(value: Any, quote: str = "", *, in_flow: bool = False) -> str:
    """Render a single value on one line, plain if that is safe. `quote` are the quotes of the value that it replaces.

    Raises ReconcilerError for a value that no spec can have.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _render_number(value)
    text = str(value)
    if (character := find_forbidden_in_value(text)) is not None:
        raise ReconcilerError([_explain_forbidden(character)])
    if quote == "'" and text.isprintable():
        return f"'{text.replace(quote, quote * 2)}'"
    is_plain = not quote and not isinstance(value, QuotedText) and _is_plain(text, in_flow=in_flow)
    return text if is_plain else _quote(text)


def _render_number(number: float) -> str:
    text = repr(number)
    parsed = parse_scalar(text)
    if parsed == number and type(parsed) is type(number):
        return text
    raise ReconcilerError([_explain_number()])


def _is_plain(text: str, *, in_flow: bool) -> bool:
    """Return whether a text reads back as this text without quotes, for other readers of YAML too."""
    return (
        text.isprintable()
        and _PLAIN.fullmatch(text) is not None
        and _NEEDS_QUOTES.search(text) is None
        and _NO_TEXT_ELSEWHERE.fullmatch(text) is None
        and isinstance(parse_scalar(text), str)
        and not (in_flow and _NEEDS_QUOTES_IN_FLOW.search(text))
    )


def _quote(text: str) -> str:
    return f'"{"".join(map(_escape_in_quotes, text))}"'


def _escape_in_quotes(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _is_inline_mapping(mapping: Mapping[str, Any]) -> bool:
    """Return whether a mapping stands on one line: an empty mapping, a reference, `{unset: true}` or `{run: false}`."""
    return not mapping or (
        len(mapping) == 1
        and next(iter(mapping)) in _SHORT_KEYS
        and not isinstance(next(iter(mapping.values())), dict | list)
    )


def _can_be_block(text: str) -> bool:
    """Return whether a text of several lines reads well as a block: no blank hides at an end or start of a line."""
    lines = text.removesuffix("\n").split("\n")
    return (
        len(lines) > 1
        and all(line and line.isprintable() and line == line.strip() for line in lines)
        and find_forbidden_in_value(text) is None
    )


def _render_block_text(text: str, indent: int) -> ValueText:
    lines = text.removesuffix("\n").split("\n")
    sign = "|" if text.endswith("\n") else "|-"
    return ValueText(sign, tuple(f"{' ' * indent}{line}" for line in lines))


def _explain_forbidden(character: str) -> Diagnostic:
    return Diagnostic(
        "forbidden-character",
        f"a value has the invisible character {describe_character(character)}, which no spec can have",
        notes=("it cannot be seen in a review",),
        help="remove it at Fivetran",
    )


def _explain_number() -> Diagnostic:
    return Diagnostic(
        "not-editable",
        "a number is too long for a spec",
        help="write it by hand, in quotes",
    )
