"""Compute the fingerprints of a state with another key, for `state rekey`. Sends nothing to Fivetran.

A fingerprint stands for the value that was sent last. Only its secret can give the same fingerprint with another key,
so the secrets behind the references are read. If the former key stands in a file of the project, each value is compared
first: a secret that was rotated and not applied yet loses its fingerprint, and the next apply sends it. Without the
former key the present values count as the values that were sent last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from reconciler.kinds.destination import SERVICE
from reconciler.model.address import Address, get_entry_sort_key
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.record import (
    HIDDEN_LITERAL,
    NO_FINGERPRINT,
    Record,
    State,
    is_asserted,
    is_fingerprint,
    mark_asserted,
    withdraw_assertion,
)
from reconciler.model.resource import Desired
from reconciler.model.value import FieldPath, Secret, find_references
from reconciler.operations.state import build_cleaner, explain_no_state, write_entries
from reconciler.planning.fields import is_resolved_locally
from reconciler.planning.planner import Planner
from reconciler.secrets.base import Registry
from reconciler.secrets.fingerprint import Fingerprinter
from reconciler.state.store import Store
from reconciler.workspace.clear_values import warn_state_cleaned
from reconciler.workspace.settings import Settings
from reconciler.workspace.spec_secrets import add_spec_secrets
from reconciler.workspace.specs import Specs, load_specs
from reconciler.workspace.store import build_store, get_default_place, with_state
from reconciler.workspace.workspace import Access, build_registry, resolve_fingerprint_key

FieldOfRecord = tuple[Address, FieldPath]


@dataclass(slots=True)
class RekeyedFields:
    """Fields with fingerprints, by result.

    `kept` counts fingerprints that were made with the new key. `changed` are secrets that are not the secrets that were
    sent last, so that the next apply sends them. `lost` are fields that cannot be compared any more, with the reason.
    `is_checked` says whether a former key was at hand.
    """

    place: str
    is_checked: bool
    renewed: int = 0
    kept: int = 0
    changed: list[FieldOfRecord] = field(default_factory=list)
    lost: dict[FieldOfRecord, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PendingRekey:
    """A rekeyed state that is about to be written.

    The state is unchanged until `execute` is called, which returns warnings and raises ReconcilerError.
    """

    view: RekeyedFields
    execute: Callable[[], tuple[Diagnostic, ...]]


@contextmanager
def prepare_rekey(settings: Settings, *, dry_run: bool) -> Iterator[PendingRekey]:
    """Hold the lock while the operator confirms the loss of fingerprints. A dry run takes no lock.

    Raises ReconcilerError without a `fingerprint_key`, for invalid specs, and if another run holds the lock.
    """
    specs = load_specs(settings)
    add_spec_secrets(settings.redactor, specs, settings.directory)
    store = build_store(specs.project, settings)
    rekeyer = _build_rekeyer(settings, specs, store)
    if dry_run:
        yield _prepare(settings, specs, store, rekeyer)
        return
    _require_state(store)
    with store.lock.hold(settings.holder):
        yield _prepare(settings, specs, store, rekeyer)


def _prepare(settings: Settings, specs: Specs, store: Store, rekeyer: _Rekeyer) -> PendingRekey:
    cleaned = build_cleaner(specs.project, settings, store).clean(_require_state(store))
    stored = cleaned.state.records
    rekeyer.read_ahead(stored, settings.workers)
    records = {
        address: rekeyer.rekey(address, stored[address]) for address in sorted(stored, key=get_entry_sort_key)
    }

    def execute() -> tuple[Diagnostic, ...]:
        changed = {address: record for address, record in records.items() if record != stored[address]}
        if not changed and not cleaned.cleared_fields:
            return ()
        write_entries(store, cleaned.state, changed.items())
        cleared = cleaned.cleared_fields
        return (warn_state_cleaned(store.display_name, cleared),) if cleared else ()

    return PendingRekey(rekeyer.fields, execute)


def _require_state(store: Store) -> State:
    """Read the state. Raises ReconcilerError if there is none."""
    state = store.read()
    if state is None:
        raise ReconcilerError([explain_no_state(store)])
    return state


def _build_rekeyer(settings: Settings, specs: Specs, store: Store) -> _Rekeyer:
    """Read the new key, and the former keys in files of the project. Raises ReconcilerError."""
    if specs.fingerprint_key is None:
        raise ReconcilerError([_NO_KEY])
    registry = build_registry(replace(settings, compare_secrets=True), specs, Access.WRITE)
    key = resolve_fingerprint_key(settings, specs, registry, store)
    if not isinstance(key, Secret):
        raise ReconcilerError([_NO_KEY])
    former = list(_read_former_keys(settings, specs, store))
    declared = {desired.address: desired for desired in specs.destinations}
    moved = {desired.moved_from: desired for desired in specs.destinations if desired.moved_from is not None}
    return _Rekeyer(
        Fingerprinter.from_secret(key),
        registry,
        Planner(registry.resolve, None),
        {**moved, **declared},
        former,
        RekeyedFields(store.display_name, is_checked=bool(former)),
    )


def _read_former_keys(settings: Settings, specs: Specs, store: Store) -> Iterator[Fingerprinter]:
    """Read the keys beside the state, and beside the usual file, where a key stays after a move to another place."""
    usual = build_store(with_state(specs.project, get_default_place(specs.project)), settings)
    for key_file in filter(None, (store.key_file, usual.key_file)):
        with suppress(ReconcilerError):
            key = key_file.read()
            if key is not None:
                yield Fingerprinter(key)


@dataclass(slots=True)
class _Rekeyer:
    """Rekeyer of one record after the other; collects the results. `former` are former keys."""

    fingerprinter: Fingerprinter
    registry: Registry
    planner: Planner
    declared: Mapping[Address, Desired]
    former: list[Fingerprinter]
    fields: RekeyedFields

    def read_ahead(self, records: Mapping[Address, Record], workers: int) -> None:
        """Read the secrets of all records, `workers` at the same time, before one record after the other is rekeyed."""
        places = (
            (self.declared[address], path)
            for address, record in records.items()
            for path, stored in record.fingerprints.items()
            if address in self.declared and is_fingerprint(stored) and not self.fingerprinter.is_own(stored)
        )
        references = (
            reference
            for desired, path in places
            if path in desired.fields and is_resolved_locally(desired, path)
            for reference in find_references(desired.fields[path])
        )
        self.registry.prefetch(references, workers)

    def rekey(self, address: Address, record: Record) -> Record:
        """Rekey all fingerprints of a record."""
        fingerprints = {
            path: renewed
            for path, stored in record.fingerprints.items()
            if (renewed := self._rekey_value(address, record, path, stored)) is not None
        }
        answers = {
            path: stored
            for path, stored in record.answer_fingerprints.items()
            if self._keeps_answer(address, path, stored)
        }
        return replace(record, fingerprints=fingerprints, answer_fingerprints=answers)

    def _rekey_value(self, address: Address, record: Record, path: FieldPath, stored: str) -> str | None:
        """Rekey one fingerprint. Returns None for a secret that the next apply must send."""
        if not is_fingerprint(stored):
            return stored
        if self.fingerprinter.is_own(stored):
            self.fields.kept += 1
            return stored
        return self._renew(address, record, path, stored)

    def _renew(self, address: Address, record: Record, path: FieldPath, stored: str) -> str | None:
        """Compute the fingerprint of a secret anew. Returns None for a secret that the next apply must send."""
        desired = self.declared.get(address)
        if desired is None or path not in desired.fields:
            return self._lose(address, path, "no spec declares it", NO_FINGERPRINT)
        if not is_resolved_locally(desired, path):
            why = "it is no reference to a secret; the next apply compares it"
            return self._lose(address, path, why, HIDDEN_LITERAL)
        secret = self.planner.resolve_secret(desired, path, record.applied.get(SERVICE))
        if secret is None:
            return self._lose(address, path, self.planner.diagnostics[-1].message, NO_FINGERPRINT)
        if any(key.is_own(stored) and not key.matches(stored, secret) for key in self.former):
            self.fields.changed.append((address, path))
            return None
        self.fields.renewed += 1
        renewed = self.fingerprinter.fingerprint_field(address, path, secret)
        return mark_asserted(withdraw_assertion(stored), renewed) if is_asserted(stored) else renewed

    def _lose(self, address: Address, path: FieldPath, why: str, mark: str) -> str:
        """Record the loss of a fingerprint. Returns the mark that takes its place."""
        self.fields.lost[address, path] = why
        return mark

    def _keeps_answer(self, address: Address, path: FieldPath, stored: str) -> bool:
        """Check whether the fingerprint of an answer is kept. Only Fivetran has the value behind it."""
        if self.fingerprinter.is_own(stored):
            return True
        self.fields.lost[address, path] = "only Fivetran has this value; the next apply compares it"
        return False


_NO_KEY = Diagnostic(
    "no-fingerprint-key",
    "the project file has no `fingerprint_key`, so there is no new key",
    notes=(
        "without it, the key stands in a file beside a local state, and other states have no fingerprints",
    ),
    help='write for example `fingerprint_key: {secret: "env:FINGERPRINT_KEY"}` into the project file',
)
