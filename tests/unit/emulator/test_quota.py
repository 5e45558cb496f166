"""Test rate limits as rolling windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
from fake_clock import FakeClock

from reconciler.emulator.envelope import ErrorReply, Reply
from reconciler.emulator.history import Effect
from reconciler.emulator.quota import (
    PROFILES,
    UNLIMITED,
    Quota,
    QuotaProfile,
    RetryAfter,
    RollingWindow,
    parse_quota,
)

TESTED = Effect("tested", "destination", "decent_dropsy")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def expect_refusal(work: Callable[[], object]) -> Reply:
    with pytest.raises(ErrorReply) as caught:
        work()
    assert (caught.value.reply.status, caught.value.reply.code) == (429, "TooManyRequests")
    return caught.value.reply


def send_request(quota: Quota) -> str:
    quota.check_requests("seconds")
    return quota.count_request()["X-Rate-Limit-Remaining"]


def test_the_remaining_quota_is_a_rolling_hour(clock: FakeClock) -> None:
    quota = Quota(clock, QuotaProfile(hourly=3))
    assert send_request(quota) == "2"
    clock.advance(minutes=30)
    assert [send_request(quota), send_request(quota)] == ["1", "0"]
    assert expect_refusal(lambda: quota.check_requests("seconds")).headers["Retry-After"] == "1800"
    clock.advance(minutes=30)
    assert send_request(quota) == "0"


def test_a_refused_request_uses_no_quota(clock: FakeClock) -> None:
    quota = Quota(clock, QuotaProfile(hourly=1))
    send_request(quota)
    clock.advance(minutes=59)
    for _ in range(5):
        expect_refusal(lambda: quota.check_requests("seconds"))
        assert quota.count_request()["X-Rate-Limit-Remaining"] == "0"
    clock.advance(minutes=1)
    assert send_request(quota) == "0"


def test_an_account_without_limits_reports_its_remaining_quota(clock: FakeClock) -> None:
    quota = Quota(clock, QuotaProfile(hourly=2, enforced=False))
    assert [send_request(quota) for _ in range(4)] == ["1", "0", "0", "0"]
    assert Quota(clock, UNLIMITED).count_request() == {
        "X-Rate-Limit": "20000",
        "X-Rate-Limit-Remaining": "19999",
    }


@pytest.mark.parametrize(("profile", "per_minute", "per_hour"), [("paid", 250, 2_500), ("trial", 25, 50)])
def test_setup_tests_have_their_own_windows(
    clock: FakeClock, profile: str, per_minute: int, per_hour: int
) -> None:
    quota = Quota(clock, PROFILES[profile])
    for done in range(per_hour):
        if done and done % per_minute == 0:
            assert expect_refusal(lambda: quota.charge([TESTED], "seconds")).headers["Retry-After"] == "60"
            clock.advance(minutes=1)
        quota.charge([TESTED], "seconds")
    clock.advance(minutes=1)
    left = 3_600 - 60 * (per_hour // per_minute)
    assert expect_refusal(lambda: quota.charge([TESTED], "seconds")).headers["Retry-After"] == str(left)


@pytest.mark.parametrize(("profile", "users", "links"), [("paid", 500, 5), ("trial", 10, 1)])
def test_users_and_private_links_are_limited_by_the_hour(
    clock: FakeClock, profile: str, users: int, links: int
) -> None:
    quota = Quota(clock, PROFILES[profile])
    for kind, number in (("user", users), ("private-link", links)):
        effect = Effect("created", kind, "x")
        for _ in range(number):
            quota.charge([effect], "seconds")
        expect_refusal(lambda effect=effect: quota.charge([effect], "seconds"))  # type: ignore[misc]


def test_a_refused_charge_is_counted_in_no_window(clock: FakeClock) -> None:
    quota = Quota(clock, QuotaProfile(limits={("tested", "destination"): ((1, 60.0), (2, 3600.0))}))
    quota.charge([TESTED], "seconds")
    for _ in range(3):
        expect_refusal(lambda: quota.charge([TESTED], "seconds"))
    clock.advance(minutes=1)
    quota.charge([TESTED], "seconds")


def test_a_plan_can_limit_creations(clock: FakeClock) -> None:
    quota = Quota(clock, PROFILES["paid"].with_creation_limit("group", 2))
    group = Effect("created", "group", "x")
    quota.charge([group, group], "seconds")
    expect_refusal(lambda: quota.charge([group], "seconds"))
    quota.charge([TESTED], "seconds")


def test_a_quota_can_set_the_requests_of_an_hour() -> None:
    assert parse_quota("paid,requests=50000,group=3") == replace(
        PROFILES["paid"].with_creation_limit("group", 3), hourly=50_000
    )
    assert parse_quota("off,requests=7") == QuotaProfile(hourly=7, enforced=False)


@pytest.mark.parametrize(("form", "header"), [("seconds", "3600"), ("missing", None), ("garbage", "soon")])
def test_the_retry_after_header_has_several_forms(
    clock: FakeClock, form: RetryAfter, header: str | None
) -> None:
    quota = Quota(clock, QuotaProfile(hourly=1))
    send_request(quota)
    assert expect_refusal(lambda: quota.check_requests(form)).headers.get("Retry-After") == header


def test_the_retry_after_header_can_be_a_date(clock: FakeClock) -> None:
    quota = Quota(clock, QuotaProfile(hourly=1))
    send_request(quota)
    written = expect_refusal(lambda: quota.check_requests("http-date")).headers["Retry-After"]
    assert parsedate_to_datetime(written) == clock.now() + timedelta(hours=1)


def test_a_window_stores_no_more_times_than_its_limit(clock: FakeClock) -> None:
    window = RollingWindow(limit=10, seconds=60.0)
    for second in range(1_000):
        window.consume(float(second) / 100)
    assert window.count_remaining(10.0) == 0
    assert window.get_wait(10.0) == pytest.approx(59.9)
