"""Define removals: the extent of `removed:` entries, and the record of a completed removal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Extent(StrEnum):
    """Extent of a removal. The values stand in states."""

    PAIR = "pair"  # the destination, then its group
    DESTINATION = "destination"  # the destination; its group stays
    MANAGEMENT = "forget"  # no object is deleted; the program stops managing the entry


@dataclass(frozen=True, slots=True)
class CompletedRemoval:
    """Completed removal. `id` is the id of the group."""

    id: str
    extent: Extent

    def covers(self, extent: Extent) -> bool:
        """Check whether the completed removal includes this extent: an entry that only gave an object up did not permit
        its deletion."""
        return _BY_REACH.index(extent) <= _BY_REACH.index(self.extent)


_BY_REACH = (Extent.MANAGEMENT, Extent.DESTINATION, Extent.PAIR)
