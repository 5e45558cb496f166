"""What earlier runs remember about a project, and what this one adds to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import TypeAlias

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.place import LocalPlace
from reconciler.model.record import EXEMPTIONS_KEPT, REVIEWED_KEPT, Exemption, Record, State
from reconciler.model.removal import Removed
from reconciler.model.resource import Desired
from reconciler.model.value import Secret
from reconciler.operations.clear_values import Cleaner, Fields, state_cleaned, values_in_state
from reconciler.secrets.fingerprint import KEY_BYTES, Fingerprinter
from reconciler.spec.project import Project
from reconciler.state.file import write_state
from reconciler.state.journal import Entry
from reconciler.state.store import Session, Store

FOLDER = ".reconciler"
SANDBOX = "sandbox"
STATE = "state.json"


def place_of(project: Project, name: str, *, sandbox: bool) -> Path:
    """Where a project keeps a file of its own: in `.reconciler/` beside the project file.

    A project file of another name than `reconciler.yaml` has files of its own, so that two project files
    over the same specs do not share a memory.
    """
    if name == STATE and isinstance(project.state, LocalPlace) and not sandbox:
        return project.directory / project.state.path
    return project.directory / FOLDER / (SANDBOX if sandbox else "") / named_for(project, name)


def named_for(project: Project, name: str) -> str:
    """The name of a file of a project where those of others may stand beside it."""
    stem = project.path.stem
    return name if stem == "reconciler" else f"{stem}.{name}"


class _Key(Enum):
    BESIDE_THE_STATE = auto()
    UNKNOWN = auto()


BESIDE_THE_STATE, UNKNOWN_KEY = _Key.BESIDE_THE_STATE, _Key.UNKNOWN
FingerprintKey: TypeAlias = Secret | _Key
"""The key of the fingerprints: one that the project refers to, one that is kept beside the state, or one that was not
looked up, so that nothing can be compared."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A plan that was approved by its digest, in saved form."""

    digest: str
    saved: str


def _with(kept: Mapping[str, str], reviewed: Reviewed | None) -> dict[str, str]:
    """The plans that can be resumed, the last one last."""
    if reviewed is None:
        return dict(kept)
    others = {digest: saved for digest, saved in kept.items() if digest != reviewed.digest}
    return dict([*others.items(), (reviewed.digest, reviewed.saved)][-REVIEWED_KEPT:])


