"""Test how long a remote backend is waited for."""

from __future__ import annotations

import threading

import pytest
from fake_clock import FakeClock
from remote_backends import build_clock

from reconciler.runtime.deadline import (
    GRACE_PERIOD,
    MAX_CALL_TIMEOUT,
    MIN_CALL_TIMEOUT,
    SHUTDOWN_TIMEOUT,
    SIGNAL_POLL_INTERVAL,
    ShutdownDeadline,
)


def make_deadline() -> tuple[ShutdownDeadline, FakeClock, threading.Event]:
    clock, shutdown = build_clock(), threading.Event()
    return ShutdownDeadline(clock, shutdown), clock, shutdown


def test_a_call_has_its_full_time_without_a_shutdown() -> None:
    deadline, _, _ = make_deadline()
    slices = list(deadline.intervals(30.0))
    assert sum(slices) == pytest.approx(30.0)
    assert max(slices) == SIGNAL_POLL_INTERVAL


@pytest.mark.parametrize(
    ("since", "left"),
    [
        (0.0, MAX_CALL_TIMEOUT),
        (SHUTDOWN_TIMEOUT - 2.0, 2.0),
        (SHUTDOWN_TIMEOUT - 1.0, MIN_CALL_TIMEOUT),
        (60.0, MIN_CALL_TIMEOUT),
    ],
)
def test_a_shutdown_waits_until_its_deadline(since: float, left: float) -> None:
    deadline, clock, shutdown = make_deadline()
    shutdown.set()
    assert deadline.shutting_down
    clock.seconds += since
    assert sum(deadline.intervals(30.0)) == pytest.approx(left)
    assert sum(deadline.intervals(1.0)) == pytest.approx(1.0)


def test_a_shutdown_cuts_a_call_in_flight_short() -> None:
    deadline, _, shutdown = make_deadline()
    waited = 0.0
    for seconds in deadline.intervals(30.0):
        waited += seconds
        if waited > 1.0:
            shutdown.set()
    assert waited == pytest.approx(1.0 + MAX_CALL_TIMEOUT, abs=2 * SIGNAL_POLL_INTERVAL)


def test_a_shutdown_does_not_wait_for_best_effort_work() -> None:
    deadline, _, _ = make_deadline()
    with deadline.best_effort():
        assert sum(deadline.intervals(30.0)) == pytest.approx(30.0)
        with deadline.best_effort(5.0):
            assert sum(deadline.intervals(30.0)) == pytest.approx(5.0)
        deadline.begin_shutdown()
        assert list(deadline.intervals(30.0)) == []
    assert sum(deadline.intervals(30.0)) == pytest.approx(MAX_CALL_TIMEOUT)


def test_a_shutdown_ends_a_pause() -> None:
    deadline, clock, shutdown = make_deadline()
    assert not deadline.pause(2.0)
    assert clock.seconds == 2.0
    shutdown.set()
    assert deadline.pause(2.0)
    assert clock.seconds == 2.0


def test_calls_in_flight_are_abandoned_when_the_grace_period_ends() -> None:
    deadline, clock, shutdown = make_deadline()
    clock.seconds += 2 * GRACE_PERIOD
    assert not deadline.is_over, "the run works"
    shutdown.set()
    assert not deadline.is_over, "the deadline starts here"
    clock.seconds += GRACE_PERIOD - 0.1
    assert not deadline.is_over
    clock.seconds += 0.1
    assert deadline.is_over


@pytest.mark.parametrize(
    ("elapsed", "seconds", "has_time"), [(0.0, 4.0, True), (3.0, 2.5, False), (5.0, 0.0, True)]
)
def test_a_run_that_is_to_stop_waits_only_if_a_call_fits_in_afterwards(
    elapsed: float, seconds: float, has_time: bool
) -> None:
    deadline, clock, shutdown = make_deadline()
    assert deadline.wait(100)
    assert clock.seconds == 100
    shutdown.set()
    assert deadline.shutting_down
    clock.seconds += elapsed
    assert deadline.wait(seconds) is has_time
    assert clock.seconds == pytest.approx(100 + elapsed + (seconds if has_time else 0))
    with deadline.best_effort():
        assert deadline.is_best_effort
        assert not deadline.wait(0.1)
