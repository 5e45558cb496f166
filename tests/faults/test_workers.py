"""Check that workers change no result, and that a failure stops only dependent work (S-07, S-15, S-25)."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cli_harness import SETTLE_TIME
from faulty_account import UNTRIED_STATUSES, ApplyRun, FaultyAccount, FaultyProject, check_run
from secret_leak_detector import check_findings, get_detector

from reconciler.cli.exit import ExitCode
from reconciler.emulator.fault_text import parse_fault
from reconciler.emulator.faults import Fault
from reconciler.emulator.setup_tests import SetupTest
from reconciler.emulator.switches import Behaviour
from reconciler.model.event import ChangeFinished, ChangeStarted, SetupTestsStarted
from reconciler.model.outcome import Status
from reconciler.model.plan import Action
from reconciler.report.apply import render_summary
from reconciler.report.plan_json import serialize_plan

pytestmark = pytest.mark.sampled(every=6, tests=3)

WORKERS = (1, 2, 4, 8)
ALL_WORKER_COUNTS = pytest.mark.parametrize("workers", WORKERS)
PASSWORD = "canary-of-the-workers-3c8e"
FAILED_TEST = SetupTest("Permission Test", "FAILED", "no permission to create schemas")


def destination(database: str, **more: Any) -> dict[str, Any]:
    return {
        "service": "snowflake",
        "time_zone_offset": "0",
        "config": {
            "host": "acme.snowflakecomputing.com",
            "port": 443,
            "database": database,
            "auth": "PASSWORD",
            "user": "LOADER",
            "password": {"secret": "env:PASSWORD"},
        },
        **more,
    }


UPDATED = [f"b_updated_{number}" for number in range(5)]
RENAMED = [f"c_renamed_{number}" for number in range(5)]
REMOVED = [f"d_removed_{number}" for number in range(3)]
MADE = [f"a_made_{number}" for number in range(6)]


@dataclass
class MixedProject:
    """In-process project with a plan of creates, updates, renames, tests and deletes."""

    account: FaultyAccount
    project: FaultyProject
    ids: dict[str, str]
    groups: dict[str, Any]

    def declare(self) -> None:
        """Write the specs from `groups`."""
        removed = [{"group": key, "id": self.ids[key]} for key in REMOVED]
        self.project.declare(self.groups, removed=removed)

    def apply(self, *faults: Fault) -> ApplyRun:
        self.account.app.faults.add(*faults)
        run = self.project.apply()
        self.account.app.faults.clear()
        check_run(run)
        return run

    def converge(self) -> None:
        """Check O5: at most two further applies complete the plan, after the settle time of held creates."""
        for _ in range(2):
            run = self.project.apply()
            if run.has_held:
                self.account.clock.sleep(SETTLE_TIME.total_seconds())
                run = self.project.apply()
            if run.exit is ExitCode.OK:
                break
        assert self.project.plan().plan.effective == ()
        names = [group["name"] for group in self.account.contents.values()]
        assert len(set(names)) == len(names)

    def read_account(self) -> dict[str, Any]:
        """Read the groups of the account by name, without ids."""
        apart = {"id", "created_at", "name"}
        return {
            group["name"]: {key: value for key, value in group.items() if key not in apart}
            for group in self.account.contents.values()
        }


@cache
def prepare_account() -> tuple[FaultyAccount, dict[str, Any], dict[str, bytes]]:
    """Prepare an account with the applied pairs. Returns the account, its seed and the state files."""
    account = FaultyAccount()
    account.reset()
    with create_folder() as folder:
        project = FaultyProject(folder, account)
        project.secrets["PASSWORD"] = PASSWORD
        project.declare({key: {"destination": destination("OLD")} for key in (*UPDATED, *RENAMED, *REMOVED)})
        assert project.apply().exit is ExitCode.OK
        return account, account.app.dump(show_secrets=True), project.read_state_files()


@contextmanager
def create_folder() -> Iterator[Path]:
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Path(folder)


@contextmanager
def open_mixed_project(workers: int) -> Iterator[MixedProject]:
    account, seed, state_files = prepare_account()
    account.reset(seed)
    with create_folder() as folder, switch_threads_often():
        project = FaultyProject(folder, account)
        project.restore_state_files(state_files)
        project.secrets["PASSWORD"] = PASSWORD
        project.workers = workers
        ids = {group["name"]: id for id, group in account.contents.items()}
        groups: dict[str, Any] = {key: {"destination": destination("NEW")} for key in (*MADE, *UPDATED)}
        groups |= {key: {"name": f"{key}, renamed", "destination": destination("OLD")} for key in RENAMED}
        mixed = MixedProject(account, project, ids, groups)
        mixed.declare()
        yield mixed
        check_leaks_now()


def check_leaks_now() -> None:
    """Check S-40 before the folder is deleted."""
    check_findings(get_detector().collect_findings())


@contextmanager
def switch_threads_often() -> Iterator[None]:
    """Switch threads a thousand times as often, to provoke races."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def build_patch_fault(mixed: MixedProject, key: str, what: str) -> Fault:
    return parse_fault(f"PATCH /v1/destinations/{mixed.ids[key]} {what}")


