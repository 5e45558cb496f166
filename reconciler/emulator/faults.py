"""Faults: what goes wrong, at which request, and at which moment of it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.emulator.fault_kinds import (
    EFFECT_AFTER,
    TRAITS,
    FaultError,
    Kind,
    Phase,
    argument_of,
    check_option,
)

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS")
ANY = "*"


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule: `kind` strikes at `phase` of the requests that it selects.

    Requests are counted per rule, from 1, among those of its method and path. It strikes those from
    `first` to `last`, every `every`-th of them, and at most `times` times; the default is all. In a
    path `*` stands for one segment, alone for any path, and at the end for any rest. Without `phase`
    it is the usual one of the kind. Raises FaultError for what can never strike.

    >>> Fault(Kind.RESET, method="POST", path="/v1/destinations", first=2, last=2)
    """

    kind: Kind
    method: str = ANY
    path: str = ANY
    phase: Phase | None = None
    first: int = 1
    last: int | None = None
    every: int = 1
    times: int | None = None
    argument: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        traits = TRAITS[self.kind]
        if self.phase is None:
            is_late = EFFECT_AFTER in self.options and Phase.BEFORE_EFFECT in traits.phases
            usual = Phase.BEFORE_EFFECT if is_late else traits.phases[0]
            object.__setattr__(self, "phase", usual)
        elif self.phase not in traits.phases:
            possible = ", ".join(f"`{phase}`" for phase in traits.phases)
            raise FaultError(f"`{self.kind}` cannot happen `{self.phase}`", f"possible are {possible}")
        argument_of(self.kind, self.argument)
        for name, value in self.options.items():
            check_option(self.kind, name, value)
        if EFFECT_AFTER in self.options and self.phase is not Phase.BEFORE_EFFECT:
            raise FaultError(
                f"`{EFFECT_AFTER}` is about a request that had no effect yet",
                "write it behind `before-effect`",
            )
        if self.phase is Phase.AT_ACCEPT and (self.method, self.path) != (ANY, ANY):
            raise FaultError(
                "at-accept strikes connections, which have no method and no path yet",
                "write `* * at-accept …`",
            )
        if self.first < 1 or self.every < 1 or (self.last is not None and self.last < self.first):
            raise FaultError(
                "requests are counted from 1 upwards", "write for example `#2`, `#2..5` or `every 10`"
            )
        if self.times is not None and self.times < 1:
            raise FaultError("`times` must be at least 1", "leave the fault out where it shall never strike")

    @property
    def number(self) -> float:
        """The argument of the kinds that take a number: a status, seconds, bytes, reads."""
        return float(argument_of(self.kind, self.argument))

    @property
    def text(self) -> str:
        """The argument of the kinds that take a word."""
        return str(argument_of(self.kind, self.argument))

    @property
    def effect_after(self) -> float | None:
        """Seconds from the answer until the request takes effect all the same, if it does."""
        seconds = self.options.get(EFFECT_AFTER)
        return None if seconds is None else float(seconds)

    def __str__(self) -> str:
        words = [self.method, self.path]
        if self.first > 1 or self.last is not None:
            only = self.last == self.first
            words.append(f"#{self.first}" if only else f"#{self.first}..{self.last or ''}")
        if self.every > 1:
            words.append(f"every {self.every}")
        if self.times is not None:
            words.append(f"times {self.times}")
        words += [str(self.phase), str(self.kind)]
        if self.argument:
            words.append(self.argument)
        words += [f"{name}={_quoted(value)}" for name, value in self.options.items()]
        return " ".join(words)

    def concerns(self, method: str, path: str) -> bool:
        """Whether requests of this method and path count."""
        if self.kind is Kind.STALE and method != "GET":
            return False  # a write sees the account as it is
        return self.method in (ANY, method) and bool(_pattern(self.path).fullmatch(path))

    def selects(self, number: int, struck: int) -> bool:
        """Whether the `number`-th of them is struck, after `struck` others were."""
        if number < self.first or (self.last is not None and number > self.last):
            return False
        if self.times is not None and struck >= self.times:
            return False
        return (number - self.first + 1) % self.every == 0


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"\s", value) or not value else value


def _pattern(path: str) -> re.Pattern[str]:
    """A path rule as an expression. Cached by `re` itself."""
    if path == ANY:
        return re.compile(".*", re.DOTALL)
    open_end = path.endswith("/**")
    segments = (path.removesuffix("/**") if open_end else path).split("/")
    wild = (r"[^/]+" if part == ANY or part.startswith("<") else re.escape(part) for part in segments)
    return re.compile("/".join(wild) + ("/.*" if open_end else ""))


@dataclass(slots=True)
class Armed:
    """A fault with its count of requests and strikes so far."""

    fault: Fault
    seen: int = 0
    struck: int = 0
    reads_since: tuple[int, int] = (0, 0)


class Faults:
    """The faults of an emulator, in the order in which they were added. Safe to use from threads."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._armed = [Armed(fault) for fault in faults]

    def add(self, *faults: Fault) -> None:
        """Arm further faults. Their count of requests begins now."""
        with self._lock:
            self._armed += [Armed(fault) for fault in faults]

    def clear(self) -> None:
        """Disarm all."""
        with self._lock:
            self._armed = []

    def standing(self) -> list[Armed]:
        """What is armed, with its counts."""
        with self._lock:
            return [Armed(each.fault, each.seen, each.struck) for each in self._armed]

    def at_accept(self) -> Fault | None:
        """Count one new connection; the fault that strikes it."""
        return self._strike([each for each in self._armed if each.fault.phase is Phase.AT_ACCEPT])

    def at_request(self, method: str, path: str, writes: int) -> Fault | None:
        """Count one request in every rule that it concerns; the first fault that strikes it.

        `writes` is how many writes the account has seen; a stale read only strikes behind one.
        """
        if not self._armed:
            return None
        concerned = [
            each
            for each in self._armed
            if each.fault.phase is not Phase.AT_ACCEPT and each.fault.concerns(method, path)
        ]
        return self._strike(concerned, writes)

    def _strike(self, concerned: Iterable[Armed], writes: int = 0) -> Fault | None:
        striking: Fault | None = None
        with self._lock:
            for each in concerned:
                each.seen += 1
                selected = each.fault.selects(each.seen, each.struck)
                if selected and each.fault.kind is Kind.STALE:
                    selected = _still_stale(each, writes)
                if selected and striking is None:
                    each.struck += 1
                    striking = each.fault
        return striking


def _still_stale(armed: Armed, writes: int) -> bool:
    """Whether this read is one of the first N since the last write."""
    known, reads = armed.reads_since
    reads = reads + 1 if known == writes else 1
    armed.reads_since = (writes, reads)
    return writes > 0 and reads <= armed.fault.number
