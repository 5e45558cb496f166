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
from reconciler.model.holder import Holder
from reconciler.model.record import Record, State
from reconciler.state.document import DamagedError, NewerError, decoded_state, encoded_state
from reconciler.state.file import rescued, rescued_states
from reconciler.state.journal import Entry, take_in
from reconciler.state.lease import HeldError, Tenancy, hold_in
from reconciler.state.lock import Grip, Hold
from reconciler.state.sending import with_latest_sending
from reconciler.state.shelf import ChangedError, RemoteError, Shelf, Surroundings

_PAUSE = 2.0
_PATIENCE_OF_A_LOOK = 5.0


class RemoteState:
    """A state on a shelf, in the file `name`. Its lock is the file of that name with `.lock` behind it.

    No key of fingerprints is ever kept there: whoever reads the state could try out secrets with it.
    """

    keeps_key = False

    def __init__(self, shelf: Shelf, name: str, shown_as: str, surroundings: Surroundings) -> None:
        self._shelf = shelf
        self._name = name
        self._lock = f"{name}.lock"
        self._shown = shown_as
        self._around = surroundings
        self._tenancy: Tenancy | None = None
        self._session: RemoteSession | None = None
        self._stopped_by: Diagnostic | None = None
        self._left: Diagnostic | None = None

    @property
    def shown_as(self) -> str:
        """The place as people know it."""
        return self._shown

    def read(self) -> State | None:
        """The state as it is now; None where there is none yet. Takes no lock and writes nothing.

        Raises ReconcilerError for one that is damaged, newer, or cannot be reached.
        """
        try:
            content = self._shelf.read(self._name)[self._name]
            return None if content is None else with_latest_sending(decoded_state(content))
        except RemoteError as error:
            raise ReconcilerError([self.unusable("read", error)]) from error
        except NewerError as error:
            raise ReconcilerError(
                [self._flawed("state-newer", "was written by a newer version", error)]
            ) from error
        except DamagedError as error:
            raise ReconcilerError([self._flawed("state-damaged", "is damaged", error)]) from error

    def key(self) -> bytes | None:
        """None: see above."""
        return None

    def keep_key(self, key: bytes) -> None:
        """Not to be called."""
        raise RuntimeError("a remote state keeps no key")

    @contextmanager
    def locked(self, holder: Holder) -> Iterator[None]:
        """Hold the lock for a while. Raises ReconcilerError at once where somebody else holds it."""
        tenancy = Tenancy(self._shelf, self._lock, holder, self._around)
        try:
            tenancy.begin()
        except HeldError as error:
            raise ReconcilerError([self._held(error.hold)]) from None
        except RemoteError as error:
            raise ReconcilerError([self.unusable("locked", error)]) from error
        self._tenancy = tenancy
        try:
            yield
        except KeyboardInterrupt:
            self._around.patience.leave()
            raise
        finally:
            self._tenancy = None
            try:
                tenancy.end()
            except ChangedError:
                pass  # it is another's by now
            except RemoteError as error:
                self._left = self._not_let_go(error, tenancy.until)

    @property
    def left_behind(self) -> Diagnostic | None:
        """A warning where the lock could not be let go of."""
        return self._left

    def writer(self, me: Holder) -> Hold | None:
        """Who else holds the lock, as far as that is known: whoever may read the state only need not see it."""
        try:
            hold = hold_in(self._shelf.peek(self._lock), self._around.clock.now(), me.host)
        except RemoteError:
            return None
        return None if hold.grip is Grip.FREE or hold.holder in (None, me) else hold

    def tidied(self, host: str) -> Hold:
        """How the lock is held, seen from `host`. One that ran out is taken away. Raises ReconcilerError."""
        try:
            hold = self._hold(host)
            if hold.grip is Grip.FREE and hold.holder is not None:
                self._shelf.write({self._lock: None}, "took away a lock that had run out")
        except RemoteError as error:
            raise ReconcilerError([self.unusable("looked at", error)]) from error
        return hold

    def break_lock(self, seen: Hold, host: str) -> None:
        """Take the lock away from whoever holds it. Raises ReconcilerError where it is not held as it was `seen`: who
        renewed it in the meantime is at work."""
        try:
            now = self._hold(host)
            if now.grip is Grip.FREE:
                return
            if now != seen:
                raise ReconcilerError([self._held(now)])
            self._shelf.write(
                {self._lock: None}, f"broke the lock of {now.holder or 'somebody without a name'}"
            )
        except ChangedError:
            raise ReconcilerError([self._held(self._hold(host))]) from None
        except RemoteError as error:
            raise ReconcilerError([self.unusable("unlocked", error)]) from error

    def open(self, state: State) -> RemoteSession:
        """Begin to write, with `state` as the next one. Nothing is written before `sync`. The lock must be held."""
        if self._tenancy is None:
            raise RuntimeError("the state is not locked")
        self._session = RemoteSession(self._tenancy, self._name, state, self._around)
        return self._session

    def tend(self) -> bool:
        """Write what is due, renew the lock where it is time to, and look whether it is still held. Whether the run
        may go on.

        A write that fails is made again later, and so is a look. Without the lock nothing may be started: then
        somebody else may be at work.
        """
        tenancy, session = self._tenancy, self._session
        if tenancy is None:
            return True
        open_session = session if session is not None and session.is_open else None
        # Whoever leaves starts nothing any more, and writes everything at the end.
        if self._stopped_by is None and not self._around.patience.is_leaving:
            try:
                self._tend(tenancy, open_session)
            except ChangedError as error:
                self._stopped_by = self.unusable("written", error)
            except RemoteError as error:
                if tenancy.has_run_out:
                    self._stopped_by = self._not_renewed(error)
        return self._stopped_by is None or open_session is None

    def _tend(self, tenancy: Tenancy, session: RemoteSession | None) -> None:
        has_news = session is not None and session.has_news
        if tenancy.is_due(with_news=has_news):
            with self._around.patience.giving_way():
                if session is not None:
                    session.sync()  # also without news: how long the run may go on is reckoned from what stands there
                else:
                    tenancy.write({}, "still at work")
        elif session is not None:
            with self._around.patience.giving_way(_PATIENCE_OF_A_LOOK):
                tenancy.look()

    @property
    def rescues_first(self) -> bool:
        """Whether somebody wants to leave, and may not wait until the last write is through."""
        return self._around.patience.is_leaving

    @property
    def stopped_by(self) -> Diagnostic | None:
        """Why the run may not go on."""
        return self._stopped_by

    def rescue(self, state: State, refuge: Path | None) -> Path | None:
        """Write a state to this machine: beside the project file, or else into `refuge`. Where it is then."""
        folders = self._folders(refuge)
        for folder in folders:
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
        return rescued(state, Path(self._name).name, folders)

    def rescued_states(self, refuge: Path | None) -> Iterator[tuple[Path, State]]:
        """States that earlier runs rescued to this machine."""
        return rescued_states(Path(self._name).name, self._folders(refuge))

    def _folders(self, refuge: Path | None) -> list[Path]:
        return [each for each in (self._around.directory / ".reconciler", refuge) if each is not None]

    def not_kept(self, error: OSError, rescued: Path | None) -> Diagnostic:
        """What to say where a run could not write down at its end what it did."""
        note = (
            f"what this run did is written to `{rescued}`, for reference: nothing has to be done with it"
            if rescued
            else "it could not be written anywhere else"
        )
        if isinstance(error, ChangedError):
            lost = self.unusable("written", error)
            return replace(lost, notes=(*lost.notes, note))
        told = error.notes if isinstance(error, RemoteError) else ()
        if self._tenancy is not None and self._around.patience.is_leaving:
            note += f"; its lock is free by itself at {self._tenancy.until}"
        return Diagnostic(
            "state-not-kept",
            f"the state `{self._shown}` could not be written: {error}",
            notes=(*told, note),
            help="see that it can be reached, and apply again: what exists is found and not made twice",
        )

    def unusable(self, done: str, error: OSError) -> Diagnostic:
        """What to say where the state could not be `read`, `locked` or `written`."""
        if isinstance(error, ChangedError):
            return Diagnostic(
                "lease-lost",
                f"the state `{self._shown}` is another run's by now",
                notes=self._successor(),
                help=_LOOK_AGAIN,
            )
        advice = (
            error.advice if isinstance(error, RemoteError) else ""
        ) or "see that it can be reached from here"
        return Diagnostic(
            error.code if isinstance(error, RemoteError) else "state-unusable",
            f"the state `{self._shown}` cannot be {done}: {error}",
            notes=error.notes if isinstance(error, RemoteError) else (),
            help=f"{advice}; then run again",
        )

    def _hold(self, host: str) -> Hold:
        return hold_in(self._shelf.read(self._lock)[self._lock], self._around.clock.now(), host)

    def _successor(self) -> tuple[str, ...]:
        """Who has the lock now, if that can be known."""
        try:
            hold = hold_in(self._shelf.peek(self._lock), self._around.clock.now(), "")
        except RemoteError:
            return ()
        if hold.holder is None:
            return ("its lock was broken or ran out, or somebody wrote it without one",)
        if hold.holder == self._around.holder:
            return ("somebody put back an older version of it: the lock there is an earlier one of this run",)
        return (f"it is held by {hold.holder}",)

    def _held(self, hold: Hold) -> Diagnostic:
        by = f"it is held by {hold.holder}" if hold.holder else "its holder does not say who it is"
        notes = (by, f"it is free again at {hold.until}, unless it is renewed") if hold.until else (by,)
        return Diagnostic(
            "locked",
            f"another run is writing to the state `{self._shown}`",
            notes=notes,
            help="wait for it to end and run again; the lock of a run that died runs out by itself, and"
            " `reconciler state unlock` breaks it before",
        )

    def _not_renewed(self, error: RemoteError) -> Diagnostic:
        return Diagnostic(
            "lease-lost",
            f"the lock of the state `{self._shown}` ran out, since it could not be renewed: {error}",
            notes=("another run may have taken it, so nothing new was started",),
            help=_LOOK_AGAIN,
        )

    def _not_let_go(self, error: RemoteError, until: str) -> Diagnostic:
        return Diagnostic(
            "lock-left",
            f"the lock of the state `{self._shown}` could not be let go of: {error}",
            severity=Severity.WARNING,
            notes=(*error.notes, f"others have to wait until it is free by itself, at {until}"),
            help="`reconciler state unlock` frees it before",
        )

    def _flawed(self, code: str, what: str, error: Exception) -> Diagnostic:
        if code == "state-newer":
            return Diagnostic(
                code,
                f"the state `{self._shown}` was written by a newer version of this program: {error}",
                help="use that version, here and wherever else this state is used",
            )
        return Diagnostic(
            code,
            f"the state `{self._shown}` {what}: {error}",
            notes=("a state is memory only: without it, entries are found again by their ids or names",),
            help="restore an earlier version of it, or delete it and plan again",
        )


