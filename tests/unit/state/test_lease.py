"""Test an expiring lock: which run may take it over when, and what its holder notices."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from fake_clock import FakeClock
from remote_backends import BRANCH, HOLDER, BareRepository, build_clock, build_context

from reconciler.model.lock_info import LockInfo
from reconciler.model.state_location import GitBranch
from reconciler.state.backend import BackendError, ConflictError
from reconciler.state.git import GitBackend
from reconciler.state.lease import (
    CLOCK_SKEW,
    LEASE_TTL,
    RENEW_AFTER,
    WRITE_INTERVAL,
    LockHeldError,
    RemoteLock,
    parse_lock_status,
)
from reconciler.state.lock import LockHolderState

LOCK = "state.json.lock"
OTHER = replace(HOLDER, pid=12, host="runner-8")


@pytest.fixture
def upstream(tmp_path: Path) -> BareRepository:
    """Create a bare repository."""
    return BareRepository(tmp_path / "upstream.git")


def make_backend(upstream: BareRepository, clock: FakeClock) -> GitBackend:
    place = GitBranch(str(upstream.path), BRANCH, is_remote=False)
    return GitBackend(place, build_context(upstream.path.parent, clock=clock))


def make_lock(upstream: BareRepository, clock: FakeClock, holder: LockInfo = HOLDER) -> RemoteLock:
    context = build_context(upstream.path.parent, holder, clock)
    return RemoteLock(make_backend(upstream, clock), LOCK, holder, context)


def read_expiry(upstream: BareRepository) -> str:
    return str(json.loads(upstream.read_files()[LOCK])["until"])


def test_a_held_lock_is_refused_with_holder_and_expiry(upstream: BareRepository) -> None:
    clock = build_clock()
    first = make_lock(upstream, clock)
    first.acquire()
    with pytest.raises(LockHeldError) as caught:
        make_lock(upstream, clock, OTHER).acquire()
    assert caught.value.status.holder == HOLDER
    assert caught.value.status.expires_at == "2026-11-26T10:05:00+00:00"
    assert caught.value.status.state is LockHolderState.REMOTE
    first.release()
    assert upstream.read_files() == {}
    make_lock(upstream, clock, OTHER).acquire()


@pytest.mark.parametrize(
    ("later", "is_free"), [(LEASE_TTL + CLOCK_SKEW, False), (LEASE_TTL + CLOCK_SKEW + 1, True)]
)
def test_an_expired_lock_is_taken_over_after_the_clock_skew(
    upstream: BareRepository, later: float, is_free: bool
) -> None:
    clock = build_clock()
    backend = make_backend(upstream, clock)
    first = RemoteLock(backend, LOCK, HOLDER, build_context(upstream.path.parent, clock=clock))
    backend.read("state.json")
    first.acquire()
    clock.seconds += later
    second = make_lock(upstream, clock, OTHER)
    if not is_free:
        with pytest.raises(LockHeldError):
            second.acquire()
        return
    second.acquire()
    for _ in range(2):  # a lost lock stays lost
        with pytest.raises(ConflictError):
            first.write({"state.json": b"too late"}, "too late")
    first.release()
    assert json.loads(upstream.read_files()[LOCK])["holder"]["host"] == "runner-8", (
        "it belongs to the other run"
    )
    assert "state.json" not in upstream.read_files()


def test_every_write_renews_the_lock(upstream: BareRepository) -> None:
    clock = build_clock()
    lock = make_lock(upstream, clock)
    lock.acquire()
    clock.seconds += LEASE_TTL - 1
    assert not lock.has_expired
    lock.write({}, "still at work")
    assert read_expiry(upstream) == "2026-11-26T10:09:59+00:00"
    clock.seconds += LEASE_TTL - 1
    assert not lock.has_expired
    clock.seconds += 1
    assert lock.has_expired


def test_changes_are_written_at_intervals_and_renewals_rarely(upstream: BareRepository) -> None:
    clock = build_clock()
    lock = make_lock(upstream, clock)
    lock.acquire()
    assert not lock.is_due(has_changes=True)
    clock.seconds = WRITE_INTERVAL
    assert lock.is_due(has_changes=True)
    assert not lock.is_due(has_changes=False)
    clock.seconds = RENEW_AFTER
    assert lock.is_due(has_changes=False)
    assert RENEW_AFTER + 2 * WRITE_INTERVAL < LEASE_TTL, "a renewal can be retried"


def test_a_failed_write_is_due_after_an_interval_and_renews_nothing(
    upstream: BareRepository,
) -> None:
    clock = build_clock()
    lock = make_lock(upstream, clock)
    lock.acquire()
    there = upstream.path.rename(upstream.path.with_name("away.git"))
    clock.seconds = RENEW_AFTER
    with pytest.raises(BackendError):
        lock.write({}, "still at work")
    assert not lock.is_due(has_changes=True)
    clock.seconds += WRITE_INTERVAL
    assert lock.is_due(has_changes=False)
    clock.seconds = LEASE_TTL
    assert lock.has_expired
    there.rename(upstream.path)
    lock.write({}, "still at work")
    assert not lock.has_expired, "no other run took it"


@pytest.mark.parametrize("cause", ["its machine was asleep", "the time of day was set back"])
def test_the_clock_with_more_elapsed_time_counts(upstream: BareRepository, cause: str) -> None:
    clock = build_clock()
    lock = make_lock(upstream, clock)
    lock.acquire()

    def advance(seconds: float) -> None:
        if cause == "its machine was asleep":
            clock.asleep += seconds
        else:
            clock.seconds += seconds
            clock.asleep -= seconds

    advance(WRITE_INTERVAL)
    assert not lock.is_due(has_changes=False)
    assert lock.is_due(has_changes=True)
    advance(RENEW_AFTER - WRITE_INTERVAL)
    assert lock.is_due(has_changes=False)
    advance(LEASE_TTL - RENEW_AFTER - 1)
    assert not lock.has_expired
    advance(1)
    assert lock.has_expired
    lock.write({}, "still at work")
    assert not lock.has_expired


def test_a_write_after_the_expiry_waits_for_no_interval(upstream: BareRepository) -> None:
    clock = build_clock()
    lock = make_lock(upstream, clock)
    lock.acquire()
    there = upstream.path.rename(upstream.path.with_name("away.git"))
    clock.seconds = LEASE_TTL - 1
    with pytest.raises(BackendError):
        lock.write({}, "still at work")
    assert not lock.is_due(has_changes=True)
    clock.asleep = 1
    assert lock.is_due(has_changes=False)
    there.rename(upstream.path)


@pytest.mark.parametrize("until", ["9999-12-31T23:59:59+00:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_beyond_the_calendar_is_later_than_now(until: str) -> None:
    holder = {"pid": 1, "host": "h", "user": "ci", "since": "x", "doing": "y"}
    content = json.dumps({"holder": holder, "mark": "m", "until": until}).encode()
    assert parse_lock_status(content, build_clock().now(), "here").state is LockHolderState.REMOTE


def test_a_running_process_of_this_host_differs_from_a_dead_process() -> None:
    clock = build_clock()

    def get_state(pid: int, host: str) -> LockHolderState:
        holder = {"pid": pid, "host": host, "user": "ci", "since": "x", "doing": "y"}
        content = json.dumps({"holder": holder, "mark": "m", "until": clock.now().isoformat()}).encode()
        return parse_lock_status(content, clock.now(), "here").state

    assert get_state(os.getppid(), "here") is LockHolderState.LOCAL_ALIVE
    assert get_state(os.getpid(), "here") is LockHolderState.LOCAL_DEAD, "this process holds no lock"
    assert get_state(2**22 + 1, "here") is LockHolderState.LOCAL_DEAD
    assert get_state(os.getpid(), "there") is LockHolderState.REMOTE


@pytest.mark.parametrize(
    "content", [b"{}", b"\xff", b"[" * 100_000, b'{"holder": {}, "until": "x", "mark": ""}']
)
def test_an_unreadable_lock_has_an_unknown_holder(content: bytes) -> None:
    assert parse_lock_status(content, build_clock().now(), "here").state is LockHolderState.UNKNOWN


def test_a_time_without_a_zone_is_invalid() -> None:
    holder = {"pid": 1, "host": "h", "user": "ci", "since": "x", "doing": "y"}
    content = json.dumps({"holder": holder, "mark": "m", "until": "2026-11-26T10:00:00"}).encode()
    late = build_clock().now() + timedelta(days=1)
    assert parse_lock_status(content, late, "here").state is LockHolderState.UNKNOWN


def test_an_absent_or_empty_lock_is_free() -> None:
    for content in (None, b""):
        status = parse_lock_status(content, build_clock().now(), "here")
        assert (status.state, status.holder) == (LockHolderState.FREE, None)
