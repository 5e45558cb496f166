"""How long a remote place is waited for."""

from __future__ import annotations

import threading

import pytest
from shared_states import StillClock

from reconciler.state.patience import GLANCE, LEAVING, LONGEST, SHORTEST, Patience


def patience() -> tuple[Patience, StillClock, threading.Event]:
    clock, leaving = StillClock(), threading.Event()
    return Patience(clock, leaving), clock, leaving


def test_a_call_may_take_its_time_while_nobody_wants_to_leave() -> None:
    one, _, _ = patience()
    slices = list(one.slices(30.0))
    assert sum(slices) == pytest.approx(30.0)
    assert max(slices) == GLANCE


@pytest.mark.parametrize(
    ("since", "left"), [(0.0, LONGEST), (LEAVING - 2.0, 2.0), (LEAVING - 1.0, SHORTEST), (60.0, SHORTEST)]
)
def test_whoever_wants_to_leave_waits_as_long_as_there_is_time(since: float, left: float) -> None:
    one, clock, leaving = patience()
    leaving.set()
    assert one.is_leaving
    clock.seconds += since
    assert sum(one.slices(30.0)) == pytest.approx(left)
    assert sum(one.slices(1.0)) == pytest.approx(1.0)


def test_a_call_that_is_under_way_is_cut_short_too() -> None:
    one, _, leaving = patience()
    waited = 0.0
    for seconds in one.slices(30.0):
        waited += seconds
        if waited > 1.0:
            leaving.set()
    assert waited == pytest.approx(1.0 + LONGEST, abs=2 * GLANCE)


def test_what_can_be_done_later_is_not_waited_for_by_whoever_wants_to_leave() -> None:
    one, _, _ = patience()
    with one.giving_way():
        assert sum(one.slices(30.0)) == pytest.approx(30.0)
        with one.giving_way(5.0):
            assert sum(one.slices(30.0)) == pytest.approx(5.0)
        one.leave()
        assert list(one.slices(30.0)) == []
    assert sum(one.slices(30.0)) == pytest.approx(LONGEST)


def test_a_pause_ends_where_somebody_wants_to_leave() -> None:
    one, clock, leaving = patience()
    assert not one.pause(2.0)
    assert clock.seconds == 2.0
    leaving.set()
    assert one.pause(2.0)
    assert clock.seconds == 2.0
