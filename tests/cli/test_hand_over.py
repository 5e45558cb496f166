"""`state move --to`: entries move from the state of a project to the state of another."""

from __future__ import annotations

from dataclasses import replace

import pytest
from applied_project import PAIR, get_error_code
from owned_projects import FOLDER, A, B, OwnedProjects

from reconciler.model.address import Address
from reconciler.state.codec import encode_state

pytestmark = pytest.mark.sampled(every=3)

GROUP, DESTINATION = Address("group", "orders"), Address("destination", "orders")


in_a_folder = pytest.mark.parametrize("place_kind", [FOLDER])


def test_entries_are_handed_over_with_their_records(projects: OwnedProjects) -> None:
    projects.declare(A, "orders", "sales", settings="protected: [orders]\n")
    projects.must(A, "apply", "--auto-approve")
    before = projects.read_state(A)
    assert before is not None
    calls = len(projects.server.calls)
    moved = projects.hand_over(A, B, "orders", "--format", "json")
    assert moved.exit == 0, moved.stdout + moved.stderr
    assert len(projects.server.calls) == calls
    records = moved.document["handed_over"]["records"]
    assert [record["address"] for record in records] == [str(GROUP), str(DESTINATION)]
    giving, receiving = projects.read_state(A), projects.read_state(B)
    assert giving is not None and receiving is not None
    assert {address.key for address in giving.records} == {"sales"}
    assert receiving.records == {each: before.records[each] for each in (GROUP, DESTINATION)}
    assert receiving.lineage != giving.lineage
    projects.declare(A, "sales")
    projects.declare(B, "orders")
    for name in (A, B):
        plan = projects.run(name, "plan", "--detailed-exitcode", "--format", "json")
        assert plan.exit == 0, plan.stdout
        assert plan.document["changes"] == []
    assert projects.hand_over(A, B, "orders").stdout.startswith("All of this is in")


def test_the_project_that_gave_an_entry_away_cannot_take_it_back_by_an_apply(projects: OwnedProjects) -> None:
    projects.must_apply(A, "orders")
    assert projects.hand_over(A, B, "orders").exit == 0
    plan = projects.run(A, "plan", "--format", "json")
    assert [blocker["code"] for blocker in plan.document["blockers"]] == ["owned-elsewhere"]
    assert projects.hand_over(B, A, "group.orders").exit == 0
    projects.must(A, "plan", "--detailed-exitcode")


@in_a_folder
def test_a_hand_over_is_shown(projects: OwnedProjects) -> None:
    projects.must_apply(A, "orders")
    id = projects.find_id("orders")
    assert projects.hand_over(A, B, "orders").stdout.splitlines() == [
        "Handed 2 records over from specs/.reconciler/a.state.json to specs/.reconciler/b.state.json:",
        f"  group.orders        {id}",
        f"  destination.orders  {id}",
        "Nothing was changed at Fivetran. Declare this in specs/b.yaml, and no longer in specs/a.yaml.",
    ]


@in_a_folder
def test_another_object_at_the_address_is_refused(projects: OwnedProjects) -> None:
    projects.must_apply(A, "orders")
    projects.declare(B, groups="  orders: {name: Other}\n")
    projects.must(B, "apply", "--auto-approve")
    states = [projects.place.read(name) for name in (A, B)]
    refused = projects.hand_over(A, B, "orders")
    assert (refused.exit, get_error_code(refused)) == (1, "address-taken")
    assert (
        f"it is `{projects.find_id('Other')}` there, and `{projects.find_id('orders')}` here"
        in refused.stderr
    )
    assert [projects.place.read(name) for name in (A, B)] == states


@in_a_folder
def test_an_object_at_another_address_is_refused(projects: OwnedProjects) -> None:
    projects.must_apply(A, "orders")
    assert projects.hand_over(A, B, "orders").exit == 0
    theirs = projects.read_state(B)
    assert theirs is not None
    records = {Address(each.kind, "purchases"): record for each, record in theirs.records.items()}
    projects.place.put(A, encode_state(replace(theirs, lineage="mine", records=theirs.records)))
    projects.place.put(B, encode_state(replace(theirs, serial=theirs.serial + 1, records=records)))
    refused = projects.hand_over(A, B, "orders")
    assert (refused.exit, get_error_code(refused)) == (1, "address-taken")
    assert "is group.purchases there" in refused.stderr


@in_a_folder
def test_protection_in_either_state_stays(projects: OwnedProjects) -> None:
    projects.must_apply(A, "orders")
    ours = projects.read_state(A)
    assert ours is not None
    protected = {each: replace(record, protected=True) for each, record in ours.records.items()}
    projects.place.put(B, encode_state(replace(ours, lineage="theirs", records=protected)))
    assert projects.hand_over(A, B, "orders").exit == 0
    theirs = projects.read_state(B)
    assert theirs is not None and all(record.protected for record in theirs.records.values())


