"""Create one resource exactly once, even if the response to the call is lost.

After a lost response the account is read. Exactly one new object that belongs to no other entry is the created object;
with several new objects the user has to name the right object. The absence of a new object proves nothing: a proxy may
deliver the request long after the client gave up. So the same run never sends the request again, and a later run only
once `settle` has passed since it was sent. For that, the time of sending is recorded right before the request is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from reconciler.api.client import Client
from reconciler.api.errors import ApiError
from reconciler.kinds.registry import KINDS
from reconciler.model.event import Event, RecoveringCreate
from reconciler.planning.planner import PlannedOperation
from reconciler.runtime.polling import Poller


@dataclass(frozen=True, slots=True)
class CreateResult:
    """Id of the created object. `recovered` means that the response was lost, and the object was found by a read."""

    id: str
    recovered: bool = False


class AmbiguousCreateError(Exception):
    """Several objects may be the created object. `ids` are their ids."""

    def __init__(self, ids: Collection[str]) -> None:
        super().__init__()
        self.ids = tuple(sorted(ids))


@dataclass(frozen=True, slots=True)
class RecoverableCreate:
    """Create of one resource, with everything that its worker needs.

    `known_ids` are ids of other objects, and grow while the call is under way. `listener` takes events from any thread.
    `before_send` records that the request is sent now, and raises `ApiError` if it must not be sent.
    """

    client: Client
    operation: PlannedOperation
    parent: str | None
    known_ids: Collection[str]
    poller: Poller
    listener: Callable[[Event], None]
    before_send: Callable[[], None]

    def execute(self) -> CreateResult:
        """Create the resource. Raises `ApiError`, and `AmbiguousCreateError` if several objects may be the resource."""
        try:
            return CreateResult(self._create())
        except ApiError as error:
            if not error.is_ambiguous:
                raise
            create_error = error
        recovered_id = self._recover(create_error)
        if recovered_id is None:
            raise create_error
        return CreateResult(recovered_id, recovered=True)

    def _create(self) -> str:
        desired = self.operation.desired
        client = self.client.with_before_send(self.before_send)
        return KINDS[desired.address.kind].create(client, self.parent, desired, self.operation.values)

    def _recover(self, create_error: ApiError) -> str | None:
        """Find the id of the object that the lost call created. Raises `create_error` if the account cannot be read."""
        desired = self.operation.desired
        self.listener(RecoveringCreate(desired.address))
        kind = KINDS[desired.address.kind]
        try:
            candidates = self.poller.poll_until(
                lambda: kind.find(self.client, self.parent, desired, self.known_ids) or None
            )
        except ApiError:
            raise create_error from None
        if candidates is None:
            return None
        if len(candidates) > 1:
            raise AmbiguousCreateError(candidates)
        return candidates[0]
