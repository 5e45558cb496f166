"""Rate limits: rolling windows over what an account did, and the headers that tell of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from types import MappingProxyType
from typing import Literal, TypeAlias

from reconciler.emulator.envelope import ErrorReply, error_reply
from reconciler.emulator.history import Effect
from reconciler.emulator.store import Kind
from reconciler.model.suggestions import find_nearest

HOURLY_REQUESTS = 20_000

_MINUTE = 60.0
_HOUR = 3600.0

Limit: TypeAlias = tuple[int, float]
"""So many within so many seconds."""
CountedEffect: TypeAlias = tuple[str, str]
"""Verb and kind of the effects that a limit counts."""
RetryAfter: TypeAlias = Literal["seconds", "http-date", "missing", "garbage"]

_TEST_RUNS = ("tested", "destination")
_USER_CREATIONS = ("created", "user")
_LINK_CREATIONS = ("created", "private-link")


@dataclass(frozen=True, slots=True)
class QuotaProfile:
    """The limits of one kind of account. An account that is not `enforced` only counts, for the headers."""

    hourly: int = HOURLY_REQUESTS
    enforced: bool = True
    limits: Mapping[CountedEffect, tuple[Limit, ...]] = field(default_factory=dict)

    def with_creation_limit(self, kind: str, hourly: int) -> QuotaProfile:
        """This profile with a limit on what is created: some plans have one."""
        counted = ("created", kind)
        limits = {**self.limits, counted: (*self.limits.get(counted, ()), (hourly, _HOUR))}
        return QuotaProfile(self.hourly, self.enforced, limits)


UNLIMITED = QuotaProfile(enforced=False)
PROFILES: Mapping[str, QuotaProfile] = MappingProxyType(
    {
        "off": UNLIMITED,
        "paid": QuotaProfile(
            limits={
                # Runs of setup tests, then the interactions with a source that they are as well.
                _TEST_RUNS: ((250, _MINUTE), (2_500, _HOUR), (500, _MINUTE), (5_000, _HOUR)),
                _USER_CREATIONS: ((500, _HOUR),),
                _LINK_CREATIONS: ((5, _HOUR),),
            }
        ),
        "trial": QuotaProfile(
            hourly=500,
            limits={
                _TEST_RUNS: ((50, _HOUR), (25, _MINUTE), (250, _HOUR)),
                _USER_CREATIONS: ((10, _HOUR),),
                _LINK_CREATIONS: ((1, _HOUR),),
            },
        ),
    }
)


class RollingWindow:
    """At most `limit` within any `seconds`. Keeps one time per admission, so `limit` numbers at most."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self._seconds = seconds
        self._times: deque[float] = deque(maxlen=limit)

    def count_remaining(self, now: float) -> int:
        """How many more fit now."""
        while self._times and now - self._times[0] >= self._seconds:
            self._times.popleft()
        return self.limit - len(self._times)

    def get_wait(self, now: float) -> float:
        """Seconds until the next one fits."""
        return (
            0.0
            if self.count_remaining(now) > 0 or not self._times
            else self._seconds - (now - self._times[0])
        )

    def consume(self, now: float) -> None:
        """Count one. Where none fits, the oldest one is forgotten."""
        self._times.append(now)


class Quota:
    """What an account has left. Calls must take turns."""

    def __init__(self, clock: Callable[[], datetime], profile: QuotaProfile = UNLIMITED) -> None:
        self._clock = clock
        self._profile = profile
        self.reset()

    def reset(self) -> None:
        """Forget what was spent."""
        profile = self._profile
        self._requests = RollingWindow(profile.hourly, _HOUR)
        self._windows = {
            counted: tuple(RollingWindow(*limit) for limit in limits)
            for counted, limits in profile.limits.items()
        }

    def check_requests(self, retry_after_form: RetryAfter) -> None:
        """Raise the refusal of a request for which nothing is left this hour; it costs nothing."""
        wait = self._requests.get_wait(self._now()) if self._profile.enforced else 0.0
        if wait > 0:
            raise self._rate_limit_error("Rate limit of requests exceeded", wait, retry_after_form)

    def charge(self, effects: Iterable[Effect], retry_after_form: RetryAfter) -> None:
        """Count what a request did. Raises a refusal where it was too much, and then counts nothing;
        the caller undoes the request."""
        now = self._now()
        windows = [
            window for effect in effects for window in self._windows.get((effect.verb, effect.kind), ())
        ]
        wait = max((window.get_wait(now) for window in windows), default=0.0)
        if wait > 0:
            raise self._rate_limit_error("Rate limit of this operation exceeded", wait, retry_after_form)
        for window in windows:
            window.consume(now)

    def count_request(self) -> dict[str, str]:
        """Count one request, unless there was no quota for it; what is left of the hour."""
        now = self._now()
        if self._requests.count_remaining(now) > 0 or not self._profile.enforced:
            self._requests.consume(now)
        remaining = self._requests.count_remaining(now)
        return {"X-Rate-Limit": str(self._profile.hourly), "X-Rate-Limit-Remaining": str(remaining)}

    def _now(self) -> float:
        return self._clock().timestamp()

    def _rate_limit_error(self, message: str, wait: float, retry_after_form: RetryAfter) -> ErrorReply:
        headers = {}
        seconds = max(int(-(-wait // 1)), 1)
        match retry_after_form:
            case "seconds":
                headers["Retry-After"] = str(seconds)
            case "http-date":
                due = self._clock() + timedelta(seconds=seconds)
                headers["Retry-After"] = format_datetime(due, usegmt=True)
            case "garbage":
                headers["Retry-After"] = "soon"
        return error_reply(429, "TooManyRequests", message, headers)


class QuotaError(ValueError):
    """Rate limits that cannot be read: what is wrong, and what to write instead."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}; {advice}")
        self.message = message
        self.advice = advice


def parse_quota(text: str) -> QuotaProfile:
    """A profile by its name, with hourly limits on what is created: `paid,group=100`. Raises QuotaError."""
    name, *caps = text.split(",")
    if name not in PROFILES:
        suggestion = find_nearest(name, PROFILES)
        options = ", ".join(f"`{option}`" for option in PROFILES)
        raise QuotaError(
            f"there is no quota `{name}`",
            f"did you mean `{suggestion}`?" if suggestion else f"known are {options}",
        )
    profile = PROFILES[name]
    for cap in caps:
        kind, _, number = cap.partition("=")
        if kind not in set(Kind) or not (number.isascii() and number.isdigit() and int(number[:9]) > 0):
            suggestion = find_nearest(kind, Kind)
            advice = (
                f"did you mean `{suggestion}`?"
                if suggestion and kind not in set(Kind)
                else "write for example `group=100`"
            )
            raise QuotaError(f"`{cap}` is no limit on what is created", advice)
        profile = profile.with_creation_limit(kind, int(number))
    return profile
