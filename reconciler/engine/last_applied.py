"""What was last applied to a resource, as far as it is remembered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from reconciler.catalogue.canonical import MASKED
from reconciler.model.record import NO_FINGERPRINT, Record, is_fingerprint
from reconciler.model.value import ExternalKey, FieldPath, Reference, Secret, Structure
from reconciler.secrets.fingerprint import Fingerprinter


class Recollection(Enum):
    """In place of a value that is not kept."""

    UNKNOWN = auto()  # the field was applied, and nothing tells its value
    ANOTHER = auto()  # the value was neither the declared one nor the one in Fivetran


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

    def recall(self, wanted: Mapping[FieldPath, Any], seen: Mapping[FieldPath, Any]) -> dict[FieldPath, Any]:
        """Values by path: those that are kept, and for each fingerprint of a literal the `wanted` or the `seen` value
        that it is of, or else a `Recollection`."""
        recalled = dict(self.fields)
        for path, kept in self.fingerprints.items():
            value = wanted.get(path)
            # Of a secret without a fingerprint nobody can say that it is the literal in its place now.
            if path in wanted and path not in recalled and _is_literal(value) and kept != NO_FINGERPRINT:
                recalled[path] = self._match(kept, value, seen.get(path))
        return recalled

    def _match(self, kept: str, *candidates: Any) -> Any:
        if self.fingerprinter is None or not is_fingerprint(kept) or not self.fingerprinter.made(kept):
            return Recollection.UNKNOWN
        for value in candidates:
            if value is not MASKED and self.fingerprinter.matches(kept, Secret(value)):
                return value
        return Recollection.ANOTHER


def _is_literal(value: Any) -> bool:
    return not isinstance(value, Secret | Reference | Structure | ExternalKey)
