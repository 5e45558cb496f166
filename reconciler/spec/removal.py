"""`removed:` entries: what is to be given up, written down by a person."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.removal import Extent
from reconciler.model.source import Span
from reconciler.spec.scalars import typed
from reconciler.spec.schema import RemovedEntry
from reconciler.spec.tree import Table, span_at


@dataclass(frozen=True, slots=True)
class Tombstone:
    """One removal. `id` is that of the live group, `name` the one that it has at Fivetran, where the entry says it;
    the spans say where the entry, its key and its id stand."""

    key: str
    id: str
    extent: Extent
    with_platform_connection: bool
    span: Span
    key_span: Span
    id_span: Span
    name: str | None = None


def tombstones_in(root: Table, entries: Iterable[RemovedEntry]) -> Iterator[Tombstone]:
    """The removals of one file."""
    for number, entry in enumerate(entries):
        place: tuple[str | int, ...] = ("removed", number)
        extent = Extent.DESTINATION if entry.only else Extent.MANAGEMENT if entry.forget else Extent.PAIR
        yield Tombstone(
            entry.group,
            entry.id,
            extent,
            entry.with_platform_connection,
            span_at(root, place),
            span_at(root, (*place, "group")),
            span_at(root, (*place, "id")),
            entry.name,
        )


def removal_line(
    key: str,
    id: str,
    name: str | None = None,
    extent: Extent = Extent.PAIR,
    *,
    with_platform_connection: bool = False,
) -> str:
    """An entry below `removed:`, ready to be pasted. It means the same wherever it is printed."""
    parts = [f"group: {_word(key)}", f"id: {_word(id)}"]
    parts += [f"name: {_quoted(name)}"] if name is not None else []
    parts += [_SETTINGS[extent]] if extent in _SETTINGS else []
    parts += ["with_platform_connection: true"] if with_platform_connection else []
    return f"- {{{', '.join(parts)}}}"


_SETTINGS = {Extent.DESTINATION: "only: destination", Extent.MANAGEMENT: "forget: true"}


def _word(text: str) -> str:
    """A key or an id. It is quoted where YAML would read it as something else than text."""
    return text if typed(text) == text and not text.startswith("-") else _quoted(text)


# Whatever printing could change, as it collapses blanks and writes invisible characters as escapes, and what would
# end the text or the code that it is printed as.
_ALTERED = re.compile(r"""["\\`]|#(?=#)|[^\S ]|(?<= ) |^ | $""")


def _quoted(text: str) -> str:
    """A text in the double quotes of YAML."""
    escaped = "".join(each if each.isprintable() else _escape(each) for each in _ALTERED.sub(_escaped, text))
    return f'"{escaped}"'


def _escaped(found: re.Match[str]) -> str:
    return _escape(found.group())


def _escape(character: str) -> str:
    """One character by its number, except for the two that people know as they are."""
    if character in '"\\':
        return f"\\{character}"
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def contradictions(
    tombstones: Iterable[Tombstone], groups: Mapping[str, Span], destinations: Mapping[str, Span]
) -> Iterator[Diagnostic]:
    """Removals of what is still declared, and second removals of the same. The mappings are the declared entries by
    key, with their places."""
    first: dict[str, Tombstone] = {}
    by_id: dict[str, Tombstone] = {}
    for tombstone in tombstones:
        other = by_id.setdefault(tombstone.id, tombstone)
        if other.key != tombstone.key:
            yield _same_object(tombstone, other)
        declared = (destinations if tombstone.extent is Extent.DESTINATION else groups).get(tombstone.key)
        earlier = first.setdefault(tombstone.key, tombstone)
        if earlier is not tombstone:
            yield Diagnostic(
                "duplicate-removal",
                f"`{tombstone.key}` is removed twice",
                tombstone.key_span,
                notes=(f"first removed at {earlier.key_span}",),
                help="keep one of the entries",
            )
        elif declared is not None:
            what = "the destination of " if tombstone.extent is Extent.DESTINATION else ""
            yield Diagnostic(
                "removed-and-declared",
                f"{what}`{tombstone.key}` is both declared and removed",
                tombstone.key_span,
                notes=(f"declared at {declared}",),
                help="delete the declaration, or the entry below `removed:`",
            )


def _same_object(tombstone: Tombstone, earlier: Tombstone) -> Diagnostic:
    """A second key for one object would be a way around whatever protects it under its own."""
    return Diagnostic(
        "duplicate-removal",
        f"`{tombstone.id}` is removed twice, as `{earlier.key}` and as `{tombstone.key}`",
        tombstone.id_span,
        notes=(f"first removed at {earlier.key_span}",),
        help="keep the entry with the key that it had in the specs",
    )
