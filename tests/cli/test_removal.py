"""Removals: explicit in the specs, blocked if unsafe, and applied last."""

from __future__ import annotations

import pytest
from applied_project import PAIR, AppliedProject, apply_pairs, get_error_code
from cli_harness import EmulatedFivetran, Project

pytestmark = pytest.mark.sampled(every=6, tests=3)


def test_a_removal_deletes_the_destination_then_its_group(applied_project: AppliedProject) -> None:
    id = applied_project.find_id("orders")
    applied_project.declare("sales", removed=f"  - {{group: orders, id: {id}}}\n")
    plan = applied_project.plan("--detailed-exitcode")
    assert plan.exit == 2
    assert "Plan: 0 to add, 0 to change, 2 to destroy." in plan.stdout.splitlines()
    assert applied_project.list_apply_writes() == [f"DELETE /v1/destinations/{id}", f"DELETE /v1/groups/{id}"]
    assert applied_project.server.list_ids("groups") == [applied_project.find_id("sales")]
    again = applied_project.plan("--detailed-exitcode")
    assert again.exit == 0
    assert "warning[removal-done]" in again.stderr
    state = applied_project.read_state()
    assert state["removals"] == {"orders": {"extent": "pair", "id": id}}
    assert {address.partition(".")[2] for address in state["records"]} == {"sales"}


def test_a_removal_of_the_destination_keeps_the_group(applied_project: AppliedProject) -> None:
    id = applied_project.find_id("orders")
    applied_project.declare(
        "sales", extra="  orders: {}\n", removed=f"  - {{group: orders, id: {id}, only: destination}}\n"
    )
    assert applied_project.list_apply_writes() == [f"DELETE /v1/destinations/{id}"]
    assert id in applied_project.server.list_ids("groups")


def test_forgetting_sends_nothing(applied_project: AppliedProject) -> None:
    id = applied_project.find_id("orders")
    applied_project.declare("sales", removed=f"  - {{group: orders, id: {id}, forget: true}}\n")
    plan = applied_project.plan("--detailed-exitcode")
    assert plan.exit == 0
    assert "No changes." in plan.stdout.splitlines()
    assert ". group.orders" in plan.stdout
    assert applied_project.list_apply_writes() == []
    assert "group.orders" not in applied_project.read_state()["records"]
    assert id in applied_project.server.list_ids("destinations")


@pytest.mark.parametrize("keys", [("sales",), ("sales", "purchases")])
def test_an_entry_missing_without_a_removal_is_an_error_and_deletes_nothing(
    applied_project: AppliedProject, keys: tuple[str, ...]
) -> None:
    applied_project.declare(*keys)
    before = len(applied_project.server.writes)
    result = applied_project.apply()
    assert (result.exit, get_error_code(result)) == (1, "vanished")
    assert f"id: {applied_project.find_id('orders')}" in result.stderr
    assert applied_project.server.writes[before:] == []


def test_a_missing_destination_block_is_an_error(applied_project: AppliedProject) -> None:
    applied_project.declare("sales", extra="  orders: {}\n")
    result = applied_project.plan()
    assert (result.exit, get_error_code(result)) == (1, "vanished")
    assert "only: destination" in result.stderr


def test_a_former_key_moves_the_record_without_a_rename(applied_project: AppliedProject) -> None:
    id = applied_project.find_id("orders")
    moved = PAIR.format(key="purchases").replace("purchases:\n", "purchases:\n    was: orders\n")
    applied_project.declare("sales", extra=moved)
    plan = applied_project.plan("--detailed-exitcode")
    assert plan.exit == 0, plan.stdout + plan.stderr
    assert applied_project.list_apply_writes() == []
    records = applied_project.read_state()["records"]
    assert records["group.purchases"]["id"] == records["destination.purchases"]["id"] == id
    assert "group.orders" not in records
    assert applied_project.server.get(f"/groups/{id}")["name"] == "orders"
    applied_project.declare("sales", extra=moved.replace("    was: orders\n", "    name: orders\n"))
    assert applied_project.list_apply_writes() == []


def test_a_former_key_finds_its_group_without_a_state(applied_project: AppliedProject) -> None:
    applied_project.state_file.unlink()
    moved = PAIR.format(key="purchases").replace("purchases:\n", "purchases:\n    was: orders\n")
    applied_project.declare("sales", extra=moved)
    assert applied_project.list_apply_writes() == []


