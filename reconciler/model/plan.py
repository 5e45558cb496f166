"""Define plans as data: changes and their reasons. Plans hold no clients and no secrets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconciler.model.address import DESTINATION, Address
from reconciler.model.diagnostic import Diagnostic, IgnoredWarning
from reconciler.model.policy import PolicyResult
from reconciler.model.read_coverage import ReadCoverage
from reconciler.model.risk import FieldRisk, Risk
from reconciler.model.snapshot_origin import SnapshotOrigin
from reconciler.model.source import Span
from reconciler.model.trust import NO_TRUST_FACTS, TrustAction, TrustChange, TrustFacts
from reconciler.model.value import FieldPath


class Action(StrEnum):
    """Action of an apply on one address."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    ADOPT = "adopt"
    VERIFY = "verify"
    DELETE = "delete"
    FORGET = "forget"
    APPROVE = "approve"  # approvals of servers, and revocations if there are any; nothing else changes
    REVOKE = "revoke"  # revocations only
    NO_OP = "no-op"


ACTIONS_WITHOUT_REQUESTS = frozenset({Action.NO_OP, Action.ADOPT, Action.FORGET})
"""Actions for which an apply sends no request."""


class Reason(StrEnum):
    """Reason of an action in the plan."""

    NEW = "new"
    MISSING_REMOTELY = "missing-remotely"  # an earlier run recorded the object, and Fivetran does not have it
    IMMUTABLE_FIELD = "immutable-field"
    FIELDS_DIFFER = "fields-differ"
    SECRETS_SENT = "secrets-sent"
    NOT_REMEMBERED = "not-remembered"
    REMOVED = "removed"
    INTERRUPTED = "interrupted"
    TESTS_OUTSTANDING = "tests-outstanding"
    TRUST_CHANGED = "trust-changed"


class Origin(StrEnum):
    """Side that moved a field away from the last applied value."""

    SPEC = "spec"
    DRIFT = "drift"  # changed at Fivetran
    CONFLICT = "conflict"  # changed on both sides, to different values


class ProtectionChange(StrEnum):
    """Change of the recorded protection of an entry."""

    GAINED = "gained"
    LOST = "lost"
    KEPT = "kept"  # no longer declared, and kept until a change that does nothing else to the entry


class Visibility(StrEnum):
    """Way in which plans show the value of a field."""

    CLEAR = "clear"
    SECRET = "secret"  # noqa: S105 - a way of showing, not a password
    HIDDEN = "hidden"  # a literal that may be a secret, since the catalogue does not describe its field
    KNOWN_AFTER_APPLY = "known-after-apply"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """Planned change of one field. If `shown` is not CLEAR, `before` is None and `after` is a text about the source of
    the value or the reason why it is hidden, never the value; None if a hidden field is cleared.

    With `sent_by_replacement` no difference is known: a replacement sends the field since it sends all declared fields.
    `risk` is None for a field of a new object, and for a field that a replacement sends again.
    """

    path: FieldPath
    before: Any
    after: Any
    shown: Visibility = Visibility.CLEAR
    span: Span | None = None
    origin: Origin = Origin.SPEC
    forces_replace: bool = False
    sent_by_replacement: bool = False
    risk: FieldRisk | None = None


@dataclass(frozen=True, slots=True)
class FieldValue:
    """Field with its value, as plans show it. If `shown` is not CLEAR, `value` is a text about the source of the value
    or the reason why it is hidden, or None."""

    path: FieldPath
    value: Any
    shown: Visibility = Visibility.CLEAR


@dataclass(frozen=True, slots=True)
class AssertedValue:
    """Value of a field that no run has sent, and that an operator asserts to be in effect. `source` is the reference of
    a secret; None for a hidden literal."""

    address: Address
    path: FieldPath
    source: str | None


@dataclass(frozen=True, slots=True)
class SecretComparison:
    """Comparison of the declared secrets of an existing object with the last sent secrets. Each secret is in one of the
    three results."""

    changed: tuple[FieldPath, ...] = ()
    unchanged: tuple[FieldPath, ...] = ()
    uncomparable: tuple[FieldPath, ...] = ()


