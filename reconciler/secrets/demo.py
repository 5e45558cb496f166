"""Stand-ins for a sandbox: a value for every reference, and nothing read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from reconciler.model.value import Reference


class Demo:
    """Makes up a value for any reference: always the same for one, another for each."""

    def __init__(self, fitting: Mapping[str, str] | None = None) -> None:
        """`fitting` has values, by the text of the reference, for fields that do not take just any text."""
        self._fitting = dict(fitting or {})

    def resolve(self, reference: Reference) -> str:
        """The fitting value, or `demo-` and 16 hexadecimal digits. Reads neither files nor environment."""
        written = str(reference)
        made_up = f"demo-{hashlib.sha256(written.encode('utf-8', 'replace')).hexdigest()[:16]}"
        return self._fitting.get(written, made_up)
