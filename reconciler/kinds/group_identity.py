"""Tell which parts of the identity of its group a destination needs, and read them.

A tunnel host has to admit the SSH public key of the group, and a project at Google has to grant rights to its service
account. Only the owners of these systems can do so, and only after the group exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.catalogue.declared_destination import DeclaredDestination
from reconciler.catalogue.load import load_service
from reconciler.kinds.destination import read_service
from reconciler.model.address import DESTINATION
from reconciler.model.group_identity import IdentityPart
from reconciler.model.resource import Desired
from reconciler.model.value import Fields

if TYPE_CHECKING:
    from reconciler.api.client import Client


def list_needed_parts(desired: Desired, declared: Fields) -> tuple[IdentityPart, ...]:
    """List the parts of the identity of its group that a resource needs; none for a group. `declared` are the declared
    values in normal form, as far as they are known."""
    if desired.address.kind != DESTINATION:
        return ()
    fields = {**desired.fields, **declared}
    name = read_service(fields)
    service = load_service(name) if name else None
    needs = {
        IdentityPart.SSH_PUBLIC_KEY: DeclaredDestination(service, fields).is_tunnelled,
        IdentityPart.SERVICE_ACCOUNT: service is not None and service.needs_service_account,
    }
    return tuple(part for part, is_needed in needs.items() if is_needed)


def read_part(client: Client, group_id: str, part: IdentityPart) -> str:
    """Read a part of the identity of a group, as one printable line. Raises `ApiError`."""
    if part is IdentityPart.SSH_PUBLIC_KEY:
        return client.get_public_key(group_id).public_key
    return client.get_service_account(group_id).service_account
