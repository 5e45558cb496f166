"""Test changes to an account outside of the REST API."""

from __future__ import annotations

import pytest
from emulated_account import SNOWFLAKE, EmulatedAccount

from reconciler.emulator.envelope import ErrorReply
from reconciler.emulator.setup_tests import SetupTest
from reconciler.emulator.store import Kind


def test_drift_shows_in_responses() -> None:
    account = EmulatedAccount()
    identifier = account.must_create("snowflake", SNOWFLAKE)
    account.dashboard.change_destination(
        identifier, region="AWS_US_EAST_1", config={"role": "R", "user": None}
    )
    data = account.get(f"/v1/destinations/{identifier}").data
    assert data["region"] == "AWS_US_EAST_1"
    assert data["config"]["role"] == "R"
    assert "user" not in data["config"]


def test_a_renamed_group_is_found_by_its_new_name() -> None:
    account = EmulatedAccount()
    identifier = account.create_group("old")
    account.dashboard.rename_group(identifier, "new")
    assert account.dashboard.find_group_ids("new") == [identifier]
    assert account.dashboard.find_group_ids("old") == []
    assert account.get(f"/v1/groups/{identifier}").data["name"] == "new"


def test_an_id_may_be_chosen() -> None:
    account = EmulatedAccount()
    assert account.dashboard.add_group("a", "decent_dropsy") == "decent_dropsy"
    assert account.get("/v1/groups/decent_dropsy").status == 200


def test_every_object_can_be_removed() -> None:
    account = EmulatedAccount()
    identifier = account.must_create("snowflake", SNOWFLAKE)
    connection = account.dashboard.add_connection(identifier, "salesforce", "crm")
    account.dashboard.remove(Kind.CONNECTION, connection)
    assert account.delete(f"/v1/destinations/{identifier}").status == 200
    with pytest.raises(KeyError):
        account.dashboard.get_destination(identifier)


def test_checked_changes_are_no_requests() -> None:
    account = EmulatedAccount()
    identifier = account.must_create("snowflake", SNOWFLAKE)
    server, _ = account.dashboard.present_certificate(destination=identifier)
    requests = len(account.emulator.read_history())
    account.dashboard.approve(Kind.CERTIFICATE, identifier, server)
    account.dashboard.revoke(Kind.CERTIFICATE, identifier, server)
    account.dashboard.change_settings(identifier, {"region": "AWS_US_EAST_1", "config": {"port": "8443"}})
    destination = account.dashboard.get_destination(identifier)
    assert (destination.region, destination.config["port"]) == ("AWS_US_EAST_1", 8443)
    account.dashboard.delete(Kind.DESTINATION, identifier)
    account.dashboard.delete(Kind.GROUP, identifier)
    assert len(account.emulator.read_history()) == requests
    account.create_group("next")
    assert [effect.verb for effect in account.emulator.read_history()[-1].effects] == ["created"]


def test_checked_changes_are_refused_as_by_the_api() -> None:
    account = EmulatedAccount()
    identifier = account.must_create("snowflake", SNOWFLAKE)
    account.dashboard.add_connection(identifier, "github", "code")
    refusals = {
        "Group has connections": lambda: account.dashboard.delete(Kind.GROUP, identifier),
        "Destination has connections": lambda: account.dashboard.delete(Kind.DESTINATION, identifier),
        "there is no waiting certificate `unknown`": lambda: account.dashboard.approve(
            Kind.CERTIFICATE, identifier, "unknown"
        ),
        "there is no approved fingerprint `unknown`": lambda: account.dashboard.revoke(
            Kind.FINGERPRINT, identifier, "unknown"
        ),
        "there is no region `MOON`": lambda: account.dashboard.change_settings(
            identifier, {"region": "MOON"}
        ),
        "Field 'name' is required": lambda: account.dashboard.rename_group(identifier, ""),
    }
    for message, change in refusals.items():
        with pytest.raises(ErrorReply, match=message):
            change()
    assert account.get(f"/v1/groups/{identifier}").data["name"] == "analytics"


def test_a_destination_keeps_the_results_of_its_latest_setup_tests() -> None:
    account = EmulatedAccount()
    identifier = account.must_create("snowflake", SNOWFLAKE)
    assert account.dashboard.get_destination(identifier).last_tests == []
    account.dashboard.script_setup_tests(finally_always=[SetupTest("Sync", "FAILED", "no disk")])
    results = account.post(f"/v1/destinations/{identifier}/test").data["setup_tests"]
    destination = account.dashboard.get_destination(identifier)
    assert destination.last_tests == results == [{"title": "Sync", "status": "FAILED", "message": "no disk"}]
    assert destination.tested_at.endswith("Z")
