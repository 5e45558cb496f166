"""Guides on terminals of every width: nothing is cut off, nothing is wider than the terminal."""

from __future__ import annotations

import io
import re

import pytest

from reconciler.operations.guides import list_guide_topics, read_guide
from reconciler.report.guide_text import print_guide, render_guide_list
from reconciler.report.style import Colour, make_console

ESCAPE = "\x1b"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def shown(text: str, width: int, colour: Colour = Colour.AUTO) -> str:
    stream = Terminal()
    console = make_console(stream, colour)
    console.width = width
    print_guide(console, text)
    return stream.getvalue()


@pytest.mark.parametrize("width", [30, 40, 80, 200])
@pytest.mark.parametrize("topic", list_guide_topics())
def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut_off(topic: str, width: int) -> None:
    guide = shown(read_guide(topic), width, Colour.NEVER)
    assert max(map(len, guide.splitlines())) <= width
    assert guide.count("…") == read_guide(topic).count("…")


TABLE = (
    "# T\n\n| option | of | meaning |\n|--|--|--|\n| `--require-signature` | `apply` | Refuses a plan. |\n"
)


def test_a_table_without_room_for_its_columns_becomes_blocks() -> None:
    assert shown(TABLE, 40, Colour.NEVER).split() == [
        "T",
        "--require-signature",
        "apply",
        "Refuses",
        "a",
        "plan.",
    ]
    wide = shown(TABLE, 80, Colour.NEVER)
    assert re.search(r"^option +of +meaning *$", wide, re.MULTILINE)
    assert re.search(r"^--require-signature +apply +Refuses a plan\. *$", wide, re.MULTILINE)


def test_code_is_indented_and_folded_between_words() -> None:
    guide = shown(
        "# T\n\n```sh\nreconciler plan --out plan.json           # valid for a week\n```\n", 40, Colour.NEVER
    )
    assert [line.rstrip() for line in guide.splitlines()][2:] == [
        "    reconciler plan --out plan.json",
        "        # valid for a week",
    ]


def test_links_to_guides_become_topics_at_the_end() -> None:
    text = "# T\n\nSee [the state](state.md#the-lock), [state](state.md), [all](../../README.md), [drift](drift.md).\n"
    guide = shown(text, 80, Colour.NEVER)
    assert "See the state, state, all, drift." in guide
    assert guide.endswith("\n\nSee also: reconciler help state | drift\n")


def test_other_addresses_stay() -> None:
    assert "https://example.com/x.md" in shown("# T\n\n[site](https://example.com/x.md)\n", 80, Colour.NEVER)


def test_colours_are_used_if_they_are_allowed() -> None:
    text = "# T\n\nSet `x`.\n"
    assert ESCAPE in shown(text, 80)
    assert COLOURS.sub("", shown(text, 80)) == shown(text, 80, Colour.NEVER)
    assert ESCAPE not in shown(text, 80, Colour.NEVER)


def test_the_list_folds_summaries_below_themselves() -> None:
    summaries = {"specs": "The project file and all of its keys", "state": "Locks"}
    assert render_guide_list(summaries, 38).splitlines()[:3] == [
        "specs  The project file and all of its",
        "       keys",
        "state  Locks",
    ]
    assert render_guide_list(summaries).splitlines()[0] == "specs  The project file and all of its keys"
