"""Nothing is destroyed by accident: removal is written down, blocked where it must be, and comes last."""

from __future__ import annotations

import json

import pytest
from applied_pairs import PAIR, Team, get_error_code
from cli_harness import EmulatedFivetran, Project

from reconciler.emulator.fault_text import parse_fault


@pytest.fixture
def team(project: Project, server: EmulatedFivetran) -> Team:
    """Two applied pairs, `orders` and `sales`."""
    return Team(project, server)


def test_a_tombstone_deletes_the_destination_and_then_its_group(team: Team) -> None:
    id = team.id_of("orders")
    team.declare("sales", removed=f"  - {{group: orders, id: {id}}}\n")
    plan = team.plan("--detailed-exitcode")
    assert plan.exit == 2
    assert "Plan: 0 to add, 0 to change, 2 to destroy." in plan.stdout.splitlines()
    assert team.writes_of() == [f"DELETE /v1/destinations/{id}", f"DELETE /v1/groups/{id}"]
    assert team.server.list_ids("groups") == [team.id_of("sales")]
    again = team.plan("--detailed-exitcode")
    assert again.exit == 0
    assert "warning[removal-done]" in again.stderr
    state = json.loads(team.state.read_text())
    assert state["removals"] == {"orders": {"extent": "pair", "id": id}}
    assert {address.partition(".")[2] for address in state["records"]} == {"sales"}


def test_only_the_destination_goes_where_that_is_asked(team: Team) -> None:
    id = team.id_of("orders")
    team.declare(
        "sales", extra="  orders: {}\n", removed=f"  - {{group: orders, id: {id}, only: destination}}\n"
    )
    assert team.writes_of() == [f"DELETE /v1/destinations/{id}"]
    assert id in team.server.list_ids("groups")


def test_forgetting_sends_nothing(team: Team) -> None:
    id = team.id_of("orders")
    team.declare("sales", removed=f"  - {{group: orders, id: {id}, forget: true}}\n")
    plan = team.plan("--detailed-exitcode")
    assert plan.exit == 0
    assert "No changes." in plan.stdout.splitlines()
    assert ". group.orders" in plan.stdout
    assert team.writes_of() == []
    assert "group.orders" not in json.loads(team.state.read_text())["records"]
    assert id in team.server.list_ids("destinations")


@pytest.mark.parametrize("keys", [("sales",), ("sales", "purchases")])
def test_an_entry_that_merely_vanishes_is_an_error_and_deletes_nothing(
    team: Team, keys: tuple[str, ...]
) -> None:
    team.declare(*keys)
    before = len(team.server.writes)
    result = team.apply()
    assert (result.exit, get_error_code(result)) == (1, "vanished")
    assert f"id: {team.id_of('orders')}" in result.stderr
    assert team.server.writes[before:] == []


def test_a_destination_block_that_vanishes_is_an_error_too(team: Team) -> None:
    team.declare("sales", extra="  orders: {}\n")
    result = team.plan()
    assert (result.exit, get_error_code(result)) == (1, "vanished")
    assert "only: destination" in result.stderr


def test_a_former_key_moves_what_is_remembered_and_renames_nothing(team: Team) -> None:
    id = team.id_of("orders")
    moved = PAIR.format(key="purchases").replace("purchases:\n", "purchases:\n    was: orders\n")
    team.declare("sales", extra=moved)
    plan = team.plan("--detailed-exitcode")
    assert plan.exit == 0, plan.stdout + plan.stderr
    assert team.writes_of() == []
    records = json.loads(team.state.read_text())["records"]
    assert records["group.purchases"]["id"] == records["destination.purchases"]["id"] == id
    assert "group.orders" not in records
    assert team.server.get(f"/groups/{id}")["name"] == "orders"
    team.declare("sales", extra=moved.replace("    was: orders\n", "    name: orders\n"))
    assert team.writes_of() == []


def test_a_former_key_finds_its_group_without_a_memory_too(team: Team) -> None:
    team.state.unlink()
    moved = PAIR.format(key="purchases").replace("purchases:\n", "purchases:\n    was: orders\n")
    team.declare("sales", extra=moved)
    assert team.writes_of() == []


