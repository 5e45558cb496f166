"""Compute fingerprints of secrets, which reveal a change of a secret and nothing else."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.model.address import Address
from reconciler.model.record import strip_assertion
from reconciler.model.value import FieldPath, Secret, format_path

KEY_BYTES = 32

MIN_KEY_BYTES = 16
"""Minimum length of a signing key in bytes."""


class ShortKeyError(ValueError):
    """A signing key is so short that it can be guessed."""


def make_signer(key: Secret) -> Callable[[bytes], str]:
    """Make a function that signs bytes: HMAC-SHA256 in lower-case hex. Raises ShortKeyError."""
    secret = str(key.reveal()).encode()
    if len(secret) < MIN_KEY_BYTES:
        raise ShortKeyError
    return lambda content: hmac.new(secret, content, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Fingerprinter:
    """Maker of fingerprints with one key: name of the key, HMAC-SHA256 of the secret, and location."""

    key: bytes = field(repr=False)

    @classmethod
    def from_secret(cls, secret: Secret) -> Fingerprinter:
        """Create a fingerprinter from a key of any length, as teams keep it in a secret store."""
        return cls(hashlib.sha256(str(secret.reveal()).encode()).digest())

    def fingerprint(self, location: str, secret: Secret) -> str:
        """Compute the fingerprint of a secret.

        `location` (address and field) is part of the digest, so that equal passwords in two places have
        different fingerprints.
        """
        content = json.dumps([location, secret.reveal()], sort_keys=True)
        digest = hmac.new(self.key, content.encode(), hashlib.sha256).hexdigest()
        return f"{self._key_name}:{digest}:{location}"

    def fingerprint_field(self, address: Address, path: FieldPath, secret: Secret) -> str:
        """Compute the fingerprint of a field's value."""
        return self.fingerprint(f"{address}:{format_path(path)}", secret)

    def matches(self, fingerprint: str, secret: Secret) -> bool:
        """Check whether a fingerprint belongs to this secret, under any address that the entry had when it was made."""
        fingerprint = strip_assertion(fingerprint)
        location = fingerprint.partition(":")[2].partition(":")[2]
        return hmac.compare_digest(self.fingerprint(location, secret).encode(), fingerprint.encode())

    def is_own(self, fingerprint: str) -> bool:
        """Check whether a fingerprint was made with this key.

        Fingerprints of other keys cannot be compared.
        """
        return strip_assertion(fingerprint).startswith(f"{self._key_name}:")

    @property
    def _key_name(self) -> str:
        # A hash under another prefix: the name distinguishes keys and reveals nothing about the key.
        return hashlib.sha256(b"name of a key" + self.key).hexdigest()[:8]
