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
from reconciler.engine.looking import Looking
from reconciler.engine.planner import Step
from reconciler.kinds.registry import KINDS
from reconciler.model.event import Event, LookingForLostAnswer


@dataclass(frozen=True, slots=True)
class Created:
    """The id of what exists now. `found` says that the answer was lost and the object was found by looking."""

    id: str
    found: bool = False


class SeveralFoundError(Exception):
    """More than one object may be what a creation has made. `ids` are all of them."""

    def __init__(self, ids: Collection[str]) -> None:
        super().__init__()
        self.ids = tuple(sorted(ids))


@dataclass(frozen=True, slots=True)
class Creation:
    """Everything that a worker needs to make one resource. `others` are ids that are known to be other objects;
    `told` takes events from any thread. `mark` writes down that the request leaves now, and raises an `ApiError` where
    it must not."""

    client: Client
    step: Step
    parent: str | None
    others: Collection[str]
    looking: Looking
    told: Callable[[Event], None]
    mark: Callable[[], None]

    def carry_out(self) -> Created:
        """Make it. Raises `ApiError`, and `SeveralFoundError` where looking gave no answer."""
        try:
            return Created(self._create())
        except ApiError as error:
            if not error.may_have_taken_effect:
                raise
            lost = error
        found = self._find(lost)
        if found is None:
            raise lost
        return Created(found, found=True)

    def _create(self) -> str:
        desired = self.step.desired
        client = self.client.with_notice(self.mark)
        return KINDS[desired.address.kind].create(client, self.parent, desired, self.step.values)

    def _find(self, lost: ApiError) -> str | None:
        """The one object that the lost call has made. Raises `lost` where the account cannot be read."""
        desired = self.step.desired
        self.told(LookingForLostAnswer(desired.address))
        kind = KINDS[desired.address.kind]
        try:
            found = self.looking.until_seen(
                lambda: kind.find(self.client, self.parent, desired, self.others) or None
            )
        except ApiError:
            raise lost from None
        if found is None:
            return None
        if len(found) > 1:
            raise SeveralFoundError(found)
        return found[0]
