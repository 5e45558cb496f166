"""Clean states of clear values that an earlier release wrote and that must be hidden today.

A cleaned value is kept as a fingerprint if there is a key. The stored state holds the values until its next
write, and its history may keep them permanently.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.kinds.destination import SERVICE
from reconciler.kinds.visibility import Masking, Sensitivity, visibility
from reconciler.model.address import Address, get_entry_sort_key
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.record import HIDDEN_LITERAL, Record, State
from reconciler.model.record_transitions import hide_values
from reconciler.model.resource import Desired
from reconciler.model.value import FieldPath, Secret, format_path, is_external_secret
from reconciler.secrets.fingerprint import Fingerprinter
from reconciler.workspace.planfile import AlteredError, UnsupportedFormatError, strip_clear_values

FieldsByAddress = Mapping[Address, tuple[FieldPath, ...]]
"""Fields with clear values, by address."""

_MAX_LISTED = 5


@dataclass(frozen=True, slots=True)
class CleanedState:
    """A state without hidden values, and the fields that were cleaned."""

    state: State
    cleared_fields: FieldsByAddress


@dataclass(frozen=True, slots=True)
class StateCleaner:
    """Cleaner of states.

    `declared` are destinations of the specs, as far as they are known: they list unchecked fields, and values
    that are only names in a secrets manager.
    """

    declared: Mapping[Address, Desired] = field(default_factory=dict)
    fingerprinter: Fingerprinter | None = None

    @classmethod
    def for_destinations(cls, destinations: Iterable[Desired]) -> StateCleaner:
        """Create a cleaner that knows the specs, by present and by former addresses."""
        declared = {desired.address: desired for desired in destinations}
        former = {
            desired.moved_from: desired for desired in declared.values() if desired.moved_from is not None
        }
        return cls({**former, **declared})

    def clean(self, state: State) -> CleanedState:
        """Clean a state."""
        records: dict[Address, Record] = {}
        found: dict[Address, tuple[FieldPath, ...]] = {}
        for address, record in state.records.items():
            hidden = tuple(self._find_hidden(address, record))
            records[address] = self._remove_values(address, record, hidden) if hidden else record
            _add_paths(found, address, hidden)
        reviewed = self._clean_approved_plans(state, found)
        return CleanedState(replace(state, records=records, reviewed=reviewed), found)

    def _find_hidden(self, address: Address, record: Record) -> Iterator[FieldPath]:
        declared = self.declared.get(address)
        service = self._find_service(address, record)
        masking = Masking(address.kind, service, declared.unchecked if declared is not None else ())
        for path, value in record.applied.items():
            is_empty = value is None and record.answers.get(path) is None
            if is_empty or not masking.hides(path):
                continue
            if declared is not None:
                is_name = is_external_secret(declared.fields.get(path))
            else:  # of a secret, a record can only have the name in a secrets manager
                is_name = visibility(address.kind, service, path) is Sensitivity.SENSITIVE
            if not is_name:
                yield path

    def _remove_values(self, address: Address, record: Record, hidden: tuple[FieldPath, ...]) -> Record:
        fingerprints = {
            path: self._fingerprint(address, path, Secret(record.applied[path])) for path in hidden
        }
        return hide_values(record, fingerprints)

    def _fingerprint(self, address: Address, path: FieldPath, value: Secret) -> str:
        fingerprinter = self.fingerprinter
        return (
            HIDDEN_LITERAL if fingerprinter is None else fingerprinter.fingerprint_field(address, path, value)
        )

    def _clean_approved_plans(
        self, state: State, found: dict[Address, tuple[FieldPath, ...]]
    ) -> dict[str, str]:
        """Clean the plans that can still be resumed.

        A damaged plan is dropped, since no run can resume it.
        """
        addresses = (*state.records, *self.declared)
        services = {address: self._find_service(address, state.records.get(address)) for address in addresses}
        plans: dict[str, str] = {}
        for digest, saved in state.reviewed.items():
            try:
                content, fields = strip_clear_values(saved.encode(), services)
            except UnsupportedFormatError:
                plans[digest] = saved
            except AlteredError:
                continue
            else:
                plans[digest] = content.decode()
                for address, paths in fields.items():
                    _add_paths(found, address, paths)
        return plans

    def _find_service(self, address: Address, record: Record | None) -> object:
        known = record.applied.get(SERVICE) if record is not None else None
        declared = self.declared.get(address)
        return declared.fields.get(SERVICE) if known is None and declared is not None else known


def _add_paths(
    found: dict[Address, tuple[FieldPath, ...]], address: Address, paths: tuple[FieldPath, ...]
) -> None:
    if paths:
        found[address] = tuple(dict.fromkeys([*found.get(address, ()), *paths]))


def warn_values_in_state(place: str, found: FieldsByAddress) -> Diagnostic:
    """Build the warning of a run that only reads: the stored state keeps clear values for now."""
    return Diagnostic(
        "values-in-state",
        f"the state `{place}` holds values in clear that are hidden now",
        severity=Severity.WARNING,
        notes=(_format_fields(found), _HISTORY_NOTE),
        help="the next apply takes them out of the state; replace the values that are secrets",
    )


def warn_state_cleaned(place: str, found: FieldsByAddress, unwritable: Iterable[Path] = ()) -> Diagnostic:
    """Build the warning of a run that wrote the cleaned state.

    `unwritable` are files that still hold clear values.
    """
    unwritable_notes = tuple(
        f"`{file}` holds such values too, and could not be written: delete it" for file in unwritable
    )
    return Diagnostic(
        "state-cleaned",
        f"the state `{place}` held values in clear that are hidden now; they are taken out of it",
        severity=Severity.WARNING,
        notes=(_format_fields(found), _HISTORY_NOTE, *unwritable_notes),
        help="replace the values that are secrets",
    )


_HISTORY_NOTE = "a git branch, a versioned bucket and backups keep earlier versions of the state"


def _format_fields(found: FieldsByAddress) -> str:
    """Format the fields of the first few addresses."""
    parts = [
        f"{address} ({', '.join(f'`{format_path(path)}`' for path in found[address])})"
        for address in sorted(found, key=get_entry_sort_key)
    ]
    more = f" and {len(parts) - _MAX_LISTED:,} more" if len(parts) > _MAX_LISTED else ""
    return f"they are of {', '.join(parts[:_MAX_LISTED])}{more}"
