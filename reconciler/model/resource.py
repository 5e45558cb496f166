"""Define the two sides that a plan compares: declared resources and live resources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.model.address import Address
from reconciler.model.source import Span
from reconciler.model.trust import Pin, ServerKind
from reconciler.model.value import FieldPath, Fields


class OnFailure(StrEnum):
    """Consequence of a failed setup test for the run."""

    FAIL = "fail"
    WARN = "warn"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class SetupTests:
    """Setup tests of an entry: whether they run after a write, and the consequence of their failure."""

    run: bool = True
    on_failure: OnFailure = OnFailure.FAIL


@dataclass(frozen=True, slots=True)
class Trust:
    """Servers that Fivetran may trust: any certificate or SSH fingerprint, without an approval, or the pinned servers,
    by an approval of this program. With `exclusive` the approvals of other servers are revoked."""

    certificates: bool = False
    fingerprints: bool = False
    pins: tuple[Pin, ...] = ()
    exclusive: bool = False

    def trusts_any(self, kind: ServerKind) -> bool:
        """Check whether Fivetran may trust every server of a kind."""
        return self.certificates if kind is ServerKind.CERTIFICATE else self.fingerprints

    def list_pins(self, kind: ServerKind) -> tuple[Pin, ...]:
        """List the pins of a kind."""
        return tuple(pin for pin in self.pins if pin.identity.kind is kind)


@dataclass(frozen=True, slots=True)
class Desired:
    """Resource as the specs declare it.

    `fields` holds only declared fields, each leaf by its path; a leaf is a plain YAML value, `None` (clear it at
    Fivetran), a `Reference`, or a `Structure` with references inside. `spans` are the places of leaves and of
    everything inside them, and of options; `key_spans` are the places of the names of leaves. `unchecked` are leaves
    that the catalogue does not describe, and that are never shown. `moved_from` is the address before a move,
    `ignore_changes` are leaves that matter for a creation only. With `with_platform_connection` a replacement deletes
    the connection of Fivetran itself first. `is_complete` says that the specs were found to declare all that a new
    destination needs.
    """

    address: Address
    name: str
    span: Span
    fields: Fields
    spans: Mapping[FieldPath, Span] = field(default_factory=dict)
    id: str | None = None
    id_span: Span | None = None
    depends_on: tuple[Address, ...] = ()
    trust: Trust = Trust()
    setup_tests: SetupTests = SetupTests()
    unchecked: frozenset[FieldPath] = frozenset()
    moved_from: Address | None = None
    protected: bool = False
    allow_replace: bool = False
    ignore_changes: frozenset[FieldPath] = frozenset()
    key_spans: Mapping[FieldPath, Span] = field(default_factory=dict)
    with_platform_connection: bool = False
    is_complete: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """Resource as the API shows it. `fields` is the whole answer, leaf by leaf."""

    kind: str
    id: str
    name: str
    fields: Fields
    status: str = ""
