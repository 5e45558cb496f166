"""The lock of a remote state: a lease that says who holds it and until when, and that is renewed at work.

A process that dies cannot let go of what is on a server, so a lease runs out by itself. One thread writes: the main
thread of a run wakes every fraction of a second while calls are under way, whatever those take, and renews the lease
long before its end. Only where somebody is asked a question it does not; a lease that ran out then and was taken by
another run is noticed by the next write, which comes before the first call.

Two clocks say how old a lease is, and the older one counts: that of a machine that was asleep stood still, and the time
of day may be set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from reconciler.model.clock import Clock
from reconciler.model.holder import Holder
from reconciler.state.lock import Grip, Hold
from reconciler.state.process import runs_beside
from reconciler.state.shelf import ChangedError, RemoteError, Shelf, Surroundings
from reconciler.state.watch import Watch

LENGTH = 300.0
"""Seconds until a lease runs out that nobody renews."""
RENEWAL = 100.0
"""Seconds after which a lease is renewed though nothing else is to be written."""
INTERVAL = 30.0
"""Seconds between writes of what was done, and between tries of what failed."""
TOLERANCE = 60.0
"""Seconds that the clocks of two hosts may differ."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a lock until when (ISO 8601, UTC). The mark makes it different from every other one."""

    holder: Holder
    until: str
    mark: str


class HeldError(Exception):
    """Somebody else holds the lock."""

    def __init__(self, hold: Hold) -> None:
        super().__init__("held")
        self.hold = hold


@dataclass(frozen=True, slots=True)
class _Moment:
    """A point in time, by both clocks."""

    seconds: float
    at: datetime

    @classmethod
    def now(cls, clock: Clock) -> _Moment:
        return cls(clock.monotonic(), clock.now())

    def since(self, earlier: _Moment) -> float:
        """Seconds that have passed, at the least."""
        return max(self.seconds - earlier.seconds, (self.at - earlier.at).total_seconds())


class Tenancy:
    """A lock at a remote place, held from `begin` to `end`. Whatever is written in between renews it."""

    def __init__(self, shelf: Shelf, name: str, holder: Holder, surroundings: Surroundings) -> None:
        self._shelf = shelf
        self._name = name
        self._clock = surroundings.clock
        self._entropy = surroundings.entropy
        self._holder = holder
        self._patience = surroundings.patience
        self._tried = self._renewed = _Moment.now(self._clock)
        self._is_lost = False
        self._is_over = False
        self._watch = Watch(lambda patience: shelf.stamp(name, patience), self._clock)

    def begin(self) -> None:
        """Take the lock. Raises HeldError where somebody has it, and RemoteError."""
        hold = hold_in(self._shelf.read(self._name)[self._name], self._clock.now(), self._holder.host)
        if hold.grip is not Grip.FREE:
            raise HeldError(hold)
        try:
            self.write({}, f"locked; free again at {self._until()} at the latest")
            self._shelf.prove(self._name)
        except ChangedError:  # somebody was faster
            hold = hold_in(self._shelf.read(self._name)[self._name], self._clock.now(), self._holder.host)
            raise HeldError(hold if hold.grip is not Grip.FREE else Hold(Grip.UNNAMED)) from None
        except KeyboardInterrupt:
            self._patience.leave()
            self._give_up()
            raise
        except RemoteError:
            self._give_up()
            raise

    def write(self, changes: Mapping[str, bytes | None], told: str) -> None:
        """Write files together with a renewed lease.

        Raises ChangedError where the lock, or one of the files, is another's by now, and RemoteError.
        """
        began = self._tried = _Moment.now(self._clock)
        lease = Lease(self._holder, self._until(), self._entropy(8).hex())
        self._write({self._name: _encoded(lease), **changes}, told)
        self._renewed = began

    def write_and_end(self, changes: Mapping[str, bytes | None], told: str) -> None:
        """Write files and let go, for whoever has no time for two writes. Raises as `write` does; it is over then,
        too."""
        self._is_over = True
        self._write({**changes, self._name: None}, f"{told}; unlocked")

    def end(self) -> None:
        """Let go. Raises RemoteError; then the lease runs out by itself."""
        self.stop_looking()
        if not self._is_lost and not self._is_over:
            self._is_over = True
            self._shelf.write({self._name: None}, "unlocked")

    def is_due(self, *, with_news: bool) -> bool:
        """Whether it is time to write: at once where nobody knows whether the lease was taken meanwhile."""
        now = _Moment.now(self._clock)
        age = now.since(self._renewed)
        waits = now.since(self._tried) < INTERVAL
        return age >= LENGTH or (not waits and (with_news or age >= RENEWAL))

    @property
    def has_run_out(self) -> bool:
        """Whether others may take the lock, as far as these clocks know."""
        return _Moment.now(self._clock).since(self._renewed) >= LENGTH

    def look(self) -> None:
        """Find out every few seconds whether the lock is still held, and hold nobody up with it. Raises ChangedError
        where it is not, and RemoteError where something happened and nobody knows what."""
        if self._is_lost:
            raise ChangedError("the lock is not held any more")
        known = self._shelf.known_stamp(self._name)
        sight = self._watch.glance(known)
        # What was seen before the last write says nothing.
        if sight is None or sight.known != known or sight.stamp == known:
            return
        if not self._shelf.is_as_seen(self._name):
            self._is_lost = True
            raise ChangedError("the lock is not held any more")

    def stop_looking(self) -> None:
        """Begin no more looks."""
        self._watch.end()

    def _write(self, changes: Mapping[str, bytes | None], told: str) -> None:
        if self._is_lost:  # for good, whatever is read there since
            raise ChangedError("the lock is not held any more")
        try:
            self._shelf.write(changes, told)
        except ChangedError:
            self._is_lost = True
            raise

    def _give_up(self) -> None:
        """Let go of what may be ours without anybody knowing."""
        with suppress(RemoteError):
            self.end()

    @property
    def until(self) -> str:
        """When others may take the lock, at the latest (ISO 8601, UTC)."""
        return (self._renewed.at + timedelta(seconds=LENGTH + TOLERANCE)).isoformat(timespec="seconds")

    def _until(self) -> str:
        return (self._clock.now() + timedelta(seconds=LENGTH)).isoformat(timespec="seconds")


def hold_in(content: bytes | None, now: datetime, host: str) -> Hold:
    """How a lock is held whose file holds this, seen from a host. One that ran out is free."""
    if not content:
        return Hold(Grip.FREE)
    lease = _decoded(content)
    if lease is None:
        return Hold(Grip.UNNAMED)
    if now - timedelta(seconds=TOLERANCE) > datetime.fromisoformat(lease.until):
        return Hold(Grip.FREE, lease.holder, lease.until)
    if lease.holder.host != host:
        return Hold(Grip.ELSEWHERE, lease.holder, lease.until)
    grip = Grip.RUNNING if runs_beside(lease.holder.pid) else Grip.LOST
    return Hold(grip, lease.holder, lease.until)


def _encoded(lease: Lease) -> bytes:
    return (json.dumps(asdict(lease), indent=2, sort_keys=True) + "\n").encode()


def _decoded(content: bytes) -> Lease | None:
    """The lease in a file; None for anything else."""
    try:
        data = json.loads(content)
        holder = Holder(**data["holder"])
        lease = Lease(holder, data["until"], data["mark"])
        has_zone = datetime.fromisoformat(lease.until).tzinfo is not None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    texts = (holder.host, holder.user, holder.since, holder.doing, lease.until, lease.mark)
    return (
        lease
        if has_zone and isinstance(holder.pid, int) and all(isinstance(each, str) for each in texts)
        else None
    )
