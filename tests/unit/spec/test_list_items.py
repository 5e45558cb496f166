"""Test that an item is appended to a list with its comment, and that every other character stays."""

from __future__ import annotations

import pytest

from reconciler.spec.list_items import ItemAddition, append_item
from reconciler.spec.new_entry import QuotedText

PINS = ("a", "trust", "pins")


def append(text: str, *, comment: str = "new", inherited: tuple[str, ...] = ()) -> str:
    return append_item(text, ItemAddition(PINS, QuotedText("N="), comment, inherited), "a.yaml")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "a:\n  trust:\n    pins:\n      - x  # old\n      # below\n  b: 1\n",
            'a:\n  trust:\n    pins:\n      - x  # old\n      # below\n      - "N="  # new\n  b: 1\n',
        ),
        (
            "a:\r\n  trust:\r\n    pins:\r\n    - x\r\n",
            'a:\r\n  trust:\r\n    pins:\r\n    - x\r\n    - "N="  # new\r\n',
        ),
        (
            "\ufeffa:\n  trust:\n    pins:\n    - x",
            '\ufeffa:\n  trust:\n    pins:\n    - x\n    - "N="  # new',
        ),
        ("a: {trust: {pins: [x]}}", '# new\na: {trust: {pins: [x, "N="]}}'),
        ("a:\n  trust: {pins: [x]}  # t\n", 'a:\n  # new\n  trust: {pins: [x, "N="]}  # t\n'),
        (
            "a:\n  trust:\n    pins: [\n      x,  # old\n    ]\n",
            'a:\n  trust:\n    pins: [\n      x,  # old\n      "N=",  # new\n    ]\n',
        ),
        (
            "a:\n  trust:\n    pins: [\n      x  # old\n    ]\n",
            'a:\n  trust:\n    pins: [\n      x,  # old\n      "N="  # new\n    ]\n',
        ),
        (
            'a: {y: "1\n   2", trust: {pins: [x]}}\n',
            '# new\na: {y: "1\n   2", trust: {pins: [x, "N="]}}\n',
        ),
        (
            "b: &b {pins: [x]}\na:\n  trust: *b\n",
            'b: &b {pins: [x]}\na:\n  trust:\n    pins:\n      - x\n      - "N="  # new\n',
        ),
        (
            "a:\n  trust:\n    pins: &p\n      - x\nb: *p\n",
            'a:\n  trust:\n    pins:\n      - x\n      - "N="  # new\nb: &p [x]\n',
        ),
    ],
    ids=["block", "crlf", "mark", "flow", "flow-line", "comma", "no-comma", "in-quotes", "alias", "anchor"],
)
def test_an_item_is_appended_with_its_comment(before: str, after: str) -> None:
    assert append(before) == after


@pytest.mark.parametrize("before", ["a:\n  b: 1\n", "a:\n  b: 1\n  trust:\n    pins: none\n"])
def test_a_new_list_has_a_line_for_each_item(before: str) -> None:
    assert append(before, inherited=("x",)) == (
        'a:\n  b: 1\n  trust:\n    pins:\n      - x\n      - "N="  # new\n'
    )


def test_a_comment_cannot_hold_a_line_break() -> None:
    text = append("a: {}\n", comment="one\n- two")
    assert "\\n- two" in text and len(text.splitlines()) == 4
