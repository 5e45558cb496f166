"""Compute latencies: the durations of responses."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

from reconciler.emulator.fault_kinds import FaultKind
from reconciler.emulator.faults import ANY, METHODS, Fault
from reconciler.emulator.ids import digest

LATENCY_SYNTAX = "[METHOD PATH] 80ms | 50ms..200ms | p50=120ms p99=2s"
MAX_SECONDS = 600.0

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_NORMAL = NormalDist()


class LatencyError(ValueError):
    """Error of an invalid latency. `message` names the error, `advice` the repair."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = f"write `{LATENCY_SYNTAX}`"


@dataclass(frozen=True, slots=True)
class Latency:
    """Rule of latency in seconds: uniform between `low` and `high`, or log-normal with `median` and `p99`."""

    low: float = 0.0
    high: float = 0.0
    median: float = 0.0
    p99: float = 0.0
    method: str = ANY
    path: str = ANY

    def sample(self, quantile: float) -> float:
        """Compute the duration at a quantile in (0, 1) of the distribution."""
        if not self.median:
            return self.low + (self.high - self.low) * quantile
        # The 99th percentile of a log-normal is median · exp(sigma · z), with the z of a normal: solved for
        # sigma.
        sigma = math.log(self.p99 / self.median) / _NORMAL.inv_cdf(0.99)
        return min(self.median * math.exp(sigma * _NORMAL.inv_cdf(quantile)), MAX_SECONDS)

    def matches(self, method: str, path: str) -> bool:
        """Check whether the rule applies to requests of this method and path."""
        return Fault(FaultKind.CLOSE, method=self.method, path=self.path).matches(method, path)


class LatencyRules:
    """The latency rules of an emulator. The last matching rule applies to a request."""

    def __init__(self, rules: Iterable[Latency] = (), *, seed: int = 0) -> None:
        self.rules = tuple(rules)
        self._seed = seed

    def sample(self, method: str, path: str, sequence: int) -> float:
        """Compute the duration of the `sequence`-th request, in seconds.

        The same seed gives the same durations.
        """
        for rule in reversed(self.rules):
            if rule.matches(method, path):
                number = int.from_bytes(digest(self._seed, "latency", sequence, size=8), "big")
                # Half a step keeps the quantile inside (0, 1), where the inverse distribution is finite.
                return rule.sample((number + 0.5) / 2**64)
        return 0.0


def parse_latency(text: str) -> Latency:
    """Parse a rule in the form of `LATENCY_SYNTAX`. Raises LatencyError."""
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
        case [duration] if ".." not in duration:
            fixed = _parse_duration(duration)
            return Latency(fixed, fixed, method=method, path=path)
        case [span]:
            low, _, high = span.partition("..")
            return _check_order(
                Latency(_parse_duration(low), _parse_duration(high), method=method, path=path)
            )
        case [median, p99] if median.startswith("p50=") and p99.startswith("p99="):
            rule = Latency(
                median=_parse_duration(median[4:]), p99=_parse_duration(p99[4:]), method=method, path=path
            )
            return _check_order(rule)
    raise LatencyError(f"`{text}` is no latency")


def _check_order(rule: Latency) -> Latency:
    if rule.low > rule.high or rule.median > rule.p99 or (rule.p99 and not rule.median):
        raise LatencyError("the smaller duration comes first, and a median is more than zero")
    return rule


def _parse_duration(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise LatencyError(f"`{text}` is no duration such as `80ms`, `2s` or `1m`")
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > MAX_SECONDS:
        raise LatencyError(f"`{text}` is longer than {MAX_SECONDS:g} seconds")
    return seconds
