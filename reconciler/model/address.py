"""Define addresses: names of spec entries, independent of the names of the objects at Fivetran."""

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
    """Return the key that sorts addresses for reading: entries by key, the group before its destination."""
    return address.key, address.kind != GROUP
