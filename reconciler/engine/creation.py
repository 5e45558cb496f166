"""Creating one resource exactly once, also where the answer to the call is lost.

After a lost answer the account is read. Exactly one new object that nobody else can claim is the one; none means
that the call had no effect, and it is made once more; several mean that a person must say which. A call that ran
into a deadline is not made once more by the same run: Fivetran may still be at it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from reconciler.api.client import Client
from reconciler.api.errors import ApiError, BadRequest, Conflict, TimedOut
from reconciler.engine.looking import Looking
from reconciler.engine.planner import Step
from reconciler.kinds.registry import KINDS
from reconciler.model.event import Event, LookingForLostAnswer

GATEWAY_TIMEOUTS = frozenset({504, 524})


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
    `told` takes events from any thread."""

    client: Client
    step: Step
    parent: str | None
    others: Collection[str]
    looking: Looking
    told: Callable[[Event], None]

    def carry_out(self) -> Created:
        """Make it. Raises `ApiError`, and `SeveralFoundError` where looking gave no answer."""
        try:
            return Created(self._create())
        except ApiError as error:
            if not error.may_have_taken_effect:
                raise
            lost = error
        found = self._find(lost)
        if found is not None:
            return Created(found, found=True)
        if isinstance(lost, TimedOut) or lost.status in GATEWAY_TIMEOUTS or self.looking.cancelled.is_set():
            raise lost
        return self._once_more()

    def _once_more(self) -> Created:
        try:
            return Created(self._create())
        except ApiError as error:
            # What the first call made may be in the way of the second: then it exists after all.
            if not (error.may_have_taken_effect or isinstance(error, Conflict | BadRequest)):
                raise
            found = self._find(error)
            if found is None:
                raise
            return Created(found, found=True)

    def _create(self) -> str:
        desired = self.step.desired
        return KINDS[desired.address.kind].create(self.client, self.parent, desired, self.step.values)

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