def test_connections_of_users_block_a_removal(applied_project: AppliedProject) -> None:
    id = applied_project.find_id("orders")
    applied_project.dashboard.add_connection(id, "salesforce", "salesforce")
    applied_project.declare(
        "sales", removed=f"  - {{group: orders, id: {id}, with_platform_connection: true}}\n"
    )
    before = len(applied_project.server.writes)
    plan = applied_project.plan()
    assert (plan.exit, get_error_code(plan)) == (3, "has-connections")
    assert "salesforce" in plan.stderr
    result = applied_project.apply()
    assert (result.exit, get_error_code(result)) == (3, "has-connections")
    assert applied_project.server.writes[before:] == []


def test_a_connection_of_another_client_blocks_and_the_platform_connection_does_not(
    applied_project: AppliedProject,
) -> None:
    id, server = applied_project.find_id("orders"), applied_project.server
    removed = f"  - {{group: orders, id: {id}, with_platform_connection: true}}\n"
    applied_project.declare("sales", removed=removed)
    body = {"group_id": id, "run_setup_tests": False}
    platform = server.post(
        "/connections", {**body, "service": "fivetran_log", "config": {"schema": "fivetran_metadata"}}
    )
    assert f"fivetran_log {platform['id']} (deleted first)" in applied_project.plan().stdout
    shop = {**body, "service": "postgres", "config": {"schema_prefix": "shop"}}
    server.post("/connections", shop)
    plan = applied_project.plan()
    assert (plan.exit, get_error_code(plan)) == (3, "has-connections")
    assert "postgres" in plan.stderr


def test_the_platform_connection_is_deleted_only_if_the_removal_permits_it(
    applied_project: AppliedProject,
) -> None:
    id = applied_project.find_id("orders")
    connection = applied_project.dashboard.add_connection(id, "fivetran_metadata", "fivetran_metadata")
    applied_project.declare("sales", removed=f"  - {{group: orders, id: {id}}}\n")
    assert get_error_code(applied_project.plan()) == "platform-connection"
    applied_project.declare(
        "sales", removed=f"  - {{group: orders, id: {id}, with_platform_connection: true}}\n"
    )
    assert applied_project.list_apply_writes() == [
        f"DELETE /v1/connections/{connection}",
        f"DELETE /v1/destinations/{id}",
        f"DELETE /v1/groups/{id}",
    ]


def test_more_deletions_than_the_limit_are_refused_as_a_whole(applied_project: AppliedProject) -> None:
    removed = "".join(
        f"  - {{group: {key}, id: {applied_project.find_id(key)}}}\n" for key in ("orders", "sales")
    )
    applied_project.declare(extra="  spare: {}\n", removed=removed)
    before = len(applied_project.server.writes)
    result = applied_project.apply()
    assert (result.exit, get_error_code(result)) == (3, "limit-exceeded")
    assert applied_project.server.writes[before:] == []
    assert applied_project.apply("--allow", "deletes=2").exit == 64, "a reason must be given"
    assert (
        len(applied_project.list_apply_writes("--allow", "deletes=2", "--reason", "both teams are gone")) == 5
    )


def test_a_change_of_too_many_objects_is_refused(project: Project, server: EmulatedFivetran) -> None:
    applied_project = apply_pairs(project, server)
    keys = [f"team_{number}" for number in range(6)] + ["orders", "sales"]
    applied_project.declare(*keys)
    assert applied_project.apply().exit == 0
    main = project.folder / "specs" / "groups" / "main.yaml"
    main.write_text(main.read_text().replace("acme", "acme-2"))
    result = applied_project.apply()
    assert (result.exit, get_error_code(result)) == (3, "limit-exceeded")
    assert applied_project.apply("--allow", "changed_fraction=1", "--reason", "a new project").exit == 0


@pytest.mark.parametrize("how", ["project", "remembered"])
def test_a_protected_entry_is_not_deleted(applied_project: AppliedProject, how: str) -> None:
    id = applied_project.find_id("orders")
    removed = f"  - {{group: orders, id: {id}}}\n"
    if how == "project":
        applied_project.declare("sales", removed=removed, settings="protected: ['ord*']\n")
    else:
        protected = PAIR.format(key="orders") + "      lifecycle: {protected: true}\n"
        applied_project.declare("sales", extra=protected)
        assert applied_project.list_apply_writes() == []
        # R39: the entry goes together with the lines that protect it
        applied_project.declare("sales", removed=removed)
    before = len(applied_project.server.writes)
    result = applied_project.apply()
    assert (result.exit, get_error_code(result)) == (3, "protected")
    assert applied_project.server.writes[before:] == []


