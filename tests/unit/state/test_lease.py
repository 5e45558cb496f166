"""A lock that runs out by itself: who may take it when, and what its holder notices."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from shared_states import BRANCH, HOLDER, StillClock, Upstream, surroundings

from reconciler.model.holder import Holder
from reconciler.model.place import GitPlace
from reconciler.state.git import GitShelf
from reconciler.state.lease import INTERVAL, LENGTH, RENEWAL, TOLERANCE, HeldError, Tenancy, hold_in
from reconciler.state.lock import Grip
from reconciler.state.shelf import ChangedError, RemoteError

LOCK = "state.json.lock"
OTHER = replace(HOLDER, pid=12, host="runner-8")


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    """A bare repository."""
    return Upstream(tmp_path / "upstream.git")


def shelf_of(upstream: Upstream, clock: StillClock) -> GitShelf:
    place = GitPlace(str(upstream.path), BRANCH, is_remote=False)
    return GitShelf(place, surroundings(upstream.path.parent, clock=clock))


def tenancy(upstream: Upstream, clock: StillClock, holder: Holder = HOLDER) -> Tenancy:
    around = surroundings(upstream.path.parent, holder, clock)
    return Tenancy(shelf_of(upstream, clock), LOCK, holder, around)


def until(upstream: Upstream) -> str:
    return str(json.loads(upstream.files()[LOCK])["until"])


def test_one_holds_it_and_another_is_told_who_and_until_when(upstream: Upstream) -> None:
    clock = StillClock()
    first = tenancy(upstream, clock)
    first.begin()
    with pytest.raises(HeldError) as caught:
        tenancy(upstream, clock, OTHER).begin()
    assert caught.value.hold.holder == HOLDER
    assert caught.value.hold.until == "2026-11-26T10:05:00+00:00"
    assert caught.value.hold.grip is Grip.ELSEWHERE
    first.end()
    assert upstream.files() == {}
    tenancy(upstream, clock, OTHER).begin()


@pytest.mark.parametrize(("later", "is_free"), [(LENGTH + TOLERANCE, False), (LENGTH + TOLERANCE + 1, True)])
def test_one_that_ran_out_is_taken_over_but_not_within_what_clocks_may_differ(
    upstream: Upstream, later: float, is_free: bool
) -> None:
    clock = StillClock()
    shelf = shelf_of(upstream, clock)
    first = Tenancy(shelf, LOCK, HOLDER, surroundings(upstream.path.parent, clock=clock))
    shelf.read("state.json")
    first.begin()
    clock.seconds += later
    second = tenancy(upstream, clock, OTHER)
    if not is_free:
        with pytest.raises(HeldError):
            second.begin()
        return
    second.begin()
    for _ in range(2):  # once is for good
        with pytest.raises(ChangedError):
            first.write({"state.json": b"too late"}, "too late")
    first.end()
    assert json.loads(upstream.files()[LOCK])["holder"]["host"] == "runner-8", "it is the other one's"
    assert "state.json" not in upstream.files()


def test_whatever_is_written_renews_it(upstream: Upstream) -> None:
    clock = StillClock()
    one = tenancy(upstream, clock)
    one.begin()
    clock.seconds += LENGTH - 1
    assert not one.has_run_out
    one.write({}, "still at work")
    assert until(upstream) == "2026-11-26T10:09:59+00:00"
    clock.seconds += LENGTH - 1
    assert not one.has_run_out
    clock.seconds += 1
    assert one.has_run_out


def test_news_are_written_at_intervals_and_the_rest_seldom(upstream: Upstream) -> None:
    clock = StillClock()
    one = tenancy(upstream, clock)
    one.begin()
    assert not one.is_due(with_news=True)
    clock.seconds = INTERVAL
    assert one.is_due(with_news=True)
    assert not one.is_due(with_news=False)
    clock.seconds = RENEWAL
    assert one.is_due(with_news=False)
    assert RENEWAL + 2 * INTERVAL < LENGTH, "it can be tried more than once"


def test_a_write_that_fails_is_due_again_after_an_interval_and_renews_nothing(upstream: Upstream) -> None:
    clock = StillClock()
    one = tenancy(upstream, clock)
    one.begin()
    there = upstream.path.rename(upstream.path.with_name("away.git"))
    clock.seconds = RENEWAL
    with pytest.raises(RemoteError):
        one.write({}, "still at work")
    assert not one.is_due(with_news=True)
    clock.seconds += INTERVAL
    assert one.is_due(with_news=False)
    clock.seconds = LENGTH
    assert one.has_run_out
    there.rename(upstream.path)
    one.write({}, "still at work")
    assert not one.has_run_out, "nobody took it"


@pytest.mark.parametrize("way", ["its machine was asleep", "the time of day was set back"])
def test_the_clock_that_says_that_more_time_has_passed_counts(upstream: Upstream, way: str) -> None:
    clock = StillClock()
    one = tenancy(upstream, clock)
    one.begin()

    def pass_by(seconds: float) -> None:
        if way == "its machine was asleep":
            clock.asleep += seconds
        else:
            clock.seconds += seconds
            clock.asleep -= seconds

    pass_by(INTERVAL)
    assert not one.is_due(with_news=False)
    assert one.is_due(with_news=True)
    pass_by(RENEWAL - INTERVAL)
    assert one.is_due(with_news=False)
    pass_by(LENGTH - RENEWAL - 1)
    assert not one.has_run_out
    pass_by(1)
    assert one.has_run_out
    one.write({}, "still at work")
    assert not one.has_run_out


def test_after_it_ran_out_the_next_write_waits_for_no_interval(upstream: Upstream) -> None:
    clock = StillClock()
    one = tenancy(upstream, clock)
    one.begin()
    there = upstream.path.rename(upstream.path.with_name("away.git"))
    clock.seconds = LENGTH - 1
    with pytest.raises(RemoteError):
        one.write({}, "still at work")
    assert not one.is_due(with_news=True)
    clock.asleep = 1
    assert one.is_due(with_news=False)
    there.rename(upstream.path)


@pytest.mark.parametrize("until", ["9999-12-31T23:59:59+00:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_beyond_all_calendars_is_later_than_now(until: str) -> None:
    holder = {"pid": 1, "host": "h", "user": "ci", "since": "x", "doing": "y"}
    content = json.dumps({"holder": holder, "mark": "m", "until": until}).encode()
    assert hold_in(content, StillClock().now(), "here").grip is Grip.ELSEWHERE


def test_a_process_of_this_host_is_told_from_one_that_is_gone() -> None:
    clock = StillClock()

    def grip(pid: int, host: str) -> Grip:
        holder = {"pid": pid, "host": host, "user": "ci", "since": "x", "doing": "y"}
        content = json.dumps({"holder": holder, "mark": "m", "until": clock.now().isoformat()}).encode()
        return hold_in(content, clock.now(), "here").grip

    assert grip(os.getppid(), "here") is Grip.RUNNING
    assert grip(os.getpid(), "here") is Grip.LOST, "it is this process, which holds none"
    assert grip(2**22 + 1, "here") is Grip.LOST
    assert grip(os.getpid(), "there") is Grip.ELSEWHERE


@pytest.mark.parametrize(
    "content", [b"{}", b"\xff", b"[" * 100_000, b'{"holder": {}, "until": "x", "mark": ""}']
)
def test_a_lock_that_nobody_can_read_is_held_by_somebody_without_a_name(content: bytes) -> None:
    assert hold_in(content, StillClock().now(), "here").grip is Grip.UNNAMED


def test_a_time_without_a_zone_is_none() -> None:
    holder = {"pid": 1, "host": "h", "user": "ci", "since": "x", "doing": "y"}
    content = json.dumps({"holder": holder, "mark": "m", "until": "2026-11-26T10:00:00"}).encode()
    late = StillClock().now() + timedelta(days=1)
    assert hold_in(content, late, "here").grip is Grip.UNNAMED


def test_nothing_and_an_empty_object_are_free() -> None:
    for content in (None, b""):
        hold = hold_in(content, StillClock().now(), "here")
        assert (hold.grip, hold.holder) == (Grip.FREE, None)
