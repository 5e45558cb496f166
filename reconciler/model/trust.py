"""Define certificates and SSH host keys: pinned by specs, approved at Fivetran, or met by a setup test."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.source import Span


class ServerKind(StrEnum):
    """Kind of identity by which Fivetran recognises a server. The words are keys of requests, specs and states."""

    CERTIFICATE = "certificate"
    FINGERPRINT = "fingerprint"

    @property
    def noun(self) -> str:
        """Noun for messages."""
        return "certificate" if self is ServerKind.CERTIFICATE else "SSH host key"

    @property
    def plural(self) -> str:
        """Key of the kind in specs and in paths of the API."""
        return f"{self}s"


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """Certificate or SSH host key of a server, with its public facts as far as they are known.

    `hash` is the hash of the API: for a certificate base64 of the SHA-256 of its DER form; for a host key a text that
    the API chooses, empty if it is unknown. `certificate` is base64 of DER, `public_key` is `TYPE BASE64` without a
    comment; both are empty if only the hash is known. `expires` is a date (ISO 8601).
    """

    kind: ServerKind
    hash: str = ""
    subject: str = ""
    issuer: str = ""
    expires: str = ""
    certificate: str = ""
    public_key: str = ""


@dataclass(frozen=True, slots=True)
class Pin:
    """Certificate or SSH host key that a spec trusts.

    `source` is the pin as the spec writes it: a hash, a host key, or the path of a PEM file. With `is_file` the
    certificate comes from a PEM file.
    """

    identity: ServerIdentity
    source: str
    is_file: bool = False
    span: Span | None = None
