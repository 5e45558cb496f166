"""Hand entries over from the state of a project to the state of another, for `state move --to`. Sends nothing to
Fivetran.

A hand-over takes two writes, each of them atomic:

    write                                  states that have the entries after it
    -------------------------------------  -------------------------------------
    the records into the receiving state   both: neither project can change them
    the giving state without the records   the receiving state

So a hand-over that is killed loses nothing, and the same command completes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.model.address import Address, get_entry_sort_key
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.model.record import Record, State, is_fingerprint
from reconciler.operations.state import (
    Records,
    build_cleaner,
    explain_no_state,
    explain_unknown_address,
    write_entries,
)
from reconciler.spec.nodes import to_plain
from reconciler.spec.project import Project, read_project
from reconciler.state.journal import JournalEntry
from reconciler.state.store import Store
from reconciler.workspace.clear_values import StateCleaner
from reconciler.workspace.settings import Settings
from reconciler.workspace.state_memory import check_former_place
from reconciler.workspace.store import build_store

_NO_RECORDS: Records = {}


@dataclass(frozen=True, slots=True)
class HandOver:
    """Completed hand-over between two projects. `records` were handed over now, `present` are addresses that the
    receiving state had already."""

    giving_place: str
    receiving_place: str
    giving_project: str
    receiving_project: str
    records: Records
    present: tuple[Address, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class _Side:
    """Project of a hand-over, with its state."""

    settings: Settings
    project: Project
    store: Store
    cleaner: StateCleaner

    def read(self) -> State | None:
        """Read the state without values in clear, which an earlier release wrote; None if there is none yet."""
        state = self.store.read()
        return None if state is None else self.cleaner.clean(state).state


@dataclass(frozen=True, slots=True)
class _HandOverPlan:
    """Both states, the entries to write into the receiving one, and the records that leave the giving one."""

    giving: State
    receiving: State | None
    entries: Sequence[JournalEntry]
    records: Records
    present: tuple[Address, ...]


def hand_over(settings: Settings, receiver: Path, texts: Sequence[str]) -> HandOver:
    """Hand the entries that `texts` name by address or key over to the project file `receiver`. A group and its
    destination go together.

    Entries that are there already are no problem, so that a hand-over that was killed can be repeated. Raises
    ReconcilerError; then no entry is lost, and the same command goes on.
    """
    giving, receiving = _open_side(settings), _open_side(replace(settings, project=receiver))
    # First without the locks, so that a refusal leaves no lock and no branch behind.
    _plan(giving, receiving, texts)
    with giving.store.lock.hold(settings.holder), receiving.store.lock.hold(settings.holder):
        plan = _plan(giving, receiving, texts)
        if plan.receiving is None:
            _copy_key(giving, receiving)
        if plan.entries:
            write_entries(
                receiving.store, plan.receiving or _begin_state(settings, plan.giving), plan.entries
            )
        if plan.records:
            write_entries(giving.store, plan.giving, [(address, None) for address in plan.records])
    return HandOver(
        giving.store.display_name,
        receiving.store.display_name,
        giving.project.shown,
        receiving.project.shown,
        plan.records,
        plan.present,
        (*_warn_other_key(giving, receiving, plan.records), *_list_unreleased(giving, receiving)),
    )


def _open_side(settings: Settings) -> _Side:
    project = read_project(settings.project, settings.directory)
    store = build_store(project, settings)
    return _Side(settings, project, store, build_cleaner(project, settings, store))


def _plan(giving: _Side, receiving: _Side, texts: Iterable[str]) -> _HandOverPlan:
    """Read both states, and plan the hand-over. Raises ReconcilerError with all problems."""
    source, target = giving.read(), receiving.read()
    if source is None:
        raise ReconcilerError([explain_no_state(giving.store)])
    _check_sides(giving, receiving, source, target)
    present = target.records if target is not None else _NO_RECORDS
    keys, problems = _select_keys(source.records, present, texts)
    records = _select_records(source.records, keys)
    conflicts = {
        address.key: conflict
        for address, record in reversed(records.items())
        for conflict in _find_conflicts(receiving, present, address, record)
    }
    problems += reversed(conflicts.values())
    if problems:
        raise ReconcilerError(problems)
    merged = {address: _merge(record, present.get(address)) for address, record in records.items()}
    return _HandOverPlan(
        source,
        target,
        [(address, record) for address, record in merged.items() if present.get(address) != record],
        records,
        tuple(address for address in _select_records(present, keys) if address not in records),
    )


def _check_sides(giving: _Side, receiving: _Side, source: State, target: State | None) -> None:
    """Check that the two states are different ones of one account. Raises ReconcilerError."""
    if target is None:
        former = check_former_place(receiving.project, receiving.settings, writes=True)
        if former is not None:
            raise ReconcilerError([former])
        return
    if target.lineage == source.lineage:
        raise ReconcilerError([_explain_same_state(giving, receiving)])
    if target.account_id != source.account_id:
        raise ReconcilerError([_explain_other_account(giving, receiving, source, target)])


def _select_keys(
    records: Records, present: Records, texts: Iterable[str]
) -> tuple[frozenset[str], list[Diagnostic]]:
    """Select the keys that texts name, in either state. Returns a problem for each text that names none."""
    keys, problems = set[str](), list[Diagnostic]()
    for text in texts:
        found = {address.key for address in (*records, *present) if text in (str(address), address.key)}
        keys |= found
        if not found:
            problems.append(explain_unknown_address(records, text))
    return frozenset(keys), problems


def _select_records(records: Records, keys: frozenset[str]) -> dict[Address, Record]:
    return {
        address: records[address]
        for address in sorted(records, key=get_entry_sort_key)
        if address.key in keys
    }


def _find_conflicts(
    receiving: _Side, present: Records, address: Address, record: Record
) -> Iterator[Diagnostic]:
    """Find what the receiving state has in place of a record: another object at its address, or its object at another
    address."""
    existing = present.get(address)
    if existing is not None and existing.id != record.id:
        yield _explain_taken(receiving, address, f"it is `{existing.id}` there, and `{record.id}` here")
    elif existing is not None and record.id is None and existing != record:
        yield _explain_taken(receiving, address, "each project has an unfinished creation of its own")
    for other, other_record in present.items():
        is_same = other.kind == address.kind and record.id is not None and other_record.id == record.id
        if is_same and other != address:
            yield _explain_taken(receiving, address, f"its object `{record.id}` is {other} there")


def _merge(record: Record, existing: Record | None) -> Record:
    """Build the record for the receiving state. Its own record of the same object only adds its protection."""
    return replace(record, protected=True) if existing is not None and existing.protected else record


def _begin_state(settings: Settings, giving: State) -> State:
    return State(settings.entropy(16).hex(), 0, giving.account_id)


def _copy_key(giving: _Side, receiving: _Side) -> None:
    """Copy the key of the fingerprints to a project that has neither a state nor a key yet. Raises ReconcilerError."""
    if giving.store.key_file is None or receiving.store.key_file is None:
        return
    key = giving.store.key_file.read()
    if key is not None and receiving.store.key_file.read() is None:
        receiving.store.key_file.write(key)


def _warn_other_key(giving: _Side, receiving: _Side, records: Records) -> Iterator[Diagnostic]:
    """Warn if the receiving project cannot compare the fingerprints that it got."""
    fingerprints = [
        stored
        for record in records.values()
        for stored in (*record.fingerprints.values(), *record.answer_fingerprints.values())
        if is_fingerprint(stored)
    ]
    if fingerprints and _identify_key(giving) != _identify_key(receiving):
        shown = receiving.project.shown
        yield Diagnostic(
            "fingerprints-lost",
            f"`{shown}` has another key of fingerprints, so a change of the secrets of these entries is not detected"
            " there",
            severity=Severity.WARNING,
            notes=("secrets that were sent stay as they are at Fivetran",),
            help=f"set `fingerprint_key:` in `{shown}`, and run `reconciler state rekey` for it",
        )


def _identify_key(side: _Side) -> object:
    """Identify the key of the fingerprints of a project: the reference to it, or its bytes."""
    reference = side.project.content.fingerprint_key
    if reference is not None:
        return to_plain(reference)
    return side.store.key_file.read() if side.store.key_file is not None else None


def _list_unreleased(*sides: _Side) -> Iterator[Diagnostic]:
    """List the warnings about locks that could not be released."""
    for side in sides:
        if side.store.lock.release_failure is not None:
            yield side.store.lock.release_failure


def _explain_taken(receiving: _Side, address: Address, note: str) -> Diagnostic:
    return Diagnostic(
        "address-taken",
        f"the state `{receiving.store.display_name}` has something else at {address}",
        address=address,
        notes=(note, "nothing was moved"),
        help=f"give the entry another key first: `reconciler state move {address.key} new_key`",
    )


def _explain_same_state(giving: _Side, receiving: _Side) -> Diagnostic:
    return Diagnostic(
        "wrong-usage",
        f"`{giving.project.shown}` and `{receiving.project.shown}` have the same state, or copies of one state",
        notes=(f"`{giving.store.display_name}` and `{receiving.store.display_name}`",),
        help="name another project file with `--to`",
    )


def _explain_other_account(giving: _Side, receiving: _Side, source: State, target: State) -> Diagnostic:
    return Diagnostic(
        "other-account",
        f"the state `{giving.store.display_name}` is of account `{source.account_id}`, the state"
        f" `{receiving.store.display_name}` of `{target.account_id}`",
        help="name a project of the same account with `--to`",
    )
