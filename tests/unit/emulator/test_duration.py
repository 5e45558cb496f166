"""Test the durations of setup tests: a response carries its duration, and the server waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from emulated_account import POSTGRES
from fake_clock import TickingClock

from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.dashboard import Dashboard
from reconciler.emulator.envelope import Reply
from reconciler.emulator.resources import destinations
from reconciler.emulator.store import Store
from reconciler.emulator.switches import AS_DOCUMENTED


def test_only_responses_with_a_setup_test_run_take_long() -> None:
    account = Account(Store(":memory:"), behaviour=AS_DOCUMENTED, clock=TickingClock(), seed=0)
    dashboard = Dashboard(account)
    dashboard.delay_setup_tests(10.0)
    dashboard.delay_setup_tests(90.0, group_name="orders")
    for name in ("orders", "billing"):
        dashboard.add_destination(dashboard.add_group(name, name), "postgres_warehouse", config=POSTGRES)

    def seconds(handler: Callable[[Account, ApiRequest], Reply], name: str, body: Mapping[str, Any]) -> float:
        return handler(account, ApiRequest({"id": name}, {}, body, 2)).seconds

    assert seconds(destinations.run_setup_tests, "orders", {}) == 90.0
    assert seconds(destinations.run_setup_tests, "billing", {}) == 10.0
    assert seconds(destinations.update, "orders", {}) == 90.0
    assert seconds(destinations.update, "orders", {"run_setup_tests": False}) == 0.0
    assert seconds(destinations.show, "orders", {}) == 0.0
    account.store.close()
