"""How much a `removed:` entry gives up, and what is remembered of a removal once it was carried out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Extent(StrEnum):
    """How much of an entry goes. The values stand in states."""

    PAIR = "pair"  # the destination, then its group
    DESTINATION = "destination"  # the destination; its group stays
    MANAGEMENT = "forget"  # nothing at Fivetran: it is only not managed any more


@dataclass(frozen=True, slots=True)
class CompletedRemoval:
    """A removal that was carried out. `id` is that of the group."""

    id: str
    extent: Extent

    def covers(self, extent: Extent) -> bool:
        """Whether an entry of this extent asks for nothing beyond what was carried out: who only gave an object up has
        not said that it may be deleted."""
        return _BY_REACH.index(extent) <= _BY_REACH.index(self.extent)


_BY_REACH = (Extent.MANAGEMENT, Extent.DESTINATION, Extent.PAIR)
