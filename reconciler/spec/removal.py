"""Parse and render `removed:` entries: objects to delete or to stop managing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.removal import Extent
from reconciler.model.source import Span
from reconciler.spec.nodes import MappingNode, find_span
from reconciler.spec.scalars import parse_scalar
from reconciler.spec.schema import RemovedEntry


@dataclass(frozen=True, slots=True)
class RemovalEntry:
    """Entry below `removed:`. `id` is the id of the live group, `name` its name at Fivetran, None if not declared; the
    spans are the places of the entry, its key and its id."""

    key: str
    id: str
    extent: Extent
    with_platform_connection: bool
    span: Span
    key_span: Span
    id_span: Span
    name: str | None = None


def parse_removals(root: MappingNode, entries: Iterable[RemovedEntry]) -> Iterator[RemovalEntry]:
    """Parse the removals of one file."""
    for number, entry in enumerate(entries):
        location: tuple[str | int, ...] = ("removed", number)
        extent = Extent.DESTINATION if entry.only else Extent.MANAGEMENT if entry.forget else Extent.PAIR
        yield RemovalEntry(
            entry.group,
            entry.id,
            extent,
            entry.with_platform_connection,
            find_span(root, location),
            find_span(root, (*location, "group")),
            find_span(root, (*location, "id")),
            entry.name,
        )


def render_removal(
    key: str,
    id: str,
    name: str | None = None,
    extent: Extent = Extent.PAIR,
    *,
    with_platform_connection: bool = False,
) -> str:
    """Render an entry below `removed:`, ready to be pasted, also from Markdown or a folded terminal."""
    parts = [f"group: {_render_word(key)}", f"id: {_render_word(id)}"]
    parts += [f"name: {_quote(name)}"] if name is not None else []
    parts += [_EXTENT_SETTINGS[extent]] if extent in _EXTENT_SETTINGS else []
    parts += ["with_platform_connection: true"] if with_platform_connection else []
    return f"- {{{', '.join(parts)}}}"


_EXTENT_SETTINGS = {Extent.DESTINATION: "only: destination", Extent.MANAGEMENT: "forget: true"}


def _render_word(text: str) -> str:
    """Render a key or an id, in quotes if YAML would not read it as text."""
    return text if parse_scalar(text) == text and not text.startswith("-") else _quote(text)


# Output changes some of these characters (it collapses blanks and escapes invisible characters); the others would end
# the quoted text, or the Markdown code around the entry.
_NEEDS_ESCAPE = re.compile(r"""["\\`]|#(?=#)|[^\S ]|(?<= ) |^ | $""")


def _quote(text: str) -> str:
    """Quote a text in the double quotes of YAML."""
    escaped = "".join(
        character if character.isprintable() else _escape(character)
        for character in _NEEDS_ESCAPE.sub(_escape_match, text)
    )
    return f'"{escaped}"'


def _escape_match(match: re.Match[str]) -> str:
    return _escape(match.group())


def _escape(character: str) -> str:
    """Escape a character by its number, or by a backslash for `"` and `\\`."""
    if character in '"\\':
        return f"\\{character}"
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def check_removals(
    removals: Iterable[RemovalEntry], groups: Mapping[str, Span], destinations: Mapping[str, Span]
) -> Iterator[Diagnostic]:
    """Check for removals of declared entries, and for second removals of an object. `groups` and `destinations` are the
    places of declared entries by key."""
    first_by_key: dict[str, RemovalEntry] = {}
    first_by_id: dict[str, RemovalEntry] = {}
    for removal in removals:
        same_id = first_by_id.setdefault(removal.id, removal)
        if same_id.key != removal.key:
            yield _explain_same_object(removal, same_id)
        declared_at = (destinations if removal.extent is Extent.DESTINATION else groups).get(removal.key)
        earlier = first_by_key.setdefault(removal.key, removal)
        if earlier is not removal:
            yield Diagnostic(
                "duplicate-removal",
                f"`{removal.key}` is removed twice",
                removal.key_span,
                notes=(f"first removed at {earlier.key_span}",),
                help="keep one of the entries",
            )
        elif declared_at is not None:
            subject = "the destination of " if removal.extent is Extent.DESTINATION else ""
            yield Diagnostic(
                "removed-and-declared",
                f"{subject}`{removal.key}` is both declared and removed",
                removal.key_span,
                notes=(f"declared at {declared_at}",),
                help="delete the declaration, or the entry below `removed:`",
            )


def _explain_same_object(removal: RemovalEntry, earlier: RemovalEntry) -> Diagnostic:
    """Explain the refusal of a second key for one object: it would evade the protection of the first key."""
    return Diagnostic(
        "duplicate-removal",
        f"`{removal.id}` is removed twice, as `{earlier.key}` and as `{removal.key}`",
        removal.id_span,
        notes=(f"first removed at {earlier.key_span}",),
        help="keep the entry with the key that it had in the specs",
    )
