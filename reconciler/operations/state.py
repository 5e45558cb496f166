"""`state`: look at what is remembered of a project, and correct it by hand. Never talks to Fivetran."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from reconciler.kinds.destination import SERVICE
from reconciler.kinds.registry import KINDS
from reconciler.kinds.visibility import Masking
from reconciler.model.address import DESTINATION, GROUP, KEY_PATTERN, Address, by_entry
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.nearest import did_you_mean
from reconciler.model.record import Record, State
from reconciler.model.resource import Desired
from reconciler.model.value import FieldPath
from reconciler.operations.clear_values import Cleaner, Fields, state_cleaned, values_in_state
from reconciler.operations.settings import Settings
from reconciler.operations.specs import declared
from reconciler.operations.store import store_of
from reconciler.secrets.fingerprint import Fingerprinter
from reconciler.spec.load import gather
from reconciler.spec.project import read_project
from reconciler.state.journal import Entry
from reconciler.state.store import Store

Records = Mapping[Address, Record]


@dataclass(frozen=True, slots=True)
class Remembered:
    """A state and the place where it is kept, as people know it. `in_clear` are fields whose values the place holds
    although nobody shall see them."""

    place: str
    state: State
    in_clear: Fields = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What is to be said of values in clear by whoever only reads."""
        return (values_in_state(self.place, self.in_clear),) if self.in_clear else ()


@dataclass(frozen=True, slots=True)
class Move:
    """An address of yesterday with that of today."""

    source: Address
    target: Address


