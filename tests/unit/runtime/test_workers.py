"""Test worker threads, which request permission in the middle of their work."""

from __future__ import annotations

import threading
import time

import pytest
from fake_clock import FakeClock
from remote_backends import build_clock

from reconciler.model.address import Address
from reconciler.runtime.deadline import GRACE_PERIOD, ShutdownDeadline
from reconciler.runtime.events import EventQueue
from reconciler.runtime.workers import WorkerPool, map_parallel, run_interruptible

ORDERS = Address("group", "orders")
TIMEOUT = 20.0


def wait_for_threads(count: int) -> None:
    """Wait until at most this number of threads are left."""
    ends_at = time.monotonic() + TIMEOUT
    while threading.active_count() > count:
        assert time.monotonic() < ends_at, "a thread is still running"
        time.sleep(0.01)


@pytest.mark.parametrize("answer", [True, False])
def test_a_worker_gets_the_permission_of_the_main_thread(answer: bool) -> None:
    asked: list[tuple[Address, int]] = []

    def may_go_on(address: Address) -> bool:
        asked.append((address, threading.get_ident()))
        return answer

    with WorkerPool(1, may_go_on) as pool:
        pool.start(ORDERS, lambda: pool.request_permission(ORDERS))
        assert pool.next_result(TIMEOUT) is None, "a permission request is no finished work"
        assert not pool.has_capacity
        finished = pool.next_result(TIMEOUT)
    assert finished is not None
    assert finished.result is answer
    assert asked == [(ORDERS, threading.get_ident())]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_gets_no_permission_once_the_pool_is_closed(when: str) -> None:
    asks, left, answers = threading.Event(), threading.Event(), []

    def work() -> None:
        if when == "after":
            assert left.wait(TIMEOUT)
        asks.set()
        answers.append(pool.request_permission(ORDERS))
        done.set()

    done = threading.Event()
    with WorkerPool(1) as pool:
        pool.start(ORDERS, work)
        assert when == "after" or asks.wait(TIMEOUT)
    left.set()
    assert done.wait(TIMEOUT)
    assert answers == [False]


def test_a_worker_gets_no_permission_if_the_main_thread_raises() -> None:
    answers: list[bool] = []
    done = threading.Event()

    def raise_interrupt(address: Address) -> bool:
        raise KeyboardInterrupt

    def work() -> None:
        answers.append(pool.request_permission(ORDERS))
        done.set()

    with WorkerPool(1, raise_interrupt) as pool:
        pool.start(ORDERS, work)
        with pytest.raises(KeyboardInterrupt):
            pool.next_result(TIMEOUT)
        assert done.wait(TIMEOUT)
    assert answers == [False]


def test_queued_work_is_not_started_once_the_pool_is_closed() -> None:
    begun, permitted = threading.Event(), threading.Event()
    started: list[str] = []

    def work(name: str) -> None:
        started.append(name)
        begun.set()
        assert permitted.wait(TIMEOUT)

    before = threading.active_count()
    with WorkerPool[str](1) as pool:
        pool.start("first", lambda: work("first"))
        pool.start("second", lambda: work("second"))
        assert begun.wait(TIMEOUT)
    permitted.set()
    wait_for_threads(before)
    assert started == ["first"]


def test_a_free_thread_runs_the_next_work() -> None:
    with WorkerPool[int](2) as pool:
        for number in range(6):
            pool.start(number, threading.get_ident)
        results = [pool.next_result(TIMEOUT) for _ in range(6)]
    assert {result.key for result in results if result is not None} == set(range(6))
    assert len({result.result for result in results if result is not None}) <= 2


def test_every_item_is_yielded_as_soon_as_its_result_is_ready() -> None:
    first_is_taken = threading.Event()

    def work(item: str) -> str:
        if item == "slow":
            assert first_is_taken.wait(TIMEOUT)
        return item.upper()

    results = map_parallel(work, ["slow", "quick"], 2)
    assert next(results) == ("quick", "QUICK")
    first_is_taken.set()
    assert list(results) == [("slow", "SLOW")]


def test_an_empty_list_is_mapped_without_threads() -> None:
    assert list(map_parallel(str, [], 4)) == []


def test_after_the_first_exception_no_item_is_started() -> None:
    permitted = threading.Event()
    started: list[int] = []

    def work(item: int) -> None:
        started.append(item)
        if item == 0:
            raise LookupError
        assert permitted.wait(TIMEOUT)

    before = threading.active_count()
    with pytest.raises(LookupError):
        list(map_parallel(work, range(10), 1))
    permitted.set()
    wait_for_threads(before)
    assert started in ([0], [0, 1]), "the second item may have been running"


def make_deadline() -> tuple[ShutdownDeadline, FakeClock, threading.Event]:
    clock, shutdown = build_clock(), threading.Event()
    return ShutdownDeadline(clock, shutdown), clock, shutdown


def test_a_hanging_read_is_abandoned_once_the_grace_period_is_over() -> None:
    deadline, clock, shutdown = make_deadline()
    hanging, ticks = threading.Event(), 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 2:
            shutdown.set()
        clock.seconds += 1.0

    try:
        assert run_interruptible(lambda: hanging.wait(TIMEOUT), deadline, EventQueue(print, tick)) is None
    finally:
        hanging.set()
    assert ticks - 2 == GRACE_PERIOD, "one second per tick, from the tick that saw the shutdown"


def test_work_that_ends_within_the_grace_period_has_its_result() -> None:
    deadline, _, shutdown = make_deadline()
    shutdown.set()
    assert run_interruptible(lambda: "result", deadline, EventQueue(print)) == "result"


def test_an_exception_of_the_work_is_raised_in_the_waiting_thread() -> None:
    def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        run_interruptible(work, make_deadline()[0], EventQueue(print))
