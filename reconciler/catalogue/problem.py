"""Finding of the catalogue about the fields that a spec declares."""

from __future__ import annotations

from dataclasses import dataclass, fields

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.source import Span
from reconciler.model.value import FieldPath


@dataclass(frozen=True, slots=True)
class Problem(Diagnostic):
    """Diagnostic about a field, without a place in a file.

    `path` is the field to point at: at its value, or with `on_key` at the name before it. A missing field points at
    the setting that requires it, if there is such a setting. `missing` are the missing fields.
    """

    path: FieldPath = ()
    on_key: bool = False
    missing: tuple[FieldPath, ...] = ()

    def locate(self, span: Span, address: Address | None) -> Diagnostic:
        """Build the diagnostic about a place in a file."""
        parts = {part.name: getattr(self, part.name) for part in fields(Diagnostic)}
        return Diagnostic(**parts | {"span": span, "address": address})
