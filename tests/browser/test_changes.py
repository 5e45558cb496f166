"""Change the account by the page, and see the plan of the command line report the drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from applied_project import AppliedProject
from cli_harness import EmulatedFivetran
from page_visits import PageVisit, add_snowflake, expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def open_form(page: Page, group: str, name: str) -> Locator:
    """Unfold a group and one of its forms. Returns the form."""
    page.locator("details.group > summary").filter(has_text=group).click()
    return unfold(page, f"{name} {group}")


def unfold(page: Page, name: str) -> Locator:
    """Unfold the form of this name, and return it."""
    part = page.locator("details.change").filter(has_text=name)
    part.locator("summary").click()
    return part


def test_a_waiting_certificate_is_approved(visit: PageVisit, server: EmulatedFivetran) -> None:
    group = add_snowflake(server, "analytics")
    server_hash, issuer_hash = server.app.dashboard.present_certificate(destination=group)
    page = visit.open()
    waiting = page.get_by_role("region", name="Waiting for approval")
    expect(waiting.get_by_text(issuer_hash)).to_be_visible()
    waiting.get_by_role("button", name="Approve certificate CN=db-").click()
    expect(waiting.get_by_role("status")).to_contain_text(f"Approved the certificate {server_hash}.")
    expect(waiting.get_by_text("No certificate and no fingerprint waits for approval.")).to_be_visible()
    expect(page.get_by_text("waits for approval", exact=True)).to_have_count(0)
    assert [each["hash"] for each in server.get(f"/destinations/{group}/certificates")["items"]] == [
        server_hash
    ]


def test_a_renamed_group_is_drift(applied_project: AppliedProject, visit: PageVisit) -> None:
    page = visit.open()
    form = open_form(page, "orders", "Rename the group")
    form.get_by_label("Name").fill("orders of a colleague")
    form.get_by_role("button", name="Rename the group orders").click()
    expect(page.get_by_text("Renamed the group to orders of a colleague.")).to_be_in_viewport()
    plan = applied_project.project.run_against(applied_project.server, "plan")
    assert '"orders of a colleague" -> "orders"   drift' in plan.stdout


def test_changed_settings_are_drift(applied_project: AppliedProject, visit: PageVisit) -> None:
    page = visit.open()
    form = open_form(page, "sales", "Change the destination of")
    form.get_by_label("Region").fill("GCP_EUROPE_WEST3")
    form.get_by_label("project_id").fill("theirs")
    form.get_by_role("button", name="Save the destination of sales").click()
    expect(page.get_by_text("Changed region, project_id.")).to_be_visible()
    plan = applied_project.project.run_against(applied_project.server, "plan")
    assert "GCP_EUROPE_WEST3" in plan.stdout
    assert '"theirs" -> "acme"   drift: changed outside the specs' in plan.stdout


def test_a_refused_change_keeps_the_typed_texts(visit: PageVisit, server: EmulatedFivetran) -> None:
    add_snowflake(server, "analytics")
    page = visit.open(viewport={"width": 1280, "height": 320})
    open_form(page, "analytics", "Change the destination of")
    page.get_by_label("port").fill("a hundred")
    page.get_by_label("database").fill("OTHER")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_have_text("Refused: port must be a whole number")
    expect(page.get_by_role("alert")).to_be_in_viewport()
    expect(page.get_by_label("port")).to_have_value("a hundred")
    page.get_by_label("port").fill("8443")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Changed port, database.")).to_be_in_viewport()


def test_connection_destination_and_group_are_deleted(
    applied_project: AppliedProject, visit: PageVisit
) -> None:
    dashboard = applied_project.dashboard
    group = applied_project.find_id("orders")
    dashboard.add_connection(group, "github", "code")
    page = visit.open()
    open_form(page, "orders", "Delete the destination of").get_by_role("button").click()
    expect(page.get_by_role("alert")).to_have_text("Refused: Destination has connections")
    page.get_by_role("button", name="Delete connection code of orders").click()
    expect(page.get_by_text("Deleted the connection")).to_be_in_viewport()
    unfold(page, "Delete the destination of orders").get_by_role("button").click()
    expect(page.get_by_text("Deleted the destination.")).to_be_in_viewport()
    unfold(page, "Delete the group orders").get_by_role("button").click()
    expect(page.get_by_text(f"Deleted the group {group}.")).to_be_in_viewport()
    assert dashboard.find_group_ids("orders") == []
    plan = applied_project.project.run_against(applied_project.server, "plan")
    assert "error[gone-or-hidden]: group.orders" in plan.stderr
