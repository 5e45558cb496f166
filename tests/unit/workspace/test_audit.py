"""The log of what runs did: every line, who may write to it, and what a killed run leaves to its successor."""

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


class Noon:
    """A clock that stands still."""

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, 0, 0, 4000, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None: ...

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.is_set()


def holder(host: str = "runner-7", pid: int = 4711) -> LockInfo:
    return LockInfo(pid, host, "ci", "2026-03-01T12:00:00+00:00", "reconciler apply")


def opened(
    file: Path,
    *,
    run: str = ME,
    command: str = "apply",
    by: LockInfo | None = None,
    project: Path = PROJECT,
    sandbox: bool = False,
) -> EventLog:
    """A log that has begun."""
    log = EventLog(file, Noon(), run, file.name)
    log.log_start(by or holder(), command, project, COMMIT, sandbox=sandbox)
    return log


def entries(file: Path) -> list[dict[str, Any]]:
    """All lines; what is no JSON comes as its text."""
    return [
        json.loads(line) if line[-1:] == "}" else {"torn": line} for line in file.read_text().splitlines()
    ]


def killed(file: Path, *events: Event, planned: bool = True, **about: Any) -> None:
    """A run of somebody else that came so far and no further."""
    log = opened(file, **{"run": OTHERS, **about})
    if planned:
        log.log_plan(FULL_PLAN, {})
    for event in events:
        log(event)
    log.close()


def abandoned(file: Path, **about: Any) -> list[dict[str, Any]]:
    """What the next run says about those before it."""
    log = opened(file, **about)
    log.log_abandoned_runs()
    log.close()
    return [entry for entry in entries(file) if entry["event"] == "run-abandoned"]


def the_code(error: pytest.ExceptionInfo[ReconcilerError]) -> str:
    [diagnostic] = error.value.diagnostics
    return diagnostic.code


