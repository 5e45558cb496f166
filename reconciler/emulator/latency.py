"""How long answers take."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

from reconciler.emulator.fault_kinds import Kind
from reconciler.emulator.faults import ANY, METHODS, Fault
from reconciler.emulator.ids import digest

SHAPE = "[METHOD PATH] 80ms | 50ms..200ms | p50=120ms p99=2s"
LONGEST = 600.0

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_NORMAL = NormalDist()


class LatencyError(ValueError):
    """A latency that cannot be read: what is wrong, and what to write instead."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = f"write `{SHAPE}`"


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds between `low` and `high`, evenly spread; or log-normal with `median` and `p99`."""

    low: float = 0.0
    high: float = 0.0
    median: float = 0.0
    p99: float = 0.0
    method: str = ANY
    path: str = ANY

    def seconds(self, chance: float) -> float:
        """The duration for a number in (0, 1): the quantile of the distribution."""
        if not self.median:
            return self.low + (self.high - self.low) * chance
        spread = math.log(self.p99 / self.median) / _NORMAL.inv_cdf(0.99)
        return min(self.median * math.exp(spread * _NORMAL.inv_cdf(chance)), LONGEST)

    def concerns(self, method: str, path: str) -> bool:
        """Whether requests of this method and path take so long."""
        return Fault(Kind.CLOSE, method=self.method, path=self.path).concerns(method, path)


class Latencies:
    """The rules of an emulator; the last one that concerns a request holds."""

    def __init__(self, rules: Iterable[Latency] = (), *, seed: int = 0) -> None:
        self.rules = tuple(rules)
        self._seed = seed

    def seconds(self, method: str, path: str, sequence: int) -> float:
        """How long the `sequence`-th request takes. The same seed gives the same durations."""
        for rule in reversed(self.rules):
            if rule.concerns(method, path):
                number = int.from_bytes(digest(self._seed, "latency", sequence, size=8), "big")
                return rule.seconds((number + 0.5) / 2**64)
        return 0.0


def parse_latency(text: str) -> Latency:
    """A rule in the form of `SHAPE`. Raises LatencyError."""
    words = text.split()
    method = path = ANY
    if len(words) > 2 or (words and (words[0].upper() in METHODS or words[0] == ANY)):
        if words[0].upper() not in (*METHODS, ANY) or len(words) < 3:
            raise LatencyError(f"`{text}` is no latency")
        method, path = words[0].upper(), words[1]
        words = words[2:]
    if path != ANY and not path.startswith("/"):
        raise LatencyError(f"`{path}` is no path")
    match words:
        case [single] if ".." not in single:
            fixed = _duration(single)
            return Latency(fixed, fixed, method=method, path=path)
        case [span]:
            low, _, high = span.partition("..")
            return _ordered(Latency(_duration(low), _duration(high), method=method, path=path))
        case [median, p99] if median.startswith("p50=") and p99.startswith("p99="):
            rule = Latency(median=_duration(median[4:]), p99=_duration(p99[4:]), method=method, path=path)
            return _ordered(rule)
    raise LatencyError(f"`{text}` is no latency")


def _ordered(rule: Latency) -> Latency:
    if rule.low > rule.high or rule.median > rule.p99 or (rule.p99 and not rule.median):
        raise LatencyError("the smaller duration comes first, and a median is more than nothing")
    return rule


def _duration(text: str) -> float:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise LatencyError(f"`{text}` is no duration such as `80ms`, `2s` or `1m`")
    seconds = float(found[1]) * _UNITS[found[2]]
    if seconds > LONGEST:
        raise LatencyError(f"`{text}` is longer than {LONGEST:g} seconds")
    return seconds
