"""Objects of the account without an entry: groups of others, and undeclared destinations of declared groups."""

from __future__ import annotations

from typing import Any

import pytest
from applied_project import PAIR, AppliedProject
from cli_harness import EmulatedFivetran, Project

pytestmark = pytest.mark.sampled(every=3, tests=2)

NOT_CONNECTED = "warning[not-connected]"
HOSTILE = "plan\x1b[31m"


class SharedAccount(AppliedProject):
    """An account with a declared group `orders`, whose destination is not declared, and with groups of others."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        super().__init__(project, server, {"ORDERS_KEY": "key-of-the-orders"})
        self.declare(extra="  orders: {}\n")
        self.orders = self.add_pair("orders", "connected")
        self.theirs = self.add_pair("Their lake", "broken")
        self.empty = self.dashboard.add_group("empty")

    def add_pair(self, name: str, status: str) -> str:
        id = self.dashboard.add_group(name)
        self.dashboard.add_destination(
            id,
            "snowflake",
            region="AWS_EU_WEST_1",
            config={"host": "acme.snowflakecomputing.com"},
            setup_status=status,
        )
        return id

    def add_connections(self) -> dict[str, str]:
        """Add connections to both destinations. Returns their ids by the names of their schemas."""
        return {
            name: self.dashboard.add_connection(group, service, name)
            for group, service, name in (
                (self.theirs, "postgres", "shop"),
                (self.theirs, "google_sheets", HOSTILE),
                (self.orders, "salesforce", "crm"),
            )
        }

    def run_and_count(self, *arguments: str) -> tuple[Any, list[str]]:
        """Run a command. Returns its JSON document and its requests."""
        before = len(self.server.calls)
        document = self.run(*arguments, "--format", "json").document
        return document, self.server.calls[before:]


@pytest.fixture
def shared(project: Project, server: EmulatedFivetran) -> SharedAccount:
    return SharedAccount(project, server)


@pytest.mark.parametrize("command", [["drift"], ["plan", "--verbose"]])
def test_objects_without_an_entry_are_listed_with_service_region_and_status(
    shared: SharedAccount, command: list[str]
) -> None:
    result = shared.run(*command)
    assert result.exit == 0, result.stderr
    expected = (
        "Not declared: 1 destination of declared groups. Left alone.\n"
        f"  {shared.orders}  destination.orders  snowflake in AWS_EU_WEST_1, connected\n"
    )
    assert expected in result.stdout
    width = max(len(shared.theirs), len(shared.empty))
    expected = (
        "Not managed: 2 groups. Left alone.\n"
        f'  {shared.theirs:<{width}}  "Their lake"  snowflake in AWS_EU_WEST_1, broken\n'
        f'  {shared.empty:<{width}}  "empty"\n'
    )
    assert expected in result.stdout


def test_a_plan_counts_objects_without_an_entry(shared: SharedAccount) -> None:
    lines = shared.plan().stdout.splitlines()
    assert "Not declared: 1 destination of declared groups (destination.orders). Left alone." in lines
    assert 'Not managed: 2 groups ("Their lake", "empty"). Left alone.' in lines
    lines = shared.plan("--format", "terraform").stdout.splitlines()
    assert "  1 destination of declared groups not declared, left alone" in lines
    assert "  2 groups not managed, left alone" in lines
    assert "Not declared" not in shared.run("plan", "--drift-only").stdout


def test_every_document_has_objects_without_an_entry(shared: SharedAccount) -> None:
    facts = {"service": "snowflake", "region": "AWS_EU_WEST_1"}
    expected = {
        "unmanaged": [
            {"id": shared.theirs, "name": "Their lake", **facts, "setup_status": "broken"},
            {"id": shared.empty, "name": "empty"},
        ],
        "undeclared": [
            {"address": "destination.orders", "id": shared.orders, **facts, "setup_status": "connected"}
        ],
    }
    plan = shared.plan("--format", "json").document
    drift = shared.run("drift", "--format", "json").document
    terraform = shared.plan("--format", "terraform-json").document["variables"]["x_reconciler"]["value"]
    for document in (plan, drift, terraform):
        assert {key: document[key] for key in expected} == expected
    comment = shared.plan("--format", "markdown").stdout
    assert f"- `Their lake` (`{shared.theirs}`), `snowflake` in `AWS_EU_WEST_1`, `broken`\n" in comment
    assert (
        f"- `destination.orders` (`{shared.orders}`), `snowflake` in `AWS_EU_WEST_1`, `connected`\n"
        in comment
    )


def test_a_saved_plan_shows_objects_without_an_entry(shared: SharedAccount) -> None:
    shared.add_connections()
    planned = shared.plan("--out", "plan.json", "--connections", "--format", "json").document
    assert len(planned["undeclared"][0]["connections"]) == 1
    shown = shared.run("show", "plan.json", "--format", "json").document
    assert shown["undeclared"] == planned["undeclared"]
    assert shown["unmanaged"] == planned["unmanaged"]


def test_the_list_costs_no_request_and_connections_cost_a_list_per_group(shared: SharedAccount) -> None:
    shared.add_connections()
    shared.write_specs(PAIR.format(key="declared") + "  orders: {}\n")
    _, calls = shared.run_and_count("drift")
    assert sorted(calls) == ["GET /v1/account/info", "GET /v1/destinations", "GET /v1/groups"]
    document, more_calls = shared.run_and_count("drift", "--connections")
    lists = [f"GET /v1/groups/{id}/connections" for id in (shared.orders, shared.theirs, shared.empty)]
    assert sorted(more_calls) == sorted([*calls, *lists])
    assert document["requests"] == len(more_calls)


@pytest.mark.parametrize("command", ["plan", "drift"])
def test_connections_are_listed_on_request(shared: SharedAccount, command: str) -> None:
    ids = shared.add_connections()
    assert "connection" not in shared.run(command).stdout
    document = shared.run(command, "--connections", "--format", "json").document
    assert [group["connections"] for group in document["unmanaged"]] == [
        [
            {"id": ids[HOSTILE], "service": "google_sheets", "name": HOSTILE},
            {"id": ids["shop"], "service": "postgres", "name": "shop"},
        ],
        [],
    ]
    assert document["undeclared"][0]["connections"] == [
        {"id": ids["crm"], "service": "salesforce", "name": "crm"}
    ]
    text = shared.run(command, "--connections", "--verbose").stdout
    assert "snowflake in AWS_EU_WEST_1, broken, 2 connections\n" in text
    assert f"      google_sheets {ids[HOSTILE]} plan\\x1b[31m\n" in text
    assert f"      salesforce {ids['crm']} crm\n" in text


@pytest.mark.parametrize("command", ["plan", "drift"])
def test_the_number_of_connections_needs_no_verbosity(shared: SharedAccount, command: str) -> None:
    shared.add_connections()
    text = shared.run(command, "--connections").stdout
    assert "broken, 2 connections\n" in text
    assert '"empty"       0 connections\n' in text
    assert "google_sheets" not in text
    assert "`broken`, 2 connections\n" in shared.plan("--connections", "--format", "markdown").stdout


def test_connections_that_a_key_may_not_list_are_unknown(shared: SharedAccount) -> None:
    shared.add_connections()
    shared.add_faults(f"GET /v1/groups/{shared.theirs}/connections status 403")
    result = shared.run("drift", "--connections")
    assert result.exit == 0, result.stderr
    assert "broken, connections hidden from these credentials\n" in result.stdout
    shared.add_faults(f"GET /v1/groups/{shared.theirs}/connections status 403")
    document = shared.run("drift", "--connections", "--format", "json").document
    assert document["unmanaged"][0]["connections"] is None


def test_a_list_of_connections_without_an_answer_is_an_error(shared: SharedAccount) -> None:
    shared.add_faults("GET /v1/groups/*/connections times 99 status 500")
    result = shared.run("drift", "--connections")
    assert result.exit != 0
    assert "HTTP 500" in result.stderr


def test_a_broken_destination_of_a_declared_group_is_one_warning(shared: SharedAccount) -> None:
    warning = (
        f"{NOT_CONNECTED}: destination.orders is `broken` at Fivetran, and its entry does not declare it"
    )
    assert NOT_CONNECTED not in shared.plan().stderr
    shared.dashboard.change_destination(shared.orders, setup_status="broken")
    for command in (["plan"], ["drift"], ["apply", "--auto-approve"]):
        result = shared.run(*command)
        assert (result.exit, result.stderr.count(NOT_CONNECTED), warning in result.stderr) == (0, 1, True)
        assert "--> specs/groups/main.yaml:3:3" in result.stderr
    shared.write_specs("  orders: {}\n  other: {}\n")
    assert NOT_CONNECTED not in shared.plan("--target", "other").stderr
    assert NOT_CONNECTED in shared.plan("--target", "orders").stderr
    shared.dashboard.change_destination(shared.orders, setup_status="incomplete")
    assert NOT_CONNECTED not in shared.plan().stderr


def test_a_destination_with_an_entry_is_not_undeclared(shared: SharedAccount) -> None:
    def list_undeclared() -> list[str]:
        return [each["address"] for each in shared.plan("--format", "json").document["undeclared"]]

    assert list_undeclared() == ["destination.orders"]
    shared.write_specs("  orders: {}\n", f"  - {{group: orders, id: {shared.orders}, only: destination}}\n")
    assert list_undeclared() == []
    shared.write_specs("  orders: {destination: {service: snowflake, time_zone_offset: '0'}}\n")
    assert list_undeclared() == []
    shared.must_apply()
    shared.write_specs("  orders: {}\n")
    document = shared.plan("--format", "json").document
    assert document["undeclared"] == [], "a vanished entry is an error already"
    assert [each["code"] for each in document["blockers"]] == ["vanished"]


def test_an_undeclared_destination_out_of_scope_is_listed(shared: SharedAccount) -> None:
    shared.write_specs("  orders: {}\n  other: {}\n")
    document = shared.run("drift", "--target", "other", "--format", "json").document
    assert [each["address"] for each in document["undeclared"]] == ["destination.orders"]


def test_the_digest_does_not_cover_objects_without_an_entry(shared: SharedAccount) -> None:
    shared.write_specs("  orders: {}\n  new: {}\n")
    digest = shared.plan("--format", "json").document["digest"]
    shared.dashboard.remove("destination", shared.orders)
    shared.dashboard.change_destination(shared.theirs, setup_status="connected")
    shared.add_pair("more", "incomplete")
    assert shared.plan("--connections", "--format", "json").document["digest"] == digest


def test_a_secret_in_the_name_of_a_connection_is_redacted(shared: SharedAccount) -> None:
    shared.write_specs(
        "  orders: {}\n"
        + PAIR.format(key="mine").replace("US}", 'US, secret_key: {secret: "env:ORDERS_KEY"}}')
    )
    shared.dashboard.add_connection(shared.theirs, "postgres", "key-of-the-orders")
    [connection] = shared.plan("--connections", "--format", "json").document["unmanaged"][0]["connections"]
    assert "key-of-the-orders" not in connection["name"]
    shared.plan("--connections", "--out", "plan.json")
    assert "key-of-the-orders" not in (shared.folder / "plan.json").read_text()


def test_saved_plans_and_other_commands_take_no_connections(shared: SharedAccount) -> None:
    assert shared.run("apply", "--auto-approve", "--connections").exit == 64
