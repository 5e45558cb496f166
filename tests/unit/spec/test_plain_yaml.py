"""Plain data written as YAML is the same data when it is read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis_settings import check_examples

from reconciler.spec.guard import SNAPSHOT_LIMITS
from reconciler.spec.nodes import to_plain
from reconciler.spec.plain_yaml import dump_plain_yaml
from reconciler.spec.source import parse

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@check_examples(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4), few=20, many=1_000)
def test_written_data_is_read_as_the_same_data(content: dict[str, Any]) -> None:
    assert to_plain(parse(dump_plain_yaml(content), "file.yaml", SNAPSHOT_LIMITS)) == content


@pytest.mark.parametrize(
    "text",
    ["null", "yes", "1", "1e3", "~", "# no", "a: b", "-", "\u202e", "\x85", "\U000e0001", "\U000e0100"],
)
def test_a_text_stays_a_text(text: str) -> None:
    content = {text: [text, {text: text}]}
    assert to_plain(parse(dump_plain_yaml(content), "file.yaml", SNAPSHOT_LIMITS)) == content


def test_lists_of_mappings_are_readable() -> None:
    written = dump_plain_yaml({"groups": [{"id": "a", "empty": {}, "list": []}, "b"], "none": None})
    assert written.splitlines() == [
        "groups:",
        '  - id: "a"',
        "    empty: {}",
        "    list: []",
        '  - "b"',
        "none: null",
    ]
