"""`drift --budget`: each run reads the destinations that were read least recently, within a number of requests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from applied_project import PAIR, AppliedProject, get_error_code
from background_process import BackgroundProcess
from cli_harness import CommandResult, EmulatedFivetran, Project, build_credentials
from git_repo import run_git
from remote_backends import BRANCH, BareRepository

pytestmark = pytest.mark.sampled(every=3, tests=2)

KEYS = ("a", "b", "c", "d", "e")
LISTS = 3
"""Requests of each run for the account and two lists."""
HOUR = timedelta(hours=1)


class BudgetedProject(AppliedProject):
    """Applied pairs `a` to `e`, whose drift is looked for with a budget."""

    def look(self, budget: int, *options: str) -> CommandResult:
        """Look for drift with a budget, an hour after the last run. Asserts that the run keeps its budget."""
        self.project.advance_time(HOUR)
        before = len(self.server.calls)
        result = self.run("drift", "--budget", str(budget), *options)
        self.last_calls = self.server.calls[before:]
        assert len(self.last_calls) <= budget
        assert all(call.startswith("GET ") for call in self.last_calls)
        return result

    def look_for_document(self, budget: int, *options: str) -> Any:
        return self.look(budget, *options, "--format", "json").document

    def list_read(self) -> list[str]:
        """List the keys of the destinations that the last run has asked for."""
        keys = {id: key for key, id in self.ids.items()}
        prefix = "GET /v1/destinations/"
        return sorted(
            keys[call.removeprefix(prefix)]
            for call in set(self.last_calls)
            if call.startswith(prefix) and call.removeprefix(prefix) in keys
        )

    def drift(self, *keys: str) -> None:
        """Change a field of these destinations in the dashboard."""
        for key in keys:
            self.dashboard.change_destination(self.ids[key], config={"project_id": "theirs"})

    @property
    def times_file(self) -> Path:
        return self.state_file.with_name("state.json.reads")

    def read_times(self) -> dict[str, str]:
        """Read the times of reads by key."""
        times = json.loads(self.times_file.read_text())["reads"]
        return {key: times[id] for key, id in self.ids.items() if id in times}


def format_pairs(keys: Iterable[str]) -> str:
    return "".join(PAIR.format(key=key) for key in keys)


@pytest.fixture
def pairs(project: Project, server: EmulatedFivetran) -> BudgetedProject:
    """Five applied pairs."""
    applied = BudgetedProject(project, server)
    applied.apply_once(format_pairs(KEYS))
    return applied


def test_a_round_reads_each_destination_once_and_then_begins_with_the_oldest_reads(
    pairs: BudgetedProject,
) -> None:
    rounds = []
    for _ in range(6):
        assert pairs.look(LISTS + 2).exit == 0
        rounds.append(pairs.list_read())
    assert all(len(keys) == 2 for keys in rounds)
    assert {key for keys in rounds[:3] for key in keys} == {*KEYS}
    for position in range(1, 6):
        assert not {*rounds[position]} & {*rounds[position - 1]}, "no destination is read twice in a row"
    counts = [sum(key in keys for keys in rounds) for key in KEYS]
    assert sorted(counts) == [2, 2, 2, 3, 3]


def test_the_text_says_how_much_was_read_and_how_long_a_round_takes(pairs: BudgetedProject) -> None:
    def look(budget: int) -> list[str]:
        return pairs.look(budget).stdout.splitlines()

    lines = look(LISTS + 2)
    assert lines[-3:] == [
        "No drift in what was read.",
        "Read 2 of 5 destinations; a full round takes 3 runs of this budget.",
        "Never read so far: 3.",
    ]
    assert "5 groups, 5 destinations in 1 file · read 5 groups, 2 destinations in" in lines[0]
    assert look(LISTS + 2)[-1] == "Never read so far: 1. Oldest read of the rest: 1 h ago."
    assert look(LISTS + 2)[-1] == "Oldest read of the rest: 2 h ago."
    assert look(LISTS + 5)[-2:] == [
        "No drift.",
        "Read 5 of 5 destinations; a full round takes 1 run of this budget.",
    ]


def test_drift_is_found_in_the_run_that_reads_its_destination(pairs: BudgetedProject) -> None:
    pairs.drift(*KEYS)
    found = []
    for _ in range(3):
        result = pairs.look(LISTS + 2, "--detailed-exitcode")
        assert result.exit == 2
        assert "Drift: 2 changed, 0 gone." in result.stdout.splitlines()
        found += [key for key in KEYS if f"destination.{key}" in result.stdout]
        assert "2 destinations" in result.stdout
        found += pairs.list_read()
    assert {*found} == {*KEYS}


def test_no_drift_in_what_was_read_is_exit_0(pairs: BudgetedProject) -> None:
    pairs.look(LISTS + 4)
    [unread] = {*KEYS} - {*pairs.list_read()}
    pairs.drift(next(key for key in KEYS if key != unread))
    assert pairs.look(LISTS + 1, "--detailed-exitcode").exit == 0
    assert pairs.list_read() == [unread]


def test_json_github_sarif_and_events_have_the_coverage(
    pairs: BudgetedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = pairs.look_for_document(LISTS + 2, "--events", "log.jsonl")
    read = pairs.list_read()
    coverage = {
        "budget": 5,
        "read": 2,
        "of": 5,
        "never_read": 3,
        "oldest_read_seconds": None,
        "runs_per_round": 3,
        "ended_early": False,
        "times": {"place": "specs/.reconciler/state.json.reads", "shared": True, "reason": None},
    }
    unread = [f"destination.{key}" for key in KEYS if key not in read]
    assert document["coverage"] == {**coverage, "unread": unread}
    assert document["exit"] == {"code": 0, "reason": "ok"}
    assert document["unplanned"] == []
    log = [json.loads(line) for line in (pairs.folder / "log.jsonl").read_text().splitlines()]
    assert [entry["coverage"] for entry in log if entry["event"] == "planned"] == [coverage]

    sarif = pairs.look(LISTS + 2, "--format", "sarif").document
    [invocation] = sarif["runs"][0]["invocations"]
    assert [note["message"]["text"] for note in invocation["toolExecutionNotifications"]] == [
        "Read 2 of 5 destinations; a full round takes 3 runs of this budget.",
        "Never read so far: 1. Oldest read of the rest: 1 h ago.",
    ]
    outputs = pairs.folder / "outputs"
    monkeypatch.setenv("GITHUB_OUTPUT", str(outputs))
    github = pairs.look(LISTS + 2, "--format", "github")
    assert "Read 2 of 5 destinations; a full round takes 3 runs of this budget." in github.stdout
    assert "has-changes=\n" in outputs.read_text(), "unread destinations may have drifted"
    pairs.look(LISTS + 5, "--format", "github")
    assert "has-changes=false\n" in outputs.read_text()


def test_a_drift_without_a_budget_has_no_coverage_and_keeps_no_times(pairs: BudgetedProject) -> None:
    assert "coverage" not in pairs.run("drift", "--format", "json").document
    assert not pairs.times_file.exists()


@pytest.mark.parametrize("budget", [1, 2, 3])
def test_a_budget_below_the_lists_is_an_error_with_the_smallest_number(
    budget: int, pairs: BudgetedProject
) -> None:
    result = pairs.look(budget)
    assert (result.exit, get_error_code(result)) == (1, "budget-too-small")
    assert "use `--budget 4` or more" in result.stderr
    assert not pairs.times_file.exists()
    assert pairs.look(4).exit == 0
    assert len(pairs.list_read()) == 1


def test_a_failing_read_is_an_error_and_does_not_stop_others(pairs: BudgetedProject) -> None:
    pairs.look(LISTS + 5)
    before = pairs.read_times()
    failing = pairs.ids["c"]
    pairs.add_faults(f"GET /v1/destinations/{failing} #1..5 status 503")
    result = pairs.look(LISTS + 9)
    assert (result.exit, get_error_code(result)) == (1, "not-read")
    assert "error[not-read]: destination.c could not be read: Fivetran has a fault: HTTP 503" in result.stderr
    assert "specs/groups/main.yaml" in result.stderr
    assert "Read 4 of 5 destinations" in result.stdout
    after = pairs.read_times()
    assert after["c"] == before["c"]
    assert all(after[key] > before[key] for key in KEYS if key != "c")
    assert pairs.look(LISTS + 5).exit == 0
    assert pairs.read_times()["c"] > after["c"]
    assert "failed" not in json.loads(pairs.times_file.read_text())


def test_destinations_that_always_fail_do_not_keep_others_from_being_read(pairs: BudgetedProject) -> None:
    for key in ("a", "b"):
        pairs.add_faults(f"GET /v1/destinations/{pairs.ids[key]} #1.. status 503")
    read: set[str] = set()
    for _ in range(3):
        pairs.look(LISTS + 4)
        read |= {*pairs.read_times()}
    assert read == {"c", "d", "e"}


def test_retries_use_up_the_budget_and_the_run_ends_with_what_it_has(pairs: BudgetedProject) -> None:
    pairs.add_faults("GET /v1/destinations/* #1..2 status 503")
    document = pairs.look_for_document(LISTS + 4, "--parallelism", "1")
    assert len(pairs.last_calls) == LISTS + 4
    coverage = document["coverage"]
    assert (coverage["read"], coverage["ended_early"]) == (2, True)
    assert coverage["runs_per_round"] == 2
    pairs.add_faults("GET /v1/destinations/* #1..2 status 503")
    result = pairs.look(LISTS + 4, "--parallelism", "1")
    assert result.exit == 0
    assert "Retries or a limit of Fivetran ended the reads early." in result.stdout.splitlines()


def test_a_read_whose_retry_does_not_fit_the_budget_has_failed(pairs: BudgetedProject) -> None:
    pairs.add_faults("GET /v1/destinations/* #2 status 503")
    result = pairs.look(LISTS + 2, "--parallelism", "1")
    assert (result.exit, get_error_code(result)) == (1, "not-read")
    assert "Read 1 of 5 destinations" in result.stdout


def test_a_limit_of_fivetran_ends_the_reads(pairs: BudgetedProject) -> None:
    pairs.add_faults("GET /v1/destinations/* #3.. status 429 retry-after=3000")
    result = pairs.look(LISTS + 5, "--parallelism", "1")
    assert result.exit == 0
    assert "Read 2 of 5 destinations" in result.stdout
    assert "Retries or a limit of Fivetran ended the reads early." in result.stdout.splitlines()
    pairs.add_faults("GET /v1/destinations/* #1.. status 429 retry-after=3000")
    nothing_read = pairs.look(LISTS + 5)
    assert (nothing_read.exit, get_error_code(nothing_read)) == (1, "rate-limited")


def test_what_lists_show_is_reported_in_every_run(pairs: BudgetedProject) -> None:
    for _ in range(3):  # one round, so that each run below reads another destination
        pairs.look(LISTS + 2)
    pairs.dashboard.rename_group(pairs.ids["a"], "renamed")
    pairs.dashboard.remove("destination", pairs.ids["b"])
    pairs.dashboard.remove("group", pairs.ids["c"])
    pairs.dashboard.change_destination(pairs.ids["d"], setup_status="broken")
    pairs.dashboard.add_group("unknown")
    for _ in range(3):
        document = pairs.look_for_document(LISTS + 3)
        assert "group.a" in [change["address"] for change in document["changes"]]
        assert [each["address"] for each in document["unseen"]] == ["destination.b", "group.c"]
        assert document["setup_statuses"]["destination.d"] == "broken"
        assert [group["name"] for group in document["unmanaged"]] == ["unknown"]
        assert document["exit"]["code"] == 1
        assert document["coverage"]["of"] == 4


def test_the_lookup_of_missing_objects_counts_as_lists(pairs: BudgetedProject) -> None:
    pairs.dashboard.remove("destination", pairs.ids["b"])
    pairs.dashboard.remove("group", pairs.ids["c"])
    result = pairs.look(LISTS + 2)
    assert get_error_code(result) == "budget-too-small"
    assert "use `--budget 6` or more" in result.stderr
    assert pairs.look_for_document(LISTS + 3)["coverage"]["read"] == 2


def test_new_removed_and_renamed_entries_keep_the_order_of_reads(pairs: BudgetedProject) -> None:
    pairs.look(LISTS + 5)
    pairs.write_specs(
        format_pairs(["a", "b", "c", "new"]) + PAIR.format(key="renamed").replace(":", ":\n    was: d", 1),
        removed=f"  - {{group: e, id: {pairs.ids['e']}, forget: true}}\n",
    )
    pairs.must_apply()
    pairs.ids |= {"new": pairs.find_id("new")}
    pairs.look(LISTS + 1)
    assert pairs.list_read() == ["new"], "an entry without a read comes first"
    assert sorted(pairs.read_times()) == ["a", "b", "c", "d", "new"]


def test_a_scope_is_read_within_the_budget_and_shares_the_times(pairs: BudgetedProject) -> None:
    document = pairs.look_for_document(LISTS + 1, "--target", "a", "--target", "b")
    assert (document["coverage"]["read"], document["coverage"]["of"]) == (1, 2)
    first = pairs.list_read()
    pairs.look(LISTS + 4)
    assert pairs.list_read() == sorted({*KEYS} - {*first})


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            ("--accept", "--dry-run"),
            "`--budget` reads some destinations, and `--accept` takes the drift of all",
        ),
        (("--connections",), "`--connections` costs a request per group"),
        (("--all",), "`--budget` is for one project"),
    ],
    ids=lambda value: value[0],
)
def test_options_that_do_not_fit_a_budget_are_refused(
    options: tuple[str, ...], problem: str, pairs: BudgetedProject
) -> None:
    result = pairs.look(10, *options)
    assert result.exit == 64
    assert problem in result.stderr
    assert pairs.last_calls == []


def test_damaged_times_are_a_warning_and_replaced(pairs: BudgetedProject) -> None:
    pairs.look(LISTS + 5)
    pairs.times_file.write_text('{"format": 1, "reads": ')
    result = pairs.look(LISTS + 2)
    assert result.exit == 0
    assert (
        "warning[reads-damaged]: the times of reads in `specs/.reconciler/state.json.reads` are damaged: it is"
        " not valid JSON" in result.stderr
    )
    assert "Never read so far: 3." in result.stdout
    assert sorted(pairs.read_times()) == pairs.list_read()


def test_times_of_a_newer_version_are_refused_before_any_request(pairs: BudgetedProject) -> None:
    newer = '{"format": 2, "rounds": []}'
    pairs.look(LISTS + 1)
    pairs.times_file.write_text(newer)
    result = pairs.look(LISTS + 2)
    assert (result.exit, get_error_code(result)) == (1, "reads-newer")
    assert pairs.last_calls == []
    assert pairs.times_file.read_text() == newer


def test_times_of_a_wrong_clock_do_not_keep_a_destination_from_being_read(pairs: BudgetedProject) -> None:
    times = dict.fromkeys(pairs.ids.values(), "2099-01-01T00:00:00+00:00")
    pairs.times_file.write_text(json.dumps({"format": 1, "reads": times}))
    read = set()
    for _ in range(3):
        pairs.look(LISTS + 2)
        read |= {*pairs.list_read()}
    assert read == {*KEYS}


def test_times_that_cannot_be_kept_are_reported(pairs: BudgetedProject) -> None:
    pairs.times_file.mkdir()
    result = pairs.look(LISTS + 2)
    assert result.exit == 0
    [line] = [line for line in result.stdout.splitlines() if "times of these reads" in line]
    assert line.startswith("The times of these reads are not kept, so the next run repeats them: ")


@pytest.fixture
def upstream(tmp_path_factory: pytest.TempPathFactory) -> BareRepository:
    return BareRepository(tmp_path_factory.mktemp("server") / "upstream.git")


@pytest.fixture
def shared_pairs(project: Project, server: EmulatedFivetran, upstream: BareRepository) -> BudgetedProject:
    """Five applied pairs, whose state is in a branch."""
    run_git(project.folder, "init", "-q")
    run_git(project.folder, "remote", "add", "origin", str(upstream.path))
    applied = BudgetedProject(project, server)
    applied.apply_once(format_pairs(KEYS), f"state: git:origin/{BRANCH}\n")
    return applied


def test_runs_on_other_machines_go_on_where_the_last_run_ended(
    shared_pairs: BudgetedProject, upstream: BareRepository
) -> None:
    state = upstream.read_files()["state.json"]
    shared_pairs.look(LISTS + 3)
    first = shared_pairs.list_read()
    subject = upstream.list_subjects()[-1]
    assert re.fullmatch("reconciler.*: state.json.reads, 3 of 5 destinations read", subject)
    times = json.loads(upstream.read_files()["state.json.reads"])["reads"]
    assert sorted(times) == sorted(shared_pairs.ids[key] for key in first)
    assert upstream.read_files()["state.json"] == state
    assert not shared_pairs.times_file.exists()
    shared_pairs.look(LISTS + 2)
    assert sorted([*first, *shared_pairs.list_read()]) == [*KEYS]
    assert shared_pairs.apply().exit == 0, "the branch still holds a state"


def test_without_the_right_to_write_the_times_stay_on_this_machine(
    shared_pairs: BudgetedProject, upstream: BareRepository
) -> None:
    upstream.add_hook("pre-receive", "exit 1")
    result = shared_pairs.look(LISTS + 2)
    assert result.exit == 0
    [line] = [line for line in result.stdout.splitlines() if "times of these reads" in line]
    assert line.startswith(
        "The times of these reads are kept on this machine only, in `specs/.reconciler/state.json.reads`: "
    )
    assert "pre-receive hook declined" in line
    assert "state.json.reads" not in upstream.read_files()
    first = shared_pairs.list_read()
    times = shared_pairs.look_for_document(LISTS + 2)["coverage"]["times"]
    assert (times["place"], times["shared"]) == ("specs/.reconciler/state.json.reads", False)
    assert not {*first} & {*shared_pairs.list_read()}

    (upstream.path / "hooks" / "pre-receive").unlink()
    assert shared_pairs.look_for_document(LISTS + 1)["coverage"]["times"]["shared"] is True
    assert not shared_pairs.times_file.exists(), "all times are in the branch"
    assert sorted(json.loads(upstream.read_files()["state.json.reads"])["reads"]) == sorted(
        shared_pairs.ids.values()
    )


@pytest.mark.long
def test_simultaneous_runs_merge_their_times(shared_pairs: BudgetedProject, upstream: BareRepository) -> None:
    commands = [
        ("drift", "--budget", "10", "--target", first, "--target", second)
        for first, second in (("a", "b"), ("c", "d"))
    ]
    environ = build_credentials(shared_pairs.server.url)
    started = [BackgroundProcess(*command, directory=shared_pairs.folder, **environ) for command in commands]
    ended = []
    for process in started:
        with process:
            ended.append(process.wait_for_exit())
    assert [each.code for each in ended] == [0, 0]
    times = json.loads(upstream.read_files()["state.json.reads"])["reads"]
    assert sorted(times) == sorted(shared_pairs.ids[key] for key in "abcd")