@dataclass(frozen=True, slots=True)
class Moved:
    """What has another address now."""

    moves: tuple[Move, ...]
    warnings: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What is about to be forgotten. Nothing is, before `carry_out` is called; that gives warnings, and raises
    ReconcilerError."""

    place: str
    chosen: Records
    carry_out: Callable[[], tuple[Diagnostic, ...]]


def remembered(settings: Settings) -> Remembered:
    """All that earlier runs left.

    Raises `ReconcilerError` where there is no state, and where it cannot be read.
    """
    file, cleaner = _store(settings)
    return _read(file, cleaner)


def state_file(settings: Settings) -> Store:
    """Where a project keeps its state. Raises `ReconcilerError` for a project file that cannot be read."""
    return store_of(read_project(settings.project, settings.directory), settings)


def _store(settings: Settings) -> tuple[Store, Cleaner]:
    """The place of a state, and what rids it of values that nobody shall see. Without a key of the fingerprints that
    stands beside the state and can be read none are made."""
    project = read_project(settings.project, settings.directory)
    file = store_of(project, settings)
    key = None
    if file.keeps_key and (settings.sandbox or project.fingerprint_key is None):
        with suppress(ReconcilerError):
            key = file.key()
    fingerprinter = Fingerprinter(key) if key is not None else None
    return file, replace(Cleaner.knowing(_destinations(settings)), fingerprinter=fingerprinter)


def _destinations(settings: Settings) -> tuple[Desired, ...]:
    """Destinations of the specs, which say what is below `extra_config`. A state can be corrected without them too."""
    with suppress(ReconcilerError):
        loaded = gather(settings.project, settings.directory)
        return declared(loaded, strict=False, tolerated={"literal-secret"}).destinations
    return ()


def record_at(records: Records, text: str) -> Records:
    """What is known of an address, or of all addresses of a key. Raises `ReconcilerError` for an unknown one."""
    return {address: records[address] for address in _meant(records, text)}


def hidden_fields(address: Address, record: Record) -> frozenset[FieldPath]:
    """Fields that are not shown. Those among the fingerprints are hidden literals, all others secrets."""
    masking = Masking(address.kind, record.applied.get(SERVICE))
    hidden = {path for path in record.applied if masking.hides(path)}
    return frozenset(hidden | {path for path in record.fingerprints if masking.reason(path) is not None})


def move(settings: Settings, source: str, target: str) -> Moved:
    """Give an entry another key in memory: its group and its destination move together.

    Raises `ReconcilerError` for an unknown source, an impossible or a taken target, and where somebody else writes.
    """
    with _writing(settings) as (file, now):
        moves = moves_between(now.state.records, source, target)
        gone: list[Entry] = [(each.source, None) for each in moves]
        kept = ((each.target, now.state.records[each.source]) for each in moves)
        return Moved(moves, _write(file, now, [*gone, *kept]))


@contextmanager
def forgetting(settings: Settings, texts: Iterable[str]) -> Iterator[Forgetting]:
    """Hold the lock while somebody thinks about whether these are to be forgotten.

    A group goes with its destination, as it does below `removed:`. Raises `ReconcilerError` for unknown addresses,
    and where somebody else writes.
    """
    with _writing(settings) as (file, now):
        chosen = to_forget(now.state.records, texts)
        yield Forgetting(
            now.place, chosen, lambda: _write(file, now, [(address, None) for address in chosen])
        )


def moves_between(records: Records, source: str, target: str) -> tuple[Move, ...]:
    """The moves that bring everything of one key to another. Raises `ReconcilerError`."""
    key = _meant(records, source)[0].key
    new = _new_key(source, target)
    moves = [Move(each, Address(each.kind, new)) for each in sorted(records, key=by_entry) if each.key == key]
    taken = [each.target for each in moves if each.target in records]
    if taken:
        raise ReconcilerError([_taken(each, records[each]) for each in taken])
    return tuple(moves)


def to_forget(records: Records, texts: Iterable[str]) -> Records:
    """What these addresses and keys come to, in reading order. Raises `ReconcilerError` with all that are unknown."""
    chosen: set[Address] = set()
    problems: list[Diagnostic] = []
    for text in texts:
        try:
            meant = _meant(records, text)
        except ReconcilerError as error:
            problems += error.diagnostics
            continue
        chosen |= {*meant, *(Address(DESTINATION, each.key) for each in meant if each.kind == GROUP)}
    if problems:
        raise ReconcilerError(problems)
    return {address: records[address] for address in sorted(records, key=by_entry) if address in chosen}


def _meant(records: Records, text: str) -> list[Address]:
    found = [address for address in sorted(records, key=by_entry) if text in (str(address), address.key)]
    if not found:
        raise ReconcilerError([_unknown(records, text)])
    return found


def _new_key(source: str, target: str) -> str:
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


def _read(file: Store, cleaner: Cleaner) -> Remembered:
    state = file.read()
    if state is None:
        raise ReconcilerError(
            [
                Diagnostic(
                    "no-state",
                    f"there is no state `{file.shown_as}`",
                    notes=("the first apply writes it",),
                    help="choose another project with `--project`, or add or leave out `--sandbox`",
                )
            ]
        )
    cleaned = cleaner.clean(state)
    return Remembered(file.shown_as, cleaned.state, cleaned.found)


@contextmanager
def _writing(settings: Settings) -> Iterator[tuple[Store, Remembered]]:
    """The state as it is while nobody else writes. One that does not exist is not made, nor is a lock for it."""
    file, cleaner = _store(settings)
    _read(file, cleaner)
    with file.locked(settings.holder):
        yield file, _read(file, cleaner)


def _write(file: Store, now: Remembered, entries: Iterable[Entry]) -> tuple[Diagnostic, ...]:
    """Raises `ReconcilerError`; then everything is as it was, or as it is asked for. A warning says of which values
    the state is rid by that."""
    session = file.open(now.state)
    try:
        session.remember(entries)
        session.close()
    except OSError as error:
        raise ReconcilerError([file.unusable("written", error)]) from error
    return (state_cleaned(now.place, now.in_clear),) if now.in_clear else ()


def _unknown(records: Records, text: str) -> Diagnostic:
    known = [*map(str, records), *dict.fromkeys(address.key for address in records)]
    return Diagnostic(
        "unknown-address",
        f"nothing is remembered of `{text}`",
        help=did_you_mean(text, known) or "`reconciler state list` shows what is",
    )


def _taken(address: Address, record: Record) -> Diagnostic:
    return Diagnostic(
        "address-taken",
        f"{address} is remembered already",
        address=address,
        notes=(f"as `{record.id}`",) if record.id else (),
        help=f"choose another key, or first drop it with `reconciler state forget {address.key}`",
    )
