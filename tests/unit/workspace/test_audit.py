"""Test the audit log of runs: every line, its permissions, and the end of a killed run."""

from __future__ import annotations

import json
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from report_values import (
    CREATED,
    FULL_PLAN,
    NEW_DESTINATION,
    SKIPPED,
    TESTED,
    build_apply_result,
    destination_address,
)

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.model.event import (
    AnswerArrived,
    AwaitingAnswer,
    ChangeFinished,
    ChangeStarted,
    ChangeWritten,
    ConvergenceCheck,
    Event,
    ReadingAccount,
    RecoveringCreate,
    RequestRetried,
    SetupTestsStarted,
    Throttled,
)
from reconciler.model.lock_info import LockInfo
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Action
from reconciler.workspace.audit import EventLog, combine_listeners

ORDERS, SALES, LAKE = destination_address("orders"), destination_address("sales"), destination_address("lake")
ME, OTHERS = "00000000000000aa", "00000000000000bb"
PROJECT = Path("/repo/specs/reconciler.yaml")
COMMIT = "5" * 40


class FixedClock:
    """Stand still at noon."""

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, 0, 0, 4000, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None: ...

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.is_set()


def make_holder(host: str = "runner-7", pid: int = 4711) -> LockInfo:
    return LockInfo(pid, host, "ci", "2026-03-01T12:00:00+00:00", "reconciler apply")


def open_log(
    file: Path,
    *,
    run: str = ME,
    command: str = "apply",
    by: LockInfo | None = None,
    project: Path = PROJECT,
    sandbox: bool = False,
) -> EventLog:
    """Open a log and start a run in it."""
    log = EventLog(file, FixedClock(), run, file.name)
    log.log_start(by or make_holder(), command, project, COMMIT, sandbox=sandbox)
    return log


def read_entries(file: Path) -> list[dict[str, Any]]:
    """Read all lines; a torn line stays text."""
    return [
        json.loads(line) if line[-1:] == "}" else {"torn": line} for line in file.read_text().splitlines()
    ]


def write_killed_run(file: Path, *events: Event, planned: bool = True, **about: Any) -> None:
    """Write the log of another run that ended after these events."""
    log = open_log(file, **{"run": OTHERS, **about})
    if planned:
        log.log_plan(FULL_PLAN, {})
    for event in events:
        log(event)
    log.close()


def log_abandoned_runs(file: Path, **about: Any) -> list[dict[str, Any]]:
    """Return the ends that the next run logs for earlier runs."""
    log = open_log(file, **about)
    log.log_abandoned_runs()
    log.close()
    return [entry for entry in read_entries(file) if entry["event"] == "run-abandoned"]


def get_code(error: pytest.ExceptionInfo[ReconcilerError]) -> str:
    [diagnostic] = error.value.diagnostics
    return diagnostic.code


