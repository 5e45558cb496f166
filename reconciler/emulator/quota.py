"""Enforce rate limits: rolling windows over the effects of requests, and headers with the remaining quota."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
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
"""Maximum count, and window in seconds."""
CountedEffect: TypeAlias = tuple[str, str]
"""Verb and kind of the effects that a limit counts."""
RetryAfter: TypeAlias = Literal["seconds", "http-date", "missing", "garbage"]

_REQUESTS = "requests"
_TEST_RUNS = ("tested", "destination")
_USER_CREATIONS = ("created", "user")
_LINK_CREATIONS = ("created", "private-link")


@dataclass(frozen=True, slots=True)
class QuotaProfile:
    """Limits of a kind of account. A profile that is not `enforced` counts for the headers only."""

    hourly: int = HOURLY_REQUESTS
    enforced: bool = True
    limits: Mapping[CountedEffect, tuple[Limit, ...]] = field(default_factory=dict)

    def with_creation_limit(self, kind: str, hourly: int) -> QuotaProfile:
        """Copy this profile with an hourly limit on creations of a kind: some plans of Fivetran have such limits."""
        counted = ("created", kind)
        limits = {**self.limits, counted: (*self.limits.get(counted, ()), (hourly, _HOUR))}
        return replace(self, limits=limits)


UNLIMITED = QuotaProfile(enforced=False)
PROFILES: Mapping[str, QuotaProfile] = MappingProxyType(
    {
        "off": UNLIMITED,
        "paid": QuotaProfile(
            limits={
                # Limits of test runs, then limits of interactions with a source: a run counts as both.
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
    """A limit of `limit` admissions within any `seconds`.

    Keeps one time per admission, `limit` times at most.
    """

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self._seconds = seconds
        self._times: deque[float] = deque(maxlen=limit)

    def count_remaining(self, now: float) -> int:
        """Count the admissions that are left now."""
        while self._times and now - self._times[0] >= self._seconds:
            self._times.popleft()
        return self.limit - len(self._times)

    def get_wait(self, now: float) -> float:
        """Compute the seconds until the next admission, 0.0 if one is left now."""
        return (
            0.0
            if self.count_remaining(now) > 0 or not self._times
            else self._seconds - (now - self._times[0])
        )

    def consume(self, now: float) -> None:
        """Count an admission. A full window drops its oldest admission."""
        self._times.append(now)


class Quota:
    """Remaining quota of an account. Not safe for threads: callers must not overlap."""

    def __init__(self, clock: Callable[[], datetime], profile: QuotaProfile = UNLIMITED) -> None:
        self._clock = clock
        self._profile = profile
        self.reset()

    def reset(self) -> None:
        """Reset all windows."""
        profile = self._profile
        self._requests = RollingWindow(profile.hourly, _HOUR)
        self._windows = {
            counted: tuple(RollingWindow(*limit) for limit in limits)
            for counted, limits in profile.limits.items()
        }

    def check_requests(self, retry_after_form: RetryAfter) -> None:
        """Check the hourly quota of requests. Raises a 429, which costs no quota."""
        wait = self._requests.get_wait(self._now()) if self._profile.enforced else 0.0
        if wait > 0:
            raise self._build_rate_limit_error("Rate limit of requests exceeded", wait, retry_after_form)

    def charge(self, effects: Iterable[Effect], retry_after_form: RetryAfter) -> None:
        """Charge the effects of a request. Raises a 429 if any limit is exceeded, and then charges nothing.

        The caller undoes the effects of a refused request.
        """
        now = self._now()
        windows = [
            window for effect in effects for window in self._windows.get((effect.verb, effect.kind), ())
        ]
        # All windows are checked before any is charged: a refused request must not use up quota.
        wait = max((window.get_wait(now) for window in windows), default=0.0)
        if wait > 0:
            raise self._build_rate_limit_error(
                "Rate limit of this operation exceeded", wait, retry_after_form
            )
        for window in windows:
            window.consume(now)

    def count_request(self) -> dict[str, str]:
        """Count a request unless the hourly quota is exhausted.

        Returns the headers with the remaining quota.
        """
        now = self._now()
        if self._requests.count_remaining(now) > 0 or not self._profile.enforced:
            self._requests.consume(now)
        remaining = self._requests.count_remaining(now)
        return {"X-Rate-Limit": str(self._profile.hourly), "X-Rate-Limit-Remaining": str(remaining)}

    def _now(self) -> float:
        return self._clock().timestamp()

    def _build_rate_limit_error(self, message: str, wait: float, retry_after_form: RetryAfter) -> ErrorReply:
        headers = {}
        # Rounded up: a client that waits exactly this long must be admitted.
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
    """Error of invalid rate limits. `message` names the error, `advice` the repair."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}; {advice}")
        self.message = message
        self.advice = advice


def parse_quota(text: str) -> QuotaProfile:
    """Parse a profile's name with hourly limits on requests and creations, as in `paid,requests=50000,group=100`.

    Raises QuotaError.
    """
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
        limited = (_REQUESTS, *Kind)
        if kind not in limited or not (number.isascii() and number.isdigit() and int(number[:9]) > 0):
            suggestion = find_nearest(kind, limited)
            advice = (
                f"did you mean `{suggestion}`?"
                if suggestion and kind not in limited
                else "write for example `group=100`"
            )
            raise QuotaError(f"`{cap}` is no limit on requests or creations", advice)
        if kind == _REQUESTS:
            profile = replace(profile, hourly=int(number))
        else:
            profile = profile.with_creation_limit(kind, int(number))
    return profile
