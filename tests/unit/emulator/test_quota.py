"""The hourly budget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reconciler.emulator.quota import Quota


def test_the_budget_shrinks_and_is_whole_again_after_an_hour() -> None:
    times = [timedelta(0), timedelta(minutes=59), timedelta(hours=1), timedelta(hours=1, minutes=1)]
    clock = iter(datetime(2026, 1, 1, tzinfo=UTC) + time for time in times)
    quota = Quota(lambda: next(clock), hourly=10)
    assert [quota.spend()["X-Rate-Limit-Remaining"] for _ in times] == ["9", "8", "9", "8"]


def test_the_budget_is_never_negative() -> None:
    quota = Quota(lambda: datetime(2026, 1, 1, tzinfo=UTC), hourly=1)
    assert [quota.spend()["X-Rate-Limit-Remaining"] for _ in range(3)] == ["0", "0", "0"]
