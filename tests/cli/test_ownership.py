"""States at one place know each other: a plan leaves alone what the state of another project has."""

from __future__ import annotations

from dataclasses import replace

import pytest
from applied_project import PAIR, get_error_code
from cli_harness import EmulatedFivetran, Project
from emulated_objects import S3Storage, serve_objects
from owned_projects import FOLDER, A, B, OwnedProjects

from reconciler.model.record import State
from reconciler.state.codec import encode_state

pytestmark = pytest.mark.sampled(every=3)


in_a_folder = pytest.mark.parametrize("place_kind", [FOLDER])


def test_groups_of_another_state_are_listed_with_it_and_not_as_unmanaged(projects: OwnedProjects) -> None:
    projects.must_apply(B, "orders")
    projects.server.app.dashboard.add_group("unknown")
    projects.declare(A, "sales")
    for options in ((), ("--connections",)):
        document = projects.run(A, "plan", "--format", "json", *options).document
        [owned] = document["owned_elsewhere"]
        assert (owned["id"], owned["name"]) == (projects.find_id("orders"), "orders")
        assert owned["state"] == projects.place.describe_state(B).replace("`", "")
        assert "connections" not in owned
        [unmanaged] = document["unmanaged"]
        assert (unmanaged["name"], "connections" in unmanaged) == ("unknown", bool(options))
    text = projects.run(A, "drift").stdout
    assert "Not managed: 1 group. Left alone." in text
    assert f"state `{owned['state']}`" in text.partition("Of other projects: 1 group. Left alone.")[2]


def test_a_plan_that_would_adopt_what_another_state_has_names_it(projects: OwnedProjects) -> None:
    projects.must_apply(B, "orders")
    projects.declare(A, "orders", "sales")
    before = len(projects.server.writes)
    plan = projects.run(A, "plan", "--format", "json")
    assert plan.exit == 3, plan.document["blockers"]
    [blocker] = plan.document["blockers"]
    assert blocker["code"] == "owned-elsewhere"
    assert blocker["address"] == "group.orders"
    assert f"{projects.place.describe_state(B)} has it, as group.orders" in blocker["message"]
    assert blocker["notes"] == [f"its id is `{projects.find_id('orders')}`", "an apply would adopt it"]
    assert "state move --to specs/a.yaml orders" in blocker["help"]
    assert {change["address"] for change in plan.document["changes"]} == {"group.sales", "destination.sales"}
    applied = projects.apply(A)
    assert applied.exit == 3
    assert "error[owned-elsewhere]" in applied.stderr
    assert projects.server.writes[before:] == []
    assert projects.list_addresses(A) == []


def test_what_no_other_state_has_is_applied(projects: OwnedProjects) -> None:
    projects.must_apply(B, "orders")
    projects.must_apply(A, "sales")
    projects.must(B, "plan", "--detailed-exitcode")
    projects.must(A, "plan", "--detailed-exitcode")


@in_a_folder
def test_an_id_of_another_state_is_refused_whatever_the_key(projects: OwnedProjects) -> None:
    projects.must_apply(B, "orders")
    id = projects.find_id("orders")
    projects.declare(A, groups=f"  mine:\n    id: {id}\n    name: Mine\n")
    [blocker] = projects.run(A, "plan", "--format", "json").document["blockers"]
    assert (blocker["code"], blocker["address"]) == ("owned-elsewhere", "group.mine")
    assert "an apply would change it" in blocker["notes"]


@in_a_folder
def test_a_removal_of_what_another_state_has_is_refused(projects: OwnedProjects) -> None:
    projects.must_apply(B, "orders")
    projects.declare(A, removed=f"  - {{group: orders, id: {projects.find_id('orders')}, name: orders}}\n")
    plan = projects.run(A, "plan", "--format", "json")
    assert plan.exit == 3, plan.document["blockers"]
    [blocker] = plan.document["blockers"]
    assert blocker["code"] == "owned-elsewhere"
    assert "an apply would delete it" in blocker["notes"]
    assert projects.apply(A).exit == 3
    assert projects.find_id("orders")


@in_a_folder
def test_what_two_states_have_is_a_warning_until_one_would_change_it(projects: OwnedProjects) -> None:
    projects.must_apply(B, "orders")
    theirs = projects.read_state(B)
    assert theirs is not None
    projects.place.put(A, encode_state(replace(theirs, lineage="another")))
    projects.declare(A, "orders")
    plan = projects.run(A, "plan", "--format", "json")
    assert plan.exit == 0
    [warning] = plan.document["warnings"]
    assert warning["code"] == "owned-elsewhere"
    assert "state forget orders" in warning["help"]
    projects.declare(A, groups=PAIR.format(key="orders") + "    name: Orders\n")
    changed = projects.run(A, "plan", "--format", "json")
    assert changed.exit == 3, changed.document["blockers"]
    codes = [blocker["code"] for blocker in changed.document["blockers"]]
    assert "owned-elsewhere" in codes
    projects.must(B, "state", "forget", "orders", "--auto-approve")
    projects.declare(A, "orders")
    assert projects.run(A, "plan", "--format", "json").document["warnings"] == []


@in_a_folder
def test_a_copy_of_the_own_state_is_no_other_project(projects: OwnedProjects) -> None:
    projects.must_apply(A, "orders")
    content = projects.place.read(A)
    assert content is not None
    projects.place.put("backup", content)
    assert projects.run(A, "plan", "--format", "json").document["warnings"] == []


