"""`state`: look at what is remembered of a project, and correct it by hand. Never talks to Fivetran."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from reconciler.kinds.registry import KINDS
from reconciler.model.address import DESTINATION, GROUP, KEY_PATTERN, Address, get_entry_sort_key
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.record import Record, State
from reconciler.model.resource import Desired
from reconciler.model.suggestions import did_you_mean
from reconciler.secrets.fingerprint import Fingerprinter
from reconciler.spec.load import load
from reconciler.spec.project import read_project
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
    """A state and the place where it is kept, as people know it. `in_clear` are fields whose values the place holds
    although nobody shall see them."""

    place: str
    state: State
    clear_fields: FieldsByAddress = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What is to be said of values in clear by whoever only reads."""
        return (warn_values_in_state(self.place, self.clear_fields),) if self.clear_fields else ()


@dataclass(frozen=True, slots=True)
class Move:
    """An address of yesterday with that of today."""

    source: Address
    target: Address


@dataclass(frozen=True, slots=True)
class MoveResult:
    """What has another address now."""

    moves: tuple[Move, ...]
    warnings: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class PendingForget:
    """What is about to be forgotten. Nothing is, before `carry_out` is called; that gives warnings, and raises
    ReconcilerError."""

    place: str
    records: Records
    execute: Callable[[], tuple[Diagnostic, ...]]


def read_state(settings: Settings) -> StateView:
    """All that earlier runs left.

    Raises `ReconcilerError` where there is no state, and where it cannot be read.
    """
    store, cleaner = _open_store(settings)
    return _read_store(store, cleaner)


def find_store(settings: Settings) -> Store:
    """Where a project keeps its state. Raises `ReconcilerError` for a project file that cannot be read."""
    return build_store(read_project(settings.project, settings.directory), settings)


def _open_store(settings: Settings) -> tuple[Store, StateCleaner]:
    """The place of a state, and what rids it of values that nobody shall see. Without a key of the fingerprints that
    stands beside the state and can be read none are made."""
    project = read_project(settings.project, settings.directory)
    store = build_store(project, settings)
    key = None
    if store.can_store_key and (settings.sandbox or project.fingerprint_key is None):
        with suppress(ReconcilerError):
            key = store.read_key()
    fingerprinter = Fingerprinter(key) if key is not None else None
    return store, replace(
        StateCleaner.for_destinations(_load_destinations(settings)), fingerprinter=fingerprinter
    )


def _load_destinations(settings: Settings) -> tuple[Desired, ...]:
    """Destinations of the specs, which say what is below `extra_config`. A state can be corrected without them too."""
    with suppress(ReconcilerError):
        loaded = load(settings.project, settings.directory)
        return compile_specs(loaded, strict=False, tolerate_secrets=True).destinations
    return ()


def find_records(records: Records, text: str) -> Records:
    """What is known of an address, or of all addresses of a key. Raises `ReconcilerError` for an unknown one."""
    return {address: records[address] for address in _match_addresses(records, text)}


def move_entry(settings: Settings, source: str, target: str) -> MoveResult:
    """Give an entry another key in memory: its group and its destination move together.

    Raises `ReconcilerError` for an unknown source, an impossible or a taken target, and where somebody else writes.
    """
    with _lock_state(settings) as (store, view):
        moves = plan_moves(view.state.records, source, target)
        removed: list[JournalEntry] = [(address_move.source, None) for address_move in moves]
        kept = ((address_move.target, view.state.records[address_move.source]) for address_move in moves)
        return MoveResult(moves, _write(store, view, [*removed, *kept]))


@contextmanager
def prepare_forget(settings: Settings, texts: Iterable[str]) -> Iterator[PendingForget]:
    """Hold the lock while somebody thinks about whether these are to be forgotten.

    A group goes with its destination, as it does below `removed:`. Raises `ReconcilerError` for unknown addresses,
    and where somebody else writes.
    """
    with _lock_state(settings) as (store, view):
        selected = select_records(view.state.records, texts)
        yield PendingForget(
            view.place, selected, lambda: _write(store, view, [(address, None) for address in selected])
        )


def plan_moves(records: Records, source: str, target: str) -> tuple[Move, ...]:
    """The moves that bring everything of one key to another. Raises `ReconcilerError`."""
    key = _match_addresses(records, source)[0].key
    new = _parse_new_key(source, target)
    moves = [
        Move(each, Address(each.kind, new))
        for each in sorted(records, key=get_entry_sort_key)
        if each.key == key
    ]
    taken = [each.target for each in moves if each.target in records]
    if taken:
        raise ReconcilerError([_explain_taken_address(each, records[each]) for each in taken])
    return tuple(moves)


def select_records(records: Records, texts: Iterable[str]) -> Records:
    """What these addresses and keys come to, in reading order. Raises `ReconcilerError` with all that are unknown."""
    selected: set[Address] = set()
    problems: list[Diagnostic] = []
    for text in texts:
        try:
            matched = _match_addresses(records, text)
        except ReconcilerError as error:
            problems += error.diagnostics
            continue
        selected |= {*matched, *(Address(DESTINATION, each.key) for each in matched if each.kind == GROUP)}
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
        raise ReconcilerError([_explain_unknown_address(records, text)])
    return found


def _parse_new_key(source: str, target: str) -> str:
    """The key in a key or an address. A kind that is given on both sides must be the same."""
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
        raise ReconcilerError(
            [
                Diagnostic(
                    "no-state",
                    f"there is no state `{store.display_name}`",
                    notes=("the first apply writes it",),
                    help="choose another project with `--project`, or add or leave out `--sandbox`",
                )
            ]
        )
    cleaned = cleaner.clean(state)
    return StateView(store.display_name, cleaned.state, cleaned.cleared_fields)


@contextmanager
def _lock_state(settings: Settings) -> Iterator[tuple[Store, StateView]]:
    """The state as it is while nobody else writes. One that does not exist is not made, nor is a lock for it."""
    store, cleaner = _open_store(settings)
    _read_store(store, cleaner)
    with store.hold_lock(settings.holder):
        yield store, _read_store(store, cleaner)


def _write(store: Store, view: StateView, entries: Iterable[JournalEntry]) -> tuple[Diagnostic, ...]:
    """Raises `ReconcilerError`; then everything is as it was, or as it is asked for. A warning says of which values
    the state is rid by that."""
    session = store.open(view.state)
    try:
        session.stage(entries)
        session.close()
    except OSError as error:
        raise ReconcilerError([store.unavailable("written", error)]) from error
    return (warn_state_cleaned(view.place, view.clear_fields),) if view.clear_fields else ()


def _explain_unknown_address(records: Records, text: str) -> Diagnostic:
    known = [*map(str, records), *dict.fromkeys(address.key for address in records)]
    return Diagnostic(
        "unknown-address",
        f"nothing is remembered of `{text}`",
        help=did_you_mean(text, known) or "`reconciler state list` shows what is",
    )


def _explain_taken_address(address: Address, record: Record) -> Diagnostic:
    return Diagnostic(
        "address-taken",
        f"{address} is remembered already",
        address=address,
        notes=(f"as `{record.id}`",) if record.id else (),
        help=f"choose another key, or first drop it with `reconciler state forget {address.key}`",
    )
