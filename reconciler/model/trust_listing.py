"""Define lists of servers: what the specs pin, what Fivetran has approved, and what waits, side by side."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.model.address import Address
from reconciler.model.group_identity import GroupIdentity
from reconciler.model.trust import ApprovedServer, Pin, ServerIdentity, ServerKind


@dataclass(frozen=True, slots=True)
class ListedServer:
    """Server that is pinned, approved or waits. `identity` has all that is known of it, without its certificate.

    `is_met` says that the last setup test met the server without an approval. `is_approvable` says that the next apply
    approves it: its pin is a certificate from a file, or the state has the server from a test.
    """

    identity: ServerIdentity
    pin: Pin | None = None
    approval: ApprovedServer | None = None
    is_met: bool = False
    is_approvable: bool = False

    @property
    def standing(self) -> str:
        """The standing of the server in a few words."""
        if self.pin is None:
            return "waiting" if self.approval is None else "approved, not pinned"
        if self.approval is not None:
            return "pinned and approved"
        return "pinned, approved by the next apply" if self.is_approvable else "pinned, not met"


@dataclass(frozen=True, slots=True)
class DestinationTrust:
    """Servers of an existing destination. `id` is its id, `status` what Fivetran shows, `trusted_kinds` are the kinds
    of which the spec trusts any server. `identity` are the parts of the identity of its group that the destination
    needs: what Fivetran shows of itself to these servers."""

    address: Address
    id: str
    status: str
    trusted_kinds: tuple[ServerKind, ...]
    servers: tuple[ListedServer, ...]
    identity: GroupIdentity = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnreadTrust:
    """Destination whose approvals could not be read, with the reason. `id` is empty if it is unknown."""

    address: Address
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class TrustListing:
    """Servers of the destinations in scope. `missing` are declared destinations that do not exist yet."""

    account_id: str
    account_name: str
    destinations: tuple[DestinationTrust, ...]
    unread: tuple[UnreadTrust, ...] = ()
    missing: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class ExpiryFilter:
    """Filter of certificates that expire up to a date (ISO 8601). `today` is the date of the run."""

    today: str
    until: str

    def keeps(self, server: ListedServer) -> bool:
        """Check whether a server has expired, or expires in time."""
        return server.identity.expires != "" and server.identity.expires <= self.until

    def is_undecided(self, server: ListedServer) -> bool:
        """Check whether a server may expire on a day that nobody knows. A host key never expires."""
        return server.identity.kind is ServerKind.CERTIFICATE and server.identity.expires == ""