@dataclass(frozen=True, slots=True)
class UnsettledRequest:
    """Earlier request for the same object that has no answer. It was sent at `sent_at`; until `until` no other request
    is sent, unless the operator has the create `resent`. Both times are by the clock of this machine."""

    sent_at: datetime
    until: datetime
    resent: bool = False


@dataclass(frozen=True, slots=True)
class LiveConnection:
    """Connection that loads into a destination. With `deleted_first` it is deleted before the destination."""

    id: str
    service: str
    deleted_first: bool = False


@dataclass(frozen=True, slots=True)
class LiveObject:
    """Object that a change deletes, replaces or gives up, as Fivetran shows it, so that reviewers can recognise the
    object.

    `name` is the name of the group; `last_name` is the last applied name, if the group was renamed since. `service` and
    `region` are facts of the destination. For an object that is only given up, no `connections` are known.
    """

    name: str
    last_name: str | None = None
    service: str = ""
    region: str = ""
    connections: tuple[LiveConnection, ...] = ()

    @property
    def connections_deleted_first(self) -> tuple[LiveConnection, ...]:
        """The connections that are deleted with the object."""
        return tuple(connection for connection in self.connections if connection.deleted_first)


@dataclass(frozen=True, slots=True)
class AnnouncedRequest:
    """Mutating request that the apply of a change sends, perhaps more than once.

    `object` is the address of the object, `connection ID`, or `ADDRESS/test` for setup tests. `fields` are the fields
    of its body, `carried` the fields of its body that it sends unchanged. A request with `may` is sent if it is needed,
    and then with some or all of its fields.
    """

    method: str
    object: str
    fields: tuple[FieldPath, ...] = ()
    carried: tuple[FieldPath, ...] = ()
    may: bool = False


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """Facts about an entry that need no request, and that a reader of the plan must know.

    `moved_from` is the former address of a record that `was:` moves. `undeclared` are fields that an earlier run
    applied, that the specs no longer declare, and that stay as they are. `unkept` are declared fields that Fivetran did
    not keep: their live value is what it answered right after the last write. `setup_status` is the status of a
    destination, as Fivetran shows it. `trust` are facts about certificates and host keys.
    """

    moved_from: Address | None = None
    protection: ProtectionChange | None = None
    undeclared: tuple[FieldPath, ...] = ()
    unkept: tuple[FieldPath, ...] = ()
    setup_status: str = ""
    trust: TrustFacts = NO_TRUST_FACTS


