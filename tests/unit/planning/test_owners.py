"""Test which groups the record of another state is about."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.instant import Instant
from reconciler.model.plan import Action
from reconciler.model.record import Intent, Record, State
from reconciler.model.resource import Observed
from reconciler.planning.owners import Claim, build_owners, find_group_owner
from reconciler.state.neighbours import NeighbourStates

BEGUN = Instant(datetime(2026, 11, 26, 10, tzinfo=UTC))
ORDERS = Address(GROUP, "orders")
CREATE = Intent(Action.CREATE, "orders", namesakes=("old_fox",), begun=BEGUN)
UPDATE = Intent(Action.UPDATE, "orders", begun=BEGUN)
THEIRS = Record(id="sunny_vole", applied={("name",): "orders"})


def find_owner(record: Record, id: str, name: str = "orders", kind: str = GROUP) -> Claim | None:
    """Find the owner of a live group if another state has this record."""
    states = {"`b`": State("b", 1, "tidy_acorn", {Address(kind, "orders"): record})}
    return find_group_owner(build_owners(NeighbourStates(states)), Observed(GROUP, id, name, {}))


@pytest.mark.parametrize(
    ("record", "id", "is_owned"),
    [
        (THEIRS, "sunny_vole", True),
        (THEIRS, "new_owl", False),  # another group of the same name
        (Record(id="sunny_vole", intent=UPDATE), "sunny_vole", True),
        (Record(id="sunny_vole", intent=UPDATE), "new_owl", False),
        (Record(intent=CREATE), "new_owl", True),  # the create may have made it
        (Record(intent=CREATE), "old_fox", False),  # it existed before
        (Record(id="sunny_vole", earlier=(CREATE,)), "new_owl", True),
        (Record(id="sunny_vole", earlier=(CREATE,)), "old_fox", False),
        (Record(), "new_owl", False),
    ],
)
def test_a_live_group_is_owned_by_its_id_or_by_an_unfinished_creation(
    record: Record, id: str, is_owned: bool
) -> None:
    claim = find_owner(record, id)
    assert (claim is not None) is is_owned
    assert claim is None or (claim.place, claim.address) == ("`b`", ORDERS)


def test_an_unfinished_creation_has_no_group_of_another_name() -> None:
    assert find_owner(Record(intent=CREATE), "new_owl", "sales") is None


def test_a_destination_has_the_group_of_its_id_and_no_group_of_its_name() -> None:
    assert find_owner(THEIRS, "sunny_vole", kind=DESTINATION) is not None
    assert find_owner(Record(intent=CREATE), "new_owl", kind=DESTINATION) is None


@pytest.mark.parametrize(
    ("record", "live_ids", "is_creating"),
    [
        (Record(intent=CREATE), (), True),
        (Record(intent=UPDATE), (), False),
        (Record(id="sunny_vole", earlier=(CREATE,)), ("sunny_vole",), False),
        (THEIRS, ("sunny_vole",), False),  # it was listed, so the create makes another group
        (THEIRS, (), True),  # it was made after the groups were listed
        (Record(id="sunny_vole", applied={("name",): "sales"}), (), False),
    ],
)
def test_a_create_is_refused_if_another_state_makes_or_has_just_made_the_group(
    record: Record, live_ids: tuple[str, ...], is_creating: bool
) -> None:
    assert Claim("`b`", ORDERS, record).is_creating("orders", live_ids) is is_creating


def test_the_group_names_the_owner_of_a_pair() -> None:
    records = {Address(kind, "orders"): THEIRS for kind in (GROUP, DESTINATION)}
    for each in (records, dict(reversed(records.items()))):
        states = {"`b`": State("b", 1, "tidy_acorn", each)}
        owners = build_owners(NeighbourStates(states))
        assert owners.by_id["sunny_vole"].address == ORDERS
