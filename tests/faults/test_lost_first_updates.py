"""Check that one more apply completes a first update or a replacement with an unknown outcome."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_harness import SETTLE_TIME
from faulty_account import FaultyAccount, FaultyConnection, FaultyProject, check_run

from reconciler.cli.exit import ExitCode
from reconciler.emulator.fault_text import parse_fault
from reconciler.model.outcome import Status

SNOWFLAKE = {
    "service": "snowflake",
    "time_zone_offset": "0",
    "config": {
        "host": "acme.snowflakecomputing.com",
        "port": 443,
        "database": "NEW",
        "auth": "PASSWORD",
        "user": "LOADER",
    },
}
POSTGRES = {
    "service": "postgres_warehouse",
    "time_zone_offset": "0",
    "config": {
        "host": "db.acme.example",
        "port": 5432,
        "database": "NEW",
        "user": "loader",
        "connection_type": "Directly",
    },
}


def build_entry(destination: dict[str, Any], **more: Any) -> dict[str, Any]:
    config = {**destination["config"], "password": {"secret": "env:ORDERS_PASSWORD"}}
    return {"orders": {"destination": {**destination, **more, "config": config}}}


@pytest.fixture
def orders_project(tmp_path: Path) -> Iterator[FaultyProject]:
    """Create a project without an apply."""
    account = FaultyAccount()
    account.reset()
    project = FaultyProject(tmp_path, account)
    project.secrets["ORDERS_PASSWORD"] = "canary-of-the-first-9b4e"
    yield project
    account.app.close()


def check_settled(orders_project: FaultyProject, most_secrets_sent: int) -> None:
    run = orders_project.apply()
    check_run(run)
    assert run.exit is ExitCode.OK
    assert orders_project.plan().plan.effective == ()
    sent = [each.body["config"] for each in run.writes if each.method == "PATCH"]
    assert sum("password" in config for config in sent) <= most_secrets_sent
    [group] = orders_project.account.contents.values()
    assert group["destination"]["config"]["database"] == "NEW"
    assert group["destination"]["setup_status"] == "connected"


@pytest.mark.parametrize("phase", ["before-effect", "after-effect"])
def test_an_unanswered_first_update_of_an_adopted_destination_converges(
    orders_project: FaultyProject, phase: str
) -> None:
    """The secret of an adopted destination counts as unchanged, so it is not sent."""
    dashboard = orders_project.account.app.dashboard
    config = {**SNOWFLAKE["config"], "database": "OLD", "password": "canary-of-a-user-31d0"}
    dashboard.add_destination(dashboard.add_group("orders"), "snowflake", config=config)
    orders_project.declare(build_entry(SNOWFLAKE))
    orders_project.account.app.faults.add(parse_fault(f"PATCH * {phase} reset"))
    run = orders_project.apply()
    check_run(run)
    assert run.statuses == {"destination.orders": Status.UNKNOWN}
    orders_project.account.app.faults.clear()
    check_settled(orders_project, most_secrets_sent=0)


@pytest.mark.parametrize("arrives", [False, True])
@pytest.mark.parametrize("writes", [1, 2, 3])
def test_a_killed_replacement_converges(orders_project: FaultyProject, writes: int, arrives: bool) -> None:
    """Kill the run at the delete of the old destination, the create of the new destination, or its test."""
    orders_project.declare(build_entry({**SNOWFLAKE, "config": {**SNOWFLAKE["config"], "database": "OLD"}}))
    assert orders_project.apply().exit is ExitCode.OK
    orders_project.declare(build_entry(POSTGRES, lifecycle={"allow_replace": True}))
    connection = FaultyConnection(
        orders_project.account.app,
        orders_project.account.clock,
        dies_at=writes,
        arrives=arrives,
        counts=("POST", "PATCH", "DELETE"),
    )
    run = orders_project.apply(connection)
    assert run.killed
    check_run(run)
    if (writes, arrives) == (2, False):  # the create of the new destination may still arrive
        held = orders_project.apply()
        assert held.has_held
        assert held.writes == []
        orders_project.account.clock.sleep(SETTLE_TIME.total_seconds())
    check_settled(orders_project, most_secrets_sent=1)