@dataclass(frozen=True, slots=True)
class Change:
    """Change of one address. `id` is known for every existing object.

    `uncomparable` are declared fields, secret or not, that cannot be compared and are not sent. `other_values` are all
    declared values that are not in `fields`, for renderers of the whole object. `applied` are the last applied values,
    if they add information: for a missing or abandoned object, and for a field that moved on both sides. Neither
    mapping decides anything: a plan with other values would do the same. `unsettled` is the request that a create has
    to wait for. `live` is the deleted, replaced or abandoned object, as Fivetran shows it. `waits_for` are
    renames that first free the name that the change gives. `lost` are live values of a replaced object that the new
    object does not get. `requests` are all mutating requests of the apply, in their order; empty in a plan of an
    earlier release. `trust` are the approvals that the apply gives and revokes, in their order; `runs_tests` says that
    setup tests follow the change.
    """

    address: Address
    action: Action
    reasons: tuple[Reason, ...] = ()
    fields: tuple[FieldChange, ...] = ()
    id: str | None = None
    depends_on: tuple[Address, ...] = ()
    span: Span | None = None
    risk: Risk = Risk.IN_PLACE
    uncomparable: tuple[FieldPath, ...] = ()
    secrets: SecretComparison = SecretComparison()
    other_values: tuple[FieldValue, ...] = ()
    applied: tuple[FieldValue, ...] = ()
    unsettled: UnsettledRequest | None = None
    live: LiveObject | None = None
    waits_for: tuple[Address, ...] = ()
    lost: tuple[FieldValue, ...] = ()
    requests: tuple[AnnouncedRequest, ...] = ()
    facts: ChangeFacts = ChangeFacts()
    trust: tuple[TrustChange, ...] = ()
    runs_tests: bool = False

    @property
    def unreadable(self) -> tuple[FieldPath, ...]:
        """The declared fields, secrets left out, that cannot be compared: answers show another value, or none."""
        return tuple(path for path in self.uncomparable if path not in self.secrets.uncomparable)

    @property
    def held_until(self) -> datetime | None:
        """The time from which a waiting create can be made; None for all other changes."""
        if self.unsettled is None or self.unsettled.resent:
            return None
        return self.unsettled.until

    @property
    def recognised_by(self) -> tuple[str, ...]:
        """Facts by which a reviewer recognises a deleted or replaced object, beside its id: another destination of the
        same group has the same id. A new name of a group that stays is a change of its own. Empty if the plan does not
        show the object."""
        if self.live is None:
            return ()
        name = (self.live.name,) if self.action is Action.DELETE else ()
        return (*name, self.live.service) if self.address.kind == DESTINATION else name

    @property
    def approvals(self) -> tuple[TrustChange, ...]:
        """The approvals that the apply gives."""
        return tuple(change for change in self.trust if change.action is TrustAction.APPROVE)

    @property
    def revocations(self) -> tuple[TrustChange, ...]:
        """The approvals that the apply revokes, after passed setup tests."""
        return tuple(change for change in self.trust if change.action is TrustAction.REVOKE)

    @property
    def is_missing(self) -> bool:
        """Whether an earlier run recorded the object, and Fivetran does not have it."""
        return Reason.MISSING_REMOTELY in self.reasons


@dataclass(frozen=True, slots=True)
class ListedDestination:
    """Destination as the list of the account shows it. Region and status are empty if the list leaves them out."""

    service: str
    region: str = ""
    setup_status: str = ""


@dataclass(frozen=True, slots=True)
class ListedConnection:
    """Connection of a group without an entry. `name` is the name of its schema."""

    id: str
    service: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionList:
    """Connections of one group; None if these credentials may not list them."""

    connections: tuple[ListedConnection, ...] | None


@dataclass(frozen=True, slots=True)
class UnmanagedGroup:
    """Group of the account without a spec entry, and its destination. `connections` is None if they were not read.
    `owner` names the state of another project that has the group."""

    id: str
    name: str
    destination: ListedDestination | None = None
    connections: ConnectionList | None = None
    owner: str = ""


@dataclass(frozen=True, slots=True)
class UndeclaredDestination:
    """Destination of a declared group whose entry declares none. `connections` is None if they were not read."""

    address: Address
    id: str
    destination: ListedDestination
    connections: ConnectionList | None = None


