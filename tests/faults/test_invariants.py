"""Check that each invariant check rejects a violation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from invariants import (
    check_deletions,
    check_no_duplicates,
    check_nothing_unplanned,
    check_order,
)
from killable_run import is_announced
from scenarios import SCENARIOS

from reconciler.model.address import Address
from reconciler.model.instant import Instant
from reconciler.model.plan import Action
from reconciler.model.record import Intent, Record, State

[REMOVED] = [situation for situation in SCENARIOS if situation.name == "removed"]
NOW = Instant(datetime(2026, 3, 1, tzinfo=UTC))
GROUP = ("create group.a", "created group")
DESTINATION = ("create destination.a", "created destination")
GONE = ("delete destination.a", "deleted destination")
GROUP_GONE = ("delete group.a", "deleted group")


@pytest.mark.parametrize(
    ("check", "violation", "valid"),
    [
        (check_no_duplicates, [GROUP, DESTINATION, GROUP], [GROUP, DESTINATION]),
        (check_no_duplicates, [DESTINATION, GONE, DESTINATION], [GONE, DESTINATION]),
        (check_order, [DESTINATION, GROUP], [GROUP, DESTINATION]),
        (check_order, [GROUP_GONE, GONE], [GONE, GROUP_GONE]),
        (check_order, [("test destination.a", "tested destination"), DESTINATION], [DESTINATION, GONE]),
        (
            lambda happened: check_deletions(REMOVED, happened),
            [("delete group.sales", "deleted group")],
            [("delete group.finance", "deleted group")],
        ),
        (
            lambda happened: check_deletions(REMOVED, happened),
            [("delete group.finance", "deleted destination")],
            [("delete destination.finance", "deleted destination")],
        ),
        (
            lambda happened: check_nothing_unplanned(REMOVED, [call for call, _ in happened]),
            [("update group.finance", "updated group")],
            [("delete group.finance", "deleted group")],
        ),
        (
            lambda happened: check_nothing_unplanned(REMOVED, [call for call, _ in happened]),
            [("delete group.?", "deleted group")],
            [],
        ),
    ],
)
def test_a_check_rejects_a_violation_and_accepts_a_valid_history(
    check: Callable[[list[tuple[str, str]]], None],
    violation: list[tuple[str, str]],
    valid: list[tuple[str, str]],
) -> None:
    check(valid)
    with pytest.raises(AssertionError):
        check(violation)


@pytest.mark.parametrize(
    ("call", "record", "announced"),
    [
        ("create group.a", None, False),
        ("create group.a", Record(id="x"), False),
        ("create group.a", Record(intent=Intent(Action.UPDATE, "a")), False),
        ("create group.a", Record(intent=Intent(Action.CREATE, "a")), False),
        ("create group.a", Record(intent=Intent(Action.CREATE, "a", sent=NOW)), True),
        ("delete group.a", Record(id="x", intent=Intent(Action.UPDATE, "a")), False),
        ("delete group.a", Record(id="x", intent=Intent(Action.DELETE, "a")), True),
        ("test group.a", Record(id="x"), False),
        ("test group.a", Record(id="x", unverified=True), True),
        ("test group.a", Record(id="x", unverified=True, intent=Intent(Action.VERIFY, "a")), True),
    ],
)
def test_a_call_is_announced_only_by_its_own_intent(
    call: str, record: Record | None, announced: bool
) -> None:
    records = {Address("group", "a"): record} if record is not None else {}
    assert is_announced(call, State("lineage", 1, "account", records)) is announced
