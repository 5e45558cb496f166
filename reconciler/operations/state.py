"""Inspect and correct a project's state, for `state`. Sends nothing to Fivetran."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from reconciler.kinds.registry import KINDS
from reconciler.model.address import DESTINATION, GROUP, KEY_PATTERN, Address, get_entry_sort_key
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.given_variables import NO_VARIABLES
from reconciler.model.record import Record, State
from reconciler.model.resource import Desired
from reconciler.model.suggestions import did_you_mean
from reconciler.secrets.fingerprint import Fingerprinter
from reconciler.spec.load import load
from reconciler.spec.project import Project, read_project
from reconciler.state.journal import JournalEntry
from reconciler.state.store import Store
from reconciler.workspace.clear_values import (
    FieldsByAddress,
    StateCleaner,
    warn_state_cleaned,
    warn_values_in_state,
)
from reconciler.workspace.settings import Settings
from reconciler.workspace.specs import compile_specs
from reconciler.workspace.store import build_store

Records = Mapping[Address, Record]


@dataclass(frozen=True, slots=True)
class StateView:
    """A state and its location in the form for users.

    `clear_fields` are fields with clear values that must be hidden.
    """

    place: str
    state: State
    clear_fields: FieldsByAddress = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """Warnings about clear values, for commands that only read."""
        return (warn_values_in_state(self.place, self.clear_fields),) if self.clear_fields else ()


@dataclass(frozen=True, slots=True)
class Move:
    """A move of a record from one address to another."""

    source: Address
    target: Address


@dataclass(frozen=True, slots=True)
class MoveResult:
    """Completed moves."""

    moves: tuple[Move, ...]
    warnings: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class PendingForget:
    """Records that are about to be forgotten.

    The state is unchanged until `execute` is called, which returns warnings and raises ReconcilerError.
    """

    place: str
    records: Records
    execute: Callable[[], tuple[Diagnostic, ...]]


def read_state(settings: Settings) -> StateView:
    """Read the state of earlier runs. Raises ReconcilerError if there is none or it is unreadable."""
    store, cleaner = _open_store(settings)
    return _read_store(store, cleaner)


def find_store(settings: Settings) -> Store:
    """Find the store of a project's state. Raises ReconcilerError for an unreadable project file."""
    return build_store(read_project(settings.project, settings.directory), settings)


def _open_store(settings: Settings) -> tuple[Store, StateCleaner]:
    """Open the store of a state, with the cleaner of hidden values."""
    project = read_project(settings.project, settings.directory)
    store = build_store(project, settings)
    return store, build_cleaner(project, settings, store)


def build_cleaner(project: Project, settings: Settings, store: Store) -> StateCleaner:
    """Build the cleaner of hidden values. Without a readable fingerprint key beside the state, it makes no
    fingerprints."""
    key = None
    if store.key_file is not None and (settings.sandbox or project.content.fingerprint_key is None):
        with suppress(ReconcilerError):
            key = store.key_file.read()
    fingerprinter = Fingerprinter(key) if key is not None else None
    return replace(StateCleaner.for_destinations(_load_destinations(settings)), fingerprinter=fingerprinter)


def _load_destinations(settings: Settings) -> tuple[Desired, ...]:
    """Load the destinations of the specs, which list the fields below `extra_config`.

    Invalid specs count as none: a state can be corrected without them.
    """
    with suppress(ReconcilerError):
        loaded = load(settings.project, settings.directory, given=NO_VARIABLES.make_lenient())
        return compile_specs(loaded, strict=False, tolerate_secrets=True).destinations
    return ()


def find_records(records: Records, text: str) -> Records:
    """Find the record of an address, or all records of a key.

    Raises ReconcilerError for an unknown address.
    """
    return {address: records[address] for address in _match_addresses(records, text)}


def move_entry(settings: Settings, source: str, target: str) -> MoveResult:
    """Move an entry of the state to another key: its group and its destination move together.

    Raises ReconcilerError for an unknown source, an invalid or existing target, and if another run holds the
    lock.
    """
    with _lock_state(settings) as (store, view):
        moves = plan_moves(view.state.records, source, target)
        removed: list[JournalEntry] = [(address_move.source, None) for address_move in moves]
        kept = ((address_move.target, view.state.records[address_move.source]) for address_move in moves)
        return MoveResult(moves, _write(store, view, [*removed, *kept]))


@contextmanager
def prepare_forget(settings: Settings, texts: Iterable[str]) -> Iterator[PendingForget]:
    """Hold the lock while the operator confirms that these records are to be forgotten.

    The record of a destination is forgotten with the record of its group, as below `removed:`.
    Raises ReconcilerError for unknown addresses, and if another run holds the lock.
    """
    with _lock_state(settings) as (store, view):
        selected = select_records(view.state.records, texts)
        yield PendingForget(
            view.place, selected, lambda: _write(store, view, [(address, None) for address in selected])
        )


