"""A state at a remote place: one file for all of it, and a lease beside it as its lock.

What is about to be done is there before the first call; what was done follows at intervals and at the end. What a
killed run did in between is found by looking, as its intents say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.model.lock_info import LockInfo
from reconciler.model.record import Record, State
from reconciler.state.backend import Backend, BackendContext, BackendError, ConflictError
from reconciler.state.codec import DamagedStateError, NewerStateError, decode_state, encode_state
from reconciler.state.file import read_backups, write_backup
from reconciler.state.journal import JournalEntry, apply_entries
from reconciler.state.lease import LockHeldError, RemoteLock, parse_lock_status
from reconciler.state.lock import LockHolderState, LockStatus
from reconciler.state.sent_times import bound_sent_times

_RETRY_PAUSE = 2.0
_CHECK_TIMEOUT = 5.0


class RemoteState:
    """A state on a shelf, in the file `name`. Its lock is the file of that name with `.lock` behind it.

    No key of fingerprints is ever kept there: whoever reads the state could try out secrets with it.
    """

    can_store_key = False

    def __init__(self, backend: Backend, name: str, display_name: str, context: BackendContext) -> None:
        self._backend = backend
        self._name = name
        self._lock_name = f"{name}.lock"
        self._display_name = display_name
        self._context = context
        self._held_lock: RemoteLock | None = None
        self._writer: RemoteStateWriter | None = None
        self._stop_reason: Diagnostic | None = None
        self._release_failure: Diagnostic | None = None

    @property
    def display_name(self) -> str:
        """The place as people know it."""
        return self._display_name

    def read(self) -> State | None:
        """The state as it is now; None where there is none yet. Takes no lock and writes nothing.

        Raises ReconcilerError for one that is damaged, newer, or cannot be reached.
        """
        try:
            content = self._backend.read(self._name)[self._name]
            return None if content is None else bound_sent_times(decode_state(content))
        except BackendError as error:
            raise ReconcilerError([self.unavailable("read", error)]) from error
        except NewerStateError as error:
            raise ReconcilerError([self._newer_state_error(error)]) from error
        except DamagedStateError as error:
            raise ReconcilerError([self._damaged_state_error(error)]) from error

    def read_key(self) -> bytes | None:
        """None: see above."""
        return None

    def write_key(self, key: bytes) -> None:
        """Not to be called."""
        raise RuntimeError("a remote state keeps no key")

    @contextmanager
    def hold_lock(self, holder: LockInfo) -> Iterator[None]:
        """Hold the lock for a while. Raises ReconcilerError at once where somebody else holds it."""
        lock = RemoteLock(self._backend, self._lock_name, holder, self._context)
        try:
            lock.acquire()
        except LockHeldError as error:
            raise ReconcilerError([self._locked_error(error.status)]) from None
        except BackendError as error:
            raise ReconcilerError([self.unavailable("locked", error)]) from error
        self._held_lock = lock
        try:
            yield
        except KeyboardInterrupt:
            self._context.deadline.begin_shutdown()
            raise
        finally:
            self._held_lock = None
            try:
                lock.release()
            except ConflictError:
                pass  # it is another's by now
            except BackendError as error:
                self._release_failure = self._not_released_warning(error, lock.expires_at)

    @property
    def release_failure(self) -> Diagnostic | None:
        """A warning where the lock could not be let go of."""
        return self._release_failure

    def current_owner(self, own: LockInfo) -> LockStatus | None:
        """Who else holds the lock, as far as that is known: whoever may read the state only need not see it."""
        try:
            status = parse_lock_status(
                self._backend.peek(self._lock_name), self._context.clock.now(), own.host
            )
        except BackendError:
            return None
        return None if status.state is LockHolderState.FREE or status.holder in (None, own) else status

    def clear_stale_lock(self, host: str) -> LockStatus:
        """How the lock is held, seen from `host`. One that ran out is taken away. Raises ReconcilerError."""
        try:
            status = self._read_status(host)
            if status.state is LockHolderState.FREE and status.holder is not None:
                self._backend.write({self._lock_name: None}, "took away a lock that had run out")
        except BackendError as error:
            raise ReconcilerError([self.unavailable("looked at", error)]) from error
        return status

    def break_lock(self, expected: LockStatus, host: str) -> None:
        """Take the lock away from whoever holds it. Raises ReconcilerError where it is not held as it was `seen`: who
        renewed it in the meantime is at work."""
        try:
            current = self._read_status(host)
            if current.state is LockHolderState.FREE:
                return
            if current != expected:
                raise ReconcilerError([self._locked_error(current)])
            self._backend.write(
                {self._lock_name: None}, f"broke the lock of {current.holder or 'somebody without a name'}"
            )
        except ConflictError:
            raise ReconcilerError([self._locked_error(self._read_status(host))]) from None
        except BackendError as error:
            raise ReconcilerError([self.unavailable("unlocked", error)]) from error

    def open(self, state: State) -> RemoteStateWriter:
        """Begin to write, with `state` as the next one. Nothing is written before `sync`. The lock must be held."""
        if self._held_lock is None:
            raise RuntimeError("the state is not locked")
        self._writer = RemoteStateWriter(self._held_lock, self._name, state, self._context)
        return self._writer

    def renew_and_flush(self) -> bool:
        """Write what is due, renew the lock where it is time to, and look whether it is still held. Whether the run
        may go on.

        A write that fails is made again later, and so is a look. Without the lock nothing may be started: then
        somebody else may be at work.
        """
        lock, writer = self._held_lock, self._writer
        if lock is None:
            return True
        open_writer = writer if writer is not None and writer.is_open else None
        # Whoever leaves starts nothing any more, and writes everything at the end.
        if self._stop_reason is None and not self._context.deadline.shutting_down:
            try:
                self._renew_and_flush(lock, open_writer)
            except ConflictError as error:
                self._stop_reason = self.unavailable("written", error)
            except BackendError as error:
                if lock.has_expired:
                    self._stop_reason = self._not_renewed_error(error)
        return self._stop_reason is None or open_writer is None

    def _renew_and_flush(self, lock: RemoteLock, writer: RemoteStateWriter | None) -> None:
        has_changes = writer is not None and writer.has_changes
        if lock.is_due(has_changes=has_changes):
            with self._context.deadline.best_effort():
                if writer is not None:
                    writer.sync()  # also without news: how long the run may go on is reckoned from what stands there
                else:
                    lock.write({}, "still at work")
        elif writer is not None:
            with self._context.deadline.best_effort(_CHECK_TIMEOUT):
                lock.check_ownership()

    @property
    def backup_first(self) -> bool:
        """Whether somebody wants to leave, and may not wait until the last write is through."""
        return self._context.deadline.shutting_down

    @property
    def stop_reason(self) -> Diagnostic | None:
        """Why the run may not go on."""
        return self._stop_reason

    def write_backup(self, state: State, fallback_dir: Path | None) -> Path | None:
        """Write a state to this machine: beside the project file, or else into `refuge`. Where it is then."""
        folders = self._backup_folders(fallback_dir)
        for folder in folders:
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
        return write_backup(state, Path(self._name).name, folders)

    def read_backups(self, fallback_dir: Path | None) -> Iterator[tuple[Path, State]]:
        """States that earlier runs rescued to this machine."""
        return read_backups(Path(self._name).name, self._backup_folders(fallback_dir))

    def _backup_folders(self, fallback_dir: Path | None) -> list[Path]:
        return [
            folder for folder in (self._context.directory / ".reconciler", fallback_dir) if folder is not None
        ]

    def write_failed(self, error: OSError, backup: Path | None) -> Diagnostic:
        """What to say where a run could not write down at its end what it did."""
        note = (
            f"what this run did is written to `{backup}`, for reference: nothing has to be done with it"
            if backup
            else "it could not be written anywhere else"
        )
        if isinstance(error, ConflictError):
            diagnostic = self.unavailable("written", error)
            return replace(diagnostic, notes=(*diagnostic.notes, note))
        notes = error.notes if isinstance(error, BackendError) else ()
        if self._held_lock is not None and self._context.deadline.shutting_down:
            note += f"; its lock is free by itself at {self._held_lock.expires_at}"
        return Diagnostic(
            "state-not-kept",
            f"the state `{self._display_name}` could not be written: {error}",
            notes=(*notes, note),
            help="see that it can be reached, and apply again: what exists is found and not made twice",
        )

    def unavailable(self, action: str, error: OSError) -> Diagnostic:
        """What to say where the state could not be `read`, `locked` or `written`."""
        if isinstance(error, ConflictError):
            return Diagnostic(
                "lease-lost",
                f"the state `{self._display_name}` is another run's by now",
                notes=self._describe_successor(),
                help=_LOCK_LOST_ADVICE,
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
        return parse_lock_status(
            self._backend.read(self._lock_name)[self._lock_name], self._context.clock.now(), host
        )

    def _describe_successor(self) -> tuple[str, ...]:
        """Who has the lock now, if that can be known."""
        try:
            status = parse_lock_status(self._backend.peek(self._lock_name), self._context.clock.now(), "")
        except BackendError:
            return ()
        if status.holder is None:
            return ("its lock was broken or ran out, or somebody wrote it without one",)
        if status.holder == self._context.holder:
            return ("somebody put back an older version of it: the lock there is an earlier one of this run",)
        return (f"it is held by {status.holder}",)

    def _locked_error(self, status: LockStatus) -> Diagnostic:
        owner_note = (
            f"it is held by {status.holder}" if status.holder else "its holder does not say who it is"
        )
        notes = (
            (owner_note, f"it is free again at {status.expires_at}, unless it is renewed")
            if status.expires_at
            else (owner_note,)
        )
        return Diagnostic(
            "locked",
            f"another run is writing to the state `{self._display_name}`",
            notes=notes,
            help="wait for it to end and run again; the lock of a run that died runs out by itself, and"
            " `reconciler state unlock` breaks it before",
        )

    def _not_renewed_error(self, error: BackendError) -> Diagnostic:
        return Diagnostic(
            "lease-lost",
            f"the lock of the state `{self._display_name}` ran out, since it could not be renewed: {error}",
            notes=("another run may have taken it, so nothing new was started",),
            help=_LOCK_LOST_ADVICE,
        )

    def _not_released_warning(self, error: BackendError, expires_at: str) -> Diagnostic:
        return Diagnostic(
            "lock-left",
            f"the lock of the state `{self._display_name}` could not be let go of: {error}",
            severity=Severity.WARNING,
            notes=(*error.notes, f"others have to wait until it is free by itself, at {expires_at}"),
            help="`reconciler state unlock` frees it before",
        )

    def _newer_state_error(self, error: NewerStateError) -> Diagnostic:
        return Diagnostic(
            "state-newer",
            f"the state `{self._display_name}` was written by a newer version of this program: {error}",
            help="use that version, here and wherever else this state is used",
        )

    def _damaged_state_error(self, error: DamagedStateError) -> Diagnostic:
        return Diagnostic(
            "state-damaged",
            f"the state `{self._display_name}` is damaged: {error}",
            notes=("a state is memory only: without it, entries are found again by their ids or names",),
            help="restore an earlier version of it, or delete it and plan again",
        )


_LOCK_LOST_ADVICE = "see who is at work, then apply again: what exists is found and not made twice"


class RemoteStateWriter:
    """A state that is being written. What `remember` is given is durable after the next `sync`."""

    def __init__(self, lock: RemoteLock, name: str, state: State, context: BackendContext) -> None:
        self._lock = lock
        self._name = name
        self._deadline = context.deadline
        self._clock = context.clock
        self._records, self._removals = dict(state.records), dict(state.removals)
        self._base = replace(state, serial=state.serial + 1)
        self.has_changes = True
        self.is_open = True

    @property
    def records(self) -> Mapping[Address, Record]:
        """What is remembered now."""
        return MappingProxyType(self._records)

    @property
    def state(self) -> State:
        """The whole state as of now."""
        return replace(self._base, records=dict(self._records), removals=dict(self._removals))

    def stage(self, entries: Iterable[JournalEntry]) -> None:
        """Keep records, or forget an address (None, or its removal), until the next `sync`."""
        apply_entries(entries, self._records, self._removals)
        self.has_changes = True

    def sync(self) -> None:
        """Write everything now. Raises RemoteError."""
        self._write(self._lock.write)

    def mark_applied(self, digests: Collection[str]) -> None:
        """Let the next state say that the reviewed plans of these digests are in effect."""
        pending = {digest: plan for digest, plan in self._base.reviewed.items() if digest not in digests}
        self._base = replace(self._base, reviewed=pending)

    def close(self) -> None:
        """Write everything for the last time. A place that does not answer is asked twice, unless somebody wants to
        leave: then this lets go of the lock in the same write. Raises RemoteError."""
        self.is_open = False
        self._lock.stop_watching()
        self._base = replace(self._base, serial=self._base.serial + 1)
        if self._deadline.shutting_down:
            self._write(self._lock.write_and_release)
            return
        try:
            self.sync()
        except ConflictError:
            raise
        except BackendError:
            if self._deadline.pause(_RETRY_PAUSE):
                raise
            self.sync()

    def _write(self, write: Callable[[Mapping[str, bytes | None], str], None]) -> None:
        state = replace(self.state, written_at=self._clock.now())
        write({self._name: encode_state(state)}, f"serial {state.serial}, {len(state.records)} records")
        self.has_changes = False
