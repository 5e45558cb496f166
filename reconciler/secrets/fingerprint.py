"""Fingerprints of secrets: enough to see that one changed, useless for anything else."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field

from reconciler.model.value import Secret

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Fingerprinter:
    """Makes fingerprints with one key: the name of the key, and the HMAC-SHA256 of a secret under it."""

    key: bytes = field(repr=False)

    def of(self, place: str, secret: Secret) -> str:
        """The fingerprint of a secret. `place` (address and field) goes into it, so that one password in two
        places does not show as such."""
        content = json.dumps([place, secret.reveal()], sort_keys=True)
        return f"{self._name}:{hmac.new(self.key, content.encode(), hashlib.sha256).hexdigest()}"

    def made(self, fingerprint: str) -> bool:
        """Whether a fingerprint was made with this key. Those of another key cannot be compared."""
        return fingerprint.startswith(f"{self._name}:")

    @property
    def _name(self) -> str:
        return hashlib.sha256(b"name of a key" + self.key).hexdigest()[:8]
