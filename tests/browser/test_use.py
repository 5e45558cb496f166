"""Use the page by keyboard, without JavaScript, and while requests arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

from cli_harness import EmulatedFivetran
from page_checks import HIDDEN_FOCUS
from page_visits import PageVisit, add_snowflake, expect, send

if TYPE_CHECKING:
    from playwright.sync_api import Page


def focus_by_tab(page: Page, text: str) -> None:
    """Press Tab until an element with this text has the focus. Every element on the way must show its focus."""
    for _ in range(300):
        page.keyboard.press("Tab")
        assert page.evaluate(HIDDEN_FOCUS) == ""
        if text in page.evaluate("document.activeElement.textContent"):
            return
    raise AssertionError(f"Tab does not reach {text}")


def test_the_keyboard_alone_approves_and_renames(visit: PageVisit, server: EmulatedFivetran) -> None:
    group = add_snowflake(server, "analytics")
    server.app.dashboard.present_certificate(destination=group)
    page = visit.open(reduced_motion="reduce")  # no smooth scrolling between two keys
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    assert page.evaluate(HIDDEN_FOCUS) == ""
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").startswith("Approve certificate CN=db-")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Approved the certificate")).to_be_in_viewport()
    # The message has moved the start of the focus: the next Tab goes on behind it.
    focus_by_tab(page, "analytics")
    page.keyboard.press("Enter")
    focus_by_tab(page, "Rename the group")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("renamed")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Renamed the group to renamed.")).to_be_in_viewport()
    assert server.app.dashboard.find_group_ids("renamed") == [group]
    assert len(server.get(f"/destinations/{group}/certificates")["items"]) == 1


def test_every_control_shows_its_focus(visit: PageVisit, full_account: EmulatedFivetran) -> None:
    page = visit.open(reduced_motion="reduce")
    page.evaluate(
        "document.querySelectorAll('details').forEach((part, number) => { part.open = number < 12 })"
    )
    focus_by_tab(page, "history")


def test_the_page_works_without_javascript(visit: PageVisit, server: EmulatedFivetran) -> None:
    group = add_snowflake(server, "analytics")
    server.app.dashboard.present_certificate(destination=group)
    page = visit.open(java_script_enabled=False)
    page.get_by_role("button", name="Approve certificate CN=Acme Private Root").click()
    expect(page.get_by_text("Approved the certificate")).to_be_visible()
    page.locator("details.group > summary").click()
    page.get_by_role("button", name="Revoke certificate").click()
    expect(page.get_by_text("Revoked the certificate")).to_be_visible()
    send(server, "POST", "/groups", {"name": "later"})
    expect(page.get_by_text("created group")).to_have_count(1)
    page.get_by_role("link", name="Refresh").click()
    expect(page.get_by_text("created group")).to_have_count(2)
    page.get_by_role("link", name="Reload every 5 s").click()
    send(server, "POST", "/groups", {"name": "last"})
    expect(page.get_by_text("created group")).to_have_count(3)
    page.get_by_role("link", name="Stop").click()
    expect(page.get_by_role("link", name="Reload every 5 s")).to_be_visible()


def test_requests_appear_without_touching_the_rest_of_the_page(
    visit: PageVisit, server: EmulatedFivetran
) -> None:
    add_snowflake(server, "analytics")
    page = visit.open()
    requests = page.get_by_role("region", name="Requests")
    items = requests.get_by_role("listitem")
    expect(items).to_have_count(2)
    items.nth(1).locator("summary").click()
    page.locator("details.group > summary").click()
    page.locator("summary").filter(has_text="Rename the group").click()
    page.get_by_label("Name", exact=True).fill("half a na")
    send(server, "GET", "/groups")
    expect(items).to_have_count(3)
    expect(items.first).to_contain_text("GET /v1/groups")
    expect(requests.get_by_text("The newest 3 of 3 requests.")).to_be_visible()
    expect(requests.get_by_role("status")).to_be_empty()
    send(server, "POST", "/groups", {"name": "other"})
    expect(items).to_have_count(4)
    expect(requests.get_by_role("status")).to_have_text("The account has changed. Refresh the page")
    expect(page.get_by_label("Name", exact=True)).to_have_value("half a na")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    assert items.nth(3).locator("details").get_attribute("open") is not None
    send(server, "GET", "/users")
    expect(items).to_have_count(5)
    page.get_by_role("link", name="Refresh the page").click()
    expect(page.get_by_role("heading", name="Groups 2")).to_be_visible()


def test_a_reset_empties_the_list(visit: PageVisit, server: EmulatedFivetran) -> None:
    add_snowflake(server, "analytics")
    page = visit.open()
    requests = page.get_by_role("region", name="Requests")
    expect(requests.get_by_role("listitem")).to_have_count(2)
    send_reset(server)
    expect(requests.get_by_text("No request so far.")).to_be_visible()
    expect(requests.get_by_role("listitem")).to_have_count(0)
    expect(requests.get_by_role("status")).to_have_text("The account was reset. Refresh the page")


def send_reset(server: EmulatedFivetran) -> None:
    with urlopen(
        Request(server.url.removesuffix("/v1") + "/_emulator/reset", b"", method="POST"), timeout=30
    ):
        pass


def test_the_end_of_the_emulator_is_reported(visit: PageVisit, server: EmulatedFivetran) -> None:
    page = visit.open()
    visit.expects_errors = True
    page.route("**/requests?*", lambda route: route.abort())
    expect(page.get_by_text("The emulator does not answer. It may have ended.")).to_be_visible()
    page.unroute("**/requests?*")
    expect(page.get_by_text("Connected again.")).to_be_visible()
