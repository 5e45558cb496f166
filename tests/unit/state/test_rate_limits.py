"""Test runs on a store that takes one write per second of the same object."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from emulated_objects import AzureStorage, GoogleStorage, ObjectServer, Refusal, serve_objects
from fake_clock import FakeClock
from remote_backends import HOLDER, LOCK, build_clock, build_context

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.record import Record, State
from reconciler.model.state_location import ObjectKey
from reconciler.runtime.deadline import GRACE_PERIOD, SHUTDOWN_TIMEOUT
from reconciler.state.backend import BackendContext, BackendError, ConflictError, RateLimitedError
from reconciler.state.lease import RENEW_AFTER, RemoteLock
from reconciler.state.object import ObjectBackend
from reconciler.state.remote import build_remote_store
from reconciler.state.request_pacing import RATE_LIMIT_BUDGET
from reconciler.state.store import Store

pytestmark = pytest.mark.sampled(every=3)

STATE = "state.json"
ORDERS = Address("group", "orders")
EMPTY = State("a-lineage", 0, "an_account")
OTHER = replace(HOLDER, pid=12, host="runner-8")


@pytest.fixture
def clock() -> FakeClock:
    """Build the clock of both sides, on which no wait takes any time."""
    return build_clock()


@pytest.fixture(params=[True, False], ids=["refused writes count", "refused writes do not count"])
def server(
    request: pytest.FixtureRequest, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ObjectServer]:
    """Serve Google Cloud Storage, and set the environment for it."""
    google = GoogleStorage(clock.monotonic)
    google.counts_refused = request.param
    with serve_objects(google):
        lead_to(google, monkeypatch)
        yield google


@pytest.fixture
def google(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    """Serve Google Cloud Storage with its strictest limit."""
    with serve_objects(GoogleStorage(clock.monotonic)) as server:
        lead_to(server, monkeypatch)
        yield server


def lead_to(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)


def build(server: ObjectServer, clock: FakeClock) -> BackendContext:
    return build_context(Path.cwd(), clock=clock, **server.environ)


def open_backend(server: ObjectServer, context: BackendContext) -> ObjectBackend:
    return ObjectBackend(ObjectKey(server.scheme, server.bucket, STATE), context)


def open_store(server: ObjectServer, context: BackendContext) -> Store:
    return build_remote_store(ObjectKey(server.scheme, server.bucket, STATE), STATE, context)


def statuses(server: ObjectServer, name: str) -> list[int]:
    return [attempt.status for attempt in server.attempts if attempt.name == name]


def test_two_writes_of_an_object_are_a_second_apart(server: ObjectServer, clock: FakeClock) -> None:
    backend = open_backend(server, build(server, clock))
    backend.read(STATE, LOCK)
    for content in (b"1", b"2", b"3"):
        backend.write({LOCK: content, STATE: content}, "because")
    assert statuses(server, STATE) == statuses(server, LOCK) == [200] * 3
    assert 2 < clock.seconds < 3, "one object does not wait for another"
    assert server.read_files() == {STATE: "3", LOCK: "3"}


def test_a_run_writes_its_lock_twice_and_its_state_twice(server: ObjectServer, clock: FakeClock) -> None:
    store = open_store(server, build(server, clock))
    for count in (1, 2):
        with store.lock.hold(HOLDER):
            state = store.read() or EMPTY
            writer = store.open(state)
            writer.stage([(ORDERS, Record(id=None))])
            writer.sync()
            writer.stage([(ORDERS, Record(id="decent_dropsy"))])
            writer.close()
        clock.seconds += 2
        assert statuses(server, STATE) == [200, 200] * count
        assert statuses(server, LOCK) == [200, 412, 200] * count, (
            "the refused write is the check of conditions"
        )
    assert list(server.read_files()) == [STATE]


def test_a_state_without_changes_is_not_written_again(google: ObjectServer, clock: FakeClock) -> None:
    store = open_store(google, build(google, clock))
    with store.lock.hold(HOLDER):
        store.read()
        writer = store.open(EMPTY)
        writer.sync()
        writer.close()
    assert statuses(google, STATE) == [200]


def test_a_plan_that_is_in_effect_is_dropped_from_a_state_without_other_changes(
    google: ObjectServer, clock: FakeClock
) -> None:
    store = open_store(google, build(google, clock))
    with store.lock.hold(HOLDER):
        store.read()
        writer = store.open(replace(EMPTY, reviewed={"a-digest": "{}"}))
        writer.sync()
        writer.mark_applied({"a-digest"})
        writer.close()
        found = store.read()
    assert found is not None
    assert found.reviewed == {}


def test_a_lease_is_renewed_with_a_write_of_the_state_when_it_is_due(
    google: ObjectServer, clock: FakeClock
) -> None:
    context = build(google, clock)
    backend = open_backend(google, context)
    backend.read(STATE)
    lock = RemoteLock(backend, LOCK, HOLDER, context)
    lock.acquire()
    first = google.read_files()[LOCK]
    lock.write({STATE: b"1"}, "because")
    assert google.read_files()[LOCK] == first
    clock.seconds += RENEW_AFTER
    lock.write({STATE: b"2"}, "because")
    assert google.read_files()[LOCK] != first


@pytest.mark.parametrize("content", ["", "another run's"])
def test_a_state_is_not_written_without_the_lock(
    google: ObjectServer, clock: FakeClock, content: str
) -> None:
    context = build(google, clock)
    backend = open_backend(google, context)
    backend.read(STATE)
    lock = RemoteLock(backend, LOCK, HOLDER, context)
    lock.acquire()
    google.put(LOCK, content)
    for _ in range(2):
        with pytest.raises(ConflictError):
            lock.write({STATE: b"1"}, "because")
    google.put(LOCK, "")
    with pytest.raises(ConflictError):
        lock.write({STATE: b"1"}, "because")
    assert STATE not in google.list_names()


def test_a_write_that_comes_too_soon_after_the_write_of_another_run_is_made_again(
    server: ObjectServer, clock: FakeClock
) -> None:
    first, second = (open_backend(server, build(server, clock)) for _ in range(2))
    first.read(STATE)
    first.write({STATE: b"1"}, "because")
    second.read(STATE)
    second.write({STATE: b"2"}, "because")
    assert statuses(server, STATE) == [200, 429, 200]
    assert clock.seconds < 2
    assert server.read_files() == {STATE: "2"}


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (GoogleStorage, 429, "SlowDown"),
        (GoogleStorage, 503, "SlowDown"),
        (AzureStorage, 503, "ServerBusy"),
        (AzureStorage, 429, "TooManyRequests"),
    ],
)
def test_a_limit_that_lasts_is_named_after_a_minute(
    kind: type[ObjectServer], status: int, code: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_objects(kind(clock.monotonic)) as server:
        lead_to(server, monkeypatch)
        backend = open_backend(server, build(server, clock))
        backend.read(STATE)
        server.refusals.append(Refusal(status, code))
        with pytest.raises(RateLimitedError, match="limits the rate of requests") as caught:
            backend.write({STATE: b"1"}, "because")
    assert code in str(caught.value)
    assert "let fewer runs use this state at the same time" in caught.value.advice
    assert RATE_LIMIT_BUDGET / 2 < clock.seconds <= RATE_LIMIT_BUDGET + 2
    assert len(server.attempts) < 9, "the pauses grow"
    pauses = [
        later.at - earlier.at for earlier, later in zip(server.attempts, server.attempts[1:], strict=False)
    ]
    assert min(pauses) >= 1


@pytest.mark.parametrize("count", [1, 3])
def test_a_limit_that_ends_in_time_is_waited_for(google: ObjectServer, clock: FakeClock, count: int) -> None:
    backend = open_backend(google, build(google, clock))
    google.refusals.append(Refusal(429, "SlowDown", count=count))
    backend.read(STATE)
    backend.write({STATE: b"1"}, "because")
    backend.write({STATE: b"2"}, "because")
    assert google.read_files() == {STATE: "2"}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_outage_is_waited_for_a_moment_and_then_named(
    google: ObjectServer, clock: FakeClock, status: int
) -> None:
    backend = open_backend(google, build(google, clock))
    google.refusals.append(Refusal(status, "InternalError", count=3))
    backend.read(STATE)
    google.refusals.append(Refusal(status, "InternalError"))
    with pytest.raises(BackendError, match=f"Google Cloud Storage answers {status}") as caught:
        backend.write({STATE: b"1"}, "because")
    assert caught.value.advice == "see whether Google Cloud Storage has an outage"
    assert len(google.attempts) == 4
    assert clock.seconds < 5


def test_work_that_can_be_done_later_is_not_waited_for(google: ObjectServer, clock: FakeClock) -> None:
    context = build(google, clock)
    backend = open_backend(google, context)
    backend.read(STATE)
    google.refusals.append(Refusal(429, "SlowDown"))
    with context.deadline.best_effort(), pytest.raises(RateLimitedError):
        backend.write({STATE: b"1"}, "because")
    assert len(google.attempts) == 1
    assert clock.seconds == 0


@dataclass
class StoppedRun:
    """End of a run that was to stop."""

    failure: ReconcilerError | None
    seconds: float
    backups: list[Path]
    release_failure: Diagnostic | None


def stop(google: ObjectServer, clock: FakeClock, folder: Path, after: float, limit: Refusal) -> StoppedRun:
    """Stop a run before its results are written, `after` seconds of calls to Fivetran, and limit its writes."""
    context = replace_directory(build(google, clock), folder)
    store, failure = open_store(google, context), None
    with store.lock.hold(HOLDER):
        store.read()
        writer = store.open(EMPTY)
        writer.sync()
        writer.stage([(ORDERS, Record(id="decent_dropsy"))])
        context.shutdown.set()
        assert context.deadline.shutting_down
        stopped_at = clock.seconds
        clock.seconds += after
        google.refusals.append(limit)
        try:
            store.finish(writer)
        except ReconcilerError as error:
            failure = error
    backups = list((folder / ".reconciler").glob("state.json.rescued-*"))
    return StoppedRun(failure, clock.seconds - stopped_at, backups, store.lock.release_failure)


@pytest.mark.parametrize("after", [0.0, 1.0, GRACE_PERIOD])
def test_a_run_that_is_to_stop_and_is_limited_ends_in_time_with_a_backup_and_without_its_lock(
    google: ObjectServer, clock: FakeClock, tmp_path: Path, after: float
) -> None:
    run = stop(google, clock, tmp_path, after, Refusal(429, "SlowDown", name=STATE))
    assert run.seconds <= SHUTDOWN_TIMEOUT
    assert LOCK not in google.read_files()
    assert run.failure is not None
    [problem] = run.failure.diagnostics
    assert problem.code == "state-not-kept"
    assert "limits the rate of requests (429 Too Many Requests, SlowDown)" in problem.message
    assert len(run.backups) == 1
    assert "decent_dropsy" in run.backups[0].read_text()
    assert run.release_failure is None


@pytest.mark.parametrize("after", [0.0, GRACE_PERIOD])
def test_a_run_that_is_to_stop_and_cannot_free_its_lock_names_the_command_for_it(
    google: ObjectServer, clock: FakeClock, tmp_path: Path, after: float
) -> None:
    run = stop(google, clock, tmp_path, after, Refusal(429, "SlowDown"))
    assert run.seconds <= SHUTDOWN_TIMEOUT
    assert run.failure is not None
    assert "`reconciler state unlock` frees it earlier" in run.failure.diagnostics[0].notes[-1]
    assert run.release_failure is not None
    assert run.release_failure.code == "lock-left"
    assert run.release_failure.help == "`reconciler state unlock` frees it earlier"


@pytest.mark.parametrize("after", [0.0, 3.0])
def test_a_run_that_is_to_stop_waits_for_a_limit_that_ends_in_time(
    google: ObjectServer, clock: FakeClock, tmp_path: Path, after: float
) -> None:
    run = stop(google, clock, tmp_path, after, Refusal(429, "SlowDown", count=1))
    assert run.seconds <= SHUTDOWN_TIMEOUT
    assert run.failure is run.release_failure is None
    assert not run.backups
    assert list(google.read_files()) == [STATE]
    assert "decent_dropsy" in google.read_files()[STATE]


def test_a_limit_on_the_lock_is_waited_for_once(google: ObjectServer, clock: FakeClock) -> None:
    store = open_store(google, build(google, clock))
    google.refusals.append(Refusal(429, "SlowDown", name=LOCK, method="PUT"))
    with pytest.raises(ReconcilerError), store.lock.hold(HOLDER):
        pass
    assert clock.seconds <= RATE_LIMIT_BUDGET + 2


def test_a_user_who_interrupts_the_wait_for_a_limit_waits_no_longer(
    google: ObjectServer, clock: FakeClock
) -> None:
    store = open_store(google, build(google, clock))
    google.refusals.append(Refusal(429, "SlowDown", name=LOCK, method="PUT"))

    def interrupt(seconds: float) -> None:
        clock.on_wait = lambda seconds: None
        raise KeyboardInterrupt

    clock.on_wait = interrupt
    with pytest.raises(KeyboardInterrupt), store.lock.hold(HOLDER):
        pass
    assert clock.seconds <= SHUTDOWN_TIMEOUT
    assert LOCK not in google.read_files()


def replace_directory(context: BackendContext, folder: Path) -> BackendContext:
    return BackendContext(
        folder, context.environ, context.clock, context.entropy, context.holder, context.shutdown
    )


@pytest.mark.long
def test_of_many_runs_that_come_at_once_each_gets_its_turn(google: ObjectServer, clock: FakeClock) -> None:
    """Each run counts up what it has read."""
    count, failed = 8, list[BaseException]()

    def run() -> None:
        store = open_store(google, build(google, clock))
        for _ in range(400):
            with suppress(ReconcilerError):
                with store.lock.hold(HOLDER):
                    state = store.read() or EMPTY
                    writer = store.open(state)
                    name = Address("group", f"team_{len(state.records)}")
                    writer.stage([(name, Record(id="x"))])
                    writer.close()
                return
        failed.append(AssertionError("no turn"))

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failed
    final = open_store(google, build(google, clock)).read()
    assert final is not None
    assert len(final.records) == count
    assert list(google.read_files()) == [STATE]
