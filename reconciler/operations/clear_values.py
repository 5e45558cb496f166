"""Values that an earlier release kept in a state, and that are hidden now: a state is rid of them when it is read.

What they were is kept as a fingerprint where there is a key (S-45). The place of the state holds them until it is
written the next time, and its history may hold them for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.engine.confidential import external
from reconciler.engine.planfile import AlteredError, OtherFormatError, without_clear_values
from reconciler.kinds.destination import SERVICE
from reconciler.kinds.visibility import Masking, Visibility, visibility
from reconciler.model.address import Address, by_entry
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.record import NOTHING_KEPT, Record, State
from reconciler.model.resource import Desired
from reconciler.model.value import FieldPath, Secret, dotted
from reconciler.secrets.fingerprint import Fingerprinter

Fields = Mapping[Address, tuple[FieldPath, ...]]
"""Where values were found, by address."""

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A state without values that are hidden, and the fields of which it was rid."""

    state: State
    found: Fields


@dataclass(frozen=True, slots=True)
class Cleaner:
    """Rids states of values. `declared` are destinations of the specs, as far as these are known: they tell which
    fields nobody checks, and which values are only names in a secrets manager."""

    declared: Mapping[Address, Desired] = field(default_factory=dict)
    fingerprinter: Fingerprinter | None = None

    @classmethod
    def knowing(cls, destinations: Iterable[Desired]) -> Cleaner:
        """A cleaner that knows the specs, by the addresses of today and of yesterday."""
        declared = {each.address: each for each in destinations}
        former = {each.formerly: each for each in declared.values() if each.formerly is not None}
        return cls({**former, **declared})

    def clean(self, state: State) -> Cleaned:
        """The state as it may be kept."""
        records: dict[Address, Record] = {}
        found: dict[Address, tuple[FieldPath, ...]] = {}
        for address, record in state.records.items():
            hidden = tuple(self._hidden(address, record))
            records[address] = self._without(address, record, hidden) if hidden else record
            _add(found, address, hidden)
        reviewed = self._reviewed(state, found)
        return Cleaned(replace(state, records=records, reviewed=reviewed), found)

    def _hidden(self, address: Address, record: Record) -> Iterator[FieldPath]:
        declared = self.declared.get(address)
        service = self._service(address, record)
        masking = Masking(address.kind, service, declared.unchecked if declared is not None else ())
        for path, value in record.applied.items():
            if value is None or not masking.hides(path):
                continue
            if declared is not None:
                is_name = external(declared.fields.get(path))
            else:  # what else would be known of a secret?
                is_name = visibility(address.kind, service, path) is Visibility.SENSITIVE
            if not is_name:
                yield path

    def _without(self, address: Address, record: Record, hidden: tuple[FieldPath, ...]) -> Record:
        kept = {path: self._kept(address, path, Secret(record.applied[path])) for path in hidden}
        return replace(
            record,
            applied={path: value for path, value in record.applied.items() if path not in kept},
            fingerprints={**kept, **record.fingerprints},
        )

    def _kept(self, address: Address, path: FieldPath, value: Secret) -> str:
        maker = self.fingerprinter
        return NOTHING_KEPT if maker is None else maker.of_field(address, path, value)

    def _reviewed(self, state: State, found: dict[Address, tuple[FieldPath, ...]]) -> dict[str, str]:
        """Plans that can still be resumed. One that cannot be read is of no use to anybody."""
        known = (*state.records, *self.declared)
        services = {address: self._service(address, state.records.get(address)) for address in known}
        plans: dict[str, str] = {}
        for digest, saved in state.reviewed.items():
            try:
                content, fields = without_clear_values(saved.encode(), services)
            except OtherFormatError:
                plans[digest] = saved
            except AlteredError:
                continue
            else:
                plans[digest] = content.decode()
                for address, paths in fields.items():
                    _add(found, address, paths)
        return plans

    def _service(self, address: Address, record: Record | None) -> object:
        known = record.applied.get(SERVICE) if record is not None else None
        declared = self.declared.get(address)
        return declared.fields.get(SERVICE) if known is None and declared is not None else known


def _add(found: dict[Address, tuple[FieldPath, ...]], address: Address, paths: tuple[FieldPath, ...]) -> None:
    if paths:
        found[address] = tuple(dict.fromkeys([*found.get(address, ()), *paths]))


def values_in_state(place: str, found: Fields) -> Diagnostic:
    """What a run says that only reads: the state holds them until it is written."""
    return Diagnostic(
        "values-in-state",
        f"the state `{place}` holds values in clear that are hidden now",
        severity=Severity.WARNING,
        notes=(_where(found), _HISTORY),
        help="the next apply takes them out of the state; replace those that are secrets",
    )


def state_cleaned(place: str, found: Fields, left: Iterable[Path] = ()) -> Diagnostic:
    """What a run says that has written the state without them. `left` are files that still hold some."""
    others = tuple(f"`{file}` holds such values too, and could not be written: delete it" for file in left)
    return Diagnostic(
        "state-cleaned",
        f"the state `{place}` held values in clear that are hidden now; they are taken out of it",
        severity=Severity.WARNING,
        notes=(_where(found), _HISTORY, *others),
        help="replace those that are secrets",
    )


_HISTORY = "a git branch, a versioned bucket and backups keep what was written before"


def _where(found: Fields) -> str:
    """Fields by address, the first few of them."""
    named = [
        f"{address} ({', '.join(f'`{dotted(path)}`' for path in found[address])})"
        for address in sorted(found, key=by_entry)
    ]
    more = f" and {len(named) - _SHOWN:,} more" if len(named) > _SHOWN else ""
    return f"they are of {', '.join(named[:_SHOWN])}{more}"