def test_connections_of_users_block_a_removal(team: Team) -> None:
    id = team.id_of("orders")
    team.server.app.dashboard.add_connection(id, "salesforce", "salesforce")
    team.declare("sales", removed=f"  - {{group: orders, id: {id}, with_platform_connection: true}}\n")
    before = len(team.server.writes)
    plan = team.plan()
    assert (plan.exit, get_error_code(plan)) == (3, "has-connections")
    assert "salesforce" in plan.stderr
    result = team.apply()
    assert (result.exit, get_error_code(result)) == (3, "has-connections")
    assert team.server.writes[before:] == []


def test_fivetrans_own_connection_goes_only_where_the_tombstone_says_so(team: Team) -> None:
    id = team.id_of("orders")
    connection = team.server.app.dashboard.add_connection(id, "fivetran_metadata", "fivetran_metadata")
    team.declare("sales", removed=f"  - {{group: orders, id: {id}}}\n")
    assert get_error_code(team.plan()) == "platform-connection"
    team.declare("sales", removed=f"  - {{group: orders, id: {id}, with_platform_connection: true}}\n")
    assert team.writes_of() == [
        f"DELETE /v1/connections/{connection}",
        f"DELETE /v1/destinations/{id}",
        f"DELETE /v1/groups/{id}",
    ]


def test_more_deletions_than_the_limit_are_refused_as_a_whole(team: Team) -> None:
    tombstones = "".join(f"  - {{group: {key}, id: {team.id_of(key)}}}\n" for key in ("orders", "sales"))
    team.declare(extra="  spare: {}\n", removed=tombstones)
    before = len(team.server.writes)
    result = team.apply()
    assert (result.exit, get_error_code(result)) == (3, "limit-exceeded")
    assert team.server.writes[before:] == []
    assert team.apply("--allow", "deletes=2").exit == 64, "a reason must be given"
    assert len(team.writes_of("--allow", "deletes=2", "--reason", "both teams are gone")) == 5


def test_a_change_of_too_many_objects_is_refused(project: Project, server: EmulatedFivetran) -> None:
    team = Team(project, server)
    keys = [f"team_{number}" for number in range(6)] + ["orders", "sales"]
    team.declare(*keys)
    assert team.apply().exit == 0
    main = project.folder / "specs" / "groups" / "main.yaml"
    main.write_text(main.read_text().replace("acme", "acme-2"))
    result = team.apply()
    assert (result.exit, get_error_code(result)) == (3, "limit-exceeded")
    assert team.apply("--allow", "changed_fraction=1", "--reason", "a new project").exit == 0


@pytest.mark.parametrize("how", ["project", "remembered"])
def test_what_is_protected_is_not_deleted(team: Team, how: str) -> None:
    id = team.id_of("orders")
    tombstone = f"  - {{group: orders, id: {id}}}\n"
    if how == "project":
        team.declare("sales", removed=tombstone, settings="protected: ['ord*']\n")
    else:
        protected = PAIR.format(key="orders") + "      lifecycle: {protected: true}\n"
        team.declare("sales", extra=protected)
        assert team.writes_of() == []
        # R39: the entry goes together with the lines that protect it
        team.declare("sales", removed=tombstone)
    before = len(team.server.writes)
    result = team.apply()
    assert (result.exit, get_error_code(result)) == (3, "protected")
    assert team.server.writes[before:] == []


def test_another_key_is_no_way_around_protection(team: Team) -> None:
    """Forgotten first, and then removed under a key that no pattern of the project covers."""
    id, settings = team.id_of("orders"), "protected: ['ord*']\n"
    team.declare("sales", removed=f"  - {{group: orders, id: {id}, forget: true}}\n", settings=settings)
    assert team.writes_of() == []
    team.declare("sales", removed=f"  - {{group: zz_dev, id: {id}, name: orders}}\n", settings=settings)
    result = team.apply()
    assert (result.exit, get_error_code(result)) == (3, "protected")