def test_another_key_does_not_bypass_protection(applied_project: AppliedProject) -> None:
    """The entry is forgotten first and then removed under a key that no pattern of the project covers."""
    id, settings = applied_project.find_id("orders"), "protected: ['ord*']\n"
    applied_project.declare(
        "sales", removed=f"  - {{group: orders, id: {id}, forget: true}}\n", settings=settings
    )
    assert applied_project.list_apply_writes() == []
    applied_project.declare(
        "sales", removed=f"  - {{group: zz_dev, id: {id}, name: orders}}\n", settings=settings
    )
    result = applied_project.apply()
    assert (result.exit, get_error_code(result)) == (3, "protected")


def test_protection_ends_only_with_a_separate_change(applied_project: AppliedProject) -> None:
    id = applied_project.find_id("orders")
    protected = PAIR.format(key="orders") + "      lifecycle: {protected: true}\n"
    applied_project.declare("sales", extra=protected)
    assert applied_project.list_apply_writes() == []
    applied_project.declare("sales", extra=PAIR.format(key="orders").replace("acme", "acme-2"))
    assert len(applied_project.list_apply_writes()) == 2
    assert applied_project.read_state()["records"]["destination.orders"]["protected"]
    applied_project.declare("sales", extra=PAIR.format(key="orders").replace("acme", "acme-2"))
    assert applied_project.list_apply_writes() == []
    applied_project.declare("sales", removed=f"  - {{group: orders, id: {id}}}\n")
    assert len(applied_project.list_apply_writes()) == 2


def test_deletions_are_held_after_a_failed_change(applied_project: AppliedProject) -> None:
    id = applied_project.find_id("orders")
    applied_project.declare("sales", "new", removed=f"  - {{group: orders, id: {id}}}\n")
    applied_project.add_faults("POST /v1/destinations times 1 status 400")
    before = len(applied_project.server.writes)
    result = applied_project.apply()
    assert result.exit == 6
    assert "held" in result.stdout
    assert [call for call in applied_project.server.writes[before:] if call.startswith("DELETE")] == []
    applied_project.server.app.faults.clear()
    assert f"DELETE /v1/groups/{id}" in applied_project.list_apply_writes()


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
def test_a_contradictory_removal_is_an_error_in_the_spec(
    applied_project: AppliedProject, removed: str, code: str
) -> None:
    applied_project.declare(
        "orders", "sales", removed=removed.replace("ID", applied_project.find_id("orders"))
    )
    result = applied_project.project.run("validate")
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
def test_an_object_declared_under_another_key_is_not_deleted(
    applied_project: AppliedProject, lines: str, extent: str
) -> None:
    id = applied_project.find_id("orders")
    entry = PAIR.format(key="renewed").replace("renewed:\n", "renewed:\n" + lines.replace("ID", id))
    applied_project.declare("sales", extra=entry, removed=f"  - {{group: orders, id: {id}{extent}}}\n")
    before = applied_project.server.writes
    result = applied_project.apply()
    assert (result.exit, get_error_code(result)) == (1, "removed-and-declared"), result.stderr
    assert "specs/groups/main.yaml:" in result.stderr
    assert applied_project.server.writes == before


def test_a_former_key_in_use_is_an_error(applied_project: AppliedProject) -> None:
    moved = PAIR.format(key="purchases").replace("purchases:\n", "purchases:\n    was: orders\n    name: p\n")
    applied_project.declare("orders", "sales", extra=moved)
    result = applied_project.project.run("validate")
    assert (result.exit, get_error_code(result)) == (1, "was-in-use")


def test_an_ignored_field_is_sent_on_create_only(applied_project: AppliedProject) -> None:
    ignoring = PAIR.format(key="new") + "      lifecycle: {ignore_changes: [config.project_id]}\n"
    applied_project.declare("orders", "sales", extra=ignoring)
    applied_project.list_apply_writes()
    [body] = applied_project.server.list_bodies("POST", "/v1/destinations")[2:]
    assert body["config"]["project_id"] == "acme"
    applied_project.declare("orders", "sales", extra=ignoring.replace("acme", "acme-2"))
    assert applied_project.list_apply_writes() == []
    applied_project.dashboard.change_destination(
        applied_project.find_id("new"), config={"project_id": "theirs"}
    )
    assert applied_project.list_apply_writes() == []
