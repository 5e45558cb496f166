"""Creating one resource exactly once, also where the answer to the call is lost.

After a lost answer the account is read. Exactly one new object that nobody else can claim is the one; several mean that
a person must say which. None proves nothing: the request may be held up on its way and take effect long after its
answer. So the same run never sends it again, and a later one only once `settle` has passed since it was sent, which is
what the mark is for that is made right before it leaves.
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
    """The id of what exists now. `found` says that the answer was lost and the object was found by looking."""

    id: str
    recovered: bool = False


class AmbiguousCreateError(Exception):
    """More than one object may be what a creation has made. `ids` are all of them."""

    def __init__(self, ids: Collection[str]) -> None:
        super().__init__()
        self.ids = tuple(sorted(ids))


@dataclass(frozen=True, slots=True)
class RecoverableCreate:
    """Everything that a worker needs to make one resource. `others` are ids that are known to be other objects;
    `told` takes events from any thread. `mark` writes down that the request leaves now, and raises an `ApiError` where
    it must not."""

    client: Client
    operation: PlannedOperation
    parent: str | None
    known_ids: Collection[str]
    poller: Poller
    listener: Callable[[Event], None]
    before_send: Callable[[], None]

    def execute(self) -> CreateResult:
        """Make it. Raises `ApiError`, and `SeveralFoundError` where looking gave no answer."""
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
        """The one object that the lost call has made. Raises `lost` where the account cannot be read."""
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
