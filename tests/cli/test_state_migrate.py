"""`state migrate`: moves the state between files, git and buckets, and marks the old place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from applied_project import AppliedProject, get_error_code
from cli_harness import EmulatedFivetran, Project
from filelock import FileLock
from remote_backends import S3Proxy
from state_places import (
    DESTINATION,
    FILE,
    GIT,
    OTHER_FILE,
    S3,
    STATE,
    StatePlaces,
    get_content,
    open_places,
)

from reconciler.model.record import Relocation, RelocationPhase, State
from reconciler.state.codec import encode_state

pytestmark = pytest.mark.sampled(every=6, tests=3)


@pytest.fixture
def places(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StatePlaces]:
    """A project in a clone, with its state in the usual file."""
    with open_places(project, tmp_path_factory.mktemp("server")) as opened:
        opened.put(FILE)
        yield opened


@pytest.mark.sampled(every=9)  # one case without an emulated S3
@pytest.mark.parametrize("target", [GIT, OTHER_FILE, S3])
@pytest.mark.parametrize("source", [FILE, GIT, S3])
def test_everything_moves_and_the_old_place_is_marked(
    project: Project, tmp_path_factory: pytest.TempPathFactory, source: str, target: str
) -> None:
    if source == target:
        target = FILE
    with open_places(project, tmp_path_factory.mktemp("server"), source, target) as places:
        places.put(source)
        before = places.read(source)
        places.name_place("" if source == FILE else source)
        result = places.must_migrate(target)
        after, mark = places.read(target), places.read(source)
        assert get_content(after) == get_content(before)
        assert after["serial"] == before["serial"] + 1
        assert mark["relocation"]["place"] == target
        assert (mark["lineage"], mark["serial"], mark["records"]) == (before["lineage"], after["serial"], {})
        assert f"state: {target}" in result.stdout
        refused = places.run("state", "list")
        assert (refused.exit, get_error_code(refused)) == (1, "state-moved")
        assert f"`state: {target}`" in refused.stderr
        places.name_place(target)
        assert places.run("state", "list", "--format", "json").document["state"]["serial"] == after["serial"]


def test_the_state_can_move_on_and_back(places: StatePlaces) -> None:
    before = places.read(FILE)
    for place in (GIT, OTHER_FILE, FILE):
        places.must_migrate(place)
        places.name_place(place)
    after = places.read(FILE)
    assert get_content(after) == get_content(before)
    assert after["serial"] == before["serial"] + 3
    assert [places.read(place)["relocation"]["place"] for place in (GIT, OTHER_FILE)] == [OTHER_FILE, FILE]


def test_the_line_for_the_project_file_is_shown_with_its_place(places: StatePlaces) -> None:
    places.name_place(FILE, "limits: {deletes: 2}\n")
    text = places.must_migrate(GIT).stdout
    assert "Write into specs/reconciler.yaml:3, on every branch in use:" in text.splitlines()
    assert "  state: git:origin/fivetran-state" in text.splitlines()


def test_json_has_both_places_and_the_line(places: StatePlaces) -> None:
    migrated = places.migrate(GIT, "--format", "json").document["migrated"]
    assert migrated == {
        "from": FILE,
        "to": GIT,
        "was_complete": False,
        "lineage": STATE.lineage,
        "serial": 8,
        "records": 3,
        "project_file": "specs/reconciler.yaml",
        "project_line": f"state: {GIT}",
    }


@pytest.mark.parametrize("named", ["", GIT])
def test_a_completed_migration_changes_nothing_more(places: StatePlaces, named: str) -> None:
    places.must_migrate(GIT)
    before = places.read(GIT), places.read(FILE)
    places.name_place(named)
    assert f"The state is at {GIT} already: 3 records, serial 8." in places.must_migrate(GIT).stdout
    assert (places.read(GIT), places.read(FILE)) == before


def test_a_migration_that_is_completed_from_the_new_place_marks_the_old_one(places: StatePlaces) -> None:
    copy = replace(STATE, serial=8, relocation=Relocation(RelocationPhase.ARRIVING, FILE, "ada", "now"))
    places.put(GIT, copy)
    places.name_place(GIT)
    refused = places.run("state", "list")
    assert (refused.exit, get_error_code(refused)) == (1, "state-arriving")
    places.must_migrate(GIT)
    assert places.is_in_force(GIT)
    assert places.read(FILE)["relocation"]["place"] == GIT


def test_a_lost_old_place_has_to_be_confirmed(places: StatePlaces) -> None:
    copy = replace(STATE, serial=8, relocation=Relocation(RelocationPhase.ARRIVING, FILE, "ada", "now"))
    places.put(GIT, copy)
    places.get_file(FILE).unlink()
    refused = places.migrate(GIT)
    assert (refused.exit, get_error_code(refused)) == (1, "state-arriving")
    assert "`--without-source`" in refused.stderr
    assert places.migrate(GIT, "--without-source").exit == 0
    assert places.is_in_force(GIT)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (replace(STATE, lineage="another"), "state-elsewhere"),
        (State("another", 3, "tidy_acorn"), "state-elsewhere"),
        (replace(STATE, serial=9), "state-elsewhere"),
        (replace(STATE, records={}), "state-elsewhere"),
        (
            replace(STATE, relocation=Relocation(RelocationPhase.ARRIVING, OTHER_FILE, "ada", "now")),
            "state-arriving",
        ),
    ],
)
def test_a_place_with_another_state_is_refused(places: StatePlaces, found: State, code: str) -> None:
    places.put(GIT, found)
    before = places.read(FILE), places.read(GIT)
    refused = places.migrate(GIT)
    assert (refused.exit, get_error_code(refused)) == (1, code)
    assert (places.read(FILE), places.read(GIT)) == before


def test_a_copy_by_hand_is_taken_as_it_is(places: StatePlaces) -> None:
    places.put(GIT)
    places.must_migrate(GIT)
    assert places.read(GIT)["serial"] == STATE.serial
    assert places.read(FILE)["relocation"]["place"] == GIT


def test_without_a_state_there_is_nothing_to_move(places: StatePlaces) -> None:
    places.get_file(FILE).unlink()
    refused = places.migrate(GIT)
    assert (refused.exit, get_error_code(refused)) == (1, "no-state")
    assert places.upstream.list_subjects("--all") == []
    assert not (places.project.folder / "specs" / ".reconciler" / "state.json.lock").exists()


@pytest.mark.parametrize("text", ["git:nothing", "s3://bucket", "~/state.json", "ftp://x/y", " "])
def test_a_text_that_is_no_place_is_refused(places: StatePlaces, text: str) -> None:
    refused = places.migrate(text)
    assert (refused.exit, get_error_code(refused)) == (1, "bad-place")


def test_an_unreachable_place_leaves_the_state_in_force(places: StatePlaces) -> None:
    before = places.get_file(FILE).read_bytes()
    refused = places.migrate("git:upstream/fivetran-state")
    assert (refused.exit, get_error_code(refused)) == (1, "state-unreachable")
    assert places.get_file(FILE).read_bytes() == before


@pytest.mark.long
def test_a_place_that_changes_what_is_written_is_refused(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        open_places(project, tmp_path_factory.mktemp("server"), S3) as places,
        S3Proxy(places.environ["AWS_ENDPOINT_URL"]) as proxy,
    ):
        places.put(FILE)

        def overwrite_copy() -> None:
            """Overwrite the copy as soon as it is written. All other writes pass."""
            proxy.after_write = overwrite_copy
            copy = places.read(S3)
            if copy is not None and copy["lineage"] == STATE.lineage:
                places.put(S3, replace(STATE, records={}))

        proxy.after_write = overwrite_copy
        refused = places.run("state", "migrate", "--to", S3, environ={"AWS_ENDPOINT_URL": proxy.url})
        assert (refused.exit, get_error_code(refused)) == (1, "state-unusable")
        assert "still in force" in refused.stderr
        assert places.is_in_force(FILE)


def test_a_locked_state_is_not_moved(places: StatePlaces) -> None:
    with FileLock(places.get_file(f"{FILE}.lock")):
        refused = places.migrate(GIT)
    assert (refused.exit, get_error_code(refused)) == (5, "locked")
    assert places.read(GIT) is None


def test_the_key_of_the_fingerprints_moves_between_files_only(places: StatePlaces) -> None:
    places.get_file(f"{FILE}.key").write_text("5e" * 32)
    assert "warning" not in places.must_migrate(OTHER_FILE).stderr
    assert places.get_file(f"{OTHER_FILE}.key").read_text() == "5e" * 32
    places.name_place(OTHER_FILE)
    result = places.must_migrate(GIT)
    assert "warning[fingerprints-lost]" in result.stderr
    assert "5e5e" not in places.upstream.read_log()


def test_values_in_clear_of_an_earlier_release_do_not_move(places: StatePlaces) -> None:
    state = json.loads(encode_state(STATE))
    state["records"][str(DESTINATION)]["applied"]["config"]["brand_new"] = "a-value-to-hide"
    places.get_file(FILE).write_text(json.dumps(state))
    result = places.must_migrate(GIT)
    assert "warning[state-cleaned]" in result.stderr
    assert "a-value-to-hide" not in places.upstream.read_log()


@pytest.fixture
def moved_project(
    applied_project: AppliedProject, tmp_path_factory: pytest.TempPathFactory
) -> AppliedProject:
    """A project with two applied pairs, and an empty repository as its `origin`."""
    with open_places(applied_project.project, tmp_path_factory.mktemp("server")):
        applied_project.write_settings()
    return applied_project


def test_the_next_plan_at_the_new_place_is_empty(moved_project: AppliedProject) -> None:
    assert moved_project.run("state", "migrate", "--to", GIT).exit == 0
    for command in (("plan",), ("apply", "--auto-approve"), ("drift",)):
        result, writes = moved_project.run_and_list_writes(*command)
        assert (result.exit, get_error_code(result), writes) == (1, "state-moved", [])
    moved_project.write_settings(f"state: {GIT}\n")
    assert moved_project.is_converged()
    assert moved_project.list_apply_writes() == []


def test_the_times_of_reads_move_along(moved_project: AppliedProject) -> None:
    moved_project.run("drift", "--budget", "4")
    assert moved_project.run("state", "migrate", "--to", GIT).exit == 0
    moved_project.write_settings(f"state: {GIT}\n")
    result = moved_project.run("drift", "--budget", "4", "--format", "json")
    assert result.document["coverage"]["never_read"] == 0


def test_an_approved_plan_moves_along(moved_project: AppliedProject) -> None:
    moved_project.declare("orders", "sales", "stock", "staff")
    digest = moved_project.plan("--format", "json").document["digest"]
    moved_project.add_faults("POST /v1/destinations #2 status 400")
    assert moved_project.run("apply", "--expect", digest).exit == 6
    moved_project.server.app.faults.clear()
    assert moved_project.run("state", "migrate", "--to", GIT).exit == 0
    moved_project.write_settings(f"state: {GIT}\n")
    result = moved_project.run("apply", "--expect", digest)
    assert result.exit == 0, result.stdout + result.stderr
    assert moved_project.is_converged()


@pytest.mark.parametrize("command", [("plan",), ("apply", "--auto-approve")])
def test_a_place_that_changed_without_a_migration_is_reported(
    moved_project: AppliedProject, command: tuple[str, ...]
) -> None:
    moved_project.write_settings(f"state: {GIT}\n")
    result, writes = moved_project.run_and_list_writes(*command)
    is_plan = command[0] == "plan"
    assert result.exit == (0 if is_plan else 1)
    assert f"{'warning' if is_plan else 'error'}[state-elsewhere]" in result.stderr
    assert "protection" in result.stderr
    assert f"`state: {FILE}`" in result.stderr
    assert writes == []


def test_a_forgotten_branch_is_remembered_on_this_machine(moved_project: AppliedProject) -> None:
    assert moved_project.run("state", "migrate", "--to", GIT).exit == 0
    moved_project.state_file.unlink()
    moved_project.write_settings()
    result = moved_project.apply()
    assert (result.exit, get_error_code(result)) == (1, "state-elsewhere")
    assert f"`state: {GIT}`" in result.stderr
    (moved_project.state_file.parent / "state-place.json").unlink()
    assert moved_project.list_apply_writes() == []


def test_a_damaged_memory_and_a_sandbox_report_nothing(project: Project, server: EmulatedFivetran) -> None:
    applied = AppliedProject(project, server)
    applied.declare("orders")
    memory = applied.state_file.parent / "state-place.json"
    for content in ("{", "[]", '{"place": 7}', '{"place": "ftp://x"}', '{"place": "gone.json"}'):
        memory.parent.mkdir(exist_ok=True)
        memory.write_text(content)
        assert "state-elsewhere" not in applied.plan().stderr
    memory.write_text(json.dumps({"place": GIT}))
    assert "state-elsewhere" in applied.plan().stderr
    assert "state-elsewhere" not in applied.run("plan", "--sandbox").stderr


def test_a_project_in_a_read_only_folder_is_applied(project: Project, server: EmulatedFivetran) -> None:
    applied = AppliedProject(project, server)
    applied.declare("orders", settings="state: ../state.json\n")
    (applied.folder / "specs" / ".reconciler").write_text("a file in place of the folder")
    applied.must_apply()
    assert (applied.folder / "state.json").exists()
