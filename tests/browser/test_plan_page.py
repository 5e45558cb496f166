"""Read and filter the page of a plan in a browser: from a file, as a reviewer opens an artifact of a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from large_plans import build_large_plan, make_change
from page_checks import HIDDEN_FOCUS, LOW_CONTRASTS, OPEN_ALL, RULES, measure_overflow, run_axe
from page_visits import expect
from plan_pages import render_page

from reconciler.model.plan import Action, FieldChange, Plan, UnmanagedGroup
from reconciler.model.risk import Risk

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    OpenPlan = Callable[..., Page]

WIDTHS = [320, 360, 768, 1280]
LONG = "a_very_long_word_without_any_space_" * 12


def build_long_plan() -> Plan:
    """Build a plan with changes of every kind, and with hostile and long words in one of them."""
    data = f"<b>{LONG}</b>\u202e"
    change = make_change(
        99,
        Action.UPDATE,
        fields=(
            FieldChange((LONG,), data, [data] * 9),
            FieldChange(("config", "x"), None, {LONG: data}),
        ),
        risk=Risk.INTERRUPTS_SYNCS,
    )
    single = replace(change, fields=change.fields[:1], id=LONG)
    plan = build_large_plan(42)
    return replace(
        plan, changes=(*plan.changes, change, single), unmanaged=(*plan.unmanaged, UnmanagedGroup(LONG, data))
    )


@pytest.fixture
def open_plan(browser: Browser, tmp_path: Path) -> Iterator[OpenPlan]:
    """Open the page of a plan from a file. Errors in the console, and requests of any kind, fail the test at its
    end."""
    contexts, problems = [], list[str]()

    def open_page(plan: Plan, fragment: str = "", **options: Any) -> Page:
        file = tmp_path / "plan.html"
        file.write_text(render_page(plan))
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request",
            lambda request: None if request.url.startswith("file:") else problems.append(request.url),
        )
        page.goto(f"{file.as_uri()}{fragment}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def list_shown(page: Page) -> list[str]:
    """List the addresses of the visible changes."""
    return [each for each in page.locator(".change:visible h3 code").all_text_contents() if each]


# Looks


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_never_scrolls_sideways(open_plan: OpenPlan, width: int) -> None:
    page = open_plan(build_long_plan(), viewport={"width": width, "height": 700})
    assert measure_overflow(page) == [0, []]
    page.evaluate(OPEN_ALL)
    assert measure_overflow(page) == [0, []]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(open_plan: OpenPlan, scheme: Any) -> None:
    page = open_plan(build_long_plan(), color_scheme=scheme)
    page.evaluate(OPEN_ALL)
    page.get_by_role("checkbox", name="update").check()
    page.get_by_role("button", name="Unfold all").click()
    measured = page.evaluate(LOW_CONTRASTS)
    assert measured["count"] > 300
    assert measured["low"] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_axe_finds_no_violation(open_plan: OpenPlan, width: int, scheme: Any) -> None:
    page = open_plan(build_large_plan(42), viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.evaluate(OPEN_ALL)
    assert run_axe(page) == []


def test_axe_finds_no_violation_in_an_empty_plan(open_plan: OpenPlan) -> None:
    assert run_axe(open_plan(build_large_plan(0))) == []


def test_axe_would_find_a_violation(open_plan: OpenPlan) -> None:
    page = open_plan(build_large_plan(0))
    page.evaluate("document.querySelector('h1').style.setProperty('color', '#eee')")
    assert [each for each in run_axe(page) if each.startswith("color-contrast")]


@pytest.mark.parametrize("width", [320, 1280])
def test_the_structure_follows_the_rules(open_plan: OpenPlan, width: int) -> None:
    page = open_plan(build_large_plan(42), viewport={"width": width, "height": 700})
    page.evaluate(OPEN_ALL)
    assert page.evaluate(RULES) == []


def test_the_schemes_differ(open_plan: OpenPlan) -> None:
    colors = [
        open_plan(build_large_plan(1), color_scheme=scheme).evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        for scheme in ("light", "dark")
    ]
    assert colors[0] != colors[1]


# Filter


def test_changes_are_filtered_by_action_risk_service_and_text(open_plan: OpenPlan) -> None:
    page = open_plan(build_large_plan(42))
    status = page.get_by_role("status")
    expect(status).to_have_text("All 42 changes shown")
    page.get_by_role("checkbox", name="delete").check()
    expect(status).to_have_text("3 of 42 changes shown")
    page.get_by_role("checkbox", name="replace").check()
    expect(status).to_have_text("6 of 42 changes shown")
    page.get_by_label("Risk", exact=True).select_option("target")
    expect(status).to_have_text("0 of 42 changes shown")
    page.get_by_label("Risk", exact=True).select_option("destroys")
    expect(status).to_have_text("3 of 42 changes shown")
    assert list_shown(page) == ["destination.shop_0006", "destination.shop_0020", "destination.shop_0034"]
    page.get_by_label("Key or address").fill("SHOP 0020")
    expect(status).to_have_text("1 of 42 changes shown")
    page.get_by_label("Service", exact=True).select_option("snowflake")
    expect(status).to_have_text("0 of 42 changes shown")
    expect(page.get_by_text("No change fits the filter.")).to_be_visible()
    page.get_by_role("button", name="Clear the filter").click()
    expect(status).to_have_text("All 42 changes shown")
    expect(page.get_by_label("Key or address")).to_be_focused()
    assert "#" not in page.url


def test_the_fragment_keeps_the_filter(open_plan: OpenPlan) -> None:
    page = open_plan(build_large_plan(42))
    page.get_by_role("checkbox", name="update").check()
    page.get_by_label("Service", exact=True).select_option("big_query")
    page.get_by_label("Key or address").fill("0001")
    expect(page.get_by_role("status")).to_have_text("1 of 42 changes shown")
    fragment = page.url.partition("#")[2]
    assert fragment == "action=update&service=big_query&text=0001"
    again = open_plan(build_large_plan(42), f"#{fragment}")
    expect(again.get_by_role("status")).to_have_text("1 of 42 changes shown")
    expect(again.get_by_role("checkbox", name="update")).to_be_checked()
    expect(again.get_by_label("Service", exact=True)).to_have_value("big_query")
    expect(again.get_by_label("Key or address")).to_have_value("0001")
    assert list_shown(again) == ["destination.shop_0001"]


def test_changes_are_filtered_by_the_risk_of_any_field(open_plan: OpenPlan) -> None:
    page = open_plan(build_large_plan(42))
    page.get_by_label("Risk", exact=True).select_option("credentials")
    expect(page.get_by_role("status")).to_have_text("3 of 42 changes shown")
    page.get_by_label("Risk", exact=True).select_option("target")
    expect(page.get_by_role("status")).to_have_text("12 of 42 changes shown")


@pytest.mark.parametrize(
    "fragment", ["#service=<img src=x onerror=alert(1)>&action=x&risk=", "#%", "#=", "#main", "#change-9999"]
)
def test_a_foreign_fragment_hides_nothing(open_plan: OpenPlan, fragment: str) -> None:
    page = open_plan(build_large_plan(42), fragment)
    expect(page.get_by_role("status")).to_have_text("All 42 changes shown")


def test_a_link_finds_a_change_that_the_filter_hides(open_plan: OpenPlan) -> None:
    page = open_plan(build_large_plan(42))
    page.get_by_role("checkbox", name="update").check()
    expect(page.get_by_role("status")).to_have_text("12 of 42 changes shown")
    page.get_by_role("link", name="destination.shop_0006").click()
    expect(page.locator("#change-1")).to_be_in_viewport()
    expect(page.get_by_role("status")).to_have_text("All 42 changes shown")


def test_all_fields_unfold_and_fold_again(open_plan: OpenPlan) -> None:
    page = open_plan(build_large_plan(42))
    created = page.locator(".change", has_text="destination.shop_0003").locator("details.fields")
    button = page.get_by_role("button", name="Unfold all")
    expect(created.locator("table")).to_be_hidden()
    button.click()
    expect(created.locator("table")).to_be_visible()
    button.click()
    expect(created.locator("table")).to_be_hidden()
    expect(page.locator(".change", has_text="destination.shop_0002").locator("table")).to_be_visible()


def test_500_changes_are_filtered_without_a_lag(open_plan: OpenPlan) -> None:
    page = open_plan(build_large_plan(500))
    expect(page.get_by_role("status")).to_have_text("All 500 changes shown")
    milliseconds = page.evaluate(
        """() => new Promise((resolve) => {
          const text = document.getElementById("text");
          const status = document.getElementById("shown");
          const start = performance.now();
          new MutationObserver(() => requestAnimationFrame(() => resolve(performance.now() - start)))
            .observe(status, { childList: true });
          text.value = "shop_0123";
          text.dispatchEvent(new Event("input"));
        })"""
    )
    expect(page.get_by_role("status")).to_have_text("1 of 500 changes shown")
    assert milliseconds < 1500


# Use


def test_the_keyboard_reaches_every_control_and_shows_where_it_is(open_plan: OpenPlan) -> None:
    page = open_plan(build_large_plan(14))
    wanted = page.evaluate(
        """() => [...document.querySelectorAll("a, button, input, select, summary, pre")]
          .filter((each) => each.checkVisibility()).length"""
    )
    reached = set()
    for _ in range(wanted):
        page.keyboard.press("Tab")
        assert page.evaluate(HIDDEN_FOCUS) == ""
        reached.add(page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
    assert len(reached) == wanted > 30


def test_the_keyboard_alone_filters(open_plan: OpenPlan) -> None:
    page = open_plan(build_large_plan(42))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the plan"
    page.keyboard.press("Enter")
    while page.evaluate("document.activeElement.id") != "text":
        page.keyboard.press("Tab")
    page.keyboard.type("shop_0006")
    expect(page.get_by_role("status")).to_have_text("1 of 42 changes shown")
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    while page.evaluate("document.activeElement.value") != "delete":
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_role("status")).to_have_text("3 of 42 changes shown")


def test_the_page_is_whole_without_javascript(open_plan: OpenPlan) -> None:
    page = open_plan(build_large_plan(42), java_script_enabled=False)
    expect(page.locator(".change:visible")).to_have_count(42)
    expect(page.get_by_role("search")).to_be_hidden()
    expect(page.get_by_text("No change fits the filter.")).to_be_hidden()
    created = page.locator(".change", has_text="destination.shop_0003")
    created.locator("summary").first.click()
    expect(created.get_by_text('"SHOP_0003"')).to_be_visible()


def test_the_policy_stops_every_other_script_and_request(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "plan.html"
    file.write_text(render_page(build_large_plan(1)))
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(file.as_uri())
        page.evaluate(
            """() => {
              const inline = document.createElement("script");
              inline.textContent = "document.title = 'changed'";
              document.body.append(inline);
              document.body.insertAdjacentHTML("beforeend", "<img src=x onerror=\\"document.title = 'changed'\\">");
            }"""
        )
        blocked = page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => String(error))")
        assert "Failed to fetch" in blocked
        assert page.title().startswith("Plan: ")


# Paper


def test_paper_has_every_value_and_no_control(open_plan: OpenPlan) -> None:
    page = open_plan(build_long_plan(), viewport={"width": 794, "height": 1123})
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    expect(page.get_by_role("search")).to_be_hidden()
    expect(page.get_by_role("navigation")).to_be_hidden()
    assert measure_overflow(page) == [0, []]
    assert page.locator(".change table tr:visible").count() > 100
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 20


def test_paper_has_every_value_without_javascript(open_plan: OpenPlan) -> None:
    page = open_plan(build_large_plan(42), java_script_enabled=False)
    page.emulate_media(media="print")
    rows = page.locator(".change tbody tr")
    assert all(each.is_visible() for each in rows.all())
    assert rows.count() > 90


def test_paper_names_the_changes_that_the_filter_leaves_out(open_plan: OpenPlan) -> None:
    page = open_plan(build_large_plan(42), "#action=delete")
    expect(page.get_by_role("status")).to_have_text("3 of 42 changes shown")
    page.emulate_media(media="print")
    expect(page.get_by_text("3 of 42 changes shown")).to_be_visible()
    page.emulate_media(media="screen")
    page.get_by_role("button", name="Clear the filter").click()
    page.emulate_media(media="print")
    expect(page.get_by_text("All 42 changes shown")).to_be_hidden()
