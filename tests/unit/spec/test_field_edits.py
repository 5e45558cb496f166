"""Test that edits of fields change these fields only, in every style of a file."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from handwritten_specs import write_handwritten_file
from long_runs import small_and_large

from reconciler.model.diagnostic import ReconcilerError
from reconciler.spec.field_edits import REMOVED, FieldEdit, apply_field_edits
from reconciler.spec.nodes import MappingNode, find_key_span, find_span, to_plain
from reconciler.spec.source import parse
from reconciler.spec.text_changes import find_comments
from reconciler.spec.text_nodes import parse_nodes

CONFIG = ("groups", "a", "destination", "config")


def _edit(config: str, *edits: tuple[str, Any], step: str = "        ") -> str:
    """Edit the config of an entry, given as the lines below `config:`."""
    head = "version: 1\ngroups:\n  a:\n    destination:\n      config:"
    text = head + "".join(f"\n{step}{line}" for line in config.split("\n")) + "\n  b: {}  # next\n"
    path_edits = [FieldEdit((*CONFIG, *key.split(".")), value) for key, value in edits]
    changed = apply_field_edits(text, path_edits, "a.yaml")
    assert changed.startswith(head) and changed.endswith("\n  b: {}  # next\n")
    body = changed.removeprefix(head).removesuffix("\n  b: {}  # next\n")
    return body.replace(f"\n{step}", "\n").removeprefix("\n")


@pytest.mark.parametrize(
    ("before", "edit", "after"),
    [
        ("host: a  # primary", ("host", "b"), "host: b  # primary"),
        ("'host' : 'a'", ("host", "it's"), "'host' : 'it''s'"),
        ('host: "a"', ("host", 'say "x"'), r'host: "say \"x\""'),
        ("host: a", ("host", "17"), 'host: "17"'),
        ("port: 17", ("port", 18), "port: 18"),
        ("host:  # none", ("host", "b"), "host: b  # none"),
        ("host:\n  a  # below", ("host", "b"), "host:\n  b  # below"),
        ("host: a # c", ("host", {"x": 1}), "host: # c\n  x: 1"),
        ("host: |  # sign\n  a\n  b\nport: 1", ("host", "c"), "host: c  # sign\nport: 1"),
        ("host: |  # sign\n  a\n  b\nport: 1", ("host", "c\nd\n"), "host: |  # sign\n  c\n  d\nport: 1"),
        ("note: a  # c", ("note", "l1\nl2"), "note: |-  # c\n  l1\n  l2"),
        ("hosts: [a, b]  # c", ("hosts", ["a", "c"]), "hosts: [a, c]  # c"),
        ("hosts: [a, b]", ("hosts", ["z", "a", "b"]), "hosts: [z, a, b]"),
        ("hosts: [a, b]", ("hosts", ["b"]), "hosts: [b]"),
        ("hosts: [a, b]", ("hosts", []), "hosts: []"),
        (
            "hosts:\n- a # one\n# two\n- b\n- c",
            ("hosts", ["a", "c", "d"]),
            "hosts:\n- a # one\n# two\n- c\n- d",
        ),
        ("hosts:\n  - a\n  - b", ("hosts", ["z", "a"]), "hosts:\n  - z\n  - a"),
        ("x: {a: 1, b: 2}", ("x.b", 3), "x: {a: 1, b: 3}"),
        ("x: {a: 1, b: 2}", ("x.c", "y: z"), 'x: {a: 1, b: 2, c: "y: z"}'),
        ("x: {a: 1, b: 2, c: 3}", ("x.b", REMOVED), "x: {a: 1, c: 3}"),
        ("x: {a: 1, b: 2}", ("x.b", REMOVED), "x: {a: 1}"),
        ("x: {a: 1, b: 2}", ("x.a", REMOVED), "x: {b: 2}"),
        ("x: {a: 1}", ("x.a", REMOVED), "x: {}"),
        ("x: {\n  a: 1, # one\n  b: 2 # two\n}", ("x.c", 3), "x: {\n  a: 1, # one\n  b: 2, # two\n  c: 3\n}"),
        ("x: {\n  a: 1, # one\n  b: 2 # two\n}", ("x.a", REMOVED), "x: {\n   # one\n  b: 2 # two\n}"),
        ("host: a\nport: 1", ("user", "u"), "host: a\nport: 1\nuser: u"),
        ("host: a # one\nport: 1 # two\nx: 2", ("port", REMOVED), "host: a # one\n# two\nx: 2"),
        ("x: {unset: true}", ("x", "a"), "x: a"),
        ("x: a", ("x", {"unset": True}), "x: {unset: true}"),
        ('x: {value: "env:A"}', ("x", "a"), "x: a"),
    ],
)
def test_an_edit_leaves_the_style_of_the_rest(before: str, edit: tuple[str, Any], after: str) -> None:
    assert _edit(before, edit) == after


def test_the_last_field_leaves_an_empty_mapping_and_its_comments() -> None:
    text = "version: 1\ngroups:\n  a:\n    destination: # d\n      # above\n      config: # c\n        host: x # one\n"
    changed = apply_field_edits(text, [FieldEdit((*CONFIG, "host"), REMOVED)], "a.yaml")
    assert changed == (
        "version: 1\ngroups:\n  a:\n    destination: # d\n      # above\n      config: {} # c\n        # one\n"
    )


def test_a_name_stands_before_the_destination() -> None:
    text = (
        "version: 1\ngroups:\n  a:  # A\n    # the destination\n    destination: {}\n  b:\n    id: x\n    # d\n"
        "    was: c\n"
    )
    edits = [FieldEdit(("groups", key, "name"), key.upper()) for key in ("a", "b")]
    assert apply_field_edits(text, edits, "a.yaml") == (
        "version: 1\ngroups:\n  a:  # A\n    name: A\n    # the destination\n    destination: {}\n  b:\n    id: x\n"
        "    name: B\n    # d\n    was: c\n"
    )


def test_a_setting_of_a_destination_stands_before_its_config() -> None:
    text = "version: 1\ngroups:\n  a:\n    destination:\n      service: s  # s\n      config: # c\n        host: h\n"
    changed = apply_field_edits(text, [FieldEdit(("groups", "a", "destination", "region"), "eu")], "a.yaml")
    assert changed == text.replace("  # s\n", "  # s\n      region: eu\n")


def test_missing_mappings_are_added() -> None:
    text = "version: 1\r\ngroups:\r\n  a:\r\n    id: x"
    changed = apply_field_edits(text, [FieldEdit((*CONFIG, "host"), "h")], "a.yaml")
    assert changed == f"{text}\r\n    destination:\r\n      config:\r\n        host: h"


SHARED = """\
version: 1
profiles:
  p: &p  # shared
    region: &r us
    config: &c {host: h, port: 1}
