"""A plan is data: what would change, why, and how much it hurts. No clients, no secrets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconciler.model.address import DESTINATION, Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.policy import PolicyResult
from reconciler.model.source import Span
from reconciler.model.value import FieldPath


class Action(StrEnum):
    """What apply would do with one address."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    ADOPT = "adopt"
    VERIFY = "verify"
    DELETE = "delete"
    FORGET = "forget"
    NO_OP = "no-op"


ACTIONS_WITHOUT_REQUESTS = frozenset({Action.NO_OP, Action.ADOPT, Action.FORGET})
"""Actions for which nothing is sent."""


class Reason(StrEnum):
    """Why an action is in the plan."""

    NEW = "new"
    MISSING_REMOTELY = "missing-remotely"  # an earlier run knew it, and it is gone
    IMMUTABLE_FIELD = "immutable-field"
    FIELDS_DIFFER = "fields-differ"
    SECRETS_SENT = "secrets-sent"
    NOT_REMEMBERED = "not-remembered"
    REMOVED = "removed"
    INTERRUPTED = "interrupted"
    TESTS_OUTSTANDING = "tests-outstanding"


class Origin(StrEnum):
    """Side that moved a field away from the last applied value."""

    SPEC = "spec"
    DRIFT = "drift"  # it was changed at Fivetran
    CONFLICT = "conflict"  # both did, to different values


class Risk(StrEnum):
    """The worst that an action can do to running syncs."""

    IN_PLACE = "in-place"
    INTERRUPTS_SYNCS = "interrupts-syncs"
    REPLACES = "replaces"
    DESTROYS = "destroys"


class Visibility(StrEnum):
    """How plans show the value of a field."""

    CLEAR = "clear"
    SECRET = "secret"  # noqa: S105 - a way of showing, not a password
    HIDDEN = "hidden"  # a literal that may be a secret, since the catalogue does not describe its field
    KNOWN_AFTER_APPLY = "known-after-apply"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that would be sent. With `shown` not CLEAR, `before` is None and `after` is a text that says where
    the value comes from or why it is hidden, never the value; None where a hidden field is cleared."""

    path: FieldPath
    before: Any
    after: Any
    shown: Visibility = Visibility.CLEAR
    span: Span | None = None
    origin: Origin = Origin.SPEC
    forces_replace: bool = False


@dataclass(frozen=True, slots=True)
class FieldValue:
    """One field with its value, as plans show it. With `shown` not CLEAR, `value` is a text that says where the value
    comes from or why it is hidden, or None."""

    path: FieldPath
    value: Any
    shown: Visibility = Visibility.CLEAR


@dataclass(frozen=True, slots=True)
class SecretComparison:
    """Declared secrets of something that exists: are they those that were sent last? Three different answers."""

    changed: tuple[FieldPath, ...] = ()
    unchanged: tuple[FieldPath, ...] = ()
    uncomparable: tuple[FieldPath, ...] = ()


@dataclass(frozen=True, slots=True)
class UnsettledRequest:
    """An earlier request for the same object that has no answer. It was sent at `sent_at`; until `until` no other one
    is sent, unless the user wants it `resent`. Both times are by the clock of this machine."""

    sent_at: datetime
    until: datetime
    resent: bool = False


@dataclass(frozen=True, slots=True)
class LiveConnection:
    """A connection that loads into a destination. With `deleted_first` it goes before the destination does."""

    id: str
    service: str
    deleted_first: bool = False


@dataclass(frozen=True, slots=True)
class LiveObject:
    """What Fivetran shows of an object that a change deletes, replaces or gives up, for people who must recognise it.

    `name` is that of the group; `last_name` is the one last applied, if it was renamed since. `service` and
    `region` are those of the destination. Of what is only given up, no `connections` are known.
    """

    name: str
    last_name: str | None = None
    service: str = ""
    region: str = ""
    connections: tuple[LiveConnection, ...] = ()

    @property
    def connections_deleted_first(self) -> tuple[LiveConnection, ...]:
        """The connections that go with it."""
        return tuple(connection for connection in self.connections if connection.deleted_first)


@dataclass(frozen=True, slots=True)
class Change:
    """What would happen to one address. `id` is known for everything that exists already.

    `uncomparable` are declared fields that nothing can be known about and that are not sent, secret or not.
    `other_values` is all that is declared and that `fields` does not tell, for those who want to see the whole object.
    `applied` is what was last applied, where that tells more: of what is gone or given up, and of a field that moved on
    both sides. Neither decides anything: a plan with other ones would do the same. `unsettled` is what a create has to
    wait for. `live` is what Fivetran shows of what is deleted, replaced or given up.
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

    @property
    def held_until(self) -> datetime | None:
        """When it can be made, where it is not made before."""
        if self.unsettled is None or self.unsettled.resent:
            return None
        return self.unsettled.until

    @property
    def recognised_by(self) -> tuple[str, ...]:
        """What a reviewer knew a deleted or replaced object by, beside its id: another destination of the same group
        has the same id. The name of a group that stays is a change of its own. Nothing where the plan does not show
        it."""
        if self.live is None:
            return ()
        name = (self.live.name,) if self.action is Action.DELETE else ()
        return (*name, self.live.service) if self.address.kind == DESTINATION else name

    @property
    def is_missing(self) -> bool:
        """Whether it is gone from Fivetran, although an earlier run knew it."""
        return Reason.MISSING_REMOTELY in self.reasons


