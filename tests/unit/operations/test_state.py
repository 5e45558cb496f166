"""Test which records an address selects, where records move, and which fields are hidden."""

from __future__ import annotations

import pytest

from reconciler.kinds.visibility import find_hidden_fields
from reconciler.model.address import Address
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.record import Record
from reconciler.operations.state import Move, find_records, plan_moves, select_records

GROUP, DESTINATION = Address("group", "orders"), Address("destination", "orders")
OTHER_GROUP, OTHER_DESTINATION = Address("group", "sales"), Address("destination", "sales")
RECORD = Record(id="decent_dropsy")


def list_codes(error: pytest.ExceptionInfo[ReconcilerError]) -> list[str]:
    return [each.code for each in error.value.diagnostics]


def test_a_split_pair_can_be_reunited() -> None:
    torn = {GROUP: RECORD, OTHER_DESTINATION: RECORD}
    assert plan_moves(torn, "sales", "orders") == (Move(OTHER_DESTINATION, DESTINATION),)


def test_an_occupied_address_blocks_the_whole_pair() -> None:
    records = {GROUP: RECORD, DESTINATION: RECORD, OTHER_DESTINATION: RECORD}
    with pytest.raises(ReconcilerError) as error:
        plan_moves(records, "orders", "sales")
    assert list_codes(error) == ["address-taken"]


def test_an_address_cannot_move_onto_itself() -> None:
    with pytest.raises(ReconcilerError) as error:
        plan_moves({GROUP: RECORD, DESTINATION: RECORD}, "orders", "orders")
    assert list_codes(error) == ["address-taken", "address-taken"]


@pytest.mark.parametrize(
    ("texts", "chosen"),
    [
        (["orders"], [GROUP, DESTINATION]),
        (["group.orders"], [GROUP, DESTINATION]),
        (["destination.orders"], [DESTINATION]),
        (["sales", "destination.orders", "sales"], [DESTINATION, OTHER_GROUP]),
    ],
)
def test_a_group_selects_its_destination(texts: list[str], chosen: list[Address]) -> None:
    records = {OTHER_GROUP: RECORD, DESTINATION: RECORD, GROUP: RECORD}
    assert list(select_records(records, texts)) == chosen


def test_an_address_selects_one_record_and_a_key_selects_both() -> None:
    records = {DESTINATION: RECORD, GROUP: RECORD}
    assert list(find_records(records, "group.orders")) == [GROUP]
    assert list(find_records(records, "orders")) == [GROUP, DESTINATION]


@pytest.mark.parametrize("service", ["snowflake", "brand_new_service", None])
def test_sensitive_and_unknown_fields_are_hidden(service: str | None) -> None:
    fields = {
        ("region",): "GCP_US_EAST4",
        ("config", "host"): "h",
        ("config", "password"): None,
        ("config", "x"): 1,
    }
    record = Record(applied={**fields, ("service",): service} if service else fields)
    hidden = find_hidden_fields(DESTINATION, record)
    assert {("config", "password"), ("config", "x")} <= hidden
    assert not hidden & {("service",), ("region",)}
    assert (("config", "host") in hidden) is (service != "snowflake")


def test_no_field_of_a_group_is_hidden() -> None:
    assert find_hidden_fields(GROUP, Record(applied={("name",): "Orders"})) == frozenset()
