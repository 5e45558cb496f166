"""Trigger faults: failures of selected requests at a selected moment."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.emulator.fault_kinds import (
    EFFECT_AFTER,
    FAULT_SPECS,
    FaultError,
    FaultKind,
    Phase,
    check_option,
    resolve_argument,
)

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS")
ANY = "*"


@dataclass(frozen=True, slots=True)
class Fault:
    """Rule of a fault: `kind` strikes at `phase` of the selected requests.

    Each rule counts the requests of its method and path, from 1. It strikes the requests from `first` to
    `last`, every `every`-th of them, and at most `times` times; the default is all. In a path `*` matches one
    segment, alone any path, and `/**` at the end any rest. The default of `phase` depends on the kind.
    Raises FaultError for a rule that can never strike.

        >>> Fault(FaultKind.RESET, method="POST", path="/v1/destinations", first=2, last=2)
    """

    kind: FaultKind
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
        spec = FAULT_SPECS[self.kind]
        if self.phase is None:
            is_late = EFFECT_AFTER in self.options and Phase.BEFORE_EFFECT in spec.phases
            default_phase = Phase.BEFORE_EFFECT if is_late else spec.phases[0]
            # The dataclass is frozen, and this default depends on kind and options.
            object.__setattr__(self, "phase", default_phase)
        elif self.phase not in spec.phases:
            possible = ", ".join(f"`{phase}`" for phase in spec.phases)
            raise FaultError(f"`{self.kind}` cannot happen `{self.phase}`", f"possible are {possible}")
        resolve_argument(self.kind, self.argument)
        for name, value in self.options.items():
            check_option(self.kind, name, value)
        if EFFECT_AFTER in self.options and self.phase is not Phase.BEFORE_EFFECT:
            raise FaultError(
                f"`{EFFECT_AFTER}` needs a request without an effect",
                "write it after `before-effect`",
            )
        if self.phase is Phase.AT_ACCEPT and (self.method, self.path) != (ANY, ANY):
            raise FaultError(
                "at-accept strikes connections, which have no method and no path",
                "write `* * at-accept …`",
            )
        if self.first < 1 or self.every < 1 or (self.last is not None and self.last < self.first):
            raise FaultError(
                "requests are counted from 1 upwards", "write for example `#2`, `#2..5` or `every 10`"
            )
        if self.times is not None and self.times < 1:
            raise FaultError("`times` must be at least 1", "leave the fault out if it must never strike")

    @property
    def number(self) -> float:
        """Return the numeric argument: a status, seconds, bytes per second, reads, MiB."""
        return float(resolve_argument(self.kind, self.argument))

    @property
    def text(self) -> str:
        """Return the text argument."""
        return str(resolve_argument(self.kind, self.argument))

    @property
    def effect_after(self) -> float | None:
        """Return the seconds from the response until the late effect of the request, None without a late effect."""
        seconds = self.options.get(EFFECT_AFTER)
        return None if seconds is None else float(seconds)

    def __str__(self) -> str:
        words = [self.method, self.path]
        if self.first > 1 or self.last is not None:
            is_single = self.last == self.first
            words.append(f"#{self.first}" if is_single else f"#{self.first}..{self.last or ''}")
        if self.every > 1:
            words.append(f"every {self.every}")
        if self.times is not None:
            words.append(f"times {self.times}")
        words += [str(self.phase), str(self.kind)]
        if self.argument:
            words.append(self.argument)
        words += [f"{name}={_quote(value)}" for name, value in self.options.items()]
        return " ".join(words)

    def matches(self, method: str, path: str) -> bool:
        """Check whether the rule counts requests of this method and path."""
        if self.kind is FaultKind.STALE and method != "GET":
            return False  # a write sees the present account
        return self.method in (ANY, method) and bool(_compile_path(self.path).fullmatch(path))

    def should_trigger(self, number: int, triggered: int) -> bool:
        """Check whether the rule strikes its `number`-th request, after `triggered` earlier strikes."""
        if number < self.first or (self.last is not None and number > self.last):
            return False
        if self.times is not None and triggered >= self.times:
            return False
        return (number - self.first + 1) % self.every == 0


def _quote(value: str) -> str:
    return f'"{value}"' if re.search(r"\s", value) or not value else value


def _compile_path(path: str) -> re.Pattern[str]:
    """Compile a path rule into an expression. `re` caches the expressions itself."""
    if path == ANY:
        return re.compile(".*", re.DOTALL)
    open_end = path.endswith("/**")
    segments = (path.removesuffix("/**") if open_end else path).split("/")
    parts = (
        r"[^/]+" if segment == ANY or segment.startswith("<") else re.escape(segment) for segment in segments
    )
    return re.compile("/".join(parts) + ("/.*" if open_end else ""))


@dataclass(slots=True)
class ActiveFault:
    """A fault with its counts of requests and strikes.

    `stale_reads` counts the reads since the latest write: the number of the write, and the reads after it.
    """

    fault: Fault
    seen: int = 0
    triggered: int = 0
    stale_reads: tuple[int, int] = (0, 0)


class Faults:
    """The active faults of an emulator, in the order of their addition. Safe to use from threads."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._active = [ActiveFault(fault) for fault in faults]

    def add(self, *faults: Fault) -> None:
        """Activate further faults. Their counts of requests start now."""
        with self._lock:
            self._active += [ActiveFault(fault) for fault in faults]

    def clear(self) -> None:
        """Deactivate all faults."""
        with self._lock:
            self._active = []

    def active(self) -> list[ActiveFault]:
        """Return copies of the active faults with their counts."""
        with self._lock:
            return [
                ActiveFault(active_fault.fault, active_fault.seen, active_fault.triggered)
                for active_fault in self._active
            ]

    def trigger_at_accept(self) -> Fault | None:
        """Count a new connection, and return the fault that strikes it, if any."""
        return self._trigger(
            [active_fault for active_fault in self._active if active_fault.fault.phase is Phase.AT_ACCEPT]
        )

    def trigger_at_request(self, method: str, path: str, writes: int) -> Fault | None:
        """Count a request in every rule that selects it, and return the first fault that strikes it, if any.

        `writes` is the number of writes that the account has seen: a stale read needs an earlier write.
        """
        if not self._active:
            return None
        matching = [
            active_fault
            for active_fault in self._active
            if active_fault.fault.phase is not Phase.AT_ACCEPT and active_fault.fault.matches(method, path)
        ]
        return self._trigger(matching, writes)

    def _trigger(self, matching: Iterable[ActiveFault], writes: int = 0) -> Fault | None:
        triggered: Fault | None = None
        with self._lock:
            # Every matching rule counts the request, but only one strikes: rules must not shift each other's
            # counts.
            for active_fault in matching:
                active_fault.seen += 1
                triggers = active_fault.fault.should_trigger(active_fault.seen, active_fault.triggered)
                if triggers and active_fault.fault.kind is FaultKind.STALE:
                    triggers = _is_stale_read(active_fault, writes)
                if triggers and triggered is None:
                    active_fault.triggered += 1
                    triggered = active_fault.fault
        return triggered


def _is_stale_read(active_fault: ActiveFault, writes: int) -> bool:
    """Count a read, and return whether it is one of the first N reads since the latest write."""
    known_writes, reads = active_fault.stale_reads
    reads = reads + 1 if known_writes == writes else 1
    active_fault.stale_reads = (writes, reads)
    return writes > 0 and reads <= active_fault.fault.number
