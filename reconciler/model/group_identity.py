"""Define the identity of a group: what Fivetran shows of itself to the systems that the group's destination reaches.

Both parts belong to the group, so they hold for every destination that the group gets. They are public.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias


class IdentityPart(StrEnum):
    """Part of the identity of a group. The values are keys of records and of JSON documents."""

    SSH_PUBLIC_KEY = "ssh_public_key"  # for the tunnel host, as a line of `authorized_keys`
    SERVICE_ACCOUNT = "service_account"  # for Google Cloud, as an email address


GroupIdentity: TypeAlias = Mapping[IdentityPart, str]
"""The known parts of an identity."""
