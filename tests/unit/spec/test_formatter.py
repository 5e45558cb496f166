"""Test that `fmt` changes only the layout."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli_harness import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.diagnostic import ReconcilerError
from reconciler.spec.formatter import format_spec
from reconciler.spec.nodes import to_plain
from reconciler.spec.source import parse

MESSY = """\
version: 1
profiles:
    base: &base
        service: snowflake   # quoted? no
        region: 'AWS_US_EAST_1'
groups:
    # Owned by #data.


    alpha:
        # the destination
        destination:
            <<: *base
            profile: "x # y"
            config:
                note: |
                  two⎵

                  # no comment
                private_key: {secret: "env:X",
                  }
                hosts:
                  - a
                  - b
            # the end of it
        # the name
        name: 'Alpha'
        id: decent_dropsy
    beta: {name: x, id: y}

""".replace("⎵", "   ")

TIDY = """\
version: 1
profiles:
  base: &base
    service: snowflake   # quoted? no
    region: 'AWS_US_EAST_1'
groups:
  # Owned by #data.

  alpha:
    id: decent_dropsy
    # the name
    name: 'Alpha'
    # the destination
    destination:
      <<: *base
      profile: "x # y"
      config:
        note: |
          two⎵

          # no comment
        private_key: {secret: "env:X",
          }
        hosts:
          - a
          - b
      # the end of it
  beta: {name: x, id: y}
""".replace("⎵", "   ")


def parse_meaning(text: str) -> str:
    return json.dumps(to_plain(parse(text, "x")), sort_keys=True)


def test_all_rules_of_the_formatter_apply_together() -> None:
    assert format_spec(MESSY, "x") == TIDY


def test_a_file_in_normal_form_stays_unchanged() -> None:
    assert format_spec(TIDY, "x") == TIDY


@pytest.mark.parametrize("file", sorted((ROOT / "specs").rglob("*.yaml")), ids=lambda file: file.name)
def test_the_demo_account_is_in_normal_form(file: Path) -> None:
    assert format_spec(file.read_text(), "x") == file.read_text()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\ufeffversion: 1\r\ngroups: {}\r\n", "version: 1\ngroups: {}\n"),
        ("version: 1 \t\n", "version: 1\n"),
        ("version: 1", "version: 1\n"),
        ("\n\nversion: 1\n\n\n\ngroups: {}\n\n\n", "version: 1\n\ngroups: {}\n"),
        ("a:\n # c\n b: 1\n", "a:\n  # c\n  b: 1\n"),
        ("a:\n    - b: 1\n      c: 2\nd:\n    e: 1\n", "a:\n    - b: 1\n      c: 2\nd:\n  e: 1\n"),
        ("a: |+\n  x\n\n\n", "a: |+\n  x\n\n\n"),
        ("a: |\n  x\n\n\n", "a: |\n  x\n"),
        ("a:\n    b: |2\n       x\n", "a:\n  b: |2\n     x\n"),
        (
            "a:\n    b:\n        c: 1\n    d: |\n        # text\n        more\n",
            "a:\n  b:\n    c: 1\n  d: |\n      # text\n      more\n",
        ),
        ('a:\n    b: "x\n      y"\n', 'a:\n  b: "x\n    y"\n'),
        ("a:\n    {b: 1,\n     c: 2}\n", "a:\n    {b: 1,\n     c: 2}\n"),
    ],
)
def test_the_layout_is_normalized(before: str, after: str) -> None:
    assert format_spec(before, "x") == after


def test_an_order_required_by_anchors_is_kept() -> None:
    text = "groups:\n  a:\n    destination: {config: {x: &n X}}\n    name: *n\n"
    assert format_spec(text, "x") == text


def test_settings_of_other_kinds_keep_their_order() -> None:
    text = "groups:\n  a:\n    destination:\n      config: {}\n      service: x\n"
    assert format_spec(text, "x") == text


def test_an_unreadable_file_is_refused() -> None:
    with pytest.raises(ReconcilerError):
        format_spec("a: [\n", "x")


PIECES = st.sampled_from(
    [
        " ",
        "  ",
        "\n",
        "\n\n",
        " \n",
        "\r\n",
        "# c\n",
        " # c",
        "\n    # c",
        "- ",
        "'",
        '"',
        "|",
        ">",
        "x",
        ": ",
        "{",
        "}",
    ]
)
EDITS = st.lists(st.tuples(st.integers(0, len(MESSY)), st.integers(0, 6), PIECES), max_size=6)


@settings(max_examples=200)
@given(EDITS)
def test_formatting_keeps_meaning_and_comments_and_is_idempotent(
    edits: list[tuple[int, int, str]],
) -> None:
    text = MESSY
    for place, length, piece in edits:
        text = text[:place] + piece + text[place + length :]
    try:
        before = parse_meaning(text)
    except ReconcilerError:
        return
    after = format_spec(text, "x")
    assert parse_meaning(after) == before
    assert sorted(re.findall(r"#.*?(?=\s*$)", after, re.M)) == sorted(re.findall(r"#.*?(?=\s*$)", text, re.M))
    assert format_spec(after, "x") == after
