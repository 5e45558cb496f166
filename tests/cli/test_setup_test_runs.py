"""Run setup tests by `reconciler test`: results, records, bounds and reports."""

from __future__ import annotations

import signal
from datetime import datetime
from xml.etree import ElementTree

import pytest
from applied_project import PAIR, AppliedProject
from background_process import BackgroundProcess
from blocking_server import serve_blocking
from certificate_chain import make_chain
from cli_harness import EmulatedFivetran, Project, build_credentials
from in_process_harness import InProcessProject, open_project
from long_runs import small_and_large

from reconciler.applying.testing import SetupTestResult, run_tests, select_tests
from reconciler.emulator.setup_tests import SetupTest
from reconciler.model.budget import Budget
from reconciler.planning.pipeline import make_plan

pytestmark = pytest.mark.sampled(every=4, tests=3)

PASSED = SetupTest("Permission Test", "PASSED")
FAILED = SetupTest("Permission Test", "FAILED", "no access to acme")
WARNED = SetupTest("Permission Test", "WARNING", "the role is wide")
SERVER = make_chain("warehouse")[0]
CERTIFICATE = [
    {"hash": SERVER.hash, "name": "CN=warehouse", "encoded_cert": SERVER.encoded, "type": "ROOT_CA"}
]


class SetupTestProject(AppliedProject):
    """Two applied pairs, `orders` and `sales`."""

    def let_tests(self, group: str, *results: SetupTest) -> None:
        """Let all coming setup tests of a group's destination have these results."""
        self.dashboard.script_setup_tests(group_name=group, finally_always=results)

    def declare_orders(self, settings: str) -> None:
        """Write the specs again, with these lines in the destination of `orders`."""
        self.write_specs(PAIR.format(key="orders") + settings + PAIR.format(key="sales"))


@pytest.fixture
def applied(project: Project, server: EmulatedFivetran) -> SetupTestProject:
    applied = SetupTestProject(project, server)
    applied.apply_once(PAIR.format(key="orders") + PAIR.format(key="sales"))
    return applied


def test_only_setup_tests_are_sent(applied: SetupTestProject) -> None:
    result, writes = applied.run_and_list_writes("test")
    assert result.exit == 0, result.stderr
    assert sorted(writes) == sorted(f"POST /v1/destinations/{id}/test" for id in applied.ids.values())
    assert "Tested: 2 passed in " in result.stdout
    assert applied.is_converged()


def test_a_pending_change_is_neither_sent_nor_recorded(applied: SetupTestProject) -> None:
    applied.edit_file("specs/groups/main.yaml", "project_id: acme", "project_id: other")
    result, writes = applied.run_and_list_writes("test", "orders")
    assert (result.exit, len(writes)) == (0, 1)
    [change] = [
        change
        for change in applied.plan("--format", "json").document["changes"]
        if change["address"] == "destination.orders"
    ]
    assert [(field["path"], field["origin"]) for field in change["fields"]] == [
        (["config", "project_id"], "spec")
    ]


def test_a_passed_test_is_no_longer_outstanding(applied: SetupTestProject) -> None:
    applied.let_tests("orders", FAILED)
    assert applied.run("test", "orders").exit == 6
    assert applied.plan("--format", "json").document["counts"]["verify"] == 1
    applied.let_tests("orders", PASSED)
    assert applied.run("test", "orders").exit == 0
    assert applied.is_converged()


@pytest.mark.parametrize(
    ("settings", "result", "code", "summary"),
    [
        ("", FAILED, 6, "1 failed"),
        ("      setup_tests: {on_failure: warn}\n", FAILED, 0, "1 failed"),
        ("      setup_tests: {on_failure: ignore}\n", FAILED, 0, "1 failed"),
        ("      setup_tests: {run: false}\n", FAILED, 6, "1 failed"),
        ("", WARNED, 0, "1 passed"),
        ("", SetupTest("Connect", "FAILED", "not trusted", CERTIFICATE), 7, "1 awaiting approval"),
    ],
    ids=["required", "warn", "ignore", "not-run-by-apply", "warning", "approval"],
)
def test_the_spec_decides_about_a_failure(
    applied: SetupTestProject, settings: str, result: SetupTest, code: int, summary: str
) -> None:
    applied.declare_orders(settings)
    applied.let_tests("orders", result)
    ended = applied.run("test", "orders")
    assert ended.exit == code, ended.stdout + ended.stderr
    assert f"Tested: {summary} in " in ended.stdout


def test_details_are_shown_in_any_shape(applied: SetupTestProject) -> None:
    shapes = ["a text", {"needed": ["USAGE", "CREATE"]}, CERTIFICATE, 7]
    tests = [SetupTest(f"Test {n}", "WARNING", "look", details) for n, details in enumerate(shapes)]
    applied.let_tests("orders", *tests)
    text = applied.run("test", "orders").stdout
    for line in (
        "a text",
        'needed: ["USAGE", "CREATE"]',
        f"hash: {SERVER.hash}, name: CN=warehouse, type: ROOT_CA",
        "7",
    ):
        assert f"\n          {line}\n" in text
    [row] = applied.run("test", "orders", "--format", "json").document["tests"]
    assert [test["details"] for test in row["setup_tests"]] == shapes


