"""The state of a project: the records of earlier runs, and the changes of this run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import TypeAlias

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.record import MAX_EXEMPTIONS, MAX_REVIEWED_PLANS, Exemption, Record, State
from reconciler.model.removal import CompletedRemoval
from reconciler.model.resource import Desired
from reconciler.model.state_location import LocalFile
from reconciler.model.value import Secret
from reconciler.runtime import own_folder
from reconciler.secrets.fingerprint import KEY_BYTES, Fingerprinter
from reconciler.spec.project import Project
from reconciler.state.journal import JournalEntry
from reconciler.state.neighbours import NeighbourStates
from reconciler.state.read_times import TimesFile
from reconciler.state.store import StateWriter, Store
from reconciler.workspace.clear_values import (
    FieldsByAddress,
    StateCleaner,
    warn_state_cleaned,
    warn_values_in_state,
)

SANDBOX = "sandbox"
STATE = "state.json"
ACCOUNT = "account.sqlite"


def path_for(project: Project, name: str, *, sandbox: bool) -> Path:
    """Build the path of a file in `.reconciler/` beside the project file, or of the state.

    A project file of another name than `reconciler.yaml` has files of its own, so that two project files over the same
    specs do not share a state.
    """
    if name == STATE and isinstance(project.content.state, LocalFile) and not sandbox:
        return project.directory / project.content.state.path
    return project.directory / own_folder.NAME / (SANDBOX if sandbox else "") / file_name_for(project, name)


def file_name_for(project: Project, name: str) -> str:
    """Build the file name of a project, which differs from the file names of other projects in the folder."""
    stem = project.path.stem
    return name if stem == "reconciler" else f"{stem}.{name}"


@dataclass(frozen=True, slots=True)
class AccountSource:
    """Words for the source of an account in messages: `these credentials are for account …`."""

    subject: str
    noun: str


CREDENTIALS = AccountSource("these credentials are", "credentials")


class _KeySource(Enum):
    WITH_STATE = auto()
    UNKNOWN = auto()


KEY_WITH_STATE, UNKNOWN_KEY = _KeySource.WITH_STATE, _KeySource.UNKNOWN
FingerprintKey: TypeAlias = Secret | _KeySource
"""Key of the fingerprints: a secret of the project file, the key beside the state, or an unknown key."""


@dataclass(frozen=True, slots=True)
class ApprovedPlan:
    """A plan in saved form that was approved by its digest."""

    digest: str
    saved: str


def _add_approved(saved_plans: Mapping[str, str], approved: ApprovedPlan | None) -> dict[str, str]:
    """Add an approved plan to the plans that can be resumed, the newest last."""
    if approved is None:
        return dict(saved_plans)
    other_plans = {digest: saved for digest, saved in saved_plans.items() if digest != approved.digest}
    return dict([*other_plans.items(), (approved.digest, approved.saved)][-MAX_REVIEWED_PLANS:])


class ProjectState:
    """The state of a project: read when a run starts, and written only between `begin` and `end`."""

    def __init__(
        self,
        store: Store,
        entropy: Callable[[int], bytes],
        key: FingerprintKey = KEY_WITH_STATE,
        destinations: Iterable[Desired] = (),
    ) -> None:
        """Read the state. The `destinations` of the specs decide which values the state may hold. Raises
        ReconcilerError."""
        self._store = store
        self._entropy = entropy
        state = store.read()
        self._key_source = key
        self._key = store.key_file.read() if key is KEY_WITH_STATE and store.key_file is not None else None
        self._session: StateWriter | None = None
        self._neighbours: NeighbourStates | None = None
        self._cleaner = replace(
            StateCleaner.for_destinations(destinations), fingerprinter=self.build_fingerprinter()
        )
        cleaned = self._cleaner.clean(state) if state is not None else None
        self._state = cleaned.state if cleaned is not None else None
        self._clear_fields: FieldsByAddress = cleaned.cleared_fields if cleaned is not None else {}

    def ensure_key(self) -> None:
        """Generate the key of the fingerprints, unless there is one. Raises ReconcilerError."""
        if self._key is None and self._key_source is KEY_WITH_STATE and self._store.key_file is not None:
            self._key = self._entropy(KEY_BYTES)
            self._store.key_file.write(self._key)

    def build_fingerprinter(self) -> Fingerprinter | None:
        """Build the fingerprinter; None without a key, so that no secret can be compared."""
        if isinstance(self._key_source, Secret):
            return Fingerprinter.from_secret(self._key_source)
        return None if self._key is None else Fingerprinter(self._key)

    @property
    def exists(self) -> bool:
        """Whether an earlier run wrote a state."""
        return self._state is not None

    @property
    def lineage(self) -> str | None:
        """The lineage of the state; None if there is no state yet."""
        state = self._session.state if self._session is not None else self._state
        return state.lineage if state is not None else None

    def read_neighbours(self, account_id: str, *, again: bool = False) -> NeighbourStates:
        """Read the states of other projects at the same place that are of this account: once in a run, and `again` on
        demand."""
        if self._neighbours is None or again:
            self._neighbours = self._store.neighbours.read(account_id, self.lineage)
        return self._neighbours

    @property
    def clear_values_warning(self) -> Diagnostic | None:
        """A warning if the stored state holds hidden values in clear, which an earlier release wrote."""
        return (
            warn_values_in_state(self._store.display_name, self._clear_fields) if self._clear_fields else None
        )

    @property
    def records(self) -> Mapping[Address, Record]:
        """All present records."""
        if self._session is not None:
            return self._session.records
        return self._state.records if self._state is not None else {}

    @property
    def removals(self) -> Mapping[str, CompletedRemoval]:
        """Completed removals by key, as far as the specs still had their entries at the last write."""
        state = self._session.state if self._session is not None else self._state
        return state.removals if state is not None else {}

    def build_times_file(self) -> TimesFile:
        """Build the file beside the state that keeps the times of reads."""
        return self._store.build_times_file()

    def check_account(self, account_id: str, source: AccountSource = CREDENTIALS) -> None:
        """Raise ReconcilerError if this is the state of another account than the account of the source."""
        if self._state is None or self._state.account_id == account_id:
            return
        raise ReconcilerError(
            [
                Diagnostic(
                    "other-account",
                    f"{source.subject} for account `{account_id}`,"
                    f" the state `{self._store.display_name}` is of `{self._state.account_id}`",
                    help=f"use {source.noun} of that account, or a separate project file for this account",
                )
            ]
        )

    @property
    def approved_plans(self) -> Mapping[str, str]:
        """Approved plans that earlier runs have not applied completely, by digest."""
        return self._state.reviewed if self._state is not None else {}

    def begin(
        self,
        account_id: str,
        removals: Mapping[str, CompletedRemoval],
        approved: ApprovedPlan | None = None,
        exemptions: Iterable[Exemption] = (),
    ) -> None:
        """Begin to write. Raises ReconcilerError.

        Of the completed removals only `removals` are kept. The `approved` plan is kept until `mark_applied`. The latest
        `exemptions` are always kept.
        """
        state = self._state or State(self._entropy(16).hex(), 0, account_id)
        kept_exemptions = (*state.exemptions, *exemptions)[-MAX_EXEMPTIONS:]
        self._session = self._store.open(
            replace(
                state,
                reviewed=_add_approved(state.reviewed, approved),
                exemptions=kept_exemptions,
                removals=removals,
            )
        )

    def mark_applied(self, digests: Collection[str]) -> None:
        """Drop approved plans that are in effect."""
        if self._session is not None:
            self._session.mark_applied(digests)

    def stage(self, entries: Iterable[JournalEntry]) -> None:
        """Set or drop records: durable in a local file at once, and at a remote place with the next write of
        `renew_and_flush` or `end`. Raises OSError."""
        if self._session is None:
            raise RuntimeError("the state is not open for writing")
        self._session.stage(entries)

    def persist(self, entries: Iterable[JournalEntry]) -> None:
        """Stage entries and make them durable, before the first request. Raises ReconcilerError."""
        try:
            self.stage(entries)
            if self._session is not None:
                self._session.sync()
        except OSError as error:
            raise ReconcilerError([self._store.explain_unavailable("written", error)]) from error

    def renew_and_flush(self) -> bool:
        """Renew the lock and write staged entries that are due. Returns whether the run may go on.

        The thread that writes must call this method often.
        """
        return self._store.renew_and_flush()

    def end(self) -> Diagnostic | None:
        """Write the final state. Returns a warning about the clear values that this removed from the state.

        On failure a backup is written, and ReconcilerError is raised; it is raised too if the run had to stop.
        """
        if self._session is None:
            return None
        session, self._session = self._session, None
        self._state = session.state
        self._store.finish(session)
        return self._clear_old_values()

    def _clear_old_values(self) -> Diagnostic | None:
        """Clear hidden values from backups of this state. Returns a warning that names all cleared values."""
        found, unwritable = dict(self._clear_fields), list[Path]()
        self._clear_fields = {}
        for path, state in self._store.backups.read():
            cleaned = self._cleaner.clean(state)
            if self._state is None or state.lineage != self._state.lineage or not cleaned.cleared_fields:
                continue
            found |= cleaned.cleared_fields
            try:
                self._store.backups.replace(path, cleaned.state)
            except OSError:
                unwritable.append(path)
        return warn_state_cleaned(self._store.display_name, found, unwritable) if found else None
