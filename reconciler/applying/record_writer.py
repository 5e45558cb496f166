"""Write the record of each call before anything relies on its result."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from reconciler.applying.circuit_breaker import CircuitBreaker
from reconciler.kinds.approvals import matches_server
from reconciler.kinds.base import Verification
from reconciler.kinds.destination import select_unhealthy_status
from reconciler.model.address import Address
from reconciler.model.clock import Clock
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.group_identity import GroupIdentity
from reconciler.model.instant import Instant
from reconciler.model.plan import Action
from reconciler.model.record import Record
from reconciler.model.record_transitions import (
    RecordUpdate,
    complete_approvals,
    complete_change,
    complete_tests,
    fail_tests,
    mark_intent_sent,
    select_identity,
)
from reconciler.model.removal import CompletedRemoval
from reconciler.model.trust import ServerIdentity, TrustAction, TrustChange
from reconciler.planning.planner import PlannedOperation
from reconciler.planning.redaction import redact_group_identity, redact_identity
from reconciler.planning.trust import describe_pins

SaveEntry: TypeAlias = Callable[[Address, Record | CompletedRemoval], None]
"""Write a record, durable when it returns. May raise OSError."""

_NOTHING: GroupIdentity = {}


def _list_unrevoked(
    former_pins: Iterable[ServerIdentity], trust: Iterable[TrustChange]
) -> tuple[ServerIdentity, ...]:
    revoked = [change.identity for change in trust if change.action is TrustAction.REVOKE]
    return tuple(pin for pin in former_pins if not any(matches_server(pin, server) for server in revoked))


@dataclass(slots=True)
class RecordWriter:
    """Writer of the records of one run.

    `save` is durable when it returns and may raise OSError. `intents` are the records before each call. `now` gives the
    time by both clocks. A failed write trips the `breaker`: if a further call started, the next run could not
    distinguish its success from a crash. `redact` redacts the secrets of the run from what Fivetran shows. `errors`
    are the diagnostics of failed writes.
    """

    save: SaveEntry
    intents: Mapping[Address, Record]
    clock: Clock
    now: Callable[[], Instant]
    breaker: CircuitBreaker
    redact: Callable[[str], str] = str
    errors: list[Diagnostic] = field(default_factory=list)

    def mark_sent(self, address: Address) -> bool:
        """Record that the request of a create is sent now. Returns whether it may be sent: without the record, the next
        run would not know of the request and would send a second create."""
        record = self.intents[address]
        if record.intent is None:
            return False
        return self._write(
            address,
            mark_intent_sent(record, self.now()),
            f"{address} was not sent, since",
            "correct the cause and apply again",
        )

    def get_needed_identity(self, operation: PlannedOperation, id: str) -> GroupIdentity:
        """Get what the record has of the parts of the identity of the group `id` that a destination needs."""
        known = select_identity(self.intents.get(operation.change.address), id)
        return {part: text for part, text in known.items() if part in operation.identity_parts}

    def save_success(self, operation: PlannedOperation, id: str, identity: GroupIdentity = _NOTHING) -> None:
        """Record a successful write, and that its setup tests are outstanding if it has any. `identity` is what was
        read of the identity of the group."""
        address, change = operation.change.address, operation.change
        update = self._add_identity(operation.record_update, identity)
        only_approves = change.action is Action.APPROVE and not change.runs_tests
        complete = complete_approvals if only_approves else complete_change
        record = complete(self.intents.get(address), id, update, self._format_now())
        self._write_result(address, id, record)

    def save_tests(
        self,
        operation: PlannedOperation,
        id: str,
        run: Verification,
        trust: Collection[TrustChange] = (),
        identity: GroupIdentity = _NOTHING,
    ) -> None:
        """Record the result of the setup tests, whatever `on_failure` makes of it: a later edit of `on_failure` or
        `trust` must find what is outstanding. The approved servers of `trust` wait for nothing any more. `identity`
        is what was read of the identity of the group."""
        address = operation.change.address
        update = self._add_identity(operation.record_update, identity)
        intended, at = self.intents.get(address), self._format_now()
        approved = [change.identity for change in trust if change.action is TrustAction.APPROVE]
        update = replace(
            update,
            setup_status=select_unhealthy_status(run.settled_status),
            declared_grants=describe_pins(update.declared_grants, approved),
            former_pins=_list_unrevoked(update.former_pins, trust),
        )
        if run.has_passed:
            self._write_result(address, id, complete_tests(intended, id, update, at, run.settled_status))
            return
        awaiting = tuple(redact_identity(met, self.redact) for met in run.pending if met not in approved)
        # A test that waits for an approval has not tried the secrets yet, even if Fivetran calls it failed.
        has_failures = bool(run.failed) and not (run.pending or run.forged)
        record = fail_tests(intended, id, update, at, awaiting, has_failures=has_failures)
        if record != complete_change(intended, id, operation.record_update, at):
            self._write_result(address, id, record)

    def _add_identity(self, update: RecordUpdate, identity: GroupIdentity) -> RecordUpdate:
        return replace(update, identity=redact_group_identity(identity, self.redact))

    def save_removal(self, address: Address, removed: CompletedRemoval) -> None:
        """Record the deletion of an object."""
        self._write(address, removed, f"{address} is deleted, but")

    def _format_now(self) -> str:
        return self.clock.now().isoformat(timespec="seconds")

    def _write_result(self, address: Address, id: str, record: Record) -> None:
        # The outcome stays a success: a state that cannot be written must not make a written object look unwritten.
        self._write(address, record, f"{address} is written (id `{id}`), but")

    def _write(
        self,
        address: Address,
        entry: Record | CompletedRemoval,
        prefix: str,
        advice: str = "correct the cause and apply again: it is found by its id or name",
    ) -> bool:
        try:
            self.save(address, entry)
        except OSError as error:
            self.breaker.trip("not-remembered")
            message = f"{prefix} that could not be recorded: {error.strerror or error}"
            self.errors.append(Diagnostic("not-remembered", message, address=address, help=advice))
            return False
        return True