groups:
  a:
    destination: *p  # alias
  b:
    destination:
      <<: *p
      service: s
  c:
    destination: {region: *r, config: *c}
"""


def test_an_alias_becomes_a_copy_in_this_entry_only() -> None:
    changed = apply_field_edits(
        SHARED, [FieldEdit(("groups", "a", "destination", "config", "host"), "x")], "a.yaml"
    )
    assert changed == SHARED.replace(
        "destination: *p  # alias\n",
        "destination:  # alias\n      region: us\n      config:\n        host: x\n        port: 1\n",
    )


def test_a_key_of_a_merge_is_written_beside_it() -> None:
    changed = apply_field_edits(SHARED, [FieldEdit(("groups", "b", "destination", "region"), "eu")], "a.yaml")
    assert changed == SHARED.replace("      service: s\n", "      service: s\n      region: eu\n")


def test_a_merge_whose_key_goes_becomes_copies_of_the_others() -> None:
    changed = apply_field_edits(
        SHARED, [FieldEdit(("groups", "b", "destination", "region"), REMOVED)], "a.yaml"
    )
    assert changed == SHARED.replace(
        "      <<: *p\n      service: s\n",
        "      service: s\n      config:\n        host: h\n        port: 1\n",
    )


def test_an_anchor_whose_value_changes_moves_to_its_first_alias() -> None:
    text = "version: 1\ngroups:\n  a: {name: &n x}\n  b: {name: *n} # b\n  c:\n    name: *n\n"
    changed = apply_field_edits(text, [FieldEdit(("groups", "a", "name"), "z")], "a.yaml")
    assert changed == "version: 1\ngroups:\n  a: {name: z}\n  b: {name: &n x} # b\n  c:\n    name: *n\n"


def test_an_anchored_mapping_moves_to_a_merge() -> None:
    text = (
        "version: 1\ngroups:\n  a:\n    destination: &d  # d\n      region: us\n  b:\n    destination:\n      <<: *d\n"
        "      service: s\n"
    )
    changed = apply_field_edits(text, [FieldEdit(("groups", "a", "destination", "region"), "eu")], "a.yaml")
    assert changed == (
        "version: 1\ngroups:\n  a:\n    destination: # d\n      region: eu\n  b:\n    destination:\n      <<: &d\n"
        "        region: us\n      service: s\n"
    )


def test_an_edit_without_effect_changes_nothing() -> None:
    edits = [
        FieldEdit((*CONFIG, "gone", "x"), REMOVED),
        FieldEdit(("groups", "b", "destination", "service"), "s"),
    ]
    assert apply_field_edits(SHARED, edits, "a.yaml") == SHARED


def test_a_value_that_no_spec_can_have_is_an_error() -> None:
    for value, code in (("a\u202eb", "forbidden-character"), (10**30, "not-editable")):
        with pytest.raises(ReconcilerError) as refusal:
            apply_field_edits(SHARED, [FieldEdit((*CONFIG, "x"), value)], "a.yaml")
        assert [diagnostic.code for diagnostic in refusal.value.diagnostics] == [code]


def test_a_text_that_cannot_be_changed_is_a_located_error() -> None:
    text = "version: 1\ngroups:\n  a:\n    list:\n      - x: 1  # first\n        z: 2\n"
    with pytest.raises(ReconcilerError) as refusal:
        apply_field_edits(text, [FieldEdit(("groups", "a", "list"), [{"z": 2}])], "a.yaml")
    [diagnostic] = refusal.value.diagnostics
    assert diagnostic.code == "not-editable" and str(diagnostic.span) == "a.yaml:4:5"


VALUES = [
    "new",
    "x y: z",
    "12",
    "",
    None,
    True,
    7,
    ["p", "q"],
    [],
    {"k": "v"},
    {},
    "l1\nl2\n",
    "ünï",
    "${lit}",
    "'q'",
]


@small_and_large("count", 40, 600)
def test_random_edits_of_random_files_change_their_fields_only(count: int) -> None:
    """Data is as edited, no comment is lost, and each line without an edited value stays in its order."""
    for number in range(count):
        text = write_handwritten_file(number, _can_be_parsed)
        chance = random.Random(number)
        root = parse(text, "a.yaml")
        paths = [path for path in _list_paths(root) if len(path) > 1] or [("groups", "new", "x")]
        edits = []
        for path in chance.sample(paths, min(len(paths), chance.randint(1, 4))):
            target = (*path[:-1], "added") if chance.random() < 0.3 else path
            edits.append(FieldEdit(target, REMOVED if chance.random() < 0.25 else chance.choice(VALUES)))
        changed = apply_field_edits(text, edits, "a.yaml")
        assert to_plain(parse(changed, "a.yaml")) == _expect(to_plain(root), edits), number
        assert not Counter(_list_comments(text)) - Counter(_list_comments(changed)), number
        _check_other_lines(text, changed, root, edits)


def _can_be_parsed(text: str) -> bool:
    try:
        parse(text, "a.yaml")
    except ReconcilerError:
        return False
    return True


def _list_paths(node: MappingNode, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    paths = []
    for key, value in node.items():
        paths.append((*above, key))
        if isinstance(value, MappingNode):
            paths += _list_paths(value, (*above, key))
    return paths


def _expect(data: Any, edits: list[FieldEdit]) -> Any:
    for edit in edits:
        data = _with_edit(data, edit.path, edit.value)
    return data


def _with_edit(data: Any, path: tuple[str, ...], value: Any) -> Any:
    key, *below = path
    if not isinstance(data, dict):
        if value is REMOVED:
            return data
        data = {}
    if below:
        if value is REMOVED and key not in data:
            return data
        return {**data, key: _with_edit(data.get(key, {}), tuple(below), value)}
    rest = {name: other for name, other in data.items() if name != key}
    if value is REMOVED:
        return rest
    return {**rest, key: value.replace("${", "$${") if isinstance(value, str) else value}


def _list_comments(text: str) -> list[str]:
    return [comment.text for comment in find_comments(text, parse_nodes(text.removeprefix("\ufeff")))]


def _check_other_lines(text: str, changed: str, root: MappingNode, edits: list[FieldEdit]) -> None:
    """Check that each line outside of the entries that are edited is there, in the same order."""
    if any(sign in text for sign in ("&a", "*a")):
        return  # an anchor may move to another entry
    touched: set[int] = set()
    for edit in edits:
        start, end = find_key_span(root, edit.path[:2]), find_span(root, edit.path[:2])
        touched.update(range(min(start.line, end.line), end.end_line + 1))
        touched.add(find_key_span(root, edit.path[:1]).line)
    lines = [line for number, line in enumerate(text.split("\n"), 1) if number not in touched]
    lines = [line for line in lines if not line.lstrip().startswith("#")]
    remaining = iter(changed.split("\n"))
    for line in lines:
        assert any(line.rstrip("\r") == other.rstrip("\r") for other in remaining), line
