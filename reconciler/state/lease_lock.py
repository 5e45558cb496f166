"""Lock a remote state by a lease, read the status of the lease, and explain failures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.model.lock_info import LockInfo
from reconciler.state.backend import Backend, BackendContext, BackendError, ConflictError
from reconciler.state.lease import LockHeldError, RemoteLock, parse_lock_status
from reconciler.state.lock import LockHolderState, LockStatus

LOCK_LOST_ADVICE = "see which run is at work, then apply again: existing objects are found and not made twice"


class LeaseLock:
    """Lock in the file `name` of a backend. `held` is the lease of this run while the run has the lock."""

    def __init__(self, backend: Backend, name: str, display_name: str, context: BackendContext) -> None:
        self._backend = backend
        self._name = name
        self._display_name = display_name
        self._context = context
        self._release_failure: Diagnostic | None = None
        self.held: RemoteLock | None = None

    @contextmanager
    def hold(self, holder: LockInfo) -> Iterator[None]:
        """Hold the lock. Raises ReconcilerError at once if another run holds it."""
        lock = RemoteLock(self._backend, self._name, holder, self._context)
        try:
            lock.acquire()
        except LockHeldError as error:
            raise ReconcilerError([self._explain_locked(error.status)]) from None
        except BackendError as error:
            raise ReconcilerError([self.explain_unavailable("locked", error)]) from error
        self.held = lock
        try:
            yield
        except KeyboardInterrupt:
            self._context.deadline.begin_shutdown()
            raise
        finally:
            self.held = None
            try:
                lock.release()
            except ConflictError:
                pass  # another run has taken the lock, so there is nothing to release
            except BackendError as error:
                self._release_failure = self._warn_not_released(error, lock.expires_at)

    @property
    def release_failure(self) -> Diagnostic | None:
        """A warning if the lock could not be released. Known once `hold` has ended."""
        return self._release_failure

    def current_owner(self, own: LockInfo) -> LockStatus | None:
        """Find the other run that holds the lock; None if it is unknown: credentials that may read the state may not be
        allowed to read the lock."""
        try:
            status = self._parse(self._backend.peek(self._name), own.host)
        except BackendError:
            return None
        return None if status.state is LockHolderState.FREE or status.holder in (None, own) else status

    def inspect(self, host: str) -> LockStatus:
        """Read the status of the lock, as seen from `host`. An expired lease is free. Raises ReconcilerError."""
        try:
            return self._read_status(host)
        except BackendError as error:
            raise ReconcilerError([self.explain_unavailable("looked at", error)]) from error

    def clear_stale(self, host: str) -> LockStatus:
        """Read the status of the lock, as seen from `host`. An expired lease is removed. Raises ReconcilerError."""
        try:
            status = self._read_status(host)
            if status.state is LockHolderState.FREE and status.holder is not None:
                self._backend.write({self._name: None}, "removed an expired lock")
        except BackendError as error:
            raise ReconcilerError([self.explain_unavailable("looked at", error)]) from error
        return status

    def force_unlock(self, expected: LockStatus, host: str) -> None:
        """Take the lock away from its holder. Raises ReconcilerError if its status differs from `expected`: a holder
        that renewed the lock meanwhile is at work."""
        try:
            current = self._read_status(host)
            if current.state is LockHolderState.FREE:
                return
            if current != expected:
                raise ReconcilerError([self._explain_locked(current)])
            self._backend.write({self._name: None}, f"broke the lock of {current.holder or 'an unknown run'}")
        except ConflictError:
            raise ReconcilerError([self._explain_locked(self._read_status(host))]) from None
        except BackendError as error:
            raise ReconcilerError([self.explain_unavailable("unlocked", error)]) from error

    def explain_unavailable(self, action: str, error: OSError) -> Diagnostic:
        """Explain a state that cannot be `read`, `written` or `locked` (the `action`)."""
        if isinstance(error, ConflictError):
            return Diagnostic(
                "lease-lost",
                f"the state `{self._display_name}` is not held by this run any more",
                notes=self._describe_successor(),
                help=LOCK_LOST_ADVICE,
            )
        advice = (
            error.advice if isinstance(error, BackendError) else ""
        ) or "see that it can be reached from here"
        return Diagnostic(
            error.code if isinstance(error, BackendError) else "state-unusable",
            f"the state `{self._display_name}` cannot be {action}: {error}",
            notes=error.notes if isinstance(error, BackendError) else (),
            help=f"{advice}; then run again",
        )

    def _read_status(self, host: str) -> LockStatus:
        return self._parse(self._backend.read(self._name)[self._name], host)

    def _parse(self, content: bytes | None, host: str) -> LockStatus:
        return parse_lock_status(content, self._context.clock.now(), host)

    def _describe_successor(self) -> tuple[str, ...]:
        """Describe the present holder of a lost lock, if the lock can be read."""
        try:
            status = self._parse(self._backend.peek(self._name), "")
        except BackendError:
            return ()
        if status.holder is None:
            return ("its lock was broken or expired, or another process wrote the state without a lock",)
        if status.holder == self._context.holder:
            return ("an older version of the state was restored: its lock is an earlier lock of this run",)
        return (f"it is held by {status.holder}",)

    def _explain_locked(self, status: LockStatus) -> Diagnostic:
        owner_note = f"it is held by {status.holder}" if status.holder else "its holder is unknown"
        notes = (
            (owner_note, f"it is free again at {status.expires_at}, unless it is renewed")
            if status.expires_at
            else (owner_note,)
        )
        return Diagnostic(
            "locked",
            f"another run is writing to the state `{self._display_name}`",
            notes=notes,
            help="wait for that run to end, then run again; the lock of a run that died expires by itself, and"
            " `reconciler state unlock` breaks it earlier",
        )

    def _warn_not_released(self, error: BackendError, expires_at: str) -> Diagnostic:
        return Diagnostic(
            "lock-left",
            f"the lock of the state `{self._display_name}` could not be released: {error}",
            severity=Severity.WARNING,
            notes=(*error.notes, f"other runs have to wait until it expires, at {expires_at}"),
            help="`reconciler state unlock` frees it earlier",
        )