def summarize_run(run: ApplyRun, mixed: MixedProject) -> tuple[Any, ...]:
    """Return the report of a run, without ids and times."""
    assert run.applied is not None
    ids = {*mixed.account.contents, *mixed.ids.values()}
    text = re.sub(r"\b\d+(\.\d+)? (s|min|requests?)\b", "…", render_summary(run.applied).plain)
    text = re.sub("|".join(map(re.escape, sorted(ids, key=len, reverse=True))), "…", text)
    lines = [
        (
            outcome.address,
            outcome.action,
            outcome.status,
            outcome.checks,
            [each.code for each in outcome.diagnostics],
        )
        for outcome in run.applied.outcomes
    ]
    return lines, run.applied.remaining, run.exit, re.sub(" +", " ", text)


def summarize_state(mixed: MixedProject) -> dict[str, Any]:
    """Return the records of the state, without ids and times."""
    state = mixed.project.state
    assert state is not None
    return {
        str(address): replace(
            record,
            id=record.id and "…",
            applied_at="",
            intent=record.intent and replace(record.intent, begun=None, sent=None, namesakes=()),
        )
        for address, record in state.records.items()
    }


def run_with_workers(workers: int, *, with_failures: bool) -> tuple[Any, ...]:
    with open_mixed_project(workers) as mixed:
        faults = []
        if with_failures:
            mixed.account.app.behaviour = Behaviour(
                group_names="identifier"
            )  # refuses the new names of the renamed groups
            mixed.account.app.dashboard.script_setup_tests(group_name=MADE[2], finally_always=[FAILED_TEST])
            faults = [
                build_patch_fault(mixed, UPDATED[1], "status 500"),
                build_patch_fault(mixed, UPDATED[3], "before-effect status 400"),
                build_patch_fault(mixed, UPDATED[4], "before-effect reset"),
            ]
        planned = serialize_plan(mixed.project.plan().plan)
        run = mixed.apply(*faults)
        report, state, account = summarize_run(run, mixed), summarize_state(mixed), mixed.read_account()
        again = mixed.project.plan()
        left = [(str(change.address), change.action) for change in again.plan.effective]
        return {**planned, "requests": 0, "seconds": 0}, report, state, account, left


@pytest.mark.parametrize("with_failures", [False, True], ids=["without failures", "with failures"])
def test_the_number_of_workers_changes_no_result(with_failures: bool) -> None:
    """Compare plan, report, order of outcomes, state, account and remaining changes."""
    alone = run_with_workers(1, with_failures=with_failures)
    statuses = {status for _, _, status, _, _ in alone[1][0]}
    expected = {Status.DONE, Status.FAILED, Status.UNKNOWN, Status.HELD} if with_failures else {Status.DONE}
    assert statuses == expected
    for workers in WORKERS[1:]:
        together = run_with_workers(workers, with_failures=with_failures)
        for one, other in zip(alone, together, strict=True):
            assert other == one


