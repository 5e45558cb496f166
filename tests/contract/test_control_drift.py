"""Check control of the content: what a colleague changes in the dashboard."""

from __future__ import annotations

from typing import Any

import pytest
from control_requests import control, send_control
from emulated_account import POSTGRES, SNOWFLAKE, EmulatedAccount


def change(account: EmulatedAccount, **changes: Any) -> Any:
    return control(account, "PATCH", "/destinations", {"group": "analytics", "destination": changes})


def test_a_group_is_added_renamed_and_deleted(account: EmulatedAccount) -> None:
    added = control(account, "POST", "/groups", {"name": "sales", "id": "decent_dropsy"})
    assert added == {"id": "decent_dropsy", "name": "sales"}
    assert control(account, "PATCH", "/groups", {"group": "sales", "name": "sales_emea"})["id"] == added["id"]
    assert account.get("/v1/groups/decent_dropsy").data["name"] == "sales_emea"
    status, document = send_control(account, "POST", "/groups", {"name": "x", "id": "decent_dropsy"})
    assert (status, document["error"]) == (409, "there is a group with the id `decent_dropsy`")
    assert control(account, "DELETE", "/groups?group=decent_dropsy") == {"deleted": "decent_dropsy"}
    assert account.get("/v1/groups/decent_dropsy").status == 404


def test_a_change_of_a_destination_keeps_its_other_fields(account: EmulatedAccount) -> None:
    identifier = account.must_create("postgres_warehouse", POSTGRES)
    before = account.dashboard.get_destination(identifier)
    answer = change(account, region="AWS_US_EAST_1", config={"port": "5433", "user": None})
    assert answer == {"id": identifier, "changed": ["config", "region"]}
    after = account.dashboard.get_destination(identifier)
    assert (after.region, after.config["port"]) == ("AWS_US_EAST_1", 5433)
    assert "user" not in after.config
    assert after.config["password"] == POSTGRES["password"]
    assert (after.time_zone_offset, after.setup_status) == (before.time_zone_offset, before.setup_status)
    assert account.emulator.read_history()[-1].method == "POST"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"regoin": "AWS_US_EAST_1"}, "there is no field of destinations `regoin`; did you mean `region`?"),
        ({"region": "AWS_US_EAST1"}, "there is no region `AWS_US_EAST1`; did you mean `AWS_US_EAST_1`?"),
        ({"time_zone_offset": "+99"}, "there is no time_zone_offset `+99`; did you mean `+9`?"),
        ({"networking_method": "SSHTunnel"}, "did you mean `SshTunnel`?"),
        ({"daylight_saving_time_enabled": "canary"}, "`daylight_saving_time_enabled` cannot have this value"),
        ({"setup_status": "canary"}, "`setup_status` cannot have this value"),
        ({"service": "snowflake"}, "there is no field of destinations `service`"),
        ({"config": {"hots": "x"}}, "there is no postgres_warehouse field `hots`; did you mean `host`?"),
        ({"config": {"port": "canary"}}, "`config.port` cannot have this value: Invalid 'config' object"),
        ({"config": "canary"}, "`config` cannot have this value"),
        ({"config": None}, "`config` cannot be empty"),
    ],
)
def test_a_wrong_change_is_refused_with_advice(account: EmulatedAccount, changes: Any, message: str) -> None:
    identifier = account.must_create("postgres_warehouse", POSTGRES)
    before = account.dashboard.get_destination(identifier)
    status, document = send_control(
        account, "PATCH", "/destinations", {"group": "analytics", "destination": changes}
    )
    assert status == 400
    assert message in document["error"]
    assert "canary" not in document["error"]
    assert account.dashboard.get_destination(identifier) == before


def test_a_destination_is_added_and_deleted(account: EmulatedAccount) -> None:
    group = account.create_group()
    body = {"group": "analytics", "destination": {"service": "snowflake", "config": SNOWFLAKE}}
    assert control(account, "POST", "/destinations", body) == {"id": group, "service": "snowflake"}
    assert account.get(f"/v1/destinations/{group}").data["config"]["host"] == SNOWFLAKE["host"]
    status, document = send_control(account, "POST", "/destinations", body)
    assert (status, document["error"]) == (409, "the group has a destination")
    assert control(account, "DELETE", "/destinations?group=analytics") == {"deleted": group}
    assert account.get(f"/v1/destinations/{group}").status == 404
    wrong = {"group": "analytics", "destination": {"service": "snowflke"}}
    status, document = send_control(account, "POST", "/destinations", wrong)
    assert (status, document["error"]) == (400, "there is no service `snowflke`; did you mean `snowflake`?")


def test_dependent_objects_forbid_a_deletion(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    body = {"group": "analytics", "service": "github", "schema": "code"}
    connection = control(account, "POST", "/connections", body)["id"]
    assert account.get(f"/v1/connections/{connection}").data["schema"] == "code"
    for path in ("/groups", "/destinations"):
        status, document = send_control(account, "DELETE", f"{path}?group={identifier}")
        assert (status, "has connections" in document["error"]) == (409, True)
    assert control(account, "DELETE", "/connections?connection=code") == {"deleted": connection}
    status, document = send_control(account, "DELETE", "/groups?group=analytics")
    assert (status, document["error"]) == (409, "Group has a destination")
    control(account, "DELETE", "/destinations?group=analytics")
    control(account, "DELETE", "/groups?group=analytics")


def test_an_ambiguous_name_lists_the_ids(account: EmulatedAccount) -> None:
    ids = [account.create_group("sales") for _ in range(2)]
    status, document = send_control(account, "PATCH", "/groups", {"group": "sales", "name": "x"})
    expected = f"several groups are called `sales`; choose one by its id: {', '.join(ids)}"
    assert (status, document["error"]) == (409, expected)
    assert control(account, "PATCH", "/groups", {"group": ids[0], "name": "x"})["id"] == ids[0]
    for identifier in ids:
        account.dashboard.add_connection(identifier, "github", "code")
    assert send_control(account, "DELETE", "/connections?connection=code")[0] == 409


def test_a_long_list_of_candidates_is_cut(account: EmulatedAccount) -> None:
    for number in range(30):
        account.dashboard.add_group(f"group_{number:02}")
    _, document = send_control(account, "DELETE", "/groups?group=xyz")
    assert document["error"].endswith("`group_08`, `group_09` and 20 more")


def test_changes_leave_no_trace_in_the_history(account: EmulatedAccount) -> None:
    control(account, "POST", "/groups", {"name": "sales"})
    control(account, "PATCH", "/groups", {"group": "sales", "name": "sales_emea"})
    control(account, "DELETE", "/groups?group=sales_emea")
    account.get("/v1/groups")
    (entry,) = account.emulator.read_history()
    assert entry.effects == ()