def test_protection_ends_with_a_change_that_does_nothing_else(team: Team) -> None:
    id = team.id_of("orders")
    protected = PAIR.format(key="orders") + "      lifecycle: {protected: true}\n"
    team.declare("sales", extra=protected)
    assert team.writes_of() == []
    team.declare("sales", extra=PAIR.format(key="orders").replace("acme", "acme-2"))
    assert len(team.writes_of()) == 2
    assert json.loads(team.state.read_text())["records"]["destination.orders"]["protected"]
    team.declare("sales", extra=PAIR.format(key="orders").replace("acme", "acme-2"))
    assert team.writes_of() == []
    team.declare("sales", removed=f"  - {{group: orders, id: {id}}}\n")
    assert len(team.writes_of()) == 2


def test_deletions_are_held_back_when_something_before_them_fails(team: Team) -> None:
    id = team.id_of("orders")
    team.declare("sales", "new", removed=f"  - {{group: orders, id: {id}}}\n")
    team.server.app.faults.add(parse_fault("POST /v1/destinations times 1 status 400"))
    before = len(team.server.writes)
    result = team.apply()
    assert result.exit == 6
    assert "held" in result.stdout
    assert [call for call in team.server.writes[before:] if call.startswith("DELETE")] == []
    team.server.app.faults.clear()
    assert f"DELETE /v1/groups/{id}" in team.writes_of()


@pytest.mark.parametrize(
    ("removed", "code"),
    [
        ("  - {group: orders, id: ID}\n", "removed-and-declared"),
        ("  - {group: gone, id: ID}\n  - {group: gone, id: ID}\n", "duplicate-removal"),
        ("  - {group: gone, id: ID, forget: true}\n  - {group: other, id: ID}\n", "duplicate-removal"),
        ("  - {group: gone}\n", "missing-key"),
        ("  - {group: gone, id: ID, forget: true, only: destination}\n", "wrong-shape"),
        ("  - {group: gone, id: ID, onyl: destination}\n", "unknown-key"),
        ("  - {group: gone, id: ID, name: 7}\n", "wrong-shape"),
        ("  - {group: gone, id: ID, nmae: orders}\n", "unknown-key"),
    ],
)
def test_a_removal_that_contradicts_something_is_an_error_in_the_spec(
    team: Team, removed: str, code: str
) -> None:
    team.declare("orders", "sales", removed=removed.replace("ID", team.id_of("orders")))
    result = team.project.run("validate")
    assert (result.exit, get_error_code(result)) == (1, code), result.stderr
    assert "specs/groups/main.yaml:" in result.stderr


@pytest.mark.parametrize(
    ("lines", "extent"),
    [
        ("    id: ID\n", ""),
        ("    name: orders\n", ""),
        ("    was: orders\n    name: orders\n", ""),
        ("    was: orders\n    name: orders\n", ", only: destination"),
    ],
)
def test_what_an_entry_of_another_key_stands_for_is_not_deleted(team: Team, lines: str, extent: str) -> None:
    id = team.id_of("orders")
    entry = PAIR.format(key="renewed").replace("renewed:\n", "renewed:\n" + lines.replace("ID", id))
    team.declare("sales", extra=entry, removed=f"  - {{group: orders, id: {id}{extent}}}\n")
    before = team.server.writes
    result = team.apply()
    assert (result.exit, get_error_code(result)) == (1, "removed-and-declared"), result.stderr
    assert "specs/groups/main.yaml:" in result.stderr
    assert team.server.writes == before


def test_a_former_key_that_is_in_use_is_an_error(team: Team) -> None:
    moved = PAIR.format(key="purchases").replace("purchases:\n", "purchases:\n    was: orders\n    name: p\n")
    team.declare("orders", "sales", extra=moved)
    result = team.project.run("validate")
    assert (result.exit, get_error_code(result)) == (1, "was-in-use")


def test_a_field_that_is_ignored_is_sent_on_creation_only(team: Team) -> None:
    ignoring = PAIR.format(key="new") + "      lifecycle: {ignore_changes: [config.project_id]}\n"
    team.declare("orders", "sales", extra=ignoring)
    team.writes_of()
    [body] = team.server.list_bodies("POST", "/v1/destinations")[2:]
    assert body["config"]["project_id"] == "acme"
    team.declare("orders", "sales", extra=ignoring.replace("acme", "acme-2"))
    assert team.writes_of() == []
    team.server.app.dashboard.change_destination(team.id_of("new"), config={"project_id": "theirs"})
    assert team.writes_of() == []
