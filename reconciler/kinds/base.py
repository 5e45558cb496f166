"""Interface of resource kinds: the verbs that planning and applying use."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from reconciler.catalogue.model import Field
from reconciler.model.outcome import Check
from reconciler.model.resource import Desired, Observed
from reconciler.model.trust import ServerIdentity
from reconciler.model.value import FieldPath, Fields

if TYPE_CHECKING:
    from reconciler.api.client import Client


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of a run of setup tests.

    `healthy` is the API's own status, read again after the run. `untried` means that the resource has never
    been healthy. `status` is the text of an unhealthy status. `pending` are the servers that a test met and that nobody
    has approved yet. `forged` are certificates that the test showed under a hash that is not theirs.
    """

    checks: tuple[Check, ...]
    pending: tuple[ServerIdentity, ...]
    healthy: bool
    untried: bool = False
    status: str = ""
    forged: tuple[ServerIdentity, ...] = ()

    @property
    def has_passed(self) -> bool:
        """Whether the resource is healthy and no test has failed, or every test has passed without a warning.

        The status may still be unhealthy then: see `settled_status`.
        """
        if self.pending or self.forged or self.failed:
            return False
        return self.healthy or (bool(self.checks) and all(check.has_passed for check in self.checks))

    @property
    def failed(self) -> tuple[Check, ...]:
        """The failed tests."""
        return tuple(check for check in self.checks if check.has_failed)

    @property
    def settled_status(self) -> str:
        """The status after the tests, if it is unhealthy; empty for a healthy resource."""
        return "" if self.healthy else self.status


class Kind(Protocol):
    """A kind of resource. Verbs raise `ApiError`; no verb creates an object twice.

    `parent_id` is the id of the containing object: None for a group, the group's id for a destination.
    `values` are ready to be sent: in normal form, with secrets resolved.
    """

    name: str

    def get_field(self, path: FieldPath, service: str | None) -> Field | None:
        """Get the facts of the catalogue about a field; None if the catalogue lacks the field."""

    def normalize(self, fields: Fields) -> dict[FieldPath, Any]:
        """Normalize fields. Desired and observed fields are compared in this form."""

    def observe(self, client: Client, id: str) -> Observed | None:
        """Read a resource. None if it does not exist."""

    def create(self, client: Client, parent_id: str | None, desired: Desired, values: Fields) -> str:
        """Create the resource and return its id. Not idempotent: after a lost response, use `find` first."""

    def find(
        self, client: Client, parent_id: str | None, desired: Desired, existing_ids: Collection[str]
    ) -> tuple[str, ...]:
        """Find the ids of all objects that a creation with a lost response may have made.

        Objects with `existing_ids` existed before the creation.
        """

    def list_carried(self, declared: Fields, observed: Fields) -> dict[FieldPath, Any]:
        """List the fields that each update carries unchanged, beside the changed fields. Both sides are in normal form.

        The value is the declared value, or None for a field whose live value `read_carried` has to read.
        """

    def read_carried(self, client: Client, id: str, carried: Fields) -> Fields:
        """Read the live values of the carried fields without a value. Fields without a usable value are left out."""

    def build_create_body(self, parent_id: str | None, desired: Desired, values: Fields) -> dict[str, Any]:
        """Build the body of the request that creates the resource."""

    def build_update_body(self, values: Fields, carried: Fields) -> dict[str, Any]:
        """Build the body of the request that updates these fields."""

    def build_second_update_body(self, values: Fields, carried: Fields) -> dict[str, Any]:
        """Build the body of a second update, with all fields that the first update may leave uncleared; else empty."""

    def build_test_body(self, desired: Desired) -> dict[str, Any]:
        """Build the body of the request that runs setup tests."""

    def update(self, client: Client, id: str, values: Fields, carried: Fields) -> None:
        """Update exactly these fields. None clears a field. The values of `carried` fields are all known."""

    def delete(self, client: Client, id: str) -> None:
        """Delete the resource. A missing resource counts as deleted."""

    def verify(self, client: Client, id: str, desired: Desired) -> Verification:
        """Run setup tests, which takes minutes at Fivetran, then read the status of the resource."""
