"""Check that each rehearsal starts in the same way from a seed, from a request and from an option.

The options are in `tests/cli/test_emulate_rehearsal.py`: they give the settings of `network`, which a listing shows.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from control_requests import control
from emulated_account import POSTGRES, EmulatedAccount

from reconciler.emulator.key_material import generate_chain, generate_host_key, read_certificate
from reconciler.emulator.scenario import StartScenario

LEAF, ROOT = generate_chain("a leaf")
INTERMEDIATE, _ = generate_chain("an intermediate")
CHAIN = [LEAF, INTERMEDIATE, ROOT]
HOST_KEY = generate_host_key("a host")
TUNNEL = {**POSTGRES, "connection_type": "SshTunnel", "tunnel_host": "bastion", "tunnel_user": "fivetran"}
GROUP = {"id": "decent_dropsy", "name": "sales"}
DESTINATION = {"service": "postgres_warehouse", "setup_status": "connected", "config": TUNNEL}
PATH = "/v1/destinations/decent_dropsy"

Start = Callable[..., None]


def load_seed(account: EmulatedAccount, **scenario: Any) -> None:
    """Begin a rehearsal with a seed."""
    groups = [{**GROUP, "destination": DESTINATION}]
    control(account, "POST", "/reset", {"version": 1, "groups": groups} | scenario)


def send_requests(account: EmulatedAccount, **scenario: Any) -> None:
    """Begin a rehearsal with a request for each entry of the scenario."""
    load_seed(account)
    paths = {"network": "/network", "setup_tests": "/setup-tests", "private_link_work": "/private-links"}
    for name, entries in scenario.items():
        for entry in entries:
            control(account, "POST", paths[name], entry)


both_ways = pytest.mark.parametrize("start", [load_seed, send_requests])


def run_tests(account: EmulatedAccount, **flags: Any) -> dict[str, Any]:
    """Run the setup tests. Returns the results by title."""
    tests = account.post(f"{PATH}/test", flags).data["setup_tests"]
    return {test["title"]: test for test in tests}


def list_waiting(account: EmulatedAccount) -> list[str]:
    listed = control(account, "GET", "/approvals")["approvals"]
    return [waiting["hash"] for entry in listed for waiting in entry["waiting"]]


@both_ways
def test_a_chain_of_three_certificates_ends_with_its_root(account: EmulatedAccount, start: Start) -> None:
    start(account, network=[{"group": "sales", "certificate": CHAIN}])
    details = run_tests(account)["Validate Certificate"]["details"]
    assert [each["encoded_cert"] for each in details] == CHAIN
    assert list_waiting(account) == [read_certificate(each).hash for each in CHAIN]
    control(account, "POST", "/approvals", {"hash": read_certificate(ROOT).hash})
    assert run_tests(account)["Validate Certificate"]["status"] == "PASSED"


@both_ways
@pytest.mark.parametrize("kind", ["certificate", "host_key"])
def test_a_rotated_server_waits_again(account: EmulatedAccount, start: Start, kind: str) -> None:
    start(account, network=[{"group": "sales", kind: "generated"}])
    first = list_waiting(account)
    control(account, "POST", "/approvals", {"group": "sales"})
    assert list_waiting(account) == []
    control(account, "POST", "/network", {"group": "sales", kind: "rotated"})
    assert list_waiting(account)[0] not in first


@pytest.mark.parametrize("kind", ["certificate", "host_key"])
def test_a_rotated_server_of_a_seed_is_not_the_present_one(account: EmulatedAccount, kind: str) -> None:
    load_seed(account, network=[{"group": "sales", kind: "generated"}])
    control(account, "POST", "/approvals", {"group": "sales"})
    load_seed(account, network=control(account, "GET", "/account")["network"])
    present = list_waiting(account)
    control(account, "POST", "/network", {"group": "sales", kind: "rotated"})
    assert list_waiting(account)[0] not in present


@both_ways
def test_a_host_key_waits_at_a_tunnel(account: EmulatedAccount, start: Start) -> None:
    start(account, network=[{"group": "sales", "host_key": HOST_KEY}])
    assert run_tests(account)["SSH Tunnel Connection"]["details"]["public_key"] == HOST_KEY
    assert run_tests(account, trust_fingerprints=True)["SSH Tunnel Connection"]["status"] == "PASSED"


@pytest.mark.parametrize("start", [load_seed, send_requests])
def test_setup_tests_are_slow(start: Start) -> None:
    waits: list[float] = []
    account = EmulatedAccount(app={"wait": waits.append})
    start(account, network=[{"group": "sales", "setup_test_seconds": 30}])
    run_tests(account)
    assert waits == [30.0]
    account.emulator.close()


@both_ways
def test_setup_tests_fail(account: EmulatedAccount, start: Start) -> None:
    failed = {"title": "Permission Test", "status": "FAILED", "message": "no rights"}
    start(account, setup_tests=[{"group": "sales", "runs": ["passing", [failed]]}])
    assert "FAILED" not in {test["status"] for test in run_tests(account).values()}
    assert run_tests(account) == {"Permission Test": failed}


@both_ways
def test_a_private_link_becomes_ready_later(account: EmulatedAccount, start: Start) -> None:
    start(account, private_link_work=[{"link": "pl_sales", "seconds": 600}])
    link = {"name": "pl_sales", "region": "AWS_US_EAST_1", "service": "SNOWFLAKE_AWS", "config": {}}
    path = f"/v1/private-links/{account.post('/v1/private-links', link).data['id']}"
    account.clock.time += timedelta(seconds=500)
    assert account.get(path).data["state"] == "CREATING"
    account.clock.time += timedelta(seconds=200)
    assert account.get(path).data["state"] == "OK"


def test_a_private_link_of_a_seed_becomes_ready_by_the_switch(account_with: Any) -> None:
    account = account_with(private_link_seconds=600)
    link = {"id": "brave_bridge", "name": "pl_sales", "region": "AWS_US_EAST_1", "service": "SNOWFLAKE_AWS"}
    load_seed(account, private_links=[{**link, "state": "CREATING"}])
    account.clock.time += timedelta(seconds=500)
    assert account.get("/v1/private-links/brave_bridge").data["state"] == "CREATING"
    account.clock.time += timedelta(seconds=200)
    assert account.get("/v1/private-links/brave_bridge").data["state"] == "OK"


@pytest.mark.parametrize("by_seed", [True, False])
@pytest.mark.parametrize(
    ("kind", "field"),
    [("proxy_agents", "proxy_agent_id"), ("hybrid_agents", "hybrid_deployment_agent_id")],
)
def test_an_agent_goes_offline(account: EmulatedAccount, kind: str, field: str, by_seed: bool) -> None:
    agent = {"id": "amber_gate", "display_name": "dmz", "online": not by_seed}
    groups = [{**GROUP, "destination": {**DESTINATION, field: "amber_gate"}}]
    load_seed(account, groups=groups, **{kind: [agent]})
    if not by_seed:
        assert "Agent Connection" not in run_tests(account)
        control(account, "POST", "/agents", {"agent": "dmz", "online": False})
    assert run_tests(account)["Agent Connection"]["message"] == "The agent 'dmz' is offline"


def test_an_agent_of_the_start_is_offline_after_every_reset() -> None:
    account = EmulatedAccount(app={"scenario": StartScenario(offline_agents=("dmz",))})
    assert control(account, "GET", "/agents") == {"agents": []}
    agents = [{"id": name, "display_name": "dmz", "online": True} for name in ("amber_gate", "brisk_lantern")]
    for _ in range(2):
        load_seed(account, proxy_agents=agents[:1], hybrid_agents=agents[1:])
        listed = control(account, "GET", "/agents")["agents"]
        assert [agent["online"] for agent in listed] == [False, False]
        control(account, "POST", "/agents", {"agent": "amber_gate", "online": True})
    account.emulator.close()
