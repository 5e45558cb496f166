"""The last applied values of a resource, as far as its record has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from reconciler.catalogue.normalize import MASKED
from reconciler.model.record import NO_FINGERPRINT, Record, is_fingerprint
from reconciler.model.value import ExternalKey, FieldPath, Fields, Reference, Secret, Structure
from reconciler.secrets.fingerprint import Fingerprinter


class AppliedMarker(Enum):
    """A marker in place of a value that the record does not hold."""

    UNKNOWN = auto()  # the field was applied, with an unknown value
    DIFFERENT = auto()  # the value was neither the declared value nor the live value


@dataclass(frozen=True, slots=True)
class LastApplied:
    """Last applied values in normal form, by path.

    A hidden literal has only a fingerprint to compare other values with: the state must not hold its value. `answers`
    and `answer_fingerprints` are what Fivetran answered right after the last write in place of the sent values.
    """

    fields: Fields = field(default_factory=dict)
    fingerprints: Mapping[FieldPath, str] = field(default_factory=dict)
    fingerprinter: Fingerprinter | None = None
    answers: Fields = field(default_factory=dict)
    answer_fingerprints: Mapping[FieldPath, str] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Record | None, fingerprinter: Fingerprinter | None) -> LastApplied:
        """Build the applied values of a record; empty without one."""
        if record is None:
            return cls()
        return cls(
            record.applied, record.fingerprints, fingerprinter, record.answers, record.answer_fingerprints
        )

    def lookup_values(self, declared: Fields, live: Fields) -> dict[FieldPath, Any]:
        """Look up the applied values by path. A fingerprint gives the declared or the live value that it matches, else
        an `AppliedMarker`."""
        values = dict(self.fields)
        for path, kept in self.fingerprints.items():
            value = declared.get(path)
            # A secret without a fingerprint may have had any value: it need not be the literal that replaced it.
            if path in declared and path not in values and _is_literal(value) and kept != NO_FINGERPRINT:
                values[path] = self._match(kept, value, live.get(path))
        return values

    def is_known_answer(self, path: FieldPath, live: Any) -> bool:
        """Check whether a live value, in normal form, is the answer that followed the last write of the field."""
        if path in self.answers:
            return live is not MASKED and bool(self.answers[path] == live)
        kept = self.answer_fingerprints.get(path)
        return kept is not None and live is not None and self._match(kept, live) is live

    def _match(self, kept: str, *candidates: Any) -> Any:
        if self.fingerprinter is None or not is_fingerprint(kept) or not self.fingerprinter.is_own(kept):
            return AppliedMarker.UNKNOWN
        for value in candidates:
            if value is not MASKED and self.fingerprinter.matches(kept, Secret(value)):
                return value
        return AppliedMarker.DIFFERENT


def _is_literal(value: Any) -> bool:
    return not isinstance(value, Secret | Reference | Structure | ExternalKey)
