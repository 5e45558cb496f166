"""What every kind of resource can do: the verbs that the engine knows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from reconciler.catalogue.model import Field
from reconciler.model.outcome import Check
from reconciler.model.resource import Desired, Observed
from reconciler.model.value import FieldPath, Fields

if TYPE_CHECKING:
    from reconciler.api.client import Client


@dataclass(frozen=True, slots=True)
class PendingApproval:
    """A certificate or SSH host key that Fivetran met and that nobody has approved yet."""

    subject: str
    name: str
    hash: str


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of a run of setup tests. `healthy` is the API's own verdict, read again after the run; `untried`
    means that the resource has never been healthy yet."""

    checks: tuple[Check, ...]
    pending: tuple[PendingApproval, ...]
    healthy: bool
    untried: bool = False


class Kind(Protocol):
    """One kind of resource. Verbs raise `ApiError`; none of them makes anything twice.

    `parent` is the id of what a resource lives in: None for a group, the group's id for a
    destination. `values` are ready to be sent: canonical, with secrets resolved.
    """

    name: str

    def get_field(self, path: FieldPath, service: str | None) -> Field | None:
        """What the catalogue knows about a field, None where it knows nothing."""

    def normalize(self, fields: Fields) -> dict[FieldPath, Any]:
        """The one normal form in which desired and observed fields are compared."""

    def observe(self, client: Client, id: str) -> Observed | None:
        """Read one resource; None where it does not exist."""

    def create(self, client: Client, parent_id: str | None, desired: Desired, values: Fields) -> str:
        """Make the resource and return its id. Not idempotent: after a lost answer, look first."""

    def find(
        self, client: Client, parent_id: str | None, desired: Desired, existing_ids: Collection[str]
    ) -> tuple[str, ...]:
        """Ids of everything that a creation whose answer was lost may have made. `others` were there before it."""

    def update(self, client: Client, id: str, values: Fields) -> None:
        """Send exactly these fields. A None clears a field."""

    def delete(self, client: Client, id: str) -> None:
        """Remove the resource. One that is gone already counts as removed."""

    def verify(self, client: Client, id: str, desired: Desired) -> Verification:
        """Run setup tests now, which takes minutes at Fivetran, then read how the resource is."""