@pytest.mark.sampled(every=7)
@ALL_WORKER_COUNTS
@pytest.mark.parametrize(
    "what",
    ["status 500", "before-effect status 400", "before-effect reset", "status 429 retry-after=5", "not-json"],
)
def test_a_permanently_failing_object_stops_no_other_change(workers: int, what: str) -> None:
    with open_mixed_project(workers) as mixed:
        run = mixed.apply(build_patch_fault(mixed, UPDATED[0], what))
        statuses = {address: status for address, status in run.statuses.items() if "removed" not in address}
        assert statuses.pop(f"destination.{UPDATED[0]}") in {Status.FAILED, Status.UNKNOWN}
        assert set(statuses.values()) == {Status.DONE}
        assert run.exit is ExitCode.INCOMPLETE
        mixed.converge()


@pytest.mark.sampled(every=7)
@ALL_WORKER_COUNTS
@pytest.mark.parametrize(
    "what",
    [
        "before-effect reset",
        "status 503",
        "at-accept reset",
        "before-effect hang 600",
        "status 429 retry-after=1000000000",
    ],
)
def test_a_full_outage_ends_the_run_after_five_calls(workers: int, what: str) -> None:
    with open_mixed_project(workers) as mixed:
        first = mixed.project.plan().plan.requests + 1
        run = mixed.apply(parse_fault(f"* * #{first}.. {what}"))
        outcomes = run.applied.outcomes  # type: ignore[union-attr]
        tried = [outcome for outcome in outcomes if outcome.status not in UNTRIED_STATUSES]
        assert {outcome.status for outcome in tried} <= {Status.FAILED, Status.UNKNOWN}
        assert 5 <= len(tried) <= 5 + workers - 1  # calls in flight at the fifth failure fail too
        assert {outcome.status for outcome in outcomes if outcome not in tried} == {
            Status.SKIPPED,
            Status.HELD,
        }
        assert {each.status for each in outcomes if each.action is Action.DELETE} == {Status.HELD}
        assert run.exit is ExitCode.INCOMPLETE
        assert run.applied.remaining is None  # type: ignore[union-attr]
        ends = [event.outcome for event in run.events if isinstance(event, ChangeFinished)]
        fifth = [outcome for outcome in ends if outcome.status not in UNTRIED_STATUSES][4]
        assert not any(
            isinstance(event, ChangeStarted) for event in run.events[_find_event_index(run, fifth) :]
        )
        mixed.converge()


def _find_event_index(run: ApplyRun, outcome: Any) -> int:
    """Find the index of the end of a change in the events."""
    return next(
        number
        for number, event in enumerate(run.events)
        if isinstance(event, ChangeFinished) and event.outcome is outcome
    )


def _list_starts_after_first_failure(run: ApplyRun) -> list[Any]:
    failed = next(
        number
        for number, event in enumerate(run.events)
        if isinstance(event, ChangeFinished) and event.outcome.status in {Status.FAILED, Status.UNKNOWN}
    )
    return [event for event in run.events[failed:] if isinstance(event, ChangeStarted | SetupTestsStarted)]


def test_five_failures_with_successes_between_them_do_not_end_the_run() -> None:
    with open_mixed_project(1) as mixed:
        broken = [f"destination.{key}" for key in UPDATED[::2]] + [f"group.{key}" for key in RENAMED[1::2]]
        assert len(broken) == 5
        paths = [f"/v1/{kind}s/{mixed.ids[key]}" for kind, key in (each.split(".") for each in broken)]
        run = mixed.apply(*(parse_fault(f"PATCH {path} status 503") for path in paths))
        statuses = {address: status for address, status in run.statuses.items() if "removed" not in address}
        assert {statuses.pop(address) for address in broken} == {Status.UNKNOWN}
        assert set(statuses.values()) == {Status.DONE}
        mixed.converge()


