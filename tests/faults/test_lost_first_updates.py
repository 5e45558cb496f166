"""What was changed for the first time, or replaced, and nobody knows whether: one more apply, and nothing is left."""

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


def declared(destination: dict[str, Any], **more: Any) -> dict[str, Any]:
    config = {**destination["config"], "password": {"secret": "env:ORDERS_PASSWORD"}}
    return {"orders": {"destination": {**destination, **more, "config": config}}}


@pytest.fixture
def orders(tmp_path: Path) -> Iterator[FaultyProject]:
    """A project that has never been applied."""
    account = FaultyAccount()
    account.reset()
    project = FaultyProject(tmp_path, account)
    project.secrets["ORDERS_PASSWORD"] = "canary-of-the-first-9b4e"
    yield project
    account.app.close()


def check_settled(orders: FaultyProject, most_secrets_sent: int) -> None:
    run = orders.apply()
    check_run(run)
    assert run.exit is ExitCode.OK
    assert orders.plan().plan.effective == ()
    sent = [each.body["config"] for each in run.writes if each.method == "PATCH"]
    assert sum("password" in config for config in sent) <= most_secrets_sent
    [group] = orders.account.contents.values()
    assert group["destination"]["config"]["database"] == "NEW"
    assert group["destination"]["setup_status"] == "connected"


@pytest.mark.parametrize("phase", ["before-effect", "after-effect"])
def test_an_adopted_destination_whose_first_update_got_no_answer(orders: FaultyProject, phase: str) -> None:
    """Its secret was there before, and nothing says that it is another one: it is not sent."""
    dashboard = orders.account.app.dashboard
    config = {**SNOWFLAKE["config"], "database": "OLD", "password": "canary-of-somebody-31d0"}
    dashboard.add_destination(dashboard.add_group("orders"), "snowflake", config=config)
    orders.declare(declared(SNOWFLAKE))
    orders.account.app.faults.add(parse_fault(f"PATCH * {phase} reset"))
    run = orders.apply()
    check_run(run)
    assert run.statuses == {"destination.orders": Status.UNKNOWN}
    orders.account.app.faults.clear()
    check_settled(orders, most_secrets_sent=0)


@pytest.mark.parametrize("arrives", [False, True])
@pytest.mark.parametrize("writes", [1, 2, 3])
def test_a_replacement_in_which_the_process_was_killed(
    orders: FaultyProject, writes: int, arrives: bool
) -> None:
    """The old one is deleted, a new one is made, and it is tested: killed at each of them."""
    orders.declare(declared({**SNOWFLAKE, "config": {**SNOWFLAKE["config"], "database": "OLD"}}))
    assert orders.apply().exit is ExitCode.OK
    orders.declare(declared(POSTGRES, lifecycle={"allow_replace": True}))
    line = FaultyConnection(
        orders.account.app,
        orders.account.clock,
        dies_at=writes,
        arrives=arrives,
        counts=("POST", "PATCH", "DELETE"),
    )
    run = orders.apply(line)
    assert run.killed
    check_run(run)
    if (writes, arrives) == (2, False):  # the request for the new one may still arrive
        held = orders.apply()
        assert held.has_held
        assert held.writes == []
        orders.account.clock.sleep(SETTLE_TIME.total_seconds())
    check_settled(orders, most_secrets_sent=1)
