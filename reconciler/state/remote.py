"""Keep a state in a backend: one file for the whole state, and a lease beside it as its lock.

Intents are written before the first call to Fivetran; results follow at intervals and at the end. If a run is killed,
the next run finds the missing results at Fivetran, by the intents. Nothing is written twice: a backend may limit the
rate of writes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.record import Relocation, RelocationPhase, State
from reconciler.model.state_location import GitBranch, ObjectKey
from reconciler.state.backend import (
    Backend,
    BackendContext,
    BackendError,
    ConflictError,
    RateLimitedError,
)
from reconciler.state.backups import BackupFolders
from reconciler.state.codec import decode_state, encode_state
from reconciler.state.git import GitBackend
from reconciler.state.journal import JournalEntry
from reconciler.state.lease import RemoteLock
from reconciler.state.lease_lock import LOCK_LOST_ADVICE, LeaseLock
from reconciler.state.neighbours import BackendFiles, NeighbourReader
from reconciler.state.read_times import SUFFIX, RemoteTimesFile
from reconciler.state.store import StateWriter, Store

_RETRY_PAUSE = 2.0
_CHECK_TIMEOUT = 5.0


def build_remote_store(
    location: GitBranch | ObjectKey, name: str, context: BackendContext, fallback_dir: Path | None = None
) -> Store:
    """Build the store for a remote location. In a branch, which several projects may share, the file of the state has
    this `name`. Sends no request. Raises ReconcilerError if a library is missing."""
    if isinstance(location, GitBranch):
        return RemoteState(GitBackend(location, context), name, str(location), context, fallback_dir)
    from reconciler.state.object import ObjectBackend

    backend = ObjectBackend(location, context)
    return RemoteState(backend, location.key, str(location), context, fallback_dir)


class RemoteState(Store):
    """State in the file `name` of a backend. Its lock is the file of that name with `.lock` behind it, and the times of
    reads are the file with `.reads` behind it.

    No key of fingerprints is ever stored there: every reader of the state could guess secrets with it.
    """

    _restore_advice = "restore an earlier version of it, or delete it and plan again"
    lock: LeaseLock

    def __init__(
        self,
        backend: Backend,
        name: str,
        display_name: str,
        context: BackendContext,
        fallback_dir: Path | None = None,
    ) -> None:
        self._backend = backend
        self._name = name
        self._context = context
        self._writer: RemoteStateWriter | None = None
        candidates = (context.directory / ".reconciler", fallback_dir)
        folders = tuple(folder for folder in candidates if folder is not None)
        super().__init__(
            display_name,
            LeaseLock(backend, f"{name}.lock", display_name, context),
            BackupFolders(Path(name).name, folders, creates_folders=True),
            NeighbourReader(BackendFiles(backend, name, display_name)),
        )

    def open(self, state: State) -> RemoteStateWriter:
        """Begin to write, with `state` as the next snapshot. The first `sync` writes it. The lock must be held."""
        if self.lock.held is None:
            raise RuntimeError("the state is not locked")
        self._writer = RemoteStateWriter(self.lock.held, self._name, state, self._context)
        return self._writer

    def replace(self, state: State) -> None:
        """Replace the file of the state. A backend with a history records the relocation of the state."""
        if self.lock.held is None:
            raise RuntimeError("the state is not locked")
        try:
            self.lock.held.write({self._name: encode_state(state)}, _summarize(state))
        except BackendError as error:
            raise ReconcilerError([self.explain_unavailable("written", error)]) from error

    def build_times_file(self) -> RemoteTimesFile:
        """Build the file beside the state that keeps the times of reads."""
        is_named = self.display_name.endswith(self._name)  # a branch may hold the states of several projects
        shown = self.display_name if is_named else f"{self.display_name}/{self._name}"
        return RemoteTimesFile(self._backend, f"{self._name}{SUFFIX}", f"{shown}{SUFFIX}")

    def renew_and_flush(self) -> bool:
        """Write staged entries that are due, renew the lock in time, and check that it is still held. Returns whether
        the run may go on.

        A failed write or check is repeated later. Without the lock the run may start nothing: another run may be at
        work.
        """
        lock, writer = self.lock.held, self._writer
        if lock is None:
            return True
        open_writer = writer if writer is not None and writer.is_open else None
        # A run that is shutting down starts nothing new, and writes all entries at the end.
        if self.stop_reason is None and not self._is_shutting_down:
            try:
                self._renew_and_flush(lock, open_writer)
            except ConflictError as error:
                self.stop_reason = self.explain_unavailable("written", error)
            except BackendError as error:
                if lock.has_expired:
                    self.stop_reason = self._explain_expired_lock(error)
        return self.stop_reason is None or open_writer is None

    def _renew_and_flush(self, lock: RemoteLock, writer: RemoteStateWriter | None) -> None:
        has_changes = writer is not None and writer.has_changes
        if lock.is_due(has_changes=has_changes):
            with self._context.deadline.best_effort():
                if writer is not None:
                    # Even without changes: `written_at` bounds how long after it this run may still send requests.
                    writer.sync()
                else:
                    lock.write({}, "still at work")
        elif writer is not None:
            with self._context.deadline.best_effort(_CHECK_TIMEOUT):
                lock.check_ownership()

    def explain_unavailable(self, action: str, error: OSError) -> Diagnostic:
        """Explain a state that cannot be `read`, `written` or `locked` (the `action`)."""
        return self.lock.explain_unavailable(action, error)

    @property
    def _is_shutting_down(self) -> bool:
        return self._context.deadline.shutting_down

    def _load(self) -> State | None:
        content = self._backend.read(self._name)[self._name]
        return None if content is None else decode_state(content)

    def _explain_failed_write(self, error: OSError, backup: Path | None) -> Diagnostic:
        note = (
            f"the state of this run is written to `{backup}`, for reference: nothing has to be done with it"
            if backup
            else "it could not be written anywhere else"
        )
        if isinstance(error, ConflictError):
            diagnostic = self.explain_unavailable("written", error)
            return replace(diagnostic, notes=(*diagnostic.notes, note))
        notes = error.notes if isinstance(error, BackendError) else ()
        if self.lock.held is not None and self._is_shutting_down:
            note += (
                f"; its lock expires at {self.lock.held.expires_at}, and `reconciler state unlock` frees it"
                " earlier"
            )
        advice = error.advice if isinstance(error, BackendError) else ""
        return Diagnostic(
            "state-not-kept",
            f"the state `{self.display_name}` could not be written: {error}",
            notes=(*notes, note),
            help=f"{advice or 'see that it can be reached'}, and apply again: existing objects are found and not made"
            " twice",
        )

    def _explain_expired_lock(self, error: BackendError) -> Diagnostic:
        return Diagnostic(
            "lease-lost",
            f"the lock of the state `{self.display_name}` expired, since it could not be renewed: {error}",
            notes=("another run may have taken it, so nothing new was started",),
            help=LOCK_LOST_ADVICE,
        )


class RemoteStateWriter(StateWriter):
    """Writer of a remote state. Staged entries are durable after the next `sync`."""

    def __init__(self, lock: RemoteLock, name: str, state: State, context: BackendContext) -> None:
        super().__init__(state)
        self._lock = lock
        self._name = name
        self._deadline = context.deadline
        self._clock = context.clock
        self.has_changes = True
        self.is_open = True

    def stage(self, entries: Iterable[JournalEntry]) -> None:
        """Set records, or drop them (None, or their removal), until the next `sync`."""
        super().stage(entries)
        self.has_changes = True

    def mark_applied(self, digests: Collection[str]) -> None:
        """Drop the reviewed plans of these digests from the next snapshot: they are in effect."""
        if not self.state.reviewed.keys().isdisjoint(digests):
            super().mark_applied(digests)
            self.has_changes = True

    def sync(self) -> None:
        """Write all staged entries now. Raises BackendError."""
        self._write(self._lock.write)

    def close(self) -> None:
        """Write the last snapshot if there are changes. A failed write is repeated once. During shutdown it is not
        repeated, and the same write releases the lock. Raises BackendError."""
        self.is_open = False
        self._lock.stop_watching()
        if not self.has_changes:
            return
        self._advance_serial()
        if self._deadline.shutting_down:
            self._write(self._lock.write_and_release)
            return
        try:
            self.sync()
        except (ConflictError, RateLimitedError):  # the backend has waited for a limit already
            raise
        except BackendError:
            if self._deadline.pause(_RETRY_PAUSE):
                raise
            self.sync()

    def _write(self, write: Callable[[Mapping[str, bytes | None], str], None]) -> None:
        state = replace(self.state, written_at=self._clock.now())
        write({self._name: encode_state(state)}, _summarize(state))
        self.has_changes = False


def _summarize(state: State) -> str:
    """Summarize a state for the history of its backend."""
    match state.relocation:
        case Relocation(RelocationPhase.ARRIVING, place):
            return f"serial {state.serial}, {len(state.records)} records that arrive from {place}"
        case Relocation(RelocationPhase.DEPARTED, place):
            return f"serial {state.serial}, moved to {place}"
    return f"serial {state.serial}, {len(state.records)} records"
