"""Rate limits: rolling windows over what an account did, and the headers that tell of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from types import MappingProxyType
from typing import Literal, TypeAlias

from reconciler.emulator.envelope import Refusal, refusal
from reconciler.emulator.history import Effect
from reconciler.emulator.store import Kind
from reconciler.model.nearest import nearest

HOURLY_REQUESTS = 20_000

_MINUTE = 60.0
_HOUR = 3600.0

Limit: TypeAlias = tuple[int, float]
"""So many within so many seconds."""
What: TypeAlias = tuple[str, str]
"""Verb and kind of the effects that a limit counts."""
RetryAfter: TypeAlias = Literal["seconds", "http-date", "missing", "garbage"]

_TESTED = ("tested", "destination")
_USER = ("created", "user")
_LINK = ("created", "private-link")


@dataclass(frozen=True, slots=True)
class Profile:
    """The limits of one kind of account. An account that is not `enforced` only counts, for the headers."""

    hourly: int = HOURLY_REQUESTS
    enforced: bool = True
    limits: Mapping[What, tuple[Limit, ...]] = field(default_factory=dict)

    def with_creations(self, kind: str, hourly: int) -> Profile:
        """This profile with a limit on what is created: some plans have one."""
        what = ("created", kind)
        limits = {**self.limits, what: (*self.limits.get(what, ()), (hourly, _HOUR))}
        return Profile(self.hourly, self.enforced, limits)


OFF = Profile(enforced=False)
PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "off": OFF,
        "paid": Profile(
            limits={
                # Runs of setup tests, then the interactions with a source that they are as well.
                _TESTED: ((250, _MINUTE), (2_500, _HOUR), (500, _MINUTE), (5_000, _HOUR)),
                _USER: ((500, _HOUR),),
                _LINK: ((5, _HOUR),),
            }
        ),
        "trial": Profile(
            hourly=500,
            limits={
                _TESTED: ((50, _HOUR), (25, _MINUTE), (250, _HOUR)),
                _USER: ((10, _HOUR),),
                _LINK: ((1, _HOUR),),
            },
        ),
    }
)


class Window:
    """At most `limit` within any `seconds`. Keeps one time per admission, so `limit` numbers at most."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self._seconds = seconds
        self._times: deque[float] = deque(maxlen=limit)

    def left(self, now: float) -> int:
        """How many more fit now."""
        while self._times and now - self._times[0] >= self._seconds:
            self._times.popleft()
        return self.limit - len(self._times)

    def wait(self, now: float) -> float:
        """Seconds until the next one fits."""
        return 0.0 if self.left(now) > 0 or not self._times else self._seconds - (now - self._times[0])

    def take(self, now: float) -> None:
        """Count one. Where none fits, the oldest one is forgotten."""
        self._times.append(now)


class Quota:
    """What an account has left. Calls must take turns."""

    def __init__(self, clock: Callable[[], datetime], profile: Profile = OFF) -> None:
        self._clock = clock
        self._profile = profile
        self.renew()

    def renew(self) -> None:
        """Forget what was spent."""
        profile = self._profile
        self._requests = Window(profile.hourly, _HOUR)
        self._windows = {
            what: tuple(Window(*limit) for limit in limits) for what, limits in profile.limits.items()
        }

    def admit(self, form: RetryAfter) -> None:
        """Raise the refusal of a request for which nothing is left this hour; it costs nothing."""
        wait = self._requests.wait(self._now()) if self._profile.enforced else 0.0
        if wait > 0:
            raise self._refusal("Rate limit of requests exceeded", wait, form)

    def charge(self, effects: Iterable[Effect], form: RetryAfter) -> None:
        """Count what a request did. Raises a refusal where it was too much, and then counts nothing;
        the caller undoes the request."""
        now = self._now()
        spent = [window for effect in effects for window in self._windows.get((effect.verb, effect.kind), ())]
        wait = max((window.wait(now) for window in spent), default=0.0)
        if wait > 0:
            raise self._refusal("Rate limit of this operation exceeded", wait, form)
        for window in spent:
            window.take(now)

    def headers(self) -> dict[str, str]:
        """Count one request, unless there was no quota for it; what is left of the hour."""
        now = self._now()
        if self._requests.left(now) > 0 or not self._profile.enforced:
            self._requests.take(now)
        left = self._requests.left(now)
        return {"X-Rate-Limit": str(self._profile.hourly), "X-Rate-Limit-Remaining": str(left)}

    def _now(self) -> float:
        return self._clock().timestamp()

    def _refusal(self, message: str, wait: float, form: RetryAfter) -> Refusal:
        headers = {}
        seconds = max(int(-(-wait // 1)), 1)
        match form:
            case "seconds":
                headers["Retry-After"] = str(seconds)
            case "http-date":
                due = self._clock() + timedelta(seconds=seconds)
                headers["Retry-After"] = format_datetime(due, usegmt=True)
            case "garbage":
                headers["Retry-After"] = "soon"
        return refusal(429, "TooManyRequests", message, headers)


class QuotaError(ValueError):
    """Rate limits that cannot be read: what is wrong, and what to write instead."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}; {advice}")
        self.message = message
        self.advice = advice


def parse_quota(text: str) -> Profile:
    """A profile by its name, with hourly limits on what is created: `paid,group=100`. Raises QuotaError."""
    name, *caps = text.split(",")
    if name not in PROFILES:
        found = nearest(name, PROFILES)
        listed = ", ".join(f"`{each}`" for each in PROFILES)
        raise QuotaError(
            f"there is no quota `{name}`", f"did you mean `{found}`?" if found else f"known are {listed}"
        )
    profile = PROFILES[name]
    for cap in caps:
        kind, _, number = cap.partition("=")
        if kind not in set(Kind) or not (number.isascii() and number.isdigit() and int(number[:9]) > 0):
            found = nearest(kind, Kind)
            advice = (
                f"did you mean `{found}`?"
                if found and kind not in set(Kind)
                else "write for example `group=100`"
            )
            raise QuotaError(f"`{cap}` is no limit on what is created", advice)
        profile = profile.with_creations(kind, int(number))
    return profile