def test_the_record_of_an_interrupted_change_stays_as_it_is(applied: SetupTestProject) -> None:
    applied.edit_file("specs/groups/main.yaml", "project_id: acme", "project_id: other")
    applied.add_faults("PATCH /v1/destinations/** before-effect close")
    assert applied.apply("--target", "orders").exit == 6
    applied.server.app.faults.clear()
    before = applied.read_state()["records"]["destination.orders"]
    assert before["intent"]["action"] == "update"
    assert applied.run("test", "orders").exit == 0
    assert applied.read_state()["records"]["destination.orders"] == before


def test_an_account_that_no_project_names_is_not_tested(project: Project, server: EmulatedFivetran) -> None:
    unconfirmed = SetupTestProject(project, server)
    project.write("specs/reconciler.yaml", "version: 1\nspecs: ['groups/*.yaml']\n")
    unconfirmed.write_specs(PAIR.format(key="orders"))
    result, writes = unconfirmed.run_and_list_writes("test")
    assert (result.exit, writes) == (3, [])
    assert "error[account-unconfirmed]" in result.stderr


def test_no_record_leaves_lock_and_state_alone(applied: SetupTestProject) -> None:
    applied.let_tests("orders", FAILED)
    before = applied.state_file.read_bytes()
    with applied.state_file.with_name("state.json.lock").open("a"):
        assert applied.run("test", "--no-record").exit == 6
    assert applied.state_file.read_bytes() == before
    assert applied.is_converged()


def test_entries_without_an_object_are_named(applied: SetupTestProject) -> None:
    applied.write_specs("".join(PAIR.format(key=key) for key in ("orders", "sales", "stock")))
    result = applied.run("test")
    assert result.exit == 0
    assert "Not created yet: 1 destination (destination.stock)." in result.stdout
    alone = applied.run("test", "stock")
    assert (alone.exit, "No destination to test." in alone.stdout) == (0, True)


@pytest.mark.parametrize("address", ["group.orders", "group.ord*", "destination.orders", "orders"])
def test_the_address_of_a_group_stands_for_its_destination(applied: SetupTestProject, address: str) -> None:
    result, writes = applied.run_and_list_writes("test", address)
    assert (result.exit, writes) == (0, [f"POST /v1/destinations/{applied.ids['orders']}/test"])


@pytest.mark.parametrize("address", ["archive", "group.archive"])
def test_an_entry_without_a_destination_is_an_error(applied: SetupTestProject, address: str) -> None:
    applied.write_specs(PAIR.format(key="orders") + PAIR.format(key="sales") + "  archive: {}\n")
    result, writes = applied.run_and_list_writes("test", address, "orders")
    assert (result.exit, writes) == (1, [])
    assert (
        f"error[nothing-to-test]: no destination is declared by the entry that `{address}` names"
        in result.stderr
    )
    assert applied.run("test", "*").exit == 0


def test_an_entry_that_is_gone_fails_the_run(applied: SetupTestProject) -> None:
    id = applied.ids["orders"]
    applied.server.delete(f"/destinations/{id}")
    applied.server.delete(f"/groups/{id}")
    result = applied.run("test")
    assert result.exit == 6
    assert "error[gone-or-hidden]" in result.stderr
    assert "Tested: 1 passed in " in result.stdout


def test_an_unknown_address_is_an_error(applied: SetupTestProject) -> None:
    result, writes = applied.run_and_list_writes("test", "order")
    assert (result.exit != 0, writes) == (True, [])
    assert "`orders`" in result.stderr


def test_a_budget_begins_with_the_oldest_results(applied: SetupTestProject) -> None:
    applied.let_tests("sales", FAILED)
    first = applied.run("test", "sales")
    assert first.exit == 6
    applied.let_tests("sales", PASSED)
    outstanding = applied.run("test", "--budget", "1", "--format", "json").document
    assert [row["address"] for row in outstanding["tests"]] == ["destination.sales"]
    assert outstanding["left"] == ["destination.orders"]
    applied.project.advance_time()
    oldest = applied.run("test", "--budget", "1")
    assert "destination.orders" in oldest.stdout
    assert "Left for another run: 1 destination (destination.sales)." in oldest.stdout


@pytest.mark.parametrize("deadline", ["0s", "soon"])
def test_a_deadline_bounds_the_start_of_tests(applied: SetupTestProject, deadline: str) -> None:
    result, writes = applied.run_and_list_writes("test", "--deadline", deadline)
    assert writes == []
    assert result.exit == (64 if deadline == "soon" else 0)
    assert ("Left for another run: 2 destinations" in result.stdout) == (deadline == "0s")


