"""Test the merge of defaults, profile, entry and overrides, leaf by leaf."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.diagnostic import Severity
from reconciler.spec.merge import check_unset, merge
from reconciler.spec.nodes import MappingNode, find_span, to_plain
from reconciler.spec.source import parse


def parse_mapping(text: str, path: str = "a.yaml") -> MappingNode:
    return parse(f"{text}\n", path) if text != "{}" else parse("{}\n", path)


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        ("a: 1", "b: 2", {"a": 1, "b": 2}),
        ("a: {b: 1, c: 2}", "a: {c: 3}", {"a": {"b": 1, "c": 3}}),
        ("a: [1, 2]", "a: [3]", {"a": [3]}),
        ("a: {b: 1}", "a: null", {"a": None}),
        ("a: {b: 1}", "a: text", {"a": "text"}),
        ("a: text", "a: {b: 1}", {"a": {"b": 1}}),
        ("a: {secret: x, other: y}", "a: {secret: z}", {"a": {"secret": "z"}}),
        ("a: {secret: 'env:A'}", "a: {value: 'env:B'}", {"a": {"value": "env:B"}}),
        ("a: {secret: 'env:A'}", "a: {b: 1}", {"a": {"b": 1}}),
        ("a: {b: 1, c: 2}", "a: {b: {unset: true}}", {"a": {"c": 2}}),
        ("a: 1", "a: {unset: true}", {}),
        ("a: 1", "b: {c: {unset: true}, d: 1}", {"a": 1, "b": {"d": 1}}),
    ],
)
def test_merge_combines_two_mappings(base: str, over: str, merged: dict[str, Any]) -> None:
    assert to_plain(merge(parse_mapping(base), parse_mapping(over))) == merged


def test_each_leaf_keeps_its_span() -> None:
    merged = merge(parse_mapping("a: {b: 1, c: 2}", "base.yaml"), parse_mapping("a: {c: 3}", "over.yaml"))
    assert find_span(merged, ("a", "b")).path == "base.yaml"
    assert find_span(merged, ("a", "c")).path == "over.yaml"


def test_merging_changes_neither_side() -> None:
    base, over = parse_mapping("a: {b: 1}"), parse_mapping("a: {c: 2}")
    merge(base, over)
    assert (to_plain(base), to_plain(over)) == ({"a": {"b": 1}}, {"a": {"c": 2}})


def test_an_unset_of_an_absent_value_is_a_warning() -> None:
    [found] = check_unset(
        parse_mapping("a: {b: 1}"), parse_mapping("a: {c: {unset: true}, b: {unset: true}}")
    )
    assert (found.code, found.severity) == ("unset-nothing", Severity.WARNING)
    assert "`c`" in found.message


@pytest.mark.parametrize(
    "written", ["{unset: false}", "{unset: 1}", "{unset: true, b: 1}", "{unset: 'true'}"]
)
def test_a_malformed_unset_is_an_error(written: str) -> None:
    [found] = check_unset(parse_mapping("a: 1"), parse_mapping(f"a: {written}"))
    assert (found.code, found.severity) == ("wrong-shape", Severity.ERROR)