def test_the_first_line_says_who_and_from_where(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    opened(file).close()
    [first] = entries(file)
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


def test_every_event_that_matters_afterwards_is_a_line(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    log = opened(file)
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
    lines = entries(file)[1:]
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
    log = opened(file)
    log.log_plan(FULL_PLAN, {"deletes": 3.0}, "as\nagreed")
    log.close()
    line = entries(file)[1]
    assert (line["event"], line["account_id"], line["digest"]) == ("planned", "intently_yarn", "")
    assert line["changes"][1] == {"address": str(NEW_DESTINATION.address), "action": "create"}
    assert (line["counts"]["create"], line["counts"]["no-op"]) == (2, 2)
    assert (line["allowed"], line["reason"]) == ({"deletes": 3.0}, "as agreed")
    assert "snowflake" not in file.read_text(), "values of fields are not in it"


def test_the_end_has_the_exit_code_and_counts_and_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    log = opened(file)
    for outcome in (CREATED, TESTED, SKIPPED):
        log(ChangeFinished(outcome))
    problem = Diagnostic("not-remembered", "it could not be remembered")
    log.log_finish(6, "incomplete", build_apply_result(CREATED, remaining=(LAKE,)), [problem])
    log.log_finish(70, "bug")
    log.close()
    [end] = [entry for entry in entries(file) if entry["event"] == "run-finished"]
    assert end["exit"] == {"code": 6, "reason": "incomplete"}
    assert (end["counts"]["done"], end["counts"]["skipped"], end["counts"]["failed"]) == (2, 1, 0)
    assert (end["remaining"], end["lost"]) == (["destination.lake"], 0)
    assert [each["code"] for each in end["diagnostics"]] == ["not-remembered"]


def test_texts_of_others_are_harmless_wherever_the_file_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    told = Diagnostic("api-refused", "no\x1b[2J ##[error]x\n::stop::\udc80é")
    log = opened(file)
    log(ChangeFinished(Outcome(ORDERS, Action.CREATE, Status.FAILED, diagnostics=(told,))))
    log(Throttled("##[error]x", 1.0))
    log.close()
    [said] = entries(file)[1]["diagnostics"]
    assert said["message"] == r"no\x1b[2J # #[error]x ::stop::\udc80é"
    line = file.read_bytes().splitlines()[1]
    assert line.isascii()
    assert b"\x1b" not in line
    assert b"##" not in file.read_bytes()
    assert len(file.read_bytes().splitlines()) == 3


def test_a_new_log_is_for_its_owner_and_an_old_one_is_only_added_to(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    opened(file).close()
    before = file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    opened(file, run=OTHERS, command="plan").close()
    assert file.read_bytes().startswith(before)
    assert [entry["run"] for entry in entries(file)] == [ME, OTHERS]


@pytest.mark.parametrize(
    "content",
    ["{\n}\n", '{"format": 1, "run": 2', "at noon\n", "[]\n", '{"at": "noon"}\n', "\n", "\0", "[" * 99999],
)
def test_a_file_that_is_no_such_log_is_left_alone(content: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(content)
    with pytest.raises(ReconcilerError) as error:
        EventLog(file, Noon(), ME, "plan.json")
    assert the_code(error) == "events-unusable"
    assert file.read_text() == content


def test_what_cannot_be_opened_is_told_before_anything_starts(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in (tmp_path, pipe, tmp_path / "nowhere" / "events.jsonl", Path("/dev/null")):
        with pytest.raises(ReconcilerError) as error:
            EventLog(place, Noon(), ME)
        assert the_code(error) == "events-unusable"


def test_a_torn_line_is_kept_and_ended_before_the_next(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    killed(file)
    whole = file.read_bytes()
    torn = whole[: len(whole) - 20]
    file.write_bytes(torn)
    opened(file).close()
    assert file.read_bytes().startswith(torn + b'\n{"at"')
    assert [entry.get("event") for entry in entries(file)] == ["run-started", None, "run-started"]


def test_a_log_that_was_torn_in_its_very_first_line_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b'{"at": "2026-03-01T12')
    opened(file).close()
    opened(file, run=OTHERS).close()
    assert [entry.get("run") for entry in entries(file)] == [None, ME, OTHERS]


def test_a_killed_run_gets_its_end_from_the_next_one(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    killed(
        file,
        ChangeStarted(ORDERS, Action.CREATE),
        ChangeWritten(ORDERS, Action.CREATE, "decent_dropsy"),
        ChangeStarted(LAKE, Action.UPDATE),
        ChangeFinished(Outcome(LAKE, Action.UPDATE, Status.FAILED)),
        ChangeStarted(TESTED.address, Action.CREATE),
        ChangeFinished(TESTED),
        ChangeStarted(SALES, Action.CREATE),
    )
    [end] = abandoned(file, by=holder(pid=1, host="elsewhere"))
    assert end["run"] == OTHERS
    assert end["found_by"] == ME
    assert (end["user"], end["host"], end["pid"]) == ("ci", "runner-7", 4711)
    assert end["started_at"] == "2026-03-01T12:00:00.004+00:00"
    assert end["unknown"] == ["destination.sales"]
    assert end["written"] == ["destination.orders", "destination.finance_prod"]


def test_an_outcome_that_stayed_unknown_is_unknown_to_the_successor_too(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    lost = ChangeFinished(Outcome(ORDERS, Action.CREATE, Status.UNKNOWN))
    killed(file, ChangeStarted(ORDERS, Action.CREATE), lost)
    assert [end["unknown"] for end in abandoned(file)] == [["destination.orders"]]


def test_an_end_is_told_only_once_and_not_of_runs_that_told_it_themselves(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    killed(file)
    own = opened(file, run="00000000000000cc")
    own.log_finish(0, "ok")
    own.close()
    assert [end["run"] for end in abandoned(file, run="00000000000000dd")] == [OTHERS]
    assert [end["run"] for end in abandoned(file)] == [OTHERS, "00000000000000dd"]


@pytest.mark.parametrize(
    "about",
    [
        {"command": "plan"},
        {"project": Path("/another/reconciler.yaml")},
        {"sandbox": True},
        {"planned": False, "by": holder(host="here", pid=os.getppid())},
    ],
    ids=["it only reads", "of another project", "in the sandbox", "about to meet the lock"],
)
def test_a_run_that_may_go_on_is_left_alone(about: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    killed(file, **about)
    assert abandoned(file, by=holder(host="here", pid=os.getpid())) == []


@pytest.mark.parametrize(
    "about",
    [
        {"planned": True, "by": holder(host="here", pid=os.getppid())},
        {"planned": False, "by": holder(host="here", pid=os.getpid())},
        {"planned": False, "by": holder(host="here", pid=2**22 + 1)},
        {"planned": False, "by": holder(host="there", pid=os.getppid())},
    ],
    ids=["it had the lock", "this process is another run", "no such process", "another host"],
)
def test_a_run_that_cannot_go_on_is_ended(about: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    killed(file, **about)
    assert len(abandoned(file, by=holder(host="here", pid=os.getpid()))) == 1


def test_lines_of_two_runs_never_mix(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"

    def work(run: str) -> None:
        log = opened(file, run=run)
        for _ in range(200):
            log(ChangeStarted(ORDERS, Action.CREATE))
        log.close()

    threads = [threading.Thread(target=work, args=(run,)) for run in (ME, OTHERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs = [entry["run"] for entry in entries(file)]
    assert (runs.count(ME), runs.count(OTHERS)) == (201, 201)


@contextmanager
def no_more_room(file: Path, room: int) -> Iterator[None]:
    """Files of this process may grow only as far as this one and `room` bytes more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_later_is_told_and_stops_nothing(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    log = opened(file)
    assert log.loss_warning is None
    with no_more_room(file, room=30):
        log(ChangeStarted(ORDERS, Action.CREATE))
        log(ChangeStarted(SALES, Action.CREATE))
    log.log_finish(0, "ok")
    losses = log.loss_warning
    log.close()
    assert losses is not None
    assert (losses.code, losses.severity) == ("events-lost", Severity.WARNING)
    assert "2 lines could not be written: File too large" in losses.message
    first, torn, last = entries(file)
    assert (first["event"], last["event"], last["lost"]) == ("run-started", "run-finished", 2)
    assert len(torn["torn"]) == 30


def test_a_run_whose_beginning_cannot_be_logged_does_not_begin(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    opened(file).close()
    with no_more_room(file, room=30), pytest.raises(ReconcilerError) as error:
        opened(file)
    assert the_code(error) == "events-unusable"


def test_without_a_file_nothing_is_kept(tmp_path: Path) -> None:
    log = EventLog(None, Noon(), ME)
    log.log_abandoned_runs()
    log.log_plan(FULL_PLAN, {})
    log(ChangeFinished(CREATED))
    log.log_finish(0, "ok")
    log.close()
    assert log.loss_warning is None
    assert list(tmp_path.iterdir()) == []


def test_two_listeners_hear_the_same_in_order() -> None:
    heard: list[tuple[str, Event]] = []
    listener = combine_listeners(
        lambda event: heard.append(("first", event)), lambda event: heard.append(("second", event))
    )
    listener(ConvergenceCheck(1))
    assert heard == [("first", ConvergenceCheck(1)), ("second", ConvergenceCheck(1))]
