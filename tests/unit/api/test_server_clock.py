"""Test the server time that responses carry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fake_clock import FakeClock

from reconciler.api.server_clock import ServerClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_clock_continues_from_the_newest_date() -> None:
    clock = FakeClock()
    server = ServerClock(clock)
    assert server.now() is None
    server.observe("Sun, 01 Mar 2026 12:00:00 GMT")
    clock.seconds += 90.5
    assert server.now() == NOON + timedelta(seconds=90.5)
    server.observe("Sun, 01 Mar 2026 11:00:00 GMT")
    assert server.now() == NOON - timedelta(hours=1), "a date before the first date also counts"


@pytest.mark.parametrize(
    "date",
    [
        None,
        "",
        "yesterday",
        "0",
        "Sun, 31 Feb 2026 12:00:00 GMT",
        "Sun, 01 Mar 2026",
        "Thu, 31 Dec 9999 23:59:59 GMT",
        "Thu, 01 Jan 1000 00:00:00 GMT",
        "Sun, 01 Mar 2026 12:00:00 +99999999999",
        "\ud800",
        "9" * 10_000,
    ],
)
def test_an_invalid_date_is_ignored(date: str | None) -> None:
    server = ServerClock(FakeClock())
    server.observe(date)
    assert server.now() is None
    server.observe("Sun, 01 Mar 2026 12:00:00 GMT")
    server.observe(date)
    assert server.now() == NOON


@pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000", "UT"])
def test_the_time_zone_is_utc_in_every_spelling(zone: str) -> None:
    server = ServerClock(FakeClock())
    server.observe(f"Sun, 01 Mar 2026 12:00:00 {zone}")
    assert server.now() == NOON
