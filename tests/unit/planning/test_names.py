"""Names of groups in a plan: taken names, and the order of renames."""

from __future__ import annotations

import pytest

from reconciler.kinds.group import NAME
from reconciler.model.address import GROUP, Address
from reconciler.model.plan import Action, Change
from reconciler.model.record_transitions import RecordUpdate
from reconciler.model.resource import Desired, Observed
from reconciler.model.source import Span
from reconciler.planning.names import NameFacts, fold_name, resolve_names
from reconciler.planning.planner import PlannedOperation

SPAN = Span("specs/main.yaml", 3, 3, 3, 4)


def make_operation(key: str, name: str, action: Action, id: str | None, *, has_id: bool) -> PlannedOperation:
    address = Address(GROUP, key)
    desired = Desired(address, name, SPAN, {NAME: name}, id=id if has_id else None)
    values = {} if action is Action.NO_OP else {NAME: name}
    update = RecordUpdate({NAME: name}, {}, protected=False, sent=frozenset(values), has_tests=False)
    return PlannedOperation(desired, Change(address, action, id=id), values, {NAME: name}, update)


def observe(id: str, name: str) -> Observed:
    return Observed(GROUP, id, name, {NAME: name})


def resolve(wanted: dict[str, str], live: dict[str, str], ids: str = "") -> tuple[dict[str, str], list[str]]:
    """Resolve the wanted names of entries whose groups have the `live` names; the others are new. A group has the id of
    its key in capitals; entries of the keys in `ids` have their `id:`. Returns the waits, and the keys of problems."""
    operations = {}
    for key, name in wanted.items():
        id = key.upper() if key in live else None
        action = Action.CREATE if id is None else Action.UPDATE if live[key] != name else Action.NO_OP
        operations[Address(GROUP, key)] = make_operation(key, name, action, id, has_id=key in ids)
    groups = {key.upper(): observe(key.upper(), name) for key, name in live.items()}
    owners = {key.upper(): operations[Address(GROUP, key)].desired for key in live if key in wanted}
    resolution = resolve_names(operations, NameFacts(groups, owners))
    waits = {
        address.key: "".join(other.key for other in operation.change.waits_for)
        for address, operation in resolution.operations.items()
        if operation.change.waits_for
    }
    return waits, [each.address.key for each in resolution.problems if each.address is not None]


LIVE = {"a": "1", "b": "2", "c": "3"}


@pytest.mark.parametrize(
    ("wanted", "ids", "waits", "problems"),
    [
        pytest.param({"a": "1", "b": "2", "c": "3"}, "", {}, [], id="no rename"),
        pytest.param({"a": "2", "b": "3", "c": "4"}, "", {"a": "b", "b": "c"}, [], id="a chain"),
        pytest.param(
            {"a": "2", "b": "4", "c": "3", "d": "1"}, "", {"a": "b", "d": "a"}, [], id="a new group"
        ),
        pytest.param({"a": "2", "b": "1", "c": "3"}, "", {}, ["a"], id="an exchange"),
        pytest.param({"a": "2", "b": "1", "c": "3"}, "ab", {}, [], id="an exchange with ids"),
        pytest.param({"a": "2", "b": "3", "c": "1"}, "", {}, ["a"], id="a cycle"),
        pytest.param({"a": "2", "b": "3", "c": "1"}, "ac", {}, ["a"], id="a cycle with some ids"),
        pytest.param({"a": "2", "b": "3", "c": "1"}, "abc", {}, [], id="a cycle with ids"),
        pytest.param(
            {"a": "2", "b": "1", "c": "3", "d": "3"}, "ab", {}, ["d"], id="an exchange and a taken name"
        ),
        pytest.param({"a": "2", "b": "2", "c": "3"}, "ab", {}, [], id="a shared name with ids"),
        pytest.param({"a": "2", "b": "2", "c": "3"}, "a", {}, ["a"], id="a shared name with one id"),
        pytest.param({"a": "2", "c": "3"}, "a", {}, ["a"], id="a name of an unmanaged group"),
        pytest.param({"a": "1", "c": "3", "d": "2"}, "", {}, ["d"], id="a new group with an unmanaged name"),
    ],
)
def test_a_group_takes_a_name_only_after_another_group_gave_it_up(
    wanted: dict[str, str], ids: str, waits: dict[str, str], problems: list[str]
) -> None:
    assert resolve(wanted, LIVE, ids) == (waits, problems)


@pytest.mark.parametrize(
    ("left", "right", "alike"),
    [
        ("Finance", "fINANCE ", True),
        ("Cash flow", "Cashflow", True),
        ("Zu\u0308rich", "Z\u00fcrich", True),
        ("Finance", "Finances", False),
    ],
)
def test_names_are_alike_up_to_case_blanks_and_forms_of_a_character(
    left: str, right: str, alike: bool
) -> None:
    assert (fold_name(left) == fold_name(right)) == alike