@dataclass(frozen=True, slots=True)
class UnmanagedGroup:
    """A group of the account that no spec entry is about."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ScopeSummary:
    """How much of the specs a plan is about: `entries` of `of`. A group with its destination counts as one entry.

    With `since`, the revision that the specs were compared with, `changed` entries were changed since they left it at
    its commits `merge_bases` (several where branches were merged crosswise), and `unfinished` others were left so by
    an earlier run; `entries` are what the other options leave of these. Where the specs are behind the revision,
    `left_alone` entries were changed by that one only.
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

    `requests` counts what the plan cost at the API; `warnings` are findings that do not stop it, with
    `blockers` it is not applied. Plans of one `digest` would do the same. `narrowing` is None for a plan
    of everything. `judgements` are what the policies of the project say, also those that passed. `recreated` are
    addresses of missing objects that `--recreate` makes again.
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

    @property
    def gone_or_hidden(self) -> tuple[Diagnostic, ...]:
        """The findings about entries that are known and that the account does not show. The plan is incomplete
        without them."""
        return tuple(finding for finding in self.blockers if finding.code_facts.hides_resource)

    @property
    def effective(self) -> tuple[Change, ...]:
        """The changes for which apply would send a mutating call or run a test."""
        return tuple(change for change in self.changes if change.action not in ACTIONS_WITHOUT_REQUESTS)

    @property
    def held(self) -> tuple[Change, ...]:
        """The creates that apply does not make yet."""
        return tuple(change for change in self.changes if change.held_until is not None)

    @property
    def resent(self) -> tuple[Change, ...]:
        """The creates that apply makes although they should wait."""
        return tuple(
            change for change in self.changes if change.unsettled is not None and change.unsettled.resent
        )

    @property
    def drifted(self) -> tuple[Change, ...]:
        """Changes that undo edits outside the specs: fields that moved, and deleted objects."""
        return tuple(
            change
            for change in self.effective
            if change.is_missing or any(field.origin is not Origin.SPEC for field in change.fields)
        )

    @property
    def possibly_drifted(self) -> tuple[Change, ...]:
        """The changes that may undo a drift or follow an edit: what was last applied is not remembered."""
        return tuple(change for change in self.effective if Reason.NOT_REMEMBERED in change.reasons)

    @property
    def adopted(self) -> tuple[Change, ...]:
        """What exists as declared and is to be remembered from now on; nothing is sent for it."""
        return tuple(change for change in self.changes if change.action is Action.ADOPT)

    @property
    def forgotten(self) -> tuple[Change, ...]:
        """What is not managed any more and stays at Fivetran; nothing is sent for it."""
        return tuple(change for change in self.changes if change.action is Action.FORGET)

    def count(self, action: Action) -> int:
        """How many changes have this action."""
        return sum(change.action is action for change in self.changes)