_LOOK_AGAIN = "see who is at work, then apply again: what exists is found and not made twice"


class RemoteSession:
    """A state that is being written. What `remember` is given is durable after the next `sync`."""

    def __init__(self, tenancy: Tenancy, name: str, state: State, surroundings: Surroundings) -> None:
        self._tenancy = tenancy
        self._name = name
        self._patience = surroundings.patience
        self._clock = surroundings.clock
        self._records, self._removals = dict(state.records), dict(state.removals)
        self._base = replace(state, serial=state.serial + 1)
        self.has_news = True
        self.is_open = True

    @property
    def records(self) -> Mapping[Address, Record]:
        """What is remembered now."""
        return MappingProxyType(self._records)

    @property
    def state(self) -> State:
        """The whole state as of now."""
        return replace(self._base, records=dict(self._records), removals=dict(self._removals))

    def remember(self, entries: Iterable[Entry]) -> None:
        """Keep records, or forget an address (None, or its removal), until the next `sync`."""
        take_in(entries, self._records, self._removals)
        self.has_news = True

    def sync(self) -> None:
        """Write everything now. Raises RemoteError."""
        self._write(self._tenancy.write)

    def settle(self, digests: Collection[str]) -> None:
        """Let the next state say that the reviewed plans of these digests are in effect."""
        left = {digest: plan for digest, plan in self._base.reviewed.items() if digest not in digests}
        self._base = replace(self._base, reviewed=left)

    def close(self) -> None:
        """Write everything for the last time. A place that does not answer is asked twice, unless somebody wants to
        leave: then this lets go of the lock in the same write. Raises RemoteError."""
        self.is_open = False
        self._tenancy.stop_looking()
        self._base = replace(self._base, serial=self._base.serial + 1)
        if self._patience.is_leaving:
            self._write(self._tenancy.write_and_end)
            return
        try:
            self.sync()
        except ChangedError:
            raise
        except RemoteError:
            if self._patience.pause(_PAUSE):
                raise
            self.sync()

    def _write(self, write: Callable[[Mapping[str, bytes | None], str], None]) -> None:
        state = replace(self.state, written_at=self._clock.now())
        write({self._name: encoded_state(state)}, f"serial {state.serial}, {len(state.records)} records")
        self.has_news = False
