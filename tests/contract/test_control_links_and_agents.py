"""Check control of private links and agents: how long work takes, how it ends, and who is online."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from control_requests import control, send_control
from emulated_account import SNOWFLAKE, EmulatedAccount

LINKS = "/v1/private-links"
LINK = {
    "name": "pl_sales",
    "region": "AWS_US_EAST_1",
    "service": "SNOWFLAKE_AWS",
    "config": {"account_url": "https://acme.snowflakecomputing.com"},
}


def create_link(account: EmulatedAccount, name: str = "pl_sales") -> str:
    return f"{LINKS}/{account.post(LINKS, {**LINK, 'name': name}).data['id']}"


def get_state(account: EmulatedAccount, path: str) -> Any:
    answer = account.get(path)
    return answer.data["state"] if answer.status == 200 else answer.status


def wait(account: EmulatedAccount, seconds: float) -> None:
    account.clock.time += timedelta(seconds=seconds)


def plan(account: EmulatedAccount, **work: Any) -> Any:
    return control(account, "POST", "/private-links", work)


@pytest.mark.parametrize("end", ["OK", "FAIL"])
def test_the_creation_of_one_link_takes_its_own_time_and_end(account: EmulatedAccount, end: str) -> None:
    plan(account, link="pl_sales", seconds=600, state=end)
    planned, other = create_link(account), create_link(account, "pl_other")
    wait(account, 300)
    assert (get_state(account, planned), get_state(account, other)) == ("CREATING", "OK")
    wait(account, 310)
    assert get_state(account, planned) == end
    assert set(account.get(planned).data) == set(account.get(other).data)


def test_an_update_and_a_removal_can_fail(account: EmulatedAccount) -> None:
    path = create_link(account)
    wait(account, 100)
    plan(account, link="pl_sales", seconds=10, state="FAIL")
    assert get_state(account, path) == "OK"
    assert account.patch(path, {"config": {"account_url": "x"}}).data["state"] == "UPDATING"
    wait(account, 20)
    assert get_state(account, path) == "FAIL"
    account.delete(path)
    assert get_state(account, path) == "DESTROYING"
    wait(account, 20)
    assert get_state(account, path) == "FAIL"
    plan(account, link="pl_sales", seconds=10)
    account.delete(path)
    wait(account, 20)
    assert get_state(account, path) == 404


def test_a_plan_concerns_work_that_is_going_on(account: EmulatedAccount) -> None:
    path = create_link(account)
    identifier = path.rpartition("/")[2]
    assert plan(account, link=identifier, seconds=1000)["private_links"] == [
        {"id": identifier, "name": "pl_sales", "state": "CREATING"}
    ]
    wait(account, 100)
    assert get_state(account, path) == "CREATING"
    assert plan(account, link=identifier, seconds=0, state="FAIL")["private_links"][0]["state"] == "FAIL"
    assert get_state(account, path) == "FAIL"


def test_plans_are_listed_and_cleared(account: EmulatedAccount) -> None:
    plan(account, link="pl_sales", seconds=1000)
    listed = plan(account, seconds=5, state="FAIL")["private_link_work"]
    assert listed == [
        {"link": "pl_sales", "seconds": 1000.0, "state": "OK"},
        {"seconds": 5.0, "state": "FAIL"},
    ]
    left = control(account, "DELETE", "/private-links?link=pl_sales")["private_link_work"]
    assert left == listed[1:]
    path = create_link(account)
    wait(account, 10)
    assert get_state(account, path) == "FAIL"
    assert control(account, "DELETE", "/private-links")["private_link_work"] == []
    status, document = send_control(account, "POST", "/private-links", {"state": "FAILED"})
    assert (status, "`state` is wrong" in document["error"]) == (400, True)


def create_agent(account: EmulatedAccount, kind: str) -> tuple[str, dict[str, str]]:
    """Create an agent named `dmz`. Returns its path, and the setting of a destination behind it."""
    if kind == "proxy":
        body = {"display_name": "dmz", "group_region": "GCP_US_EAST4"}
        identifier = account.post("/v1/proxy", body).data["agent_id"]
        return f"/v1/proxy/{identifier}", {"proxy_agent_id": identifier}
    body = {"display_name": "dmz", "env_type": "DOCKER", "accept_terms": True}
    identifier = account.post("/v1/hybrid-deployment-agents", body).data["id"]
    return f"/v1/hybrid-deployment-agents/{identifier}", {"hybrid_deployment_agent_id": identifier}


def set_online(account: EmulatedAccount, online: bool) -> bool:
    """Let the agent go online or offline. Returns the listed state."""
    (agent,) = control(account, "POST", "/agents", {"agent": "dmz", "online": online})["agents"]
    return bool(agent["online"])


@pytest.mark.parametrize(
    ("kind", "field", "offline", "online"),
    [("hybrid", "online", False, True), ("proxy", "status", "NOT_CONNECTED", "CONNECTED")],
)
def test_an_agent_goes_offline_and_comes_back(
    account: EmulatedAccount, kind: str, field: str, offline: Any, online: Any
) -> None:
    path, behind = create_agent(account, kind)
    identifier = account.must_create("snowflake", SNOWFLAKE, **behind)
    other = account.must_create("snowflake", SNOWFLAKE)

    def run_tests(each: str) -> dict[str, str]:
        tests = account.post(f"/v1/destinations/{each}/test").data["setup_tests"]
        return {test["title"]: test["status"] for test in tests}

    fresh = account.get(path).data
    assert (fresh[field], fresh["version"]) == (offline, None)
    assert set(run_tests(identifier).values()) == {"PASSED"}
    assert set_online(account, True)
    assert account.get(path).data[field] == online
    assert account.get(path).data["version"]
    assert set(run_tests(identifier).values()) == {"PASSED"}
    assert not set_online(account, False)
    assert account.get(path).data[field] == offline
    assert run_tests(identifier)["Agent Connection"] == "FAILED"
    assert run_tests(identifier)["Permission Test"] == "SKIPPED"
    assert account.get(f"/v1/destinations/{identifier}").data["setup_status"] == "broken"
    assert set(run_tests(other).values()) == {"PASSED"}
    assert set_online(account, True)
    assert set(run_tests(identifier).values()) == {"PASSED"}


def test_an_unknown_agent_names_the_agents(account: EmulatedAccount) -> None:
    create_agent(account, "proxy")
    status, document = send_control(account, "POST", "/agents", {"agent": "dmx", "online": True})
    assert (status, document["error"]) == (404, "there is no agent `dmx`; known are `dmz`")
    create_agent(account, "hybrid")
    status, document = send_control(account, "POST", "/agents", {"agent": "dmz", "online": True})
    assert status == 409
    assert document["error"].startswith("several agents are called `dmz`; choose one by its id: ")
