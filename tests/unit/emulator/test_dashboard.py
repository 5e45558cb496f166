"""Test changes to an account outside of the REST API."""

from __future__ import annotations

import pytest
from emulated_account import SNOWFLAKE, EmulatedAccount

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