@in_a_folder
def test_a_project_without_a_state_gets_the_key_of_the_fingerprints(projects: OwnedProjects) -> None:
    secret = PAIR.format(key="orders").replace("US}", 'US, secret_key: {secret: "env:ORDERS_KEY"}}')
    projects.declare(A, groups=secret)
    apply = ("apply", "--auto-approve", "--project", "specs/a.yaml")
    environ = {"ORDERS_KEY": "a-secret-of-orders"}
    assert projects.project.run_against(projects.server, *apply, environ=environ).exit == 0
    moved = projects.hand_over(A, B, "orders")
    assert (moved.exit, moved.stderr) == (0, "")
    folder = projects.project.folder / "specs/.reconciler"
    assert (folder / "b.state.json.key").read_bytes() == (folder / "a.state.json.key").read_bytes()
    projects.declare(B, groups=secret)
    plan = ("plan", "--detailed-exitcode", "--project", "specs/b.yaml")
    assert projects.project.run_against(projects.server, *plan, environ=environ).exit == 0
    rotated = {"ORDERS_KEY": "another-secret-of-orders"}
    assert projects.project.run_against(projects.server, *plan, environ=rotated).exit == 2


@in_a_folder
def test_another_key_of_fingerprints_is_a_warning(projects: OwnedProjects) -> None:
    projects.must_apply(B, "sales")
    projects.declare(
        A, groups=PAIR.format(key="orders").replace("US}", 'US, secret_key: {secret: "env:ORDERS_KEY"}}')
    )
    apply = ("apply", "--auto-approve", "--project", "specs/a.yaml")
    environ = {"ORDERS_KEY": "a-secret-of-orders"}
    assert projects.project.run_against(projects.server, *apply, environ=environ).exit == 0
    moved = projects.hand_over(A, B, "orders")
    assert moved.exit == 0
    assert "warning[fingerprints-lost]" in moved.stderr
    assert "specs/b.yaml" in moved.stderr


@in_a_folder
@pytest.mark.parametrize(
    ("receiver", "word", "error", "text"),
    [
        (B, "oders", (1, "unknown-address"), "did you mean `orders`?"),
        (A, "orders", (64, "wrong-usage"), "have the same state"),
        ("c", "orders", (1, "file-unreadable"), "there is no project file `specs/c.yaml`"),
    ],
)
def test_a_wrong_hand_over_is_explained(
    projects: OwnedProjects, receiver: str, word: str, error: tuple[int, str], text: str
) -> None:
    projects.must_apply(A, "orders")
    result = projects.hand_over(A, receiver, word)
    assert (result.exit, get_error_code(result)) == error
    assert text in result.stderr
    assert projects.list_addresses(A) == ["destination.orders", "group.orders"]


@in_a_folder
def test_nothing_is_handed_over_without_a_state(projects: OwnedProjects) -> None:
    result = projects.hand_over(A, B, "orders")
    assert (result.exit, get_error_code(result)) == (1, "no-state")


@in_a_folder
def test_the_states_of_two_accounts_exchange_nothing(projects: OwnedProjects) -> None:
    projects.must_apply(A, "orders")
    projects.must_apply(B, "sales")
    theirs = projects.read_state(B)
    assert theirs is not None
    projects.place.put(B, encode_state(replace(theirs, account_id="another_account")))
    result = projects.hand_over(A, B, "orders")
    assert (result.exit, get_error_code(result)) == (1, "other-account")


@in_a_folder
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("orders",), "`state move` takes FROM and TO"),
        (("a", "b", "c"), "`state move` takes FROM and TO"),
        (("orders", "--to", "specs/b.yaml", "--sandbox"), "each sandbox has an account of its own"),
    ],
)
def test_a_wrong_command_line_is_explained(
    projects: OwnedProjects, arguments: tuple[str, ...], text: str
) -> None:
    result = projects.run(A, "state", "move", *arguments)
    assert result.exit == 64
    assert text in result.stderr


def test_a_held_lock_of_either_state_stops_a_hand_over(projects: OwnedProjects, place_kind: str) -> None:
    projects.must_apply(A, "orders")
    projects.must_apply(B, "sales")
    states = [projects.read_state(name) for name in (A, B)]
    for name in (A, B):
        with projects.hold_lock(name):
            result = projects.hand_over(A, B, "orders")
        assert (result.exit, get_error_code(result)) == (5, "locked")
        assert [projects.read_state(each) for each in (A, B)] == states
