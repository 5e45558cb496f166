"""Lease the lock of a remote state: a file names the holder and the end of the lease, and is renewed during the run.

A process that dies cannot release a lock on a server, so a lease expires by itself. Only the main thread writes: it
wakes every fraction of a second while calls are in flight, however long they take, and renews the lease long before its
end. While a user is asked to confirm, it is not renewed. If the lease expires then and another run takes it,
the next write fails, and that write comes before the first call to Fivetran.

Two clocks measure the age of a lease, and the higher age counts: the monotonic clock stops while its machine sleeps,
and the time of day may be set back.

Every write of the state goes out on the condition that the lease and the state are as this run left them. So a run
whose lease was taken cannot replace the state of its successor, even if both clocks are wrong. If one request writes
both files, it renews the lease too. Otherwise a lease that is not due is read and not written: a store may take one
write per second of the same object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from reconciler.model.clock import Clock
from reconciler.model.lock_info import LockInfo
from reconciler.runtime.process import is_other_live_process
from reconciler.state.backend import (
    Backend,
    BackendContext,
    BackendError,
    ConflictError,
    RateLimitedError,
    UnusableBackendError,
)
from reconciler.state.lock import LockHolderState, LockStatus
from reconciler.state.watch import LockWatcher

LEASE_TTL = 300.0
"""Seconds until a lease expires that is not renewed. Long enough to survive a server that is out of reach for some
minutes, and short enough to wait for after a crash."""
RENEW_AFTER = 100.0
"""Seconds after which a lease is renewed without other changes: a third of its length, so that several attempts are
possible between the first failure and the end."""
WRITE_INTERVAL = 30.0
"""Seconds between writes of results, and between attempts of a failed write. Each write is a commit or a request to the
store, and a lost result is found again at Fivetran, so frequent writes are not worth their cost."""
CLOCK_SKEW = 60.0
"""Seconds that the clocks of two hosts may differ. Another run adds them before it takes an expired lease; the holder
does not, so that it stops before another run may start."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Holder of a lock, and the end of the lease (ISO 8601, UTC). The random mark makes each lease unique, so that
    equal content is always the same write."""

    holder: LockInfo
    until: str
    mark: str


class LockHeldError(Exception):
    """Another run holds the lock."""

    def __init__(self, status: LockStatus) -> None:
        super().__init__("held")
        self.status = status


@dataclass(frozen=True, slots=True)
class _TimePoint:
    """Point in time, by both clocks."""

    monotonic: float
    wall: datetime

    @classmethod
    def now(cls, clock: Clock) -> _TimePoint:
        return cls(clock.monotonic(), clock.now())

    def elapsed_since(self, earlier: _TimePoint) -> float:
        """Compute the passed seconds, by the clock that shows more."""
        return max(self.monotonic - earlier.monotonic, (self.wall - earlier.wall).total_seconds())


class RemoteLock:
    """Lock of a remote state, held from `acquire` to `release`. Every write in between renews it."""

    def __init__(self, backend: Backend, name: str, holder: LockInfo, context: BackendContext) -> None:
        self._backend = backend
        self._name = name
        self._clock = context.clock
        self._entropy = context.entropy
        self._holder = holder
        self._deadline = context.deadline
        self._attempted = self._renewed = _TimePoint.now(self._clock)
        self._is_lost = False
        self._is_released = False
        self._watcher = LockWatcher(lambda patience: backend.version(name, patience), self._clock)

    def acquire(self) -> None:
        """Take the lock. Raises LockHeldError if another run holds it, and BackendError."""
        status = parse_lock_status(
            self._backend.read(self._name)[self._name], self._clock.now(), self._holder.host
        )
        if status.state is not LockHolderState.FREE:
            raise LockHeldError(status)
        try:
            self._take()
            self._backend.verify_conditional_writes(self._name)
        except ConflictError:  # another run was faster
            status = parse_lock_status(
                self._backend.read(self._name)[self._name], self._clock.now(), self._holder.host
            )
            # Free again: the faster run has ended meanwhile, and nothing is known about it.
            raise LockHeldError(
                status if status.state is not LockHolderState.FREE else LockStatus(LockHolderState.UNKNOWN)
            ) from None
        # The write may have been carried out without an answer: a lock that stays would block other runs for minutes.
        except KeyboardInterrupt:
            self._deadline.begin_shutdown()
            self._release_quietly()
            raise
        except UnusableBackendError:
            self._is_released = True  # a refused place does not keep the lock
            raise
        except BackendError:
            self._release_quietly()
            raise

    def _take(self) -> None:
        """Write the first lease. Raises as `write` does."""
        try:
            self.write({}, f"locked; free again at {self._compute_expiry()} at the latest")
        except RateLimitedError:
            # The lease is probably not written, and the run has waited for the limit already.
            with self._deadline.best_effort():
                self._release_quietly()
            raise

    def write(self, changes: Mapping[str, bytes | None], message: str) -> None:
        """Write files while the lock is held, together with a renewed lease if that is due or costs nothing.

        Raises ConflictError if another run wrote the lock or one of the files, and BackendError.
        """
        # Measured from before the request, so that for this run the lease never ends later than for other runs.
        started = self._attempted = _TimePoint.now(self._clock)
        if (
            changes
            and not self._backend.writes_together
            and started.elapsed_since(self._renewed) < RENEW_AFTER
        ):
            self._check_now()
            self._write(changes, message)
            return
        lease = Lease(self._holder, self._compute_expiry(), self._entropy(8).hex())
        self._write({self._name: _encode_lease(lease), **changes}, message)
        self._renewed = started

    def write_and_release(self, changes: Mapping[str, bytes | None], message: str) -> None:
        """Write files and release the lock in one write, for a run that has no time for two writes. Raises the errors
        of `write`. After it `release` sends nothing, even after an error, unless the error is a rate limit: then the
        backend answers."""
        self._is_released = True
        try:
            self._write({**changes, self._name: None}, f"{message}; unlocked")
        except RateLimitedError:
            self._is_released = False
            raise

    def release(self) -> None:
        """Release the lock. Raises BackendError; the lease then expires by itself."""
        self.stop_watching()
        if not self._is_lost and not self._is_released:
            self._is_released = True
            self._backend.write({self._name: None}, "unlocked")

    def is_due(self, *, has_changes: bool) -> bool:
        """Check whether a write is due. An expired lease is due at once, since another run may have taken it."""
        now = _TimePoint.now(self._clock)
        age = now.elapsed_since(self._renewed)
        is_waiting = now.elapsed_since(self._attempted) < WRITE_INTERVAL
        return age >= LEASE_TTL or (not is_waiting and (has_changes or age >= RENEW_AFTER))

    @property
    def has_expired(self) -> bool:
        """Whether the lease has expired by a clock of this run, so that other runs may take the lock soon."""
        return _TimePoint.now(self._clock).elapsed_since(self._renewed) >= LEASE_TTL

    def check_ownership(self) -> None:
        """Check every few seconds whether the lock is still held, without waiting for the answer. Raises ConflictError
        if it is lost, and BackendError if a file changed and cannot be read."""
        if self._is_lost:
            raise ConflictError("the lock is not held any more")
        known_version = self._backend.known_version(self._name)
        observation = self._watcher.poll(known_version)
        # A poll that started before the last write says nothing about the present version.
        if (
            observation is None
            or observation.known_version != known_version
            or observation.version == known_version
        ):
            return
        self._check_now()

    def _check_now(self) -> None:
        """Check that the lock is held. Raises ConflictError if it is lost, and BackendError if it cannot be read."""
        if self._is_lost or not self._backend.is_unchanged(self._name):
            self._is_lost = True
            raise ConflictError("the lock is not held any more")

    def stop_watching(self) -> None:
        """Start no further polls."""
        self._watcher.stop()

    def _write(self, changes: Mapping[str, bytes | None], message: str) -> None:
        if self._is_lost:  # final, even if the lock is free again: another run may have written meanwhile
            raise ConflictError("the lock is not held any more")
        try:
            self._backend.write(changes, message)
        except ConflictError:
            self._is_lost = True
            raise

    def _release_quietly(self) -> None:
        """Release a lock that this run may or may not have taken."""
        with suppress(BackendError):
            self.release()

    @property
    def expires_at(self) -> str:
        """The time at which other runs may take the lock, at the latest (ISO 8601, UTC)."""
        return (self._renewed.wall + timedelta(seconds=LEASE_TTL + CLOCK_SKEW)).isoformat(timespec="seconds")

    def _compute_expiry(self) -> str:
        return (self._clock.now() + timedelta(seconds=LEASE_TTL)).isoformat(timespec="seconds")


def parse_lock_status(content: bytes | None, now: datetime, host: str) -> LockStatus:
    """Parse the status of a lock from the content of its file, as seen from `host`. An expired lease is free."""
    if not content:
        return LockStatus(LockHolderState.FREE)
    lease = _decode_lease(content)
    if lease is None:
        return LockStatus(LockHolderState.UNKNOWN)
    if now - timedelta(seconds=CLOCK_SKEW) > datetime.fromisoformat(lease.until):
        return LockStatus(LockHolderState.FREE, lease.holder, lease.until)
    if lease.holder.host != host:
        return LockStatus(LockHolderState.REMOTE, lease.holder, lease.until)
    state = (
        LockHolderState.LOCAL_ALIVE if is_other_live_process(lease.holder.pid) else LockHolderState.LOCAL_DEAD
    )
    return LockStatus(state, lease.holder, lease.until)


def _encode_lease(lease: Lease) -> bytes:
    return (json.dumps(asdict(lease), indent=2, sort_keys=True) + "\n").encode()


def _decode_lease(content: bytes) -> Lease | None:
    """Decode the lease in a file; None for any other content."""
    try:
        data = json.loads(content)
        holder = LockInfo(**data["holder"])
        lease = Lease(holder, data["until"], data["mark"])
        has_zone = datetime.fromisoformat(lease.until).tzinfo is not None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    texts = (holder.host, holder.user, holder.since, holder.doing, lease.until, lease.mark)
    return (
        lease
        if has_zone and isinstance(holder.pid, int) and all(isinstance(text, str) for text in texts)
        else None
    )
