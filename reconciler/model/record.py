"""Define the state between runs. It is a memory and no authority: a lost state loses only the facts below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconciler.model.address import Address
from reconciler.model.group_identity import GroupIdentity, IdentityPart
from reconciler.model.instant import Instant
from reconciler.model.plan import Action
from reconciler.model.removal import CompletedRemoval
from reconciler.model.trust import NO_GRANTS, Grants, ServerIdentity
from reconciler.model.value import FieldPath

NO_FINGERPRINT = ""
"""In place of a fingerprint: a secret of a reference is in effect and cannot be compared. It was there when its
resource was adopted, or was sent without a key of fingerprints."""
HIDDEN_LITERAL = "hidden"
"""In place of a fingerprint: a hidden literal is in effect and cannot be compared. The two marks differ, so that a
reference in place of a literal is sent."""
_ASSERTED = "asserted"
"""First part of the fingerprint of an asserted value, before the text that the fingerprint replaced. The mark is a part
of the fingerprint, so that neither can be stored, moved or dropped without the other. No name of a key has this form:
an earlier release takes the fingerprint for one that another key made, and compares nothing with it."""


def is_fingerprint(stored: str) -> bool:
    """Check whether a stored text is a fingerprint, which distinguishes its value from other values."""
    return stored not in {NO_FINGERPRINT, HIDDEN_LITERAL}


def mark_asserted(stored: str, fingerprint: str) -> str:
    """Mark the fingerprint of a value that no run has sent: the operator asserts that Fivetran has this value. `stored`
    is the text that stands in place of a fingerprint so far."""
    return f"{_ASSERTED}:{stored}:{fingerprint}"


def is_asserted(stored: str) -> bool:
    """Check whether a stored text is the fingerprint of an asserted value."""
    return stored.startswith(f"{_ASSERTED}:")


def strip_assertion(stored: str) -> str:
    """Strip the mark of an asserted value from a fingerprint. Returns every other stored text as it is."""
    return stored.split(":", 2)[2] if is_asserted(stored) else stored


def withdraw_assertion(stored: str) -> str:
    """Return the text that the fingerprint of an asserted value has replaced, and every other stored text as it is."""
    return stored.split(":", 2)[1] if is_asserted(stored) else stored


@dataclass(frozen=True, slots=True)
class Intent:
    """Planned change of an address, written before its call.

    `name` is the name of the object; `namesakes` are the ids of all live objects that had this name then, so that a
    later search can distinguish a new object. `begun` is the start of the run. `sent` is the time at which the last
    request that makes the object left, or the latest time at which it may have left; None if it certainly did not.
    """

    action: Action
    name: str
    namesakes: tuple[str, ...] = ()
    begun: Instant | None = None
    sent: Instant | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """Values that Fivetran answered in place of the sent values: public values in clear, None for a field that it left
    out, and fingerprints of other values."""

    public: Mapping[FieldPath, Any] = field(default_factory=dict)
    fingerprints: Mapping[FieldPath, str] = field(default_factory=dict)


NO_ANSWERS = Answers()


@dataclass(frozen=True, slots=True)
class Record:
    """Record of one address.

    `applied` holds the declared fields as they were last sent or found to be in effect, in normal form and as far as
    they may be shown; `fingerprints` stand for secrets and hidden literals that were sent, or that an operator asserts
    to be in effect. `protected` is recorded so that it survives
    the deletion of the block that declared it. `unverified` is true from a write until the tests and approvals that the
    spec demands have passed. `earlier` are intents whose requests were never answered, although later requests were
    sent: an object that an earlier request makes exists beside the object of `id`.

    `answers` are the values that Fivetran answered right after the last write in place of the sent values, None for a
    field that it left out; `answer_fingerprints` stand for answers that must not be stored. `settled_status` is the
    status that Fivetran still showed after the setup tests had passed, empty for a healthy object. `awaited_approvals`
    are the kinds of approval that the last test run waited for, `awaiting` the servers with what is public of them.
    `grants` are the trust and the tests of the last applied spec. `setup_status` is `incomplete` or `broken` if
    Fivetran showed that in the last apply; empty for a connected object, so that its record has no further key.
    `ssh_public_key` and `service_account` are the parts of the identity of its group that a destination has needed so
    far, empty for a part that no run has read.
    """

    id: str | None = None
    applied: Mapping[FieldPath, Any] = field(default_factory=dict)  # as JSON holds them
    fingerprints: Mapping[FieldPath, str] = field(default_factory=dict)
    protected: bool = False
    unverified: bool = False
    intent: Intent | None = None
    applied_at: str = ""
    earlier: tuple[Intent, ...] = ()
    answers: Mapping[FieldPath, Any] = field(default_factory=dict)  # as JSON holds them
    answer_fingerprints: Mapping[FieldPath, str] = field(default_factory=dict)
    settled_status: str = ""
    awaited_approvals: tuple[str, ...] = ()
    setup_status: str = ""
    awaiting: tuple[ServerIdentity, ...] = ()
    grants: Grants = NO_GRANTS
    ssh_public_key: str = ""
    service_account: str = ""

    @property
    def identity(self) -> GroupIdentity:
        """The known parts of the identity of the group."""
        parts = {
            IdentityPart.SSH_PUBLIC_KEY: self.ssh_public_key,
            IdentityPart.SERVICE_ACCOUNT: self.service_account,
        }
        return {part: text for part, text in parts.items() if text}

    @property
    def asserted(self) -> tuple[FieldPath, ...]:
        """The fields whose values no run has sent, and which an operator asserts to be in effect."""
        return tuple(path for path, stored in self.fingerprints.items() if is_asserted(stored))

    @property
    def open_request(self) -> Intent | None:
        """The intent of a request that makes this object, and that was sent and not answered."""
        intent = self.intent
        if intent is None or intent.sent is None or intent.action not in _CREATING_ACTIONS:
            return None
        return intent


_CREATING_ACTIONS = frozenset({Action.CREATE, Action.REPLACE})


@dataclass(frozen=True, slots=True)
class Exemption:
    """Permission of an operator for one run to exceed the limits and the soft policies of its project, with a reason.

    `by` names the operator, `at` is the time (ISO 8601, UTC), `what` lists limits as `deletes=3`, policies by name, and
    asserted values as `secrets-as-they-are=ADDRESS:FIELD`, `digest` is the digest of the plan.
    """

    by: str
    at: str
    what: tuple[str, ...]
    reason: str
    digest: str


class RelocationPhase(StrEnum):
    """Part of a state in its migration to another place."""

    ARRIVING = "arriving"  # a copy; the place that it comes from is in force
    DEPARTED = "departed"  # without records; the place that it went to is in force


@dataclass(frozen=True, slots=True)
class Relocation:
    """Mark of a state that is not in force, because of a migration.

    `place` is the other place, as `state:` names it. `by` describes the migrating process, `at` is the time (ISO 8601,
    UTC).
    """

    phase: RelocationPhase
    place: str
    by: str
    at: str


ASSERTION = "secrets-as-they-are"
"""Name of an asserted value in an exemption."""
MAX_EXEMPTIONS = 100
MAX_REVIEWED_PLANS = 10
"""Number of partly applied plans that can be resumed; older plans have to be made and reviewed again."""


@dataclass(frozen=True, slots=True)
class State:
    """All records of one account. `lineage` names this state for its whole life; `serial` counts snapshots.

    `reviewed` are plans that runs were to apply by their digests, in saved form, each until the whole plan is in
    effect. `exemptions` are the latest exemptions, oldest first. `written_at` is the time at which a state at a remote
    place was written, by the clock of its run; a local state has no such time. `marks_requests` is false for a state of
    an earlier release, whose runs did not record the time of each request. `removals` are the completed removals by
    key, each as long as the specs list it: their entries stay there for a while. A state with a `relocation` is not in
    force: no run may go on with it.
    """

    lineage: str
    serial: int
    account_id: str
    records: Mapping[Address, Record] = field(default_factory=dict)
    reviewed: Mapping[str, str] = field(default_factory=dict)
    exemptions: tuple[Exemption, ...] = ()
    written_at: datetime | None = None
    marks_requests: bool = True
    removals: Mapping[str, CompletedRemoval] = field(default_factory=dict)
    relocation: Relocation | None = None
