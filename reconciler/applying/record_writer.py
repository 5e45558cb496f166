"""Write the record of each call before anything relies on its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from reconciler.applying.circuit_breaker import CircuitBreaker
from reconciler.model.address import Address
from reconciler.model.clock import Clock
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.instant import Instant
from reconciler.model.record import Record
from reconciler.model.record_transitions import complete_change, complete_tests, mark_intent_sent
from reconciler.model.removal import CompletedRemoval
from reconciler.planning.planner import PlannedOperation


@dataclass(slots=True)
class RecordWriter:
    """Writes the records of one run.

    `save` is durable when it returns and may raise OSError. `intents` are the records before each call. `now` gives the
    time by both clocks. A failed write trips the `breaker`: after a further call, a crash would be indistinguishable
    from a success. `errors` are the diagnostics of failed writes.
    """

    save: Callable[[Address, Record | CompletedRemoval], None]
    intents: Mapping[Address, Record]
    clock: Clock
    now: Callable[[], Instant]
    breaker: CircuitBreaker
    errors: list[Diagnostic] = field(default_factory=list)

    def mark_sent(self, address: Address) -> bool:
        """Record that the request of a create leaves now. Returns whether the request may leave: a request without a
        record would be lost, and the next run would send a second one."""
        record = self.intents[address]
        if record.intent is None:
            return False
        return self._write(
            address,
            mark_intent_sent(record, self.now()),
            f"{address} was not sent, since",
            "correct the cause and apply again",
        )

    def save_success(self, operation: PlannedOperation, id: str) -> None:
        """Record that a write has worked, and that its setup tests are outstanding if it has any."""
        address = operation.change.address
        record = complete_change(self.intents.get(address), id, operation.record_update, self._format_now())
        self._write_result(address, id, record)

    def save_passed_tests(self, operation: PlannedOperation, id: str) -> None:
        """Record that the setup tests have passed."""
        address = operation.change.address
        record = complete_tests(self.intents.get(address), id, operation.record_update, self._format_now())
        self._write_result(address, id, record)

    def save_removal(self, address: Address, removed: CompletedRemoval) -> None:
        """Record that an object is deleted."""
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
            message = f"{prefix} that could not be remembered: {error.strerror or error}"
            self.errors.append(Diagnostic("not-remembered", message, address=address, help=advice))
            return False
        return True
