"""Stand-ins for a sandbox: a value for every reference, and nothing read."""

from __future__ import annotations

import hashlib

from reconciler.model.value import Reference


class Demo:
    """Makes up a value for any reference: always the same for one, another for each."""

    def resolve(self, reference: Reference) -> str:
        """`demo-` and 16 hexadecimal digits. Reads neither files nor environment."""
        return f"demo-{hashlib.sha256(str(reference).encode('utf-8', 'replace')).hexdigest()[:16]}"