def test_the_first_line_names_user_host_and_commit(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    open_log(file).close()
    [first] = read_entries(file)
    assert file.read_bytes().startswith(
        b'{"at": "2026-03-01T12:00:00.004+00:00", "run": "00000000000000aa", '
    )
    assert {name: first[name] for name in ("event", "command", "user", "host", "pid", "commit")} == {
        "event": "run-started",
        "command": "apply",
        "user": "ci",
        "host": "runner-7",
        "pid": 4711,
        "commit": COMMIT,
    }
    assert first["project"] == "/repo/specs/reconciler.yaml"
    assert first["version"]


def test_every_relevant_event_is_a_line(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    log = open_log(file)
    for event in (
        ReadingAccount(1, 2),
        ChangeStarted(ORDERS, Action.CREATE),
        RequestRetried("GET", "/v1/groups", "server-fault", 2, 1.5),
        Throttled("requests", 3.25),
        AwaitingAnswer("GET", "/v1/groups", datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC), 5.0625),
        AnswerArrived("GET", "/v1/groups"),
        RecoveringCreate(ORDERS),
        ChangeWritten(ORDERS, Action.CREATE, "decent_dropsy"),
        SetupTestsStarted(ORDERS),
        ChangeFinished(TESTED),
        ConvergenceCheck(1),
    ):
        log(event)
    log.close()
    lines = read_entries(file)[1:]
    assert {line["run"] for line in lines} == {ME}
    contents = [
        {name: value for name, value in line.items() if name not in {"at", "run", "event"}} for line in lines
    ]
    assert list(zip([line["event"] for line in lines], contents, strict=True)) == [
        ("change-started", {"address": "destination.orders", "action": "create"}),
        (
            "call-repeated",
            {
                "method": "GET",
                "path": "/v1/groups",
                "reason": "server-fault",
                "attempt": 2,
                "seconds": 1.5,
            },
        ),
        ("paused", {"what": "requests", "seconds": 3.25}),
        (
            "waiting",
            {
                "method": "GET",
                "path": "/v1/groups",
                "since": "2026-03-01T12:00:05+00:00",
                "seconds": 5.062,
            },
        ),
        ("looking", {"address": "destination.orders"}),
        ("change-written", {"address": "destination.orders", "action": "create", "id": "decent_dropsy"}),
        ("setup-tests-started", {"address": "destination.orders"}),
        (
            "change-finished",
            {
                "address": "destination.finance_prod",
                "action": "create",
                "status": "done",
                "id": "yawning_sponge",
                "seconds": 3.9,
                "diagnostics": [],
                "setup_tests": {"PASSED": 2, "WARNING": 1},
            },
        ),
        ("checking", {"total": 1}),
    ]


def test_a_plan_is_logged_with_its_digest_its_changes_and_the_reason_of_a_raised_limit(
    tmp_path: Path,
) -> None:
    file = tmp_path / "events.jsonl"
    log = open_log(file)
    log.log_plan(FULL_PLAN, {"deletes": 3.0}, "as\nagreed")
    log.close()
    line = read_entries(file)[1]
    assert (line["event"], line["account_id"], line["digest"]) == ("planned", "intently_yarn", "")
    assert line["changes"][1] == {"address": str(NEW_DESTINATION.address), "action": "create"}
    assert (line["counts"]["create"], line["counts"]["no-op"]) == (2, 2)
    assert (line["allowed"], line["reason"]) == ({"deletes": 3.0}, "as agreed")
    assert "snowflake" not in file.read_text(), "field values are not in the log"


def test_the_end_has_exit_code_and_counts_and_is_logged_once(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    log = open_log(file)
    for outcome in (CREATED, TESTED, SKIPPED):
        log(ChangeFinished(outcome))
    problem = Diagnostic("not-remembered", "it could not be remembered")
    log.log_finish(6, "incomplete", build_apply_result(CREATED, remaining=(LAKE,)), [problem])
    log.log_finish(70, "bug")
    log.close()
    [end] = [entry for entry in read_entries(file) if entry["event"] == "run-finished"]
    assert end["exit"] == {"code": 6, "reason": "incomplete"}
    assert (end["counts"]["done"], end["counts"]["skipped"], end["counts"]["failed"]) == (2, 1, 0)
    assert (end["remaining"], end["lost"]) == (["destination.lake"], 0)
    assert [each["code"] for each in end["diagnostics"]] == ["not-remembered"]


def test_foreign_text_in_the_log_is_escaped(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    foreign = Diagnostic("api-refused", "no\x1b[2J ##[error]x\n::stop::\udc80é")
    log = open_log(file)
    log(ChangeFinished(Outcome(ORDERS, Action.CREATE, Status.FAILED, diagnostics=(foreign,))))
    log(Throttled("##[error]x", 1.0))
    log.close()
    [said] = read_entries(file)[1]["diagnostics"]
    assert said["message"] == r"no\x1b[2J # #[error]x ::stop::\udc80é"
    line = file.read_bytes().splitlines()[1]
    assert line.isascii()
    assert b"\x1b" not in line
    assert b"##" not in file.read_bytes()
    assert len(file.read_bytes().splitlines()) == 3


def test_a_new_log_is_private_and_an_existing_log_is_appended_to(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    open_log(file).close()
    before = file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    open_log(file, run=OTHERS, command="plan").close()
    assert file.read_bytes().startswith(before)
    assert [entry["run"] for entry in read_entries(file)] == [ME, OTHERS]


@pytest.mark.parametrize(
    "content",
    ["{\n}\n", '{"format": 1, "run": 2', "at noon\n", "[]\n", '{"at": "noon"}\n', "\n", "\0", "[" * 99999],
)
def test_a_file_other_than_a_log_stays_unchanged(content: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(content)
    with pytest.raises(ReconcilerError) as error:
        EventLog(file, FixedClock(), ME, "plan.json")
    assert get_code(error) == "events-unusable"
    assert file.read_text() == content


def test_an_unusable_log_is_reported_before_the_run_starts(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in (tmp_path, pipe, tmp_path / "nowhere" / "events.jsonl", Path("/dev/null")):
        with pytest.raises(ReconcilerError) as error:
            EventLog(place, FixedClock(), ME)
        assert get_code(error) == "events-unusable"


def test_a_torn_line_is_kept_and_terminated_before_the_next_line(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    write_killed_run(file)
    whole = file.read_bytes()
    torn = whole[: len(whole) - 20]
    file.write_bytes(torn)
    open_log(file).close()
    assert file.read_bytes().startswith(torn + b'\n{"at"')
    assert [entry.get("event") for entry in read_entries(file)] == ["run-started", None, "run-started"]


def test_a_log_with_a_torn_first_line_is_continued(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b'{"at": "2026-03-01T12')
    open_log(file).close()
    open_log(file, run=OTHERS).close()
    assert [entry.get("run") for entry in read_entries(file)] == [None, ME, OTHERS]


def test_a_killed_run_gets_its_end_from_the_next_run(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    write_killed_run(
        file,
        ChangeStarted(ORDERS, Action.CREATE),
        ChangeWritten(ORDERS, Action.CREATE, "decent_dropsy"),
        ChangeStarted(LAKE, Action.UPDATE),
        ChangeFinished(Outcome(LAKE, Action.UPDATE, Status.FAILED)),
        ChangeStarted(TESTED.address, Action.CREATE),
        ChangeFinished(TESTED),
        ChangeStarted(SALES, Action.CREATE),
    )
    [end] = log_abandoned_runs(file, by=make_holder(pid=1, host="elsewhere"))
    assert end["run"] == OTHERS
    assert end["found_by"] == ME
    assert (end["user"], end["host"], end["pid"]) == ("ci", "runner-7", 4711)
    assert end["started_at"] == "2026-03-01T12:00:00.004+00:00"
    assert end["unknown"] == ["destination.sales"]
    assert end["written"] == ["destination.orders", "destination.finance_prod"]


def test_an_unknown_outcome_stays_unknown_in_the_end_of_a_killed_run(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    lost = ChangeFinished(Outcome(ORDERS, Action.CREATE, Status.UNKNOWN))
    write_killed_run(file, ChangeStarted(ORDERS, Action.CREATE), lost)
    assert [end["unknown"] for end in log_abandoned_runs(file)] == [["destination.orders"]]


def test_an_end_is_logged_once_and_only_for_runs_without_an_end(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    write_killed_run(file)
    own = open_log(file, run="00000000000000cc")
    own.log_finish(0, "ok")
    own.close()
    assert [end["run"] for end in log_abandoned_runs(file, run="00000000000000dd")] == [OTHERS]
    assert [end["run"] for end in log_abandoned_runs(file)] == [OTHERS, "00000000000000dd"]


@pytest.mark.parametrize(
    "about",
    [
        {"command": "plan"},
        {"project": Path("/another/reconciler.yaml")},
        {"sandbox": True},
        {"planned": False, "by": make_holder(host="here", pid=os.getppid())},
    ],
    ids=["a read-only command", "of another project", "in the sandbox", "about to wait for the lock"],
)
def test_a_run_that_may_be_alive_gets_no_end(about: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    write_killed_run(file, **about)
    assert log_abandoned_runs(file, by=make_holder(host="here", pid=os.getpid())) == []


@pytest.mark.parametrize(
    "about",
    [
        {"planned": True, "by": make_holder(host="here", pid=os.getppid())},
        {"planned": False, "by": make_holder(host="here", pid=os.getpid())},
        {"planned": False, "by": make_holder(host="here", pid=2**22 + 1)},
        {"planned": False, "by": make_holder(host="there", pid=os.getppid())},
    ],
    ids=["it held the lock", "this process is another run", "no such process", "another host"],
)
def test_a_dead_run_gets_an_end(about: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    write_killed_run(file, **about)
    assert len(log_abandoned_runs(file, by=make_holder(host="here", pid=os.getpid()))) == 1


def test_lines_of_concurrent_runs_never_mix(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"

    def work(run: str) -> None:
        log = open_log(file, run=run)
        for _ in range(200):
            log(ChangeStarted(ORDERS, Action.CREATE))
        log.close()

    threads = [threading.Thread(target=work, args=(run,)) for run in (ME, OTHERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs = [entry["run"] for entry in read_entries(file)]
    assert (runs.count(ME), runs.count(OTHERS)) == (201, 201)


@contextmanager
def limit_file_size(file: Path, room: int) -> Iterator[None]:
    """Limit the files of this process to the size of this file plus `room` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_later_full_disk_is_reported_and_stops_nothing(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    log = open_log(file)
    assert log.loss_warning is None
    with limit_file_size(file, room=30):
        log(ChangeStarted(ORDERS, Action.CREATE))
        log(ChangeStarted(SALES, Action.CREATE))
    log.log_finish(0, "ok")
    warnings = log.loss_warning
    log.close()
    assert warnings is not None
    assert (warnings.code, warnings.severity) == ("events-lost", Severity.WARNING)
    assert "2 lines could not be written: File too large" in warnings.message
    first, torn, last = read_entries(file)
    assert (first["event"], last["event"], last["lost"]) == ("run-started", "run-finished", 2)
    assert len(torn["torn"]) == 30


def test_a_run_with_an_unwritable_log_does_not_start(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    open_log(file).close()
    with limit_file_size(file, room=30), pytest.raises(ReconcilerError) as error:
        open_log(file)
    assert get_code(error) == "events-unusable"


def test_nothing_is_logged_without_a_file(tmp_path: Path) -> None:
    log = EventLog(None, FixedClock(), ME)
    log.log_abandoned_runs()
    log.log_plan(FULL_PLAN, {})
    log(ChangeFinished(CREATED))
    log.log_finish(0, "ok")
    log.close()
    assert log.loss_warning is None
    assert list(tmp_path.iterdir()) == []


def test_two_listeners_get_the_same_events_in_order() -> None:
    received: list[tuple[str, Event]] = []
    listener = combine_listeners(
        lambda event: received.append(("first", event)), lambda event: received.append(("second", event))
    )
    listener(ConvergenceCheck(1))
    assert received == [("first", ConvergenceCheck(1)), ("second", ConvergenceCheck(1))]
