"""Check width, contrast and structure of the page by rules of accessibility."""

from __future__ import annotations

from typing import Any

import pytest
from cli_harness import EmulatedFivetran
from page_checks import LOW_CONTRASTS, OPEN_ALL, RULES, measure_overflow
from page_visits import PageVisit


@pytest.mark.parametrize("width", [320, 360, 704, 1280])
def test_the_page_never_scrolls_sideways(
    visit: PageVisit, full_account: EmulatedFivetran, width: int
) -> None:
    page = visit.open(viewport={"width": width, "height": 700})
    assert measure_overflow(page) == [0, []]
    page.evaluate(OPEN_ALL)
    assert measure_overflow(page) == [0, []]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(
    visit: PageVisit, full_account: EmulatedFivetran, scheme: Any
) -> None:
    page = visit.open(color_scheme=scheme)
    page.evaluate(OPEN_ALL)
    measured = page.evaluate(LOW_CONTRASTS)
    assert measured["count"] > 300
    assert measured["low"] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_messages_have_enough_contrast(visit: PageVisit, full_account: EmulatedFivetran, scheme: Any) -> None:
    page = visit.open(color_scheme=scheme)
    # The script that measures can run before the style sheet of the next page has arrived.
    with page.expect_navigation():
        page.get_by_role("button", name="Approve fingerprint").click()
    assert page.evaluate(LOW_CONTRASTS)["low"] == []
    page.locator("details.group > summary").filter(has_text="empty").click()
    page.locator("summary").filter(has_text="Rename the group empty").click()
    page.locator("details[open] input[name=name]").fill("")
    with page.expect_navigation():
        page.get_by_role("button", name="Rename the group empty").click()
    page.get_by_role("alert").wait_for()
    assert page.evaluate(LOW_CONTRASTS)["low"] == []


def test_the_schemes_differ(visit: PageVisit, server: EmulatedFivetran) -> None:
    colors = [
        visit.open(color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert colors[0] != colors[1]


@pytest.mark.parametrize("width", [320, 1280])
def test_the_structure_follows_the_rules(
    visit: PageVisit, full_account: EmulatedFivetran, width: int
) -> None:
    page = visit.open(viewport={"width": width, "height": 700})
    page.evaluate(OPEN_ALL)
    assert page.evaluate(RULES) == []


def test_an_empty_page_follows_the_rules(visit: PageVisit, server: EmulatedFivetran) -> None:
    assert visit.open().evaluate(RULES) == []


def test_motion_is_reduced_by_choice(visit: PageVisit, server: EmulatedFivetran) -> None:
    page = visit.open(reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


def test_the_policy_stops_foreign_scripts(visit: PageVisit, full_account: EmulatedFivetran) -> None:
    visit.expects_errors = True
    page = visit.open()
    page.evaluate(
        """() => {
          const inline = document.createElement("script");
          inline.textContent = "document.title = 'changed'";
          document.body.append(inline);
        }"""
    )
    assert "emulated Fivetran" in page.title()
    blocked = page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => String(error))")
    assert "Failed to fetch" in blocked
