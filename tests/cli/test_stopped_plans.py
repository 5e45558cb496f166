"""Resume of a stopped saved plan: applied changes are skipped, and the rest must match the review."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest
from blocking_server import serve_blocking
from cli_harness import Project, build_credentials
from command_line import COMMAND, PROCESS_TIMEOUT, build_environment
from saved_plans import (
    EXPECTED_WRITES,
    MAIN_FILE,
    PROJECT_FILE,
    SavedPlanProject,
    add_postgres,
    change_live,
    list_sent,
    prepare_project,
    remove_objects,
)

from reconciler.emulator.setup_tests import SetupTest
from reconciler.emulator.store import Kind

pytestmark = pytest.mark.sampled(every=6)


@pytest.fixture
def saved_project(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SavedPlanProject]:
    yield from prepare_project(project, tmp_path_factory)


def add_refusal(saved_project: SavedPlanProject, path: str) -> None:
    saved_project.add_faults(f"{path} status 400")


STOPS = {
    "a destination": (
        "POST /v1/destinations #1",
        {"POST /v1/destinations fresh", "POST /v1/destinations/fresh/test"},
    ),
    "a group": (
        "POST /v1/groups",
        {"POST /v1/groups fresh", "POST /v1/destinations fresh", "POST /v1/destinations/fresh/test"},
    ),
    "an update": (
        "PATCH /v1/destinations/ORDERS",
        {"PATCH /v1/destinations/orders", "POST /v1/destinations/orders/test"},
    ),
    "a secret": (
        "PATCH /v1/destinations/SALES",
        {"PATCH /v1/destinations/sales", "POST /v1/destinations/sales/test"},
    ),
    "a deletion": ("DELETE /v1/destinations/*", set()),
    "a deletion of a group": ("DELETE /v1/groups/*", set()),
}
DELETIONS = {"DELETE /v1/destinations/old", "DELETE /v1/groups/old"}


def stop_plan(saved_project: SavedPlanProject, fault: str) -> None:
    """Apply a plan in which one change fails and the deletions are held."""
    assert saved_project.plan().exit == 0
    add_refusal(
        saved_project,
        fault.replace("ORDERS", saved_project.orders).replace("SALES", saved_project.find_id("sales")),
    )
    assert saved_project.apply("--parallelism", "1").exit == 6
    saved_project.server.app.faults.clear()


@pytest.mark.parametrize("stop", STOPS)
def test_a_stopped_plan_resumes_with_its_remaining_changes(
    stop: str, saved_project: SavedPlanProject
) -> None:
    fault, rest = STOPS[stop]
    stop_plan(saved_project, fault)
    before = len(saved_project.server.writes)
    result = saved_project.apply()
    assert result.exit == 0, result.stdout + result.stderr
    left = DELETIONS - {"DELETE /v1/destinations/old"} if stop == "a deletion of a group" else DELETIONS
    assert list_sent(saved_project, before) == {call: EXPECTED_WRITES[call] for call in rest | left}
    assert "in effect already)" in result.stdout
    again = saved_project.apply()
    assert again.exit == 4
    assert "error[plan-applied]" in again.stderr
    assert saved_project.run("plan", "--detailed-exitcode").exit == 0


CHANGES_OF_THE_REST: dict[str, tuple[str, Callable[[SavedPlanProject], object]]] = {
    "its spec": (
        "plan-spec-changed",
        lambda saved_project: saved_project.edit_file(MAIN_FILE, "fresh.example", "fresh-2.example"),
    ),
    "its secret": (
        "plan-secret-changed",
        lambda saved_project: saved_project.environ.update(FRESH_PASSWORD="nobody-sees-2"),
    ),
    "the object was created outside": (
        "plan-stale",
        lambda saved_project: add_postgres(saved_project, saved_project.find_id("fresh"), "fresh.example"),
    ),
    "its group was recreated": (
        "plan-stale",
        lambda saved_project: [
            remove_objects(saved_project, "fresh", Kind.GROUP),
            saved_project.dashboard.add_group("fresh"),
        ],
    ),
    "an applied entry drifted": (
        "plan-stale",
        lambda saved_project: change_live(saved_project, "orders", region="GCP_US_EAST4"),
    ),
    "an applied entry was edited": (
        "plan-spec-changed",
        lambda saved_project: saved_project.edit_file(MAIN_FILE, "orders.example", "orders-2.example"),
    ),
    "an applied entry has another secret": (
        "plan-secret-changed",
        lambda saved_project: saved_project.environ.update(SALES_PASSWORD="nobody-sees-3"),
    ),
    "a created entry drifted": (
        "plan-stale",
        lambda saved_project: change_live(saved_project, "half", config={"host": "theirs.example"}),
    ),
    "the deletion was reverted": (
        "plan-spec-changed",
        lambda saved_project: saved_project.edit_file(MAIN_FILE, "with_platform_connection", "forget"),
    ),
}


@pytest.mark.parametrize("name", CHANGES_OF_THE_REST)
def test_remaining_changes_of_a_plan_must_match_the_review(
    name: str, saved_project: SavedPlanProject
) -> None:
    stop_plan(saved_project, "POST /v1/destinations #1")
    code, change = CHANGES_OF_THE_REST[name]
    change(saved_project)
    before = len(saved_project.server.writes)
    result = saved_project.apply()
    assert (result.exit, result.stdout) == (4, "")
    assert {line.partition("]")[0] for line in result.stderr.splitlines() if "error[" in line} == {
        f"error[{code}"
    }
    assert saved_project.server.writes[before:] == []
    assert saved_project.run("show", "plan.json").exit == 0


def test_failed_setup_tests_are_repeated_alone(saved_project: SavedPlanProject) -> None:
    assert saved_project.plan().exit == 0
    failure = SetupTest("Host Connection", "FAILED", "no route to fresh.example")
    saved_project.dashboard.script_setup_tests(group_name="fresh", finally_always=[failure])
    assert saved_project.apply().exit == 6
    saved_project.dashboard.script_setup_tests(group_name="fresh")
    before = len(saved_project.server.writes)
    result = saved_project.apply()
    assert result.exit == 0, result.stdout + result.stderr
    assert set(list_sent(saved_project, before)) == {"POST /v1/destinations/fresh/test"} | DELETIONS


@pytest.mark.sampled(every=9)
@pytest.mark.parametrize("tests", ["true", "false"])
@pytest.mark.parametrize("call", ["POST /v1/groups", "POST /v1/destinations", "PATCH /v1/destinations/"])
def test_a_killed_run_is_resumed(saved_project: SavedPlanProject, call: str, tests: str) -> None:
    """Requests of a killed run still take effect."""
    saved_project.edit_file(
        PROJECT_FILE, 'time_zone_offset: "0"', f'time_zone_offset: "0", setup_tests: {{run: {tests}}}'
    )
    saved_project.edit_file(
        MAIN_FILE,
        "      region: AWS_US_WEST_2\n",
        "      region: AWS_US_WEST_2\n      daylight_saving_time_enabled: true\n",
    )
    saved_project.edit_file(MAIN_FILE, "host: sales.example", "host: sales-2.example")
    assert saved_project.plan().exit == 0
    method, _, path = call.partition(" ")

    def is_held(asked: str, at: str) -> bool:
        return asked == method and (at.startswith(path) if path.endswith("/") else at == path)

    with serve_blocking(saved_project.server, is_held) as (gate, url):
        process = subprocess.Popen(
            [*COMMAND, "apply", "plan.json", "--parallelism", "1"],
            cwd=saved_project.folder,
            env=build_environment(**saved_project.environ, **build_credentials(url)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert gate.reached.wait(PROCESS_TIMEOUT)
        process.kill()
        process.communicate(timeout=PROCESS_TIMEOUT)
    result = saved_project.apply()
    assert result.exit == 0, result.stdout + result.stderr
    assert [len(saved_project.dashboard.find_group_ids(name)) for name in ("fresh", "half", "orders")] == [
        1,
        1,
        1,
    ]
    created = [
        each.path
        for each in saved_project.server.app.read_history()
        if each.method == "POST" and each.status == 201
    ]
    assert (created.count("/v1/groups"), created.count("/v1/destinations")) == (6, 6)
    assert saved_project.run("plan", "--detailed-exitcode").exit == 0
