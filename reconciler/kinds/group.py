"""Kind of groups: a name, and the id that destination and connections refer to."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from reconciler.api.errors import NotFound
from reconciler.catalogue.model import Field
from reconciler.kinds.base import Verification
from reconciler.model.address import GROUP, Address
from reconciler.model.resource import Desired, Observed, SetupTests
from reconciler.model.value import FieldPath, Fields
from reconciler.spec.load import GroupSpec

if TYPE_CHECKING:
    from reconciler.api import responses
    from reconciler.api.client import Client

NAME: FieldPath = ("name",)


def build_desired_group(spec: GroupSpec) -> Desired:
    """Build the desired group of a spec entry. Its only field is the name that Fivetran shows."""
    return Desired(
        address=Address(GROUP, spec.key),
        name=spec.name,
        span=spec.key_span,
        fields={NAME: spec.name},
        spans={NAME: spec.name_span},
        id=spec.id,
        id_span=spec.id_span,
        setup_tests=SetupTests(run=False),
        moved_from=Address(GROUP, spec.was) if spec.was else None,
    )


def build_observed_group(group: responses.Group) -> Observed:
    """Build the observed group from a response."""
    return Observed(kind=GROUP, id=group.id, name=group.name, fields={NAME: group.name})


class GroupKind:
    """Verbs of groups. A rename is one PATCH, and the id stays."""

    name = GROUP

    def get_field(self, path: FieldPath, service: str | None) -> Field | None:
        """Return None: the catalogue has no facts about groups."""
        return None

    def normalize(self, fields: Fields) -> dict[FieldPath, Any]:
        """Return the fields unchanged: names that differ in case or spaces are different names."""
        return dict(fields)

    def observe(self, client: Client, id: str) -> Observed | None:
        """Read a group. None if it does not exist."""
        try:
            return build_observed_group(client.get_group(id))
        except NotFound:
            return None

    def create(self, client: Client, parent_id: str | None, desired: Desired, values: Fields) -> str:
        """Create a group. Fivetran chooses its id."""
        return client.create_group(_read_name(values)).id

    def find(
        self, client: Client, parent_id: str | None, desired: Desired, existing_ids: Collection[str]
    ) -> tuple[str, ...]:
        """Find the groups of exactly this name without `existing_ids`. Case and spaces matter."""
        return tuple(
            group.id
            for group in client.list_groups()
            if group.name == desired.name and group.id not in existing_ids
        )

    def update(self, client: Client, id: str, values: Fields) -> None:
        """Rename the group in place."""
        client.rename_group(id, _read_name(values))

    def delete(self, client: Client, id: str) -> None:
        """Delete an empty group."""
        with suppress(NotFound):
            client.delete_group(id)

    def verify(self, client: Client, id: str, desired: Desired) -> Verification:
        """Return a passed verification: a group has no setup tests."""
        return Verification(checks=(), pending=(), healthy=True)


def _read_name(values: Fields) -> str:
    """Read the name to send. Raises `TypeError` for a value that is no text; no spec can declare such a name."""
    name = values[NAME]
    if not isinstance(name, str):
        raise TypeError("the name of a group is a text")
    return name
