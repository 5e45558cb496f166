"""Test the reports of calls whose answers take long."""

from __future__ import annotations

from datetime import timedelta

from fake_clock import START, FakeClock

from reconciler.api.call_watch import QUIET_PERIOD, CallWatch
from reconciler.model.event import AnswerArrived, AwaitingAnswer


def test_a_slow_call_is_reported_once_with_the_time_of_its_start_and_its_end_afterwards() -> None:
    clock = FakeClock(7)
    watch = CallWatch(clock)
    with watch.follow("GET", "/v1/groups", 5):
        clock.advance(4.9)
        assert watch.take_reports() == []
        clock.advance(0.2)
        [report] = watch.take_reports()
        assert isinstance(report, AwaitingAnswer)
        assert (report.method, report.path, round(report.seconds, 3)) == ("GET", "/v1/groups", 5.1)
        assert report.since == START + timedelta(seconds=7)
        clock.advance(1000)
        assert watch.take_reports() == []
    assert watch.take_reports() == [AnswerArrived("GET", "/v1/groups")]
    assert watch.take_reports() == []


def test_a_fast_call_is_never_reported() -> None:
    clock = FakeClock()
    watch = CallWatch(clock)
    for _ in range(10):
        with watch.follow("GET", "/v1/groups", 5):
            clock.advance(4)
    assert watch.take_reports() == []


def test_of_many_slow_calls_the_oldest_is_reported_and_others_only_after_a_while() -> None:
    clock = FakeClock()
    watch = CallWatch(clock)
    with watch.follow("GET", "/v1/1", 5), watch.follow("GET", "/v1/2", 5), watch.follow("POST", "/v1/3", 60):
        clock.advance(10)
        assert [report.path for report in watch.take_reports()] == ["/v1/1"]
        clock.advance(QUIET_PERIOD - 1)
        assert watch.take_reports() == []
        clock.advance(1)
        assert [report.path for report in watch.take_reports()] == ["/v1/2"]
        clock.advance(QUIET_PERIOD)
        assert [report.path for report in watch.take_reports()] == ["/v1/3"]


def test_a_call_that_fails_ends_its_report_too() -> None:
    clock = FakeClock()
    watch = CallWatch(clock)
    try:
        with watch.follow("GET", "/v1/groups", 5):
            clock.advance(5)
            watch.take_reports()
            raise TimeoutError
    except TimeoutError:
        assert watch.take_reports() == [AnswerArrived("GET", "/v1/groups")]