@pytest.mark.sampled(every=5)
@ALL_WORKER_COUNTS
@pytest.mark.parametrize("what", ["before-effect status 400", "status 500", "before-effect reset"])
def test_fail_fast_starts_no_further_change(workers: int, what: str) -> None:
    with open_mixed_project(workers) as mixed:
        mixed.project.fail_fast = True
        run = mixed.apply(build_patch_fault(mixed, UPDATED[2], what))
        assert _list_starts_after_first_failure(run) == []
        assert run.statuses[f"destination.{UPDATED[2]}"] in {Status.FAILED, Status.UNKNOWN}
        if workers == 1:
            order = list(run.statuses)
            behind = order[order.index(f"destination.{UPDATED[2]}") + 1 :]
            assert {run.statuses[address] for address in behind} <= UNTRIED_STATUSES
        assert {run.statuses[f"destination.{key}"] for key in REMOVED} == {Status.HELD}
        assert run.exit is ExitCode.INCOMPLETE
        mixed.converge()


@ALL_WORKER_COUNTS
@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_stop_the_run_at_once(workers: int, status: int) -> None:
    """Check S-25."""
    with open_mixed_project(workers) as mixed:
        run = mixed.apply(parse_fault(f"POST /v1/groups #3.. before-effect status {status}"))
        assert _list_starts_after_first_failure(run) == []
        failed = [address for address, each in run.statuses.items() if each is Status.FAILED]
        assert 1 <= len(failed) <= workers
        refused = [each for each in run.exchanges if each.status == status]
        assert len(refused) == len(failed)  # no request is repeated
        assert Status.UNKNOWN not in run.statuses.values()
        assert {run.statuses[f"destination.{key}"] for key in REMOVED} == {Status.HELD}
        assert run.exit is ExitCode.INCOMPLETE
        mixed.converge()


@pytest.mark.sampled(every=5)
@ALL_WORKER_COUNTS
@pytest.mark.parametrize(("policy", "held"), [("fail", True), ("warn", False), ("ignore", False)])
def test_failed_setup_tests_hold_deletions_as_their_policy_says(
    workers: int, policy: str, held: bool
) -> None:
    with open_mixed_project(workers) as mixed:
        mixed.groups[MADE[1]] = {"destination": destination("NEW", setup_tests={"on_failure": policy})}
        mixed.declare()
        mixed.account.app.dashboard.script_setup_tests(group_name=MADE[1], finally_always=[FAILED_TEST])
        run = mixed.apply()
        assert run.statuses[f"destination.{MADE[1]}"] is Status.DONE
        expected = Status.HELD if held else Status.DONE
        assert {run.statuses[f"{kind}.{key}"] for kind in ("destination", "group") for key in REMOVED} == {
            expected
        }
        assert run.exit is (ExitCode.INCOMPLETE if held else ExitCode.OK)
        assert (mixed.ids[REMOVED[0]] in mixed.account.contents) is held


@ALL_WORKER_COUNTS
def test_a_failed_deletion_holds_the_following_deletions(workers: int) -> None:
    with open_mixed_project(workers) as mixed:
        run = mixed.apply(
            parse_fault(f"DELETE /v1/destinations/{mixed.ids[REMOVED[0]]} before-effect status 409")
        )
        assert run.statuses[f"destination.{REMOVED[0]}"] is Status.FAILED
        assert run.statuses[f"group.{REMOVED[0]}"] in UNTRIED_STATUSES
        held = [address for address, status in run.statuses.items() if status is Status.HELD]
        if workers == 1:
            assert len(held) >= 2 * (len(REMOVED) - 1)
        assert f"group.{REMOVED[-1]}" in held or workers > 1
        mixed.converge()
