"""Generate a value for every reference of a sandbox, without any store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from reconciler.model.value import Reference


class DemoResolver:
    """Resolver that generates values: equal references have equal values, other references have other values."""

    def __init__(self, preset_values: Mapping[str, str] | None = None) -> None:
        """Create a resolver.

        `preset_values`, by the text of the reference, are for fields that restrict their values.
        """
        self._preset_values = dict(preset_values or {})

    def resolve(self, reference: Reference) -> str:
        """Return the preset value, or `demo-` and 16 hexadecimal digits.

        Reads neither files nor environment.
        """
        reference_text = str(reference)
        generated = f"demo-{hashlib.sha256(reference_text.encode('utf-8', 'replace')).hexdigest()[:16]}"
        return self._preset_values.get(reference_text, generated)