@in_a_folder
def test_a_state_of_another_account_is_not_read(projects: OwnedProjects) -> None:
    projects.must_apply(B, "orders")
    theirs = projects.read_state(B)
    assert theirs is not None
    broken = encode_state(replace(theirs, account_id="another_account")).replace(
        b'"serial": ', b'"serial": -'
    )
    projects.place.put(B, broken)
    projects.must_apply(A, "orders")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "it is damaged"),
        (encode_state(State("other", 1, "any")).replace(b'"format": 2', b'"format": 99'), "damaged"),
    ],
    ids=["damaged", "another account's newer one"],
)
@in_a_folder
def test_an_unreadable_state_is_a_warning(projects: OwnedProjects, content: bytes, reason: str) -> None:
    projects.must_apply(A, "orders")
    projects.place.put(B, content)
    warnings = projects.run(A, "plan", "--format", "json").document["warnings"]
    if b"lineage" in content:  # it names another account
        assert warnings == []
        return
    [warning] = warnings
    assert warning["code"] == "neighbour-unreadable"
    assert reason in warning["message"]
    assert projects.place.describe_state(B) in warning["message"]


def test_an_unreadable_state_is_an_error_if_the_project_is_strict(projects: OwnedProjects) -> None:
    projects.must_apply(A, "orders")
    content = encode_state(State("other", 1, projects.server.account_id)).replace(
        b'"format": 2', b'"format": 99'
    )
    projects.place.put(B, content)
    [warning] = projects.run(A, "plan", "--format", "json").document["warnings"]
    assert "it is newer than this program" in warning["message"]
    projects.declare(A, "orders", "sales", settings="ownership: strict\n")
    plan = projects.run(A, "plan", "--format", "json")
    assert plan.exit == 3, plan.document["blockers"]
    assert [blocker["code"] for blocker in plan.document["blockers"]] == ["neighbour-unreadable"]
    before = len(projects.server.writes)
    assert projects.apply(A).exit == 3
    assert projects.server.writes[before:] == []
    imported = projects.run(A, "import")
    assert (imported.exit, get_error_code(imported)) == (3, "neighbour-unreadable")


@in_a_folder
def test_another_value_of_ownership_is_refused(projects: OwnedProjects) -> None:
    projects.declare(A, settings="ownership: loose\n")
    result = projects.run(A, "validate")
    assert result.exit == 1
    assert "specs/a.yaml:4" in result.stderr
    assert "`strict`" in result.stderr


@in_a_folder
def test_files_that_are_no_states_are_not_named(projects: OwnedProjects) -> None:
    projects.must_apply(A, "orders")
    folder = projects.project.folder / "specs/.reconciler"
    (folder / "plan.json").write_text('{"seal": "x"}')
    (folder / "notes.json").write_text("no JSON")
    (folder / "c.state.json").mkdir()
    assert projects.run(A, "plan", "--format", "json").document["warnings"] == []


def test_a_plan_reads_other_states_without_a_request_to_fivetran(projects: OwnedProjects) -> None:
    projects.must_apply(A, "orders")
    before = len(projects.server.calls)
    projects.must(A, "plan")
    alone = projects.server.calls[before:]
    projects.must_apply(B, "sales")
    before = len(projects.server.calls)
    projects.must(A, "plan")
    assert sorted(projects.server.calls[before:]) == sorted(alone)


def test_a_plan_lists_a_bucket_once_and_an_apply_twice(project: Project, server: EmulatedFivetran) -> None:
    with serve_objects(S3Storage()) as objects:
        project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {server.account_id}\nspecs: ['*/*.yaml']\nstate: s3://states/a/state.json\n",
        )
        project.write_groups(PAIR.format(key="orders"))
        lists = []
        for command in (("apply", "--auto-approve"), ("plan",), ("apply", "--auto-approve")):
            before = objects.lists
            result = project.run_against(server, *command, environ=objects.environ)
            assert (result.exit, result.stderr.count("neighbour")) == (0, 0), result.stderr
            lists.append(objects.lists - before)
        assert lists == [2, 1, 1]  # the last apply has nothing to record


# Import


def test_an_import_leaves_the_groups_of_other_projects_alone(projects: OwnedProjects) -> None:
    projects.must_apply(B, "orders")
    projects.server.post("/groups", {"name": "free"})
    before = len(projects.server.calls)
    imported = projects.run(A, "import", "--format", "json")
    assert imported.exit == 0
    assert [entry["name"] for entry in imported.document["imported"]] == ["free"]
    [owned] = imported.document["owned_elsewhere"]
    assert (owned["name"], owned["address"]) == ("orders", "group.orders")
    assert owned["state"] == projects.place.describe_state(B).replace("`", "")
    assert not [call for call in projects.server.calls[before:] if projects.find_id("orders") in call]
    again = projects.run(A, "import")
    assert again.exit == 0
    assert "Of other projects: 1 group" in again.stdout


@in_a_folder
def test_an_import_of_a_group_of_another_project_is_refused(projects: OwnedProjects) -> None:
    projects.must_apply(B, "orders")
    imported = projects.run(A, "import", "orders", "--format", "json")
    assert imported.exit == 1
    assert imported.document["imported"] == []
    [left_out] = imported.document["left_out"]
    assert f"the state {projects.place.describe_state(B)} has it as group.orders" in left_out["reason"]
    assert "state move --to PROJECT orders" in left_out["help"]
