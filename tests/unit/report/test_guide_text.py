"""Test guides on terminals of every width: no text is cut off, no line is wider than the terminal."""

from __future__ import annotations

import io
import re

import pytest

from reconciler.operations.guides import list_guide_topics, read_guide
from reconciler.report.colour import Colour
from reconciler.report.guide_text import print_guide, render_guide_list
from reconciler.report.style import make_console

pytestmark = pytest.mark.sampled(every=3)

ESCAPE = "\x1b"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class FakeTerminal(io.StringIO):
    """Claim to be a terminal."""

    def isatty(self) -> bool:
        return True


def render(text: str, width: int, colour: Colour = Colour.AUTO) -> str:
    stream = FakeTerminal()
    console = make_console(stream, colour)
    console.width = width
    print_guide(console, text)
    return stream.getvalue()


@pytest.mark.parametrize("width", [30, 40, 80, 200])
@pytest.mark.parametrize("topic", list_guide_topics())
def test_no_line_is_wider_than_the_terminal_and_no_text_is_cut_off(topic: str, width: int) -> None:
    guide = render(read_guide(topic), width, Colour.NEVER)
    assert max(map(len, guide.splitlines())) <= width
    assert guide.count("…") == read_guide(topic).count("…")


TABLE = (
    "# T\n\n| option | of | meaning |\n|--|--|--|\n| `--require-signature` | `apply` | Refuses a plan. |\n"
)


def test_a_table_wider_than_the_terminal_becomes_blocks() -> None:
    assert render(TABLE, 40, Colour.NEVER).split() == [
        "T",
        "--require-signature",
        "apply",
        "Refuses",
        "a",
        "plan.",
    ]
    wide = render(TABLE, 80, Colour.NEVER)
    assert re.search(r"^option +of +meaning *$", wide, re.MULTILINE)
    assert re.search(r"^--require-signature +apply +Refuses a plan\. *$", wide, re.MULTILINE)


def test_code_is_indented_and_folded_between_words() -> None:
    guide = render(
        "# T\n\n```sh\nreconciler plan --out plan.json           # valid for a week\n```\n", 40, Colour.NEVER
    )
    assert [line.rstrip() for line in guide.splitlines()][2:] == [
        "    reconciler plan --out plan.json",
        "        # valid for a week",
    ]


def test_links_to_guides_become_topics_at_the_end() -> None:
    text = "# T\n\nSee [the state](state.md#the-lock), [state](state.md), [all](../../README.md), [drift](drift.md).\n"
    guide = render(text, 80, Colour.NEVER)
    assert "See the state, state, all, drift." in guide
    assert guide.endswith("\n\nSee also: reconciler help state | drift\n")


def test_links_to_other_pages_stay() -> None:
    assert "https://example.com/x.md" in render("# T\n\n[site](https://example.com/x.md)\n", 80, Colour.NEVER)


def test_colours_are_used_only_if_allowed() -> None:
    text = "# T\n\nSet `x`.\n"
    assert ESCAPE in render(text, 80)
    assert COLOURS.sub("", render(text, 80)) == render(text, 80, Colour.NEVER)
    assert ESCAPE not in render(text, 80, Colour.NEVER)


def test_summaries_in_the_list_wrap_in_their_column() -> None:
    summaries = {"specs": "The project file and all of its keys", "state": "Locks"}
    assert render_guide_list(summaries, 38).splitlines()[:3] == [
        "specs  The project file and all of its",
        "       keys",
        "state  Locks",
    ]
    assert render_guide_list(summaries).splitlines()[0] == "specs  The project file and all of its keys"