def test_junit_has_a_suite_for_each_destination(applied: SetupTestProject) -> None:
    applied.let_tests("orders", PASSED, FAILED, SetupTest("Read", "SKIPPED"))
    result = applied.run("test", "--format", "junit", "--budget", "2")
    root = ElementTree.fromstring(result.stdout)
    assert result.exit == 6
    suites = {suite.get("name"): suite for suite in root}
    assert set(suites) == {"destination.orders", "destination.sales"}
    orders = suites["destination.orders"]
    assert (orders.get("tests"), orders.get("failures"), orders.get("skipped")) == ("3", "1", "1")
    [failure] = orders.findall("testcase/failure")
    assert failure.get("message") == "no access to acme"


def test_github_gets_annotations_and_a_summary(applied: SetupTestProject) -> None:
    applied.let_tests("orders", FAILED)
    summary, outputs = applied.folder / "summary.md", applied.folder / "outputs"
    result = applied.run(
        "test", "--format", "github", GITHUB_STEP_SUMMARY=str(summary), GITHUB_OUTPUT=str(outputs)
    )
    assert result.exit == 6
    assert "::error file=specs/groups/main.yaml" in result.stdout
    assert "## Not all setup tests have passed" in summary.read_text()
    assert {"failed=1", "passed=1", "exit-code=6"} <= set(outputs.read_text().splitlines())


def test_the_event_log_has_the_results(applied: SetupTestProject) -> None:
    assert applied.run("test", "--events", "events.jsonl").exit == 0
    lines = (applied.folder / "events.jsonl").read_text()
    assert '"test"' in lines
    assert lines.count('"change-finished"') == 2 or lines.count("destination.orders") >= 1


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_an_interrupted_run_ends_with_a_true_table(applied: SetupTestProject, number: int) -> None:
    with (
        serve_blocking(applied.server, lambda method, path: path.endswith("/test"), is_released=False) as (
            gate,
            url,
        ),
        BackgroundProcess(
            "test", "--parallelism", "1", directory=applied.folder, **build_credentials(url)
        ) as process,
    ):
        gate.await_arrivals(1)
        process.signal(number)
        process.wait_for("Stopping: ")
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 6
    words = {line.split()[1]: line.split()[2] for line in ended.out.splitlines() if line.startswith("  ? ")}
    assert words == {"destination.orders": "no", "destination.sales": "cancelled"}
    assert "Tested: 2 without result in " in ended.out
    assert "the setup tests of destination.orders have no result: the run was stopped" in ended.out
    verified = [each["address"] for each in applied.plan("--format", "json").document["changes"]]
    assert verified == ["destination.orders"], "only the started test is outstanding"


def add_destinations(project: InProcessProject, count: int) -> None:
    """Declare `count` pairs that exist in the account."""
    names = [f"team_{number:04}" for number in range(count)]
    config = {"project_id": "acme", "data_set_location": "US"}
    for name in names:
        project.app.dashboard.add_destination(
            project.app.dashboard.add_group(name), "big_query", config=config
        )
    destination = {"service": "big_query", "region": "GCP_US_EAST4", "time_zone_offset": "0"}
    project.declare({name: {"destination": destination} for name in names})


def run_in_process(project: InProcessProject, seconds: float | None = None) -> SetupTestResult:
    """Run all tests, as the command does without records."""
    with project.open_workspace() as workspace:
        planned = make_plan(workspace)
        project.read_new_history()
        until = None if seconds is None else project.clock.monotonic() + seconds
        return run_tests(workspace, select_tests(planned), until=until, records=False)


def list_test_times(project: InProcessProject) -> list[float]:
    """List the times of all test runs of the history, in seconds."""
    entries = [entry for entry in project.read_new_history() if entry.path.endswith("/test")]
    return sorted(datetime.fromisoformat(entry.at).timestamp() for entry in entries)


def count_most(times: list[float], seconds: float) -> int:
    """Count the most tests within any span of these seconds."""
    return max(sum(start <= time < start + seconds for time in times) for start in times)


@small_and_large(("count", "budget"), (60, Budget(20_000, 10, 40)), (3_000, Budget()))
def test_tests_keep_to_the_budgets_of_setup_tests(count: int, budget: Budget) -> None:
    with open_project() as project:
        project.budget = budget
        project.parallelism = 1  # the virtual time of one thread is the time of its request
        add_destinations(project, count)
        result = run_in_process(project)
        times = list_test_times(project)
    assert len(times) == len(result.applied.outcomes) == count
    assert count_most(times, 60) <= budget.setup_tests_per_minute
    assert count_most(times, 3600) <= budget.setup_tests_per_hour


def test_no_test_waits_beyond_its_deadline() -> None:
    with open_project() as project:
        add_destinations(project, 300)
        result = run_in_process(project, seconds=30)
        times = list_test_times(project)
    assert 200 <= len(times) <= 250, "the tests of the first minute run, and none waits for the second"
    assert len(result.left) == 300 - len(times)
    assert max(times) - min(times) <= 30
