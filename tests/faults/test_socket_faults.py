"""Check that a broken socket under the command line duplicates nothing (S-04, S-20, S-23).

`test_http_matrix` covers all faults in process; a real socket may show these faults differently.
"""

from __future__ import annotations

from collections import Counter

import pytest
from cli_harness import EmulatedFivetran, Project

from reconciler.emulator.fault_kinds import FaultKind, Phase
from reconciler.emulator.faults import Fault

PASSWORD = {"ORDERS_PASSWORD": "canary-of-a-real-line-6b2d"}
ORDERS = """\
  orders:
    destination:
      service: postgres_rds_warehouse
      time_zone_offset: "0"
      config:
        host: orders.example
        port: 5432
        database: orders
        user: fivetran
        password: {secret: "env:ORDERS_PASSWORD"}
"""
PATHS = {"POST group": "/v1/groups", "POST destination": "/v1/destinations"}
TARGETS = tuple(PATHS)
BREAKS = [
    *((kind, phase) for kind in (FaultKind.RESET, FaultKind.CLOSE) for phase in Phase),
    (FaultKind.TRUNCATE, Phase.MID_BODY),
    *(
        (kind, phase)
        for kind in (FaultKind.GARBAGE, FaultKind.TLS_GARBAGE)
        for phase in (Phase.AT_ACCEPT, Phase.BEFORE_EFFECT, Phase.AFTER_EFFECT)
    ),
]
CONNECTIONS = {"POST group": 2, "POST destination": 3}
"""Number of the connection of each write: reads share a connection, each write opens a new connection."""


@pytest.fixture
def orders_project(project: Project, server: EmulatedFivetran) -> Project:
    """Create a project with one pair, for the account of the server."""
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
    )
    project.write_groups(ORDERS)
    return project


def build_fault(target: str, kind: FaultKind, phase: Phase, argument: str = "") -> Fault:
    if phase is Phase.AT_ACCEPT:
        return Fault(kind, phase=phase, first=CONNECTIONS[target], times=1)
    return Fault(kind, "POST", PATHS[target], phase, times=1, argument=argument)


def check_settled(orders_project: Project, server: EmulatedFivetran) -> None:
    """Check O1 and O5."""
    again = orders_project.run_against(server, "apply", "--auto-approve", environ=PASSWORD)
    if again.exit == 6:  # a create waits, because its request may still take effect
        orders_project.advance_time()
        again = orders_project.run_against(server, "apply", "--auto-approve", environ=PASSWORD)
    assert again.exit == 0, again.stderr
    assert orders_project.run_against(server, "plan", environ=PASSWORD).exit == 0
    made = Counter(
        (effect.kind, effect.verb) for each in server.app.read_history() for effect in each.effects
    )
    assert made["group", "created"] == made["destination", "created"] == 1
    assert len(server.list_ids("groups")) == len(server.list_ids("destinations")) == 1


@pytest.mark.sampled(every=7)
@pytest.mark.parametrize(("kind", "phase"), BREAKS)
@pytest.mark.parametrize("target", TARGETS)
def test_a_broken_connection_duplicates_nothing(
    orders_project: Project, server: EmulatedFivetran, target: str, kind: FaultKind, phase: Phase
) -> None:
    server.app.faults.add(build_fault(target, kind, phase))
    result = orders_project.run_against(
        server, "apply", "--auto-approve", "--format", "json", environ=PASSWORD
    )
    assert server.app.faults.active()[0].triggered == 1
    applied = result.document["applied"]
    statuses = [outcome["status"] for outcome in applied["outcomes"]]
    # Reads work, so the run finds an effect at once. A request without an effect may still take effect.
    if phase is Phase.BEFORE_EFFECT or "unknown" in statuses:
        assert phase in {Phase.BEFORE_EFFECT, Phase.AT_ACCEPT}
        assert (result.exit, applied["repeated"]) == (6, 0)
        assert statuses == (["unknown", "skipped"] if target == "POST group" else ["done", "unknown"])
        assert server.writes.count(f"POST {PATHS[target]}") == (phase is Phase.BEFORE_EFFECT)
        check_settled(orders_project, server)
        return
    assert result.exit == 0, result.stderr
    assert statuses == ["done", "done"]
    # The fault hits the write, which is never repeated without a search. A connection that breaks before the request
    # is sent is the exception.
    assert applied["repeated"] <= (phase is Phase.AT_ACCEPT)
    if phase not in {Phase.AFTER_ANSWER, Phase.AT_ACCEPT}:
        assert [outcome["found"] for outcome in applied["outcomes"]] == [target == each for each in TARGETS]
    ids = {outcome["id"] for outcome in applied["outcomes"]}
    assert ids == set(server.list_ids("groups"))
    check_settled(orders_project, server)


@pytest.mark.parametrize("status", ["301", "302", "307", "308"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_redirect_of_a_write_is_not_followed(
    orders_project: Project, server: EmulatedFivetran, target: str, status: str
) -> None:
    server.app.faults.add(build_fault(target, FaultKind.REDIRECT, Phase.BEFORE_EFFECT, status))
    result = orders_project.run_against(
        server, "apply", "--auto-approve", "--format", "json", environ=PASSWORD
    )
    outcomes = [outcome["status"] for outcome in result.document["applied"]["outcomes"]]
    assert outcomes == (["failed", "skipped"] if target == "POST group" else ["done", "failed"])
    assert result.exit == 6
    faulty_index = next(number for number, each in enumerate(server.app.read_history()) if each.fault)
    assert server.calls[faulty_index + 1 :].count(server.calls[faulty_index]) == 0
    check_settled(orders_project, server)
