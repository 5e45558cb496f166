"""Define certificates and SSH host keys: pinned by specs, approved at Fivetran, or met by a setup test."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    the API chooses, empty if it is unknown. `certificate` is base64 of DER, `public_key` a line `TYPE BASE64`,
    maybe with a comment; both are empty if only the hash is known. `expires` is a date (ISO 8601).
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

    `source` is the pin as the spec writes it: a hash, a host key, or the path of a PEM file. The same certificate in
    another notation is an equal pin.
    """

    identity: ServerIdentity
    source: str = field(default="", compare=False)
    span: Span | None = field(default=None, compare=False)

    @property
    def can_be_approved(self) -> bool:
        """Whether the pin has all that an approval needs, before a setup test has met the server: only a certificate
        from a PEM file has, since its hash can be computed offline."""
        return bool(self.identity.certificate)


@dataclass(frozen=True, slots=True)
class ApprovedServer:
    """Approval at Fivetran. `id` is its id in the list; `approved_by` is a name or an id of a user, `approved_at` a
    time as Fivetran shows it. `sha256` is the SHA-256 of a certificate in hex, as Fivetran shows it."""

    identity: ServerIdentity
    id: str = ""
    approved_by: str = ""
    approved_at: str = ""
    sha256: str = ""


class TrustAction(StrEnum):
    """Change of an approval."""

    APPROVE = "approve"
    REVOKE = "revoke"


@dataclass(frozen=True, slots=True)
class TrustChange:
    """Approval that an apply gives or revokes. An approval has the `pin` of the spec, a revocation the `approval` at
    Fivetran. `was_pinned` says that the last applied spec had the server pinned."""

    action: TrustAction
    identity: ServerIdentity
    pin: Pin | None = None
    approval: ApprovedServer | None = None
    was_pinned: bool = False

    @property
    def undoes_drift(self) -> bool:
        """Whether the approval was given by an earlier apply, and revoked outside the specs since. An apply approves
        each certificate of a PEM file; whether another pin was approved, its record does not say."""
        is_approval = self.action is TrustAction.APPROVE
        return is_approval and self.was_pinned and self.pin is not None and self.pin.can_be_approved


@dataclass(frozen=True, slots=True)
class TrustFacts:
    """Facts about the servers of a destination that need no change. `unmet` are pins of servers that are neither
    approved nor met by a setup test yet. `unpinned` are approvals without a pin, of a kind that has pins. `waiting` are
    servers that the last setup test met, and that are neither approved nor pinned."""

    unmet: tuple[Pin, ...] = ()
    unpinned: tuple[ApprovedServer, ...] = ()
    waiting: tuple[ServerIdentity, ...] = ()


@dataclass(frozen=True, slots=True)
class Grants:
    """Trust and setup tests of the last applied spec, as a record remembers them: a wider grant asks for the setup
    tests of an unhealthy destination.

    `pins` have what recognises the servers, and the facts about them that are known. `trusted_kinds` are the kinds of
    which every server is trusted. `untested` says that the spec declined setup tests.
    """

    pins: tuple[ServerIdentity, ...] = ()
    trusted_kinds: tuple[str, ...] = ()
    untested: bool = False

    def __bool__(self) -> bool:
        return bool(self.pins or self.trusted_kinds or self.untested)


NO_GRANTS = Grants()
NO_TRUST_FACTS = TrustFacts()
