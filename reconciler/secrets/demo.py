"""Stand-ins for a sandbox: a value for every reference, and nothing read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from reconciler.model.value import Reference


class DemoResolver:
    """Makes up a value for any reference: always the same for one, another for each."""

    def __init__(self, preset_values: Mapping[str, str] | None = None) -> None:
        """`fitting` has values, by the text of the reference, for fields that do not take just any text."""
        self._preset_values = dict(preset_values or {})

    def resolve(self, reference: Reference) -> str:
        """The fitting value, or `demo-` and 16 hexadecimal digits. Reads neither files nor environment."""
        reference_text = str(reference)
        generated = f"demo-{hashlib.sha256(reference_text.encode('utf-8', 'replace')).hexdigest()[:16]}"
        return self._preset_values.get(reference_text, generated)
