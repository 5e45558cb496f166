"""Add entries to spec files, and write new ones. Texts are whole files, with byte order mark and line ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.spec.data_pairs import are_same
from reconciler.spec.new_entry import NewEntry
from reconciler.spec.nodes import MappingNode, find_key_span, to_plain
from reconciler.spec.reshape import EditableText, reshape
from reconciler.spec.source import parse
from reconciler.spec.text_nodes import TextAlias
from reconciler.spec.value_text import (
    BlockStyle,
    Path,
    render_comments,
    render_pairs,
    to_raw,
)

_SPACED = frozenset({("groups",), ("profiles",)})


def render_spec_file(
    groups: Sequence[NewEntry], profiles: Sequence[NewEntry] = (), comments: Sequence[str] = ()
) -> str:
    """Render a new spec file. `comments` are its first lines. Raises ReconcilerError if a value is not allowed."""
    sections = {"profiles": profiles, "groups": groups}
    wanted = {name: _to_raw_section(entries) for name, entries in sections.items() if entries}
    style = BlockStyle(comments=_list_comments(sections), spaced=_SPACED)
    lines = [*render_comments(comments, 0), "version: 1"]
    for name, section in wanted.items():
        lines += ["", f"{name}:", *render_pairs(section, style.step, style, (name,))]
    text = "\n".join([*lines, ""])
    _check_new_file(text, {"version": 1, **wanted})
    return text


def insert_entries(text: str, section: str, entries: Sequence[NewEntry], shown: str) -> str:
    """Insert entries at the end of a section, `groups` or `profiles`. The section is added if it is missing.

    Raises ReconcilerError if the file cannot be parsed, has an entry of this key already, or takes the section from an
    alias or `<<`.
    """
    if not entries:
        return text
    parsed = EditableText.parse(text, shown)
    root, data = parsed.root, parsed.data
    _refuse_shared_section(parsed, section)
    present = data.get(section)
    present = {} if present is None else present
    if not isinstance(present, dict):
        raise ReconcilerError([_explain_no_mapping(root, section)])
    for entry in entries:
        if entry.key in present:
            raise ReconcilerError([_explain_present(root, section, entry.key)])
    wanted = {**data, section: {**present, **_to_raw_section(entries)}}
    return reshape(parsed, wanted, shown, _list_comments({section: entries}))


def add_spec_pattern(text: str, pattern: str, shown: str) -> str:
    """Add a path or glob to the `specs` of a project file. Raises ReconcilerError if the file cannot be parsed."""
    parsed = EditableText.parse(text, shown)
    root, data = parsed.root, parsed.data
    _refuse_shared_section(parsed, "specs")
    patterns = data.get("specs")
    if not isinstance(patterns, list):
        raise ReconcilerError([_explain_no_list(root, "specs")])
    raw = to_raw(pattern)
    return text if raw in patterns else reshape(parsed, {**data, "specs": [*patterns, raw]}, shown)


def _to_raw_section(entries: Sequence[NewEntry]) -> dict[str, Any]:
    return {entry.key: to_raw(entry.content) for entry in entries}


def _list_comments(sections: Mapping[str, Sequence[NewEntry]]) -> Mapping[Path, Sequence[str]]:
    return {
        (name, entry.key): entry.comments
        for name, entries in sections.items()
        for entry in entries
        if entry.comments
    }


def _check_new_file(text: str, wanted: Mapping[str, Any]) -> None:
    """Check that a new file reads back as its data."""
    if not are_same(to_plain(parse(text, "new file")), wanted):
        raise RuntimeError("a new spec file does not read back as its data")


def _refuse_shared_section(text: EditableText, section: str) -> None:
    """Refuse a section whose entries stand elsewhere in the file. Raises ReconcilerError."""
    root = text.root
    if section not in root:
        return
    own = [
        element for element in text.nodes.elements if element.key is not None and element.key.data == section
    ]
    if not own or isinstance(own[0].value, TextAlias):
        raise ReconcilerError(
            [
                Diagnostic(
                    "not-editable",
                    f"`{section}` comes from an alias, so that entries cannot be added here",
                    find_key_span(root, (section,)),
                    help=f"write `{section}:` out in this file, or name another file",
                )
            ]
        )


def _explain_no_mapping(root: MappingNode, section: str) -> Diagnostic:
    return Diagnostic(
        "not-editable",
        f"`{section}` is no mapping, so that entries cannot be added here",
        find_key_span(root, (section,)),
        help="correct the file; `reconciler validate` shows all its errors",
        secret=True,
    )


def _explain_no_list(root: MappingNode, section: str) -> Diagnostic:
    return Diagnostic(
        "not-editable",
        f"`{section}` is no list, so that nothing can be added to it",
        find_key_span(root, (section,)),
        help="correct the file; `reconciler validate` shows all its errors",
        secret=True,
    )


def _explain_present(root: MappingNode, section: str, key: str) -> Diagnostic:
    return Diagnostic(
        "not-editable",
        f"`{section}` has an entry `{key}` already",
        find_key_span(root, (section, key)),
        help="choose another key, or remove this entry",
    )
