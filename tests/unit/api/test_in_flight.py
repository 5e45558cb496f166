"""S-22: after a refused read, fewer reads are in flight; the limit rises again slowly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from fake_clock import FakeClock
from scripted_server import build_envelope

from reconciler.api.errors import Cancelled
from reconciler.api.in_flight import RAISE_AFTER, InFlightLimit
from reconciler.api.retrying import RetryingSender
from reconciler.api.transport import Request, Transport
from reconciler.api.wsgi_adapter import WsgiAdapter
from reconciler.model.value import Secret

GET = Request("GET", "/groups")
READERS = 8
PATIENCE = 0.05
"""Seconds of real time in which another reader would arrive."""


class BurstApp:
    """Server that refuses the first burst of reads, and answers later reads while it counts how many are in flight."""

    def __init__(self) -> None:
        self.burst = threading.Barrier(READERS)
        self.changed = threading.Condition()
        self.refusals = 0
        self.in_flight = 0
        self.most = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if self.is_of_burst():
            self.burst.wait()
            start("429 Some", [("Retry-After", "3")])
            return [build_envelope({}, "TooManyRequests")]
        with self.changed:
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.in_flight > READERS // 2, PATIENCE)
            self.in_flight -= 1
        start("200 OK", [])
        return [build_envelope({"id": "g1"}, "Success")]

    def is_of_burst(self) -> bool:
        with self.changed:
            self.refusals += 1
            return self.refusals <= READERS


def make_sender(app: Any, cancelled: threading.Event | None = None) -> tuple[RetryingSender, FakeClock]:
    clock = FakeClock()
    transport = Transport(
        "https://sandbox.invalid/v1",
        (Secret("key"), Secret("secret")),
        clock=clock,
        environ={},
        adapter=WsgiAdapter(app),
    )
    return RetryingSender(transport, clock, cancelled=cancelled or threading.Event()), clock


def test_a_refused_burst_halves_the_reads_in_flight_once() -> None:
    app = BurstApp()
    sender, clock = make_sender(app)
    with ThreadPoolExecutor(READERS) as pool:
        answers = list(pool.map(lambda _: sender.send(GET).data, range(3 * READERS)))
    assert answers == [{"id": "g1"}] * (3 * READERS)
    assert sender.reads.limit == READERS // 2
    assert 1 <= app.most <= READERS // 2
    assert max(clock.waits) >= 3, "the demanded pause holds as well"


def test_later_refusals_halve_further_and_one_read_always_goes_on() -> None:
    limit = InFlightLimit(threading.Event())
    with ExitStack() as stack:
        tokens = [stack.enter_context(limit.hold_slot()) for _ in range(5)]
        limit.halve(tokens[0])
        limit.halve(tokens[1])
        assert limit.limit == 2
    for expected in (1, 1):
        with limit.hold_slot() as token:
            limit.halve(token)
        assert limit.limit == expected


def test_the_limit_rises_by_one_after_many_successes() -> None:
    limit = InFlightLimit(threading.Event())
    limit.count_success()
    assert limit.limit is None
    with limit.hold_slot() as token:
        limit.halve(token)
    for _ in range(RAISE_AFTER - 1):
        limit.count_success()
    assert limit.limit == 1
    limit.count_success()
    assert limit.limit == 2


def test_writes_need_no_slot() -> None:
    app = BurstApp()
    app.refusals = READERS
    sender, _ = make_sender(app)
    with sender.reads.hold_slot() as token:
        sender.reads.halve(token)
        assert sender.send(Request("PATCH", "/groups/g1", body={"name": "n"})).data == {"id": "g1"}


def test_a_run_that_ends_waits_for_no_slot() -> None:
    cancelled = threading.Event()
    sender, _ = make_sender(BurstApp(), cancelled)
    with sender.reads.hold_slot() as token:
        sender.reads.halve(token)
        cancelled.set()
        with pytest.raises(Cancelled):
            sender.send(GET)
