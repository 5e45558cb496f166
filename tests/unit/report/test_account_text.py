"""Test the text report of an emulated account."""

from __future__ import annotations

from reconciler.report.account_text import render_account, render_switches


def test_an_account_without_groups_is_empty() -> None:
    assert render_account({"account": {"id": "a_b", "name": "A B"}}) == "account a_b (A B): empty"


def test_names_in_an_account_cannot_move_the_cursor() -> None:
    group = {"id": "a_b", "name": "red\x1b[31m\nnext"}
    text = render_account({"account": {"id": "a_b", "name": "A"}, "groups": [group]})
    assert "\x1b" not in text
    assert len(text.splitlines()) == 4


def test_a_switch_is_rendered_with_its_default_first() -> None:
    text = render_switches([("last_page", ("missing", "null"), "null", "What ends a list.", "docs (a page)")])
    assert text == (
        "last_page: null (default) | missing\n    What ends a list.\n    Evidence: docs (a page)."
    )
