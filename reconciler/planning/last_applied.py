"""What was last applied to a resource, as far as it is remembered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from reconciler.catalogue.normalize import MASKED
from reconciler.model.record import NO_FINGERPRINT, Record, is_fingerprint
from reconciler.model.value import ExternalKey, FieldPath, Reference, Secret, Structure
from reconciler.secrets.fingerprint import Fingerprinter


class AppliedMarker(Enum):
    """In place of a value that is not kept."""

    UNKNOWN = auto()  # the field was applied, and nothing tells its value
    DIFFERENT = auto()  # the value was neither the declared one nor the one in Fivetran


@dataclass(frozen=True, slots=True)
class LastApplied:
    """Values of fields in normal form. Of a literal that is hidden only a fingerprint is kept (S-45): it tells whether
    a value is the one that was applied."""

    fields: Mapping[FieldPath, Any] = field(default_factory=dict)
    fingerprints: Mapping[FieldPath, str] = field(default_factory=dict)
    fingerprinter: Fingerprinter | None = None

    @classmethod
    def of(cls, record: Record | None, fingerprinter: Fingerprinter | None) -> LastApplied:
        """What a record says."""
        return cls() if record is None else cls(record.applied, record.fingerprints, fingerprinter)

    def lookup_values(
        self, declared: Mapping[FieldPath, Any], live: Mapping[FieldPath, Any]
    ) -> dict[FieldPath, Any]:
        """Values by path: those that are kept, and for each fingerprint of a literal the `wanted` or the `seen` value
        that it is of, or else a `Recollection`."""
        values = dict(self.fields)
        for path, kept in self.fingerprints.items():
            value = declared.get(path)
            # Of a secret without a fingerprint nobody can say that it is the literal in its place now.
            if path in declared and path not in values and _is_literal(value) and kept != NO_FINGERPRINT:
                values[path] = self._match(kept, value, live.get(path))
        return values

    def _match(self, kept: str, *candidates: Any) -> Any:
        if self.fingerprinter is None or not is_fingerprint(kept) or not self.fingerprinter.is_own(kept):
            return AppliedMarker.UNKNOWN
        for value in candidates:
            if value is not MASKED and self.fingerprinter.matches(kept, Secret(value)):
                return value
        return AppliedMarker.DIFFERENT


def _is_literal(value: Any) -> bool:
    return not isinstance(value, Secret | Reference | Structure | ExternalKey)
