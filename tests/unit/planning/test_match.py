"""Test the matching of entries with live groups: id before record before name, and never a group of another entry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from reconciler.model.address import GROUP, Address
from reconciler.model.instant import Instant
from reconciler.model.plan import Action
from reconciler.model.record import Intent, Record
from reconciler.model.resource import Desired, Observed
from reconciler.model.source import Span
from reconciler.planning.match import Matching, list_pending_creates, match_groups

NOON = Instant(datetime(2026, 3, 1, 12, tzinfo=UTC))
AT = Span("specs/main.yaml", 3, 3, 3, 9)
ORDERS, SALES = Address(GROUP, "orders"), Address(GROUP, "sales")


def make_entry(address: Address, name: str | None = None, id: str | None = None) -> Desired:
    name = name if name is not None else address.key
    return Desired(address, name, AT, {("name",): name}, id=id)


def list_live_groups(names: Mapping[str, str]) -> dict[str, Observed]:
    """Build groups from names by id."""
    return {id: Observed(GROUP, id, name, {("name",): name}) for id, name in names.items()}


def make_lost_create(name: str, *namesakes: str) -> Record:
    """Build a record whose create request has no response."""
    return Record(intent=Intent(Action.CREATE, name, namesakes, sent=NOON))


@pytest.mark.parametrize(
    ("entries", "groups", "records", "expected"),
    [
        pytest.param([make_entry(ORDERS)], {"a": "orders"}, {}, {"orders": "a"}, id="by name"),
        pytest.param([make_entry(ORDERS)], {"a": "Orders"}, {}, {}, id="a name is exact"),
        pytest.param([make_entry(ORDERS)], {}, {}, {}, id="a new group"),
        pytest.param(
            [make_entry(ORDERS, "Orders of today")],
            {"a": "orders"},
            {ORDERS: Record(id="a")},
            {"orders": "a"},
            id="a new name in the specs",
        ),
        pytest.param(
            [make_entry(ORDERS)],
            {"a": "Renamed"},
            {ORDERS: Record(id="a")},
            {"orders": "a"},
            id="a new name at Fivetran",
        ),
        pytest.param(
            [make_entry(ORDERS)],
            {"a": "old", "b": "orders"},
            {ORDERS: Record(id="a")},
            {"orders": "a"},
            id="record before name",
        ),
        pytest.param(
            [make_entry(ORDERS, id="b")],
            {"a": "orders", "b": "other"},
            {ORDERS: Record(id="a")},
            {"orders": "b"},
            id="id before record",
        ),
        pytest.param(
            [make_entry(ORDERS), make_entry(SALES, id="a")],
            {"a": "orders"},
            {ORDERS: Record(id="a")},
            {"sales": "a"},
            id="an id overrides a record",
        ),
        pytest.param(
            [make_entry(ORDERS), make_entry(SALES, "orders", id="a")],
            {"a": "orders"},
            {},
            {"sales": "a"},
            id="a group of another entry is no namesake",
        ),
        pytest.param(
            [make_entry(ORDERS)],
            {"b": "orders"},
            {ORDERS: Record(id="gone")},
            {},
            id="no namesake of a missing group",
        ),
        pytest.param(
            [make_entry(ORDERS)],
            {"b": "orders"},
            {ORDERS: Record(id="gone", intent=Intent(Action.DELETE, "orders"))},
            {"orders": "b"},
            id="a deleted group is not missing",
        ),
        pytest.param(
            [make_entry(ORDERS)],
            {"a": "orders", "b": "orders"},
            {ORDERS: make_lost_create("orders", "a")},
            {"orders": "b"},
            id="a lost create has made the new namesake",
        ),
        pytest.param(
            [make_entry(ORDERS)],
            {"a": "orders"},
            {ORDERS: make_lost_create("orders", "a")},
            {},
            id="a lost create has not made the old namesake",
        ),
        pytest.param(
            [make_entry(ORDERS)],
            {"a": "orders"},
            {ORDERS: make_lost_create("former name", "a")},
            {"orders": "a"},
            id="namesakes of another name do not count",
        ),
        pytest.param(
            [make_entry(ORDERS, id="zzzzzz")], {"a": "orders"}, {}, {}, id="an unknown id matches no name"
        ),
    ],
)
def test_an_entry_matches_one_group_or_none(
    entries: list[Desired],
    groups: dict[str, str],
    records: dict[Address, Record],
    expected: dict[str, str],
) -> None:
    scope = {each.address for each in entries}
    assert match_groups(entries, list_live_groups(groups), records, scope) == Matching(expected)


@pytest.mark.parametrize(
    ("entries", "groups", "records", "code"),
    [
        pytest.param(
            [make_entry(ORDERS)], {"a": "orders", "b": "orders"}, {}, "ambiguous-name", id="two namesakes"
        ),
        pytest.param(
            [make_entry(ORDERS)],
            {"a": "orders", "b": "orders", "c": "orders"},
            {ORDERS: make_lost_create("orders", "a")},
            "ambiguous-name",
            id="two new namesakes",
        ),
        pytest.param(
            [make_entry(ORDERS, id="good_ida")],
            {"good_idx": "x"},
            {},
            "unknown-id",
            id="an id close to another",
        ),
    ],
)
def test_an_ambiguous_match_is_a_problem_of_its_address_only(
    entries: list[Desired], groups: dict[str, str], records: dict[Address, Record], code: str
) -> None:
    matching = match_groups(entries, list_live_groups(groups), records, {ORDERS})
    assert matching.group_ids == {}
    assert [(each.code, each.address) for each in matching.problems] == [(code, ORDERS)]
    assert match_groups(entries, list_live_groups(groups), records, {SALES}) == Matching({})


def test_a_recorded_id_without_a_group_is_missing_and_not_misspelt() -> None:
    records = {ORDERS: Record(id="good_ida")}
    live = list_live_groups({"good_idx": "x"})
    assert match_groups([make_entry(ORDERS, id="good_ida")], live, records, {ORDERS}) == Matching({})


@pytest.mark.parametrize(
    ("desired", "groups", "record", "is_pending"),
    [
        pytest.param(make_entry(ORDERS), {}, make_lost_create("orders"), True, id="nothing listed"),
        pytest.param(
            make_entry(ORDERS), {"a": "orders"}, make_lost_create("orders", "a"), True, id="the old namesake"
        ),
        pytest.param(
            make_entry(ORDERS), {"b": "orders"}, make_lost_create("orders", "a"), False, id="a new namesake"
        ),
        pytest.param(
            make_entry(ORDERS),
            {},
            Record(intent=Intent(Action.CREATE, "orders")),
            False,
            id="no request was sent",
        ),
        pytest.param(make_entry(ORDERS), {}, Record(id="a"), False, id="the id is known"),
        pytest.param(make_entry(ORDERS), {}, None, False, id="no record"),
        pytest.param(
            make_entry(ORDERS, id="a"), {}, make_lost_create("orders"), False, id="the specs have the id"
        ),
    ],
)
def test_a_lost_create_is_pending_until_a_list_shows_its_group(
    desired: Desired, groups: dict[str, str], record: Record | None, is_pending: bool
) -> None:
    records = {} if record is None else {ORDERS: record}
    assert list_pending_creates([desired], list_live_groups(groups), records) == (
        [desired] if is_pending else []
    )
