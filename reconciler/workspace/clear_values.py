"""Values that an earlier release kept in a state, and that are hidden now: a state is rid of them when it is read.

What they were is kept as a fingerprint where there is a key (S-45). The place of the state holds them until it is
written the next time, and its history may hold them for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.kinds.destination import SERVICE
from reconciler.kinds.visibility import Masking, Sensitivity, classify_sensitivity
from reconciler.model.address import Address, get_entry_sort_key
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.record import HIDDEN_LITERAL, Record, State
from reconciler.model.record_transitions import hide_values
from reconciler.model.resource import Desired
from reconciler.model.value import FieldPath, Secret, format_path, is_external_secret
from reconciler.secrets.fingerprint import Fingerprinter
from reconciler.workspace.planfile import AlteredError, UnsupportedFormatError, strip_clear_values

FieldsByAddress = Mapping[Address, tuple[FieldPath, ...]]
"""Where values were found, by address."""

_MAX_LISTED = 5


@dataclass(frozen=True, slots=True)
class CleanedState:
    """A state without values that are hidden, and the fields of which it was rid."""

    state: State
    cleared_fields: FieldsByAddress


@dataclass(frozen=True, slots=True)
class StateCleaner:
    """Rids states of values. `declared` are destinations of the specs, as far as these are known: they tell which
    fields nobody checks, and which values are only names in a secrets manager."""

    declared: Mapping[Address, Desired] = field(default_factory=dict)
    fingerprinter: Fingerprinter | None = None

    @classmethod
    def for_destinations(cls, destinations: Iterable[Desired]) -> StateCleaner:
        """A cleaner that knows the specs, by the addresses of today and of yesterday."""
        declared = {each.address: each for each in destinations}
        former = {each.moved_from: each for each in declared.values() if each.moved_from is not None}
        return cls({**former, **declared})

    def clean(self, state: State) -> CleanedState:
        """The state as it may be kept."""
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
            if value is None or not masking.hides(path):
                continue
            if declared is not None:
                is_name = is_external_secret(declared.fields.get(path))
            else:  # what else would be known of a secret?
                is_name = classify_sensitivity(address.kind, service, path) is Sensitivity.SENSITIVE
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
        """Plans that can still be resumed. One that cannot be read is of no use to anybody."""
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
    """What a run says that only reads: the state holds them until it is written."""
    return Diagnostic(
        "values-in-state",
        f"the state `{place}` holds values in clear that are hidden now",
        severity=Severity.WARNING,
        notes=(_format_fields(found), _HISTORY_NOTE),
        help="the next apply takes them out of the state; replace those that are secrets",
    )


def warn_state_cleaned(place: str, found: FieldsByAddress, unwritable: Iterable[Path] = ()) -> Diagnostic:
    """What a run says that has written the state without them. `left` are files that still hold some."""
    unwritable_notes = tuple(
        f"`{file}` holds such values too, and could not be written: delete it" for file in unwritable
    )
    return Diagnostic(
        "state-cleaned",
        f"the state `{place}` held values in clear that are hidden now; they are taken out of it",
        severity=Severity.WARNING,
        notes=(_format_fields(found), _HISTORY_NOTE, *unwritable_notes),
        help="replace those that are secrets",
    )


_HISTORY_NOTE = "a git branch, a versioned bucket and backups keep what was written before"


def _format_fields(found: FieldsByAddress) -> str:
    """Fields by address, the first few of them."""
    parts = [
        f"{address} ({', '.join(f'`{format_path(path)}`' for path in found[address])})"
        for address in sorted(found, key=get_entry_sort_key)
    ]
    more = f" and {len(parts) - _MAX_LISTED:,} more" if len(parts) > _MAX_LISTED else ""
    return f"they are of {', '.join(parts[:_MAX_LISTED])}{more}"
