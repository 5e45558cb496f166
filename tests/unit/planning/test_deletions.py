"""Test deletions of `removed:` entries: their objects, order, blockers, and objects that are already deleted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from reconciler.api import responses
from reconciler.api.errors import Exchange, Forbidden, NotFound
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.plan import Action, LiveConnection
from reconciler.model.record import Record
from reconciler.model.removal import CompletedRemoval, Extent
from reconciler.model.resource import Observed
from reconciler.model.source import Span
from reconciler.planning.deletions import DeletionPlan, DeletionPlanner
from reconciler.planning.orphans import find_orphans
from reconciler.planning.removal_identity import RemovalIdentity
from reconciler.spec.removal import RemovalEntry

AT = Span("specs/main.yaml", 9, 5, 9, 30)
ID = "good_id"
ORDERS_GROUP, ORDERS = Address(GROUP, "orders"), Address(DESTINATION, "orders")
PAIR, ONLY_DESTINATION, FORGET = Extent.PAIR, Extent.DESTINATION, Extent.MANAGEMENT
RECORDS = {
    ORDERS_GROUP: Record(id=ID, applied={("name",): "orders"}),
    ORDERS: Record(id=ID, applied={("service",): "big_query"}),
}
USERS = responses.Connection(id="sales_sync", service="salesforce")
PLATFORM = responses.Connection(id="own_log", service="fivetran_metadata")


@dataclass
class LiveAccount:
    """Emulate the account as its lists and its reads by id show it."""

    listed: Collection[str] = (GROUP, DESTINATION)
    existing: Collection[str] = (GROUP, DESTINATION)
    connections: tuple[responses.Connection, ...] = ()
    forbidden: bool = False
    connections_are_gone: bool = False
    reads: list[str] = field(default_factory=list)

    def observe(self, kind: str, id: str) -> Observed | None:
        self.reads.append(kind)
        if self.forbidden:
            raise Forbidden(Exchange("GET", f"/v1/{kind}s/{id}", status=403))
        return Observed(kind, id, "orders", {("service",): "big_query"}) if kind in self.existing else None

    def list_connections(self, id: str) -> list[responses.Connection]:
        if self.connections_are_gone:
            raise NotFound(Exchange("GET", f"/v1/groups/{id}/connections", status=404))
        return list(self.connections)


def make_entry(extent: Extent = PAIR, **changes: Any) -> RemovalEntry:
    return replace(RemovalEntry("orders", ID, extent, False, AT, AT, AT), **changes)


def plan(
    removal: RemovalEntry,
    account: LiveAccount,
    records: Mapping[Address, Record] = RECORDS,
    *,
    completed: Mapping[str, CompletedRemoval] | None = None,
    protected: tuple[str, ...] = (),
) -> DeletionPlan:
    groups = {ID: "orders"} if GROUP in account.listed else {}
    placements = {ID: ("big_query", "")} if DESTINATION in account.listed else {}
    planner = DeletionPlanner(
        RemovalIdentity(groups, records, completed or {}),
        placements,
        protected,
        account.list_connections,
        account.observe,
        lambda kind, id: kind not in account.existing,
    )
    return planner.plan_deletions([removal])


def list_changes(planned: DeletionPlan) -> list[tuple[Action, Address]]:
    return [(each.change.action, each.change.address) for each in planned.deletions]


def list_codes(planned: DeletionPlan) -> tuple[list[str], list[str], list[str]]:
    """List the codes of the problems, the blockers and the notes."""
    return (
        [each.code for each in planned.problems],
        [each.code for each in planned.blockers],
        [each.code for each in planned.notes],
    )


DELETE_DESTINATION, DELETE_GROUP = (Action.DELETE, ORDERS), (Action.DELETE, ORDERS_GROUP)
FORGET_BOTH = [(Action.FORGET, ORDERS), (Action.FORGET, ORDERS_GROUP)]


@pytest.mark.parametrize(
    ("extent", "account", "expected"),
    [
        pytest.param(PAIR, LiveAccount(), [DELETE_DESTINATION, DELETE_GROUP], id="a pair"),
        pytest.param(ONLY_DESTINATION, LiveAccount(), [DELETE_DESTINATION], id="the destination only"),
        pytest.param(FORGET, LiveAccount(), FORGET_BOTH, id="no object, only records"),
        pytest.param(
            PAIR,
            LiveAccount(listed=[GROUP], existing=[GROUP]),
            [DELETE_GROUP],
            id="its destination is deleted",
        ),
        pytest.param(
            PAIR, LiveAccount(listed=[]), [DELETE_DESTINATION, DELETE_GROUP], id="lists without the object"
        ),
        pytest.param(
            PAIR,
            LiveAccount(listed=[GROUP]),
            [DELETE_DESTINATION, DELETE_GROUP],
            id="an unlisted destination",
        ),
    ],
)
def test_an_entry_deletes_a_destination_before_its_group(
    extent: Extent, account: LiveAccount, expected: list[tuple[Action, Address]]
) -> None:
    planned = plan(make_entry(extent), account)
    assert list_changes(planned) == expected
    assert list_codes(planned) == ([], [], [])
    assert all(each.removed == CompletedRemoval(ID, extent) for each in planned.deletions)


PROTECTED_RECORDS = {**RECORDS, ORDERS: replace(RECORDS[ORDERS], protected=True)}


@pytest.mark.parametrize(
    ("removal", "connections", "options", "blockers"),
    [
        pytest.param(make_entry(), (USERS,), {}, ["has-connections"], id="connections of users"),
        pytest.param(
            make_entry(with_platform_connection=True),
            (USERS, PLATFORM),
            {},
            ["has-connections"],
            id="users beside",
        ),
        pytest.param(make_entry(), (PLATFORM,), {}, ["platform-connection"], id="the connection of Fivetran"),
        pytest.param(
            make_entry(with_platform_connection=True), (PLATFORM,), {}, [], id="allowed by the entry"
        ),
        pytest.param(
            make_entry(),
            (responses.Connection(id="own_log", service="fivetran_log"),),
            {},
            ["platform-connection"],
            id="by an earlier name of its service",
        ),
        pytest.param(
            make_entry(), (), {"protected": ("ord*",)}, ["protected"], id="a pattern of the project"
        ),
        pytest.param(make_entry(), (), {"records": PROTECTED_RECORDS}, ["protected"], id="a record"),
        pytest.param(
            make_entry(key="zz_dev", name="orders"),
            (),
            {"protected": ("ord*",), "records": {}},
            ["protected"],
            id="under another key",
        ),
        pytest.param(make_entry(), (), {"protected": ("sales",)}, [], id="protection of another entry"),
        pytest.param(
            make_entry(),
            (USERS,),
            {"protected": ("*",)},
            ["protected", "has-connections"],
            id="all blockers together",
        ),
    ],
)
def test_protection_and_connections_block_a_deletion(
    removal: RemovalEntry,
    connections: tuple[responses.Connection, ...],
    options: dict[str, Any],
    blockers: list[str],
) -> None:
    planned = plan(removal, LiveAccount(connections=connections), **options)
    assert list_codes(planned) == ([], blockers, [])
    assert [action for action, _ in list_changes(planned)] == [Action.DELETE, Action.DELETE]


def test_the_connection_of_fivetran_is_deleted_once_and_first() -> None:
    planned = plan(make_entry(with_platform_connection=True), LiveAccount(connections=(PLATFORM,)))
    destination, group = planned.deletions
    assert destination.connections == (LiveConnection("own_log", "fivetran_metadata", True),)
    assert group.connections == ()


DONE = CompletedRemoval(ID, PAIR)


@pytest.mark.parametrize(
    ("extent", "records", "completed", "changes"),
    [
        pytest.param(PAIR, RECORDS, {}, FORGET_BOTH, id="deleted at Fivetran"),
        pytest.param(PAIR, {}, {"orders": DONE}, [], id="deleted by an earlier run"),
        pytest.param(FORGET, {}, {"orders": DONE}, [], id="forgotten before"),
        pytest.param(
            ONLY_DESTINATION,
            RECORDS,
            {},
            [(Action.FORGET, ORDERS)],
            id="only the destination deleted at Fivetran",
        ),
    ],
)
def test_an_entry_whose_objects_are_deleted_is_done(
    extent: Extent,
    records: Mapping[Address, Record],
    completed: Mapping[str, CompletedRemoval],
    changes: list[tuple[Action, Address]],
) -> None:
    planned = plan(make_entry(extent), LiveAccount(listed=[], existing=[]), records, completed=completed)
    assert list_changes(planned) == changes
    assert list_codes(planned) == ([], [], ["removal-done"])
    is_new = extent is not FORGET and not completed
    assert planned.completed_removals == ({"orders": CompletedRemoval(ID, extent)} if is_new else {})


def test_a_restored_object_is_deleted_again() -> None:
    """A completed removal does not hide an object of its id: Fivetran may have restored it."""
    planned = plan(make_entry(), LiveAccount(), {}, completed={"orders": DONE})
    assert list_changes(planned) == [DELETE_DESTINATION, DELETE_GROUP]


def test_a_late_read_of_a_deleted_group_is_polled() -> None:
    """The list still shows the group, but its connections are deleted: one of the two responses is late."""
    gone = LiveAccount(existing=[], connections_are_gone=True)
    assert list_codes(plan(make_entry(), gone)) == ([], [], ["removal-done"])
    with pytest.raises(NotFound):
        plan(make_entry(), LiveAccount(connections_are_gone=True))


@pytest.mark.parametrize("extent", [PAIR, ONLY_DESTINATION])
def test_a_forbidden_object_does_not_count_as_deleted(extent: Extent) -> None:
    planned = plan(make_entry(extent), LiveAccount(listed=[], forbidden=True))
    assert list_changes(planned) == []
    assert list_codes(planned) == (["forbidden"], [], [])


def test_an_entry_of_unknown_identity_deletes_nothing() -> None:
    account = LiveAccount()
    planned = plan(make_entry(id="other_id"), account)
    assert list_changes(planned) == []
    assert list_codes(planned) == (["removal-other-id"], [], [])
    assert account.reads == []


EXISTING = {GROUP: [ID], DESTINATION: [ID]}


@pytest.mark.parametrize(
    ("declared", "removals", "existing", "orphans"),
    [
        pytest.param([ORDERS_GROUP, ORDERS], [], EXISTING, [], id="declared"),
        pytest.param([], [], EXISTING, [ORDERS_GROUP], id="one finding for a pair"),
        pytest.param([ORDERS_GROUP], [], EXISTING, [ORDERS], id="the block of the destination"),
        pytest.param([], [make_entry()], EXISTING, [], id="removed"),
        pytest.param([], [make_entry(FORGET)], EXISTING, [], id="abandoned"),
        pytest.param([], [make_entry(ONLY_DESTINATION)], EXISTING, [ORDERS_GROUP], id="removed in part"),
        pytest.param([], [], {GROUP: [], DESTINATION: []}, [], id="deleted at Fivetran as well"),
        pytest.param([], [], {GROUP: [], DESTINATION: [ID]}, [], id="its group is deleted"),
    ],
)
def test_a_managed_object_without_an_entry_is_an_orphan(
    declared: list[Address],
    removals: list[RemovalEntry],
    existing: dict[str, list[str]],
    orphans: list[Address],
) -> None:
    found = find_orphans(RECORDS, declared, removals, existing)
    assert [(each.code, each.address) for each in found] == [("vanished", address) for address in orphans]


def test_an_orphan_offers_the_removal_line() -> None:
    [pair] = find_orphans(RECORDS, [], [], EXISTING)
    [destination] = find_orphans(RECORDS, [ORDERS_GROUP], [], EXISTING)
    assert pair.help is not None
    assert destination.help is not None
    assert f"id: {ID}" in pair.help
    assert "only: destination" not in pair.help
    assert "only: destination" in destination.help
