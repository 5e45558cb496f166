"""Test budgets, the shared pause and the remaining budget."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import pytest
from fake_clock import FakeClock

from reconciler.api.limiter import HOUR, MINUTE, AcquireResult, Limiter
from reconciler.model.budget import Budget
from reconciler.model.event import Event, Throttled

FEW = Budget(requests_per_hour=3, setup_tests_per_minute=2, setup_tests_per_hour=3)


def make_limiter(
    clock: FakeClock, budget: Budget = FEW, cancelled: threading.Event | None = None
) -> tuple[Limiter, list[Event]]:
    events: list[Event] = []
    return Limiter(
        clock, cancelled=cancelled or threading.Event(), budget=budget, listener=events.append
    ), events


def run_in_threads(work: Callable[[], None], count: int = 8) -> None:
    """Run `work` in `count` threads."""
    threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_the_request_budget_is_a_rolling_hour() -> None:
    clock = FakeClock()
    limiter, _ = make_limiter(clock)
    admitted = []
    for _ in range(7):
        assert limiter.acquire(is_test=False) is AcquireResult.GRANTED
        admitted.append(clock.seconds)
        clock.seconds += 10
    assert admitted == [0, 10, 20, HOUR, HOUR + 10, HOUR + 20, 2 * HOUR]


def test_a_run_with_a_maximum_sends_no_more_and_waits_for_nothing() -> None:
    clock = FakeClock()
    limiter = Limiter(clock, cancelled=threading.Event(), budget=Budget(100, 2, 3), max_requests=3)
    results = [limiter.acquire(is_test=is_test) for is_test in (False, True, False)]
    assert results == [AcquireResult.GRANTED] * 3
    assert limiter.count_run_requests() == 3
    limiter.pause(30)
    assert limiter.acquire(is_test=False) is AcquireResult.SPENT
    assert (limiter.count_run_requests(), clock.seconds) == (3, 0)


def test_a_maximum_holds_for_all_threads_together() -> None:
    limiter = Limiter(FakeClock(), cancelled=threading.Event(), max_requests=50)
    run_in_threads(lambda: [limiter.acquire(is_test=False) for _ in range(20)] and None)
    assert limiter.count_run_requests() == 50


def test_setup_tests_have_a_budget_per_minute_and_per_hour() -> None:
    clock = FakeClock()
    limiter, _ = make_limiter(clock, Budget(100, 2, 3))
    admitted = []
    for _ in range(7):
        limiter.acquire(is_test=True)
        admitted.append(clock.seconds)
    assert admitted == [0, 0, MINUTE, HOUR, HOUR, HOUR + MINUTE, 2 * HOUR]


def test_requests_do_not_wait_for_the_test_budget_but_tests_count_as_requests() -> None:
    clock = FakeClock()
    limiter, _ = make_limiter(clock, Budget(4, 1, 1))
    limiter.acquire(is_test=True)
    for _ in range(3):
        limiter.acquire(is_test=False)
    assert clock.seconds == 0
    limiter.acquire(is_test=False)
    assert clock.seconds == HOUR


def test_a_test_that_waits_for_the_test_budget_uses_no_request_budget() -> None:
    cancelled = threading.Event()
    clock = FakeClock(on_wait=lambda seconds: cancelled.set())
    limiter, _ = make_limiter(clock, Budget(3, 1, 1), cancelled)
    limiter.acquire(is_test=True)
    assert limiter.acquire(is_test=True) is AcquireResult.CANCELLED
    assert (limiter.count_remaining_requests(), limiter.count_remaining_tests()) == (2, 0)


def test_threads_do_not_exceed_a_budget() -> None:
    """The first thread that has to wait cancels all threads: until then the limiter grants exactly the budget."""
    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):
            cancelled = threading.Event()
            clock = FakeClock(on_wait=lambda seconds, cancelled=cancelled: cancelled.set())
            limiter, _ = make_limiter(clock, Budget(requests_per_hour=100), cancelled)
            ends: list[AcquireResult] = []
            run_in_threads(lambda: ends.extend(limiter.acquire(is_test=False) for _ in range(50)))  # noqa: B023
            assert ends.count(AcquireResult.GRANTED) == 100
    finally:
        sys.setswitchinterval(often)


def test_a_pause_holds_for_all_threads() -> None:
    clock = FakeClock()
    limiter, events = make_limiter(clock, Budget())
    limiter.pause(30)
    limiter.pause(10)  # ends earlier
    left = []

    def work() -> None:
        assert limiter.acquire(is_test=False) is AcquireResult.GRANTED
        left.append(limiter.pause_remaining)

    run_in_threads(work)
    assert clock.seconds >= 30
    assert left == [0] * 8
    assert events == [Throttled("requests", 30)]


def test_a_prolonged_pause_is_waited_for_until_its_end() -> None:
    clock = FakeClock(on_wait=lambda seconds: limiter.pause(25) if clock.seconds == 0 else None)
    limiter, _ = make_limiter(clock)
    limiter.pause(10)
    limiter.acquire(is_test=False)
    assert clock.seconds == 25


def test_a_pause_beyond_max_pause_ends_the_wait_at_once() -> None:
    clock = FakeClock()
    limiter, events = make_limiter(clock)
    limiter.pause(61)
    assert limiter.acquire(is_test=False, max_pause=60) is AcquireResult.PAUSED_TOO_LONG
    assert (clock.seconds, events, limiter.count_remaining_requests()) == (0, [], 3)
    assert limiter.acquire(is_test=False, max_pause=61) is AcquireResult.GRANTED


def test_max_pause_counts_pauses_and_not_budget_waits() -> None:
    clock = FakeClock(on_wait=lambda seconds: limiter.pause(50) if clock.seconds == 0 else None)
    limiter, _ = make_limiter(clock)
    limiter.pause(40)
    assert (
        limiter.acquire(is_test=False, max_pause=49) is AcquireResult.PAUSED_TOO_LONG
    )  # 40, and then 10 more
    clock.seconds = 50
    for _ in range(4):
        assert limiter.acquire(is_test=False, max_pause=1) is AcquireResult.GRANTED
    assert clock.seconds == 50 + HOUR


def test_a_long_wait_is_reported_once_and_a_short_wait_never() -> None:
    clock = FakeClock()
    limiter, events = make_limiter(clock, Budget(1, 1, 1))
    limiter.pause(4.75)
    limiter.acquire(is_test=False)
    assert events == []
    clock.seconds += 600
    run_in_threads(lambda: limiter.acquire(is_test=False) and None, 1)
    assert events == [Throttled("requests", 3000)]
    limiter.acquire(is_test=False)
    assert events == [Throttled("requests", 3000), Throttled("requests", 3600)]


def test_a_second_wait_for_the_same_moment_is_not_reported() -> None:
    others = [lambda: limiter.acquire(is_test=False)]
    clock = FakeClock(on_wait=lambda seconds: others.pop()() and None if others else None)
    limiter, events = make_limiter(clock)
    limiter.pause(30)
    limiter.acquire(is_test=False)
    assert clock.waits == [30, 30]
    assert events == [Throttled("requests", 30)]


def test_a_wait_event_names_the_budget() -> None:
    limiter, events = make_limiter(FakeClock(), Budget(100, 1, 100))
    limiter.acquire(is_test=True)
    limiter.acquire(is_test=True)
    assert events == [Throttled("setup tests", 60)]


def test_the_limiter_holds_no_lock_during_waits_and_listener_calls() -> None:
    seen = []
    clock = FakeClock(on_wait=lambda seconds: seen.append(limiter.count_remaining_requests()))
    limiter = Limiter(
        clock,
        cancelled=threading.Event(),
        budget=Budget(requests_per_hour=1),
        listener=lambda event: seen.append(limiter.count_remaining_requests()),
    )
    # In a thread, since a held lock would never be released.
    run_in_threads(lambda: [limiter.acquire(is_test=False) for _ in range(2)] and None, 1)
    assert seen == [0, 0]


def test_acquire_is_cancelled_before_or_during_a_wait() -> None:
    cancelled = threading.Event()
    clock = FakeClock(on_wait=lambda seconds: cancelled.set())
    limiter, _ = make_limiter(clock, cancelled=cancelled)
    for _ in range(3):
        limiter.acquire(is_test=False)
    assert limiter.acquire(is_test=False) is AcquireResult.CANCELLED
    assert clock.seconds == 0
    clock.seconds = 2 * HOUR
    assert limiter.acquire(is_test=False) is AcquireResult.CANCELLED
    assert limiter.count_remaining_requests() == 3


def test_the_remaining_budget_is_the_lower_of_own_count_and_server_count() -> None:
    clock = FakeClock()
    limiter, _ = make_limiter(clock, Budget(100, 10, 20))
    for _ in range(4):
        limiter.acquire(is_test=True)
    assert (limiter.count_remaining_requests(), limiter.count_remaining_tests()) == (96, 16)
    limiter.observe_remaining(500)
    assert limiter.count_remaining_requests() == 96
    limiter.observe_remaining(7)
    limiter.observe_remaining(None)
    assert limiter.count_remaining_requests() == 7
    limiter.observe_remaining(90)  # the newest value counts
    assert limiter.count_remaining_requests() == 90
    limiter.observe_remaining(0)
    clock.seconds += HOUR - 1
    assert limiter.count_remaining_requests() == 0
    clock.seconds += 1
    assert (limiter.count_remaining_requests(), limiter.count_remaining_tests()) == (100, 20)


@pytest.mark.parametrize("begin", [0.1, 1e5 / 3, 1e9 + 0.3])
def test_rounding_never_makes_a_call_wait_for_ever(begin: float) -> None:
    clock = FakeClock(begin)
    limiter, _ = make_limiter(clock, Budget(1, 1, 1))
    for _ in range(20):
        limiter.pause(0.1 / 3)
        limiter.acquire(is_test=True)
    assert len(clock.waits) < 200


@pytest.mark.parametrize("budget", [(0, 1, 1), (1, 0, 1), (1, 1, -1)])
def test_a_budget_of_zero_is_refused(budget: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="budget"):
        Budget(*budget)