class Memory:
    """The state of a project: read when a run starts, written only between `begin` and `end`."""

    def __init__(
        self,
        file: Store,
        entropy: Callable[[int], bytes],
        key: FingerprintKey = BESIDE_THE_STATE,
        refuge: Path | None = None,
        destinations: Iterable[Desired] = (),
    ) -> None:
        """Read what is there. `refuge` is a folder for what cannot be kept in its place; `destinations` of the specs
        tell what of the state may be kept. Raises ReconcilerError."""
        self._file = file
        self._entropy = entropy
        self._refuge = refuge
        state = file.read()
        self._given = key
        self._key = file.key() if key is BESIDE_THE_STATE else None
        self._session: Session | None = None
        self._cleaner = replace(Cleaner.knowing(destinations), fingerprinter=self.fingerprinter())
        cleaned = self._cleaner.clean(state) if state is not None else None
        self._state = cleaned.state if cleaned is not None else None
        self._in_clear: Fields = cleaned.found if cleaned is not None else {}

    def prepare(self) -> None:
        """Make the key of the fingerprints, unless there is one. Raises ReconcilerError."""
        if self._key is None and self._given is BESIDE_THE_STATE:
            self._key = self._entropy(KEY_BYTES)
            self._file.keep_key(self._key)

    def fingerprinter(self) -> Fingerprinter | None:
        """What fingerprints are made with; None where there is no key, and nothing can be compared."""
        if isinstance(self._given, Secret):
            return Fingerprinter.of_secret(self._given)
        return None if self._key is None else Fingerprinter(self._key)

    @property
    def exists(self) -> bool:
        """Whether an earlier run left anything."""
        return self._state is not None

    @property
    def values_in_clear(self) -> Diagnostic | None:
        """A warning where the place of the state holds values that an earlier release kept, and that are hidden."""
        return values_in_state(self._file.shown_as, self._in_clear) if self._in_clear else None

    @property
    def records(self) -> Mapping[Address, Record]:
        """All records as of now."""
        if self._session is not None:
            return self._session.records
        return self._state.records if self._state is not None else {}

    @property
    def removals(self) -> Mapping[str, Removed]:
        """The removals that were carried out and that specs still asked for then, by key."""
        state = self._session.state if self._session is not None else self._state
        return state.removals if state is not None else {}

    def check_account(self, account_id: str) -> None:
        """Raise ReconcilerError where this is the memory of another account."""
        if self._state is None or self._state.account_id == account_id:
            return
        raise ReconcilerError(
            [
                Diagnostic(
                    "other-account",
                    f"these credentials are for account `{account_id}`,"
                    f" the state `{self._file.shown_as}` is of `{self._state.account_id}`",
                    help="use credentials of that account, or a project file of its own for this one",
                )
            ]
        )

    @property
    def reviewed(self) -> Mapping[str, str]:
        """Plans that earlier runs were told to carry out and have not carried out to their ends, by digest."""
        return self._state.reviewed if self._state is not None else {}

    def begin(
        self,
        account_id: str,
        removals: Mapping[str, Removed],
        reviewed: Reviewed | None = None,
        exemptions: Iterable[Exemption] = (),
    ) -> None:
        """Start to write. Of the removals that were carried out only `removals` are kept, `reviewed` is until `settle`,
        `exemptions` for good. Raises ReconcilerError."""
        state = self._state or State(self._entropy(16).hex(), 0, account_id)
        kept = (*state.exemptions, *exemptions)[-EXEMPTIONS_KEPT:]
        self._session = self._file.open(
            replace(
                state,
                reviewed=_with(state.reviewed, reviewed),
                exemptions=kept,
                removals=removals,
            )
        )

    def settle(self, digests: Collection[str]) -> None:
        """Reviewed plans are in effect."""
        if self._session is not None:
            self._session.settle(digests)

    def remember(self, entries: Iterable[Entry]) -> None:
        """Keep or forget records: durably in a file, and at a remote place with what `tend` or `end` writes next.
        Raises OSError."""
        if self._session is None:
            raise RuntimeError("the memory is not open for writing")
        self._session.remember(entries)

    def keep(self, entries: Iterable[Entry]) -> None:
        """`remember` before anything was sent, and durably wherever the state is: raises ReconcilerError."""
        try:
            self.remember(entries)
            if self._session is not None:
                self._session.sync()
        except OSError as error:
            raise ReconcilerError([self._file.unusable("written", error)]) from error

    def tend(self) -> bool:
        """Write what is due, and keep the lock. To be called often, by the thread that writes. Whether the run may
        go on."""
        return self._file.tend()

    def end(self) -> Diagnostic | None:
        """Write everything into one file. Where that cannot be, into another one, and say so by ReconcilerError; also
        where the run was not to go on. Where there may be no time, the other one comes first, and goes again.

        A warning says of which values the state is rid by that."""
        if self._session is None:
            return None
        session, self._session = self._session, None
        self._state = session.state
        early = self._file.rescue(session.state, self._refuge) if self._file.rescues_first else None
        try:
            session.close()
        except OSError as error:
            rescued = early or self._file.rescue(session.state, self._refuge)
            raise ReconcilerError([self._file.not_kept(error, rescued)]) from error
        if early is not None:
            with suppress(OSError):
                early.unlink()
        if self._file.stopped_by is not None:
            raise ReconcilerError([self._file.stopped_by])
        return self._rid_of_values()

    def _rid_of_values(self) -> Diagnostic | None:
        """What is to be said of values that were in the state before, and may be in states that were rescued."""
        found, left = dict(self._in_clear), list[Path]()
        self._in_clear = {}
        for path, state in self._file.rescued_states(self._refuge):
            cleaned = self._cleaner.clean(state)
            if self._state is None or state.lineage != self._state.lineage or not cleaned.found:
                continue
            found |= cleaned.found
            try:
                write_state(path, cleaned.state)
            except OSError:
                left.append(path)
        return state_cleaned(self._file.shown_as, found, left) if found else None
