"""Fingerprints of secrets: enough to see that one changed, useless for anything else."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.model.address import Address
from reconciler.model.value import FieldPath, Secret, format_path

KEY_BYTES = 32

MIN_KEY_BYTES = 16
"""Bytes of the shortest key that signs."""


class ShortKeyError(ValueError):
    """A key that could be guessed."""


def make_signer(key: Secret) -> Callable[[bytes], str]:
    """A function that signs bytes: HMAC-SHA256 in lower-case hex. Raises ShortKeyError."""
    secret = str(key.reveal()).encode()
    if len(secret) < MIN_KEY_BYTES:
        raise ShortKeyError
    return lambda content: hmac.new(secret, content, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Fingerprinter:
    """Makes fingerprints with one key: the name of the key, the HMAC-SHA256 of a secret under it, and the place."""

    key: bytes = field(repr=False)

    @classmethod
    def from_secret(cls, secret: Secret) -> Fingerprinter:
        """With a key that is a text of any length, as teams keep one in a store of secrets."""
        return cls(hashlib.sha256(str(secret.reveal()).encode()).digest())

    def fingerprint(self, location: str, secret: Secret) -> str:
        """The fingerprint of a secret. `place` (address and field) goes into it, so that one password in two
        places does not show as such."""
        content = json.dumps([location, secret.reveal()], sort_keys=True)
        digest = hmac.new(self.key, content.encode(), hashlib.sha256).hexdigest()
        return f"{self._key_name}:{digest}:{location}"

    def fingerprint_field(self, address: Address, path: FieldPath, secret: Secret) -> str:
        """The fingerprint of the value of a field."""
        return self.fingerprint(f"{address}:{format_path(path)}", secret)

    def matches(self, fingerprint: str, secret: Secret) -> bool:
        """Whether a fingerprint is that of this secret, also where its entry has got another address since."""
        location = fingerprint.partition(":")[2].partition(":")[2]
        return hmac.compare_digest(self.fingerprint(location, secret).encode(), fingerprint.encode())

    def is_own(self, fingerprint: str) -> bool:
        """Whether a fingerprint was made with this key. Those of another key cannot be compared."""
        return fingerprint.startswith(f"{self._key_name}:")

    @property
    def _key_name(self) -> str:
        return hashlib.sha256(b"name of a key" + self.key).hexdigest()[:8]