@dataclass(frozen=True, slots=True)
class ScopeSummary:
    """Scope of a plan: `entries` of `of`. A group with its destination counts as one entry.

    With `since`, the revision that the specs were compared with, `changed` entries differ since the specs left it at
    its commits `merge_bases` (several if branches were merged crosswise), and an earlier run left `unfinished` others
    incomplete; `entries` remain after the other options. If the specs are behind the revision, `left_alone` entries
    were changed by the revision only.
    """

    entries: int
    of: int
    since: str = ""
    changed: int = 0
    unfinished: int = 0
    merge_bases: tuple[str, ...] = ()
    is_behind: bool = False
    left_alone: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Every declared address with its change, sorted by entry, each group before its destination.

    `requests` counts the calls of planning; `warnings` are findings that do not stop an apply, `blockers` are findings
    that do. Plans of one `digest` would do the same. `narrowing` is None for a plan of all entries. `judgements` are
    the results of the project's policies, passed policies too. `recreated` are addresses of missing objects that
    `--recreate` makes again. `unplanned` are addresses that blockers leave out of the plan.
    `uncomparable_secrets` are secrets that may have changed and are not sent, as `ADDRESS:FIELD`. `unmanaged` and
    `undeclared` are the objects of the account that no entry declares, in scope or not, and `owned` are groups that
    the states of other projects have. `snapshot` is the snapshot in place of the account, of a plan that cannot be
    applied. `ignored` are warnings that the project ignores. `coverage` is the part of the destinations that a run with
    a budget has read: `changes` lack the other destinations.
    """

    account_id: str
    account_name: str
    changes: tuple[Change, ...]
    unmanaged: tuple[UnmanagedGroup, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    blockers: tuple[Diagnostic, ...] = ()
    files: int = 0
    requests: int = 0
    seconds: float = 0.0
    digest: str = ""
    narrowing: ScopeSummary | None = None
    judgements: tuple[PolicyResult, ...] = ()
    recreated: tuple[Address, ...] = ()
    unplanned: tuple[Address, ...] = ()
    uncomparable_secrets: tuple[str, ...] = ()
    snapshot: SnapshotOrigin | None = None
    undeclared: tuple[UndeclaredDestination, ...] = ()
    ignored: tuple[IgnoredWarning, ...] = ()
    coverage: ReadCoverage | None = None
    owned: tuple[UnmanagedGroup, ...] = ()

    @property
    def unread(self) -> tuple[Address, ...]:
        """The destinations in scope that a run with a budget has not read."""
        return self.coverage.unread if self.coverage is not None else ()

    @property
    def omissions(self) -> tuple[Diagnostic, ...]:
        """Blockers that leave entries out of the plan. The plan is incomplete without these entries."""
        return tuple(finding for finding in self.blockers if finding.code_facts.omits_entry)

    @property
    def gone_or_hidden(self) -> tuple[Diagnostic, ...]:
        """Findings about recorded entries that the account does not show. The plan is incomplete without them."""
        return tuple(finding for finding in self.blockers if finding.code_facts.hides_resource)

    @property
    def effective(self) -> tuple[Change, ...]:
        """Changes for which apply would send a mutating call or run a test."""
        return tuple(change for change in self.changes if change.action not in ACTIONS_WITHOUT_REQUESTS)

    @property
    def held(self) -> tuple[Change, ...]:
        """Creates that apply does not make yet."""
        return tuple(change for change in self.changes if change.held_until is not None)

    @property
    def resent(self) -> tuple[Change, ...]:
        """Creates that apply makes although they should wait."""
        return tuple(
            change for change in self.changes if change.unsettled is not None and change.unsettled.resent
        )

    @property
    def drifted(self) -> tuple[Change, ...]:
        """Changes that undo edits outside the specs: fields that moved, revoked approvals, and deleted objects."""
        return tuple(
            change
            for change in self.effective
            if change.is_missing
            or any(field.origin is not Origin.SPEC for field in change.fields)
            or any(each.undoes_drift for each in change.trust)
        )

    @property
    def possibly_drifted(self) -> tuple[Change, ...]:
        """Changes that may undo a drift or follow an edit: no last applied value is recorded."""
        return tuple(
            change for change in self.effective if Reason.NOT_REMEMBERED in change.reasons and change.fields
        )

    @property
    def adopted(self) -> tuple[Change, ...]:
        """Objects that exist as declared and are to be recorded; no request is sent for them."""
        return tuple(change for change in self.changes if change.action is Action.ADOPT)

    @property
    def forgotten(self) -> tuple[Change, ...]:
        """Objects that are no longer managed and stay at Fivetran; no request is sent for them."""
        return tuple(change for change in self.changes if change.action is Action.FORGET)

    @property
    def moves(self) -> tuple[Change, ...]:
        """Entries whose record moves to a new address; no request is sent for the move."""
        return tuple(change for change in self.changes if change.facts.moved_from is not None)

    @property
    def unprotected(self) -> tuple[Address, ...]:
        """Addresses whose recorded protection ends with an apply of this plan, sorted."""
        return tuple(
            sorted(
                change.address for change in self.changes if change.facts.protection is ProtectionChange.LOST
            )
        )

    @property
    def needs_approval(self) -> bool:
        """Whether an apply does anything that a reviewer approves by the digest."""
        return self.snapshot is None and bool(self.effective or self.unprotected)

    def count(self, action: Action) -> int:
        """Count the changes with this action."""
        return sum(change.action is action for change in self.changes)
