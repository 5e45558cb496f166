"""Check `/v1/private-links`, whose changes take time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from emulated_account import EmulatedAccount

Make = Callable[..., EmulatedAccount]
LINKS = "/v1/private-links"
BODY = {
    "name": "pl_analytics_use1",
    "region": "AWS_US_EAST_1",
    "service": "SNOWFLAKE_AWS",
    "config": {"account_url": "https://acme.snowflakecomputing.com"},
}


def _create_link(account: EmulatedAccount) -> str:
    return f"{LINKS}/{account.post(LINKS, BODY).data['id']}"


def _wait(account: EmulatedAccount, seconds: float = 60) -> None:
    account.clock.time += timedelta(seconds=seconds)


def test_a_new_link_is_in_creation_at_first(account: EmulatedAccount) -> None:
    answer = account.post(LINKS, BODY)
    assert (answer.status, answer.json["message"]) == (201, "Private link has been created")
    assert (answer.data["state"], answer.data["host"]) == ("CREATING", None)
    path = f"{LINKS}/{answer.data['id']}"
    _wait(account, 50)
    assert account.get(path).data["state"] == "CREATING"
    _wait(account, 20)
    ready = account.get(path).data
    assert (ready["state"], ready["resource_upstream_status"]) == ("OK", "IDLE")
    assert ready["host"]
    assert account.get(LINKS).data["items"][0]["state"] == "OK"


def test_the_duration_can_be_set(account_with: Make) -> None:
    account = account_with(private_link_seconds=3600)
    path = _create_link(account)
    _wait(account, 3000)
    assert account.get(path).data["state"] == "CREATING"
    account = account_with(private_link_seconds=0)
    assert account.get(_create_link(account)).data["state"] == "OK"


def test_the_cloud_follows_the_service(account: EmulatedAccount) -> None:
    for service, cloud in (("SOURCE_GCP", "GCP"), ("SQL_DATA_WAREHOUSE_AZURE", "AZURE")):
        assert account.post(LINKS, {**BODY, "service": service}).data["cloud_provider"] == cloud


def test_the_config_is_in_details_and_in_the_list(account: EmulatedAccount) -> None:
    assert account.get(_create_link(account)).data["config"] == BODY["config"]
    assert account.get(LINKS).data["items"][0]["config"] == BODY["config"]


def test_a_change_takes_time(account: EmulatedAccount) -> None:
    path = _create_link(account)
    _wait(account)
    answer = account.patch(path, {"config": {"vpce_id": "vpce-1"}})
    assert (answer.status, answer.json["message"]) == (200, "Private link has been updated")
    assert answer.data["state"] == "UPDATING"
    assert answer.data["config"] == {**BODY["config"], "vpce_id": "vpce-1"}
    assert account.patch(path, {"config": {}}).error == (409, "IllegalState")
    _wait(account)
    assert account.get(path).data["state"] == "OK"


def test_a_link_in_creation_refuses_changes(account: EmulatedAccount) -> None:
    path = _create_link(account)
    assert account.patch(path, {"config": {"vpce_id": "vpce-1"}}).error == (409, "IllegalState")
    assert account.get(path).data["config"] == BODY["config"]


def test_a_deleted_link_disappears_after_a_time(account: EmulatedAccount) -> None:
    path = _create_link(account)
    identifier = path.rpartition("/")[2]
    answer = account.delete(path)
    assert answer.json == {
        "code": "Success",
        "message": f"Private link with id '{identifier}' is marked for deletion",
    }
    assert account.get(path).data["state"] == "DESTROYING"
    assert account.patch(path, {"config": {}}).error == (409, "IllegalState")
    _wait(account, 40)
    assert account.delete(path).status == 200  # a second deletion does not restart the time
    _wait(account, 40)
    assert account.get(path).error == (404, "NotFound_PrivateLink")
    assert account.get(LINKS).data["items"] == []


@pytest.mark.parametrize("state", ["OK", "FAIL"])
def test_the_dashboard_can_finish_a_link(account: EmulatedAccount, state: str) -> None:
    path = _create_link(account)
    account.dashboard.finish_private_link(path.rpartition("/")[2], state)
    data = account.get(path).data
    assert data["state"] == state
    assert (data["host"] is not None) == (state == "OK")


@pytest.mark.parametrize("name", ["a-b", "a" * 24, "", "ä"])
def test_names_are_short_words(account: EmulatedAccount, name: str) -> None:
    assert account.post(LINKS, {**BODY, "name": name}).error == (400, "InvalidInput")


def test_a_name_may_begin_with_a_digit_by_default(account_with: Make) -> None:
    body = {**BODY, "name": "1st"}
    assert account_with().post(LINKS, body).data["name"] == "1st"
    strict = account_with(private_link_names="identifier")
    assert strict.post(LINKS, body).error == (400, "InvalidInput")
    assert strict.post(LINKS, BODY).status == 201


@pytest.mark.parametrize(
    "changes", [{"region": None}, {"region": "MARS"}, {"service": None}, {"service": "x"}, {"config": "x"}]
)
def test_a_link_with_an_invalid_body_is_refused(account: EmulatedAccount, changes: dict[str, Any]) -> None:
    assert account.post(LINKS, {**BODY, **changes}).error == (400, "InvalidInput")


def test_a_change_requires_a_config(account: EmulatedAccount) -> None:
    assert account.patch(_create_link(account), {}).error == (400, "InvalidInput")
