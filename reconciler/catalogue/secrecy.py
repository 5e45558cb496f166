"""What must not be shown: by what the catalogue says, and by its name where the catalogue says nothing."""

from __future__ import annotations

import re

from reconciler.catalogue.model import Field

_SOUNDS_SECRET = re.compile(r"secret|password|passphrase|_key$|token|credential", re.IGNORECASE)


def sounds_secret(name: str) -> bool:
    """Whether a field of this name probably holds a secret."""
    return _SOUNDS_SECRET.search(name) is not None


def is_sensitive(name: str, field: Field | None) -> bool:
    """Whether values of a field are secrets. `field` is None for one that the catalogue lacks (R35)."""
    return field.sensitive if field else sounds_secret(name)
