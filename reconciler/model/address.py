"""Addresses: what a spec entry is called, whatever Fivetran calls the object."""

from __future__ import annotations

import re
from dataclasses import dataclass

KEY_PATTERN = re.compile(r"[a-z][a-z0-9_]*")

GROUP = "group"
DESTINATION = "destination"


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """`kind.key`, for example `destination.finance_prod`."""

    kind: str
    key: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.key}"


def get_entry_sort_key(address: Address) -> tuple[str, bool]:
    """What to sort addresses by for reading: entries by key, the group before its destination."""
    return address.key, address.kind != GROUP
