from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.report.time_estimate import TimeEstimate


def test_there_is_no_estimate_before_it_means_anything() -> None:
    estimate = TimeEstimate(600, 0.0)
    estimate.add_ends(9, 5.0)
    assert estimate.estimate(5.0) is None, "9 of 600"
    estimate.add_ends(1, 6.0)
    assert estimate.estimate(6.0) == pytest.approx(590 * 0.6)


def test_a_twentieth_of_a_small_run_means_enough() -> None:
    estimate = TimeEstimate(40, 0.0)
    estimate.add_ends(1, 10.0)
    assert estimate.estimate(10.0) is None, "a single end has no pace"
    estimate.add_ends(1, 20.0)
    assert estimate.estimate(20.0) == pytest.approx(380)


def test_a_burst_in_the_first_moment_is_no_pace() -> None:
    estimate = TimeEstimate(600, 0.0)
    estimate.add_ends(100, 0.5)
    assert estimate.estimate(0.5) is None


def test_a_finished_run_has_no_estimate() -> None:
    estimate = TimeEstimate(20, 0.0)
    estimate.add_ends(20, 60.0)
    assert estimate.estimate(60.0) is None
    estimate.remove_items(5)
    assert estimate.estimate(61.0) is None


def test_removed_items_take_no_time() -> None:
    estimate = TimeEstimate(600, 0.0)
    estimate.add_ends(100, 100.0)
    estimate.remove_items(400)
    assert estimate.estimate(100.0) == pytest.approx(100)


def test_the_pace_of_the_last_minutes_counts() -> None:
    """100 fast items, then one in ten seconds for ten minutes."""
    estimate = TimeEstimate(1000, 0.0)
    estimate.add_ends(100, 10.0)
    for number in range(1, 61):
        estimate.add_ends(1, 10.0 + 10 * number)
        shown = estimate.estimate(10.0 + 10 * number)
    assert shown == pytest.approx(8400, rel=0.1)


def simulate_budget(total: int, per_minute: int, per_second: int) -> list[tuple[float, float | None]]:
    """Simulate setup tests under a budget per minute: bursts with pauses between them. Returns the true remaining
    seconds and the estimate at each second."""
    estimate, done, second, in_minute = TimeEstimate(total, 0.0), 0, 0, 0
    estimates: list[tuple[int, float | None]] = []
    while done < total:
        second += 1
        in_minute = 0 if second % 60 == 1 else in_minute
        number = min(per_second, per_minute - in_minute, total - done)
        if number == 0 and in_minute == per_minute:
            estimate.add_pause(60 - (second - 1) % 60, second)
        done, in_minute = done + number, in_minute + number
        estimate.add_ends(number, second)
        estimates.append((second, estimate.estimate(second)))
    return [(second - at, shown) for at, shown in estimates]


def test_under_a_budget_the_pace_of_whole_minutes_counts_and_not_that_of_a_burst() -> None:
    rows = simulate_budget(total=2000, per_minute=250, per_second=20)
    after_first_burst = [(true, shown) for true, shown in rows[60:] if shown is not None and true > 60]
    assert len(after_first_burst) > 300
    assert all(0.7 < shown / true < 1.4 for true, shown in after_first_burst)


@given(
    st.lists(
        st.tuples(
            st.floats(0.05, 400),
            st.one_of(
                st.tuples(st.just("end"), st.integers(1, 60)),
                st.tuples(st.just("pause"), st.floats(1, 3600)),
                st.tuples(st.just("wait"), st.just(0)),
            ),
        ),
        max_size=60,
    ),
    st.integers(1, 800),
)
def test_an_estimate_is_positive_and_never_jumps(
    steps: list[tuple[float, tuple[str, float]]], total: int
) -> None:
    estimate, now, shown = TimeEstimate(total, 0.0), 0.0, []
    for seconds, (kind, amount) in steps:
        now += seconds
        if kind == "end":
            estimate.add_ends(int(amount), now)
        elif kind == "pause":
            estimate.add_pause(amount, now)
        shown.append(estimate.estimate(now))
    known = [seconds for seconds in shown if seconds is not None]
    assert all(seconds >= 1 for seconds in known)
    assert all(0.499 < later / earlier < 2.001 for earlier, later in pairwise(known))