def plan_moves(records: Records, source: str, target: str) -> tuple[Move, ...]:
    """Plan the moves of all records of one key to another. Raises ReconcilerError."""
    key = _match_addresses(records, source)[0].key
    new = _parse_new_key(source, target)
    moves = [
        Move(address, Address(address.kind, new))
        for address in sorted(records, key=get_entry_sort_key)
        if address.key == key
    ]
    taken = [move.target for move in moves if move.target in records]
    if taken:
        raise ReconcilerError([_explain_taken_address(target, records[target]) for target in taken])
    return tuple(moves)


def select_records(records: Records, texts: Iterable[str]) -> Records:
    """Select the records of these addresses and keys, in reading order.

    Raises ReconcilerError with all unknown addresses.
    """
    selected: set[Address] = set()
    problems: list[Diagnostic] = []
    for text in texts:
        try:
            matched = _match_addresses(records, text)
        except ReconcilerError as error:
            problems += error.diagnostics
            continue
        selected |= {*matched, *(Address(DESTINATION, group.key) for group in matched if group.kind == GROUP)}
    if problems:
        raise ReconcilerError(problems)
    return {
        address: records[address]
        for address in sorted(records, key=get_entry_sort_key)
        if address in selected
    }


def _match_addresses(records: Records, text: str) -> list[Address]:
    found = [
        address for address in sorted(records, key=get_entry_sort_key) if text in (str(address), address.key)
    ]
    if not found:
        raise ReconcilerError([explain_unknown_address(records, text)])
    return found


def _parse_new_key(source: str, target: str) -> str:
    """Parse the key of a key or an address. A kind on both sides must be the same. Raises ReconcilerError."""
    kind, dot, key = target.rpartition(".")
    other = source.rpartition(".")[0]
    if KEY_PATTERN.fullmatch(key) and (not dot or (kind in KINDS and kind == (other or kind))):
        return key
    raise ReconcilerError(
        [
            Diagnostic(
                "invalid-address",
                f"`{source}` cannot move to `{target}`",
                notes=(
                    "an address is `group.KEY` or `destination.KEY`; keys have lower-case letters, digits and `_`",
                ),
                help=f"name the new key alone: `reconciler state move {source.rpartition('.')[2]} new_key`",
            )
        ]
    )


def _read_store(store: Store, cleaner: StateCleaner) -> StateView:
    state = store.read()
    if state is None:
        raise ReconcilerError([explain_no_state(store)])
    cleaned = cleaner.clean(state)
    return StateView(store.display_name, cleaned.state, cleaned.cleared_fields)


@contextmanager
def _lock_state(settings: Settings) -> Iterator[tuple[Store, StateView]]:
    """Lock an existing state and read it. A missing state is not created, nor is its lock."""
    store, cleaner = _open_store(settings)
    _read_store(store, cleaner)
    with store.lock.hold(settings.holder):
        yield store, _read_store(store, cleaner)


def explain_no_state(store: Store) -> Diagnostic:
    """Explain a missing state."""
    return Diagnostic(
        "no-state",
        f"there is no state `{store.display_name}`",
        notes=("the first apply writes it",),
        help="choose another project with `--project`, or add or leave out `--sandbox`",
    )


def write_entries(store: Store, state: State, entries: Iterable[JournalEntry]) -> None:
    """Write entries to a state. Raises ReconcilerError if the write fails: the state is then unchanged, or complete."""
    session = store.open(state)
    try:
        session.stage(entries)
        session.close()
    except OSError as error:
        raise ReconcilerError([store.explain_unavailable("written", error)]) from error


def _write(store: Store, view: StateView, entries: Iterable[JournalEntry]) -> tuple[Diagnostic, ...]:
    """Write entries to the state. Returns warnings about the removed clear values. Raises ReconcilerError."""
    write_entries(store, view.state, entries)
    return (warn_state_cleaned(view.place, view.clear_fields),) if view.clear_fields else ()


def explain_unknown_address(records: Records, text: str) -> Diagnostic:
    """Explain a text that names no record."""
    known = [*map(str, records), *dict.fromkeys(address.key for address in records)]
    return Diagnostic(
        "unknown-address",
        f"the state has no record of `{text}`",
        help=did_you_mean(text, known) or "`reconciler state list` shows all records",
    )


def _explain_taken_address(address: Address, record: Record) -> Diagnostic:
    return Diagnostic(
        "address-taken",
        f"the state has a record of {address} already",
        address=address,
        notes=(f"as `{record.id}`",) if record.id else (),
        help=f"choose another key, or first drop it with `reconciler state forget {address.key}`",
    )
