"""Reading the account: one account call, the two lists, one read per destination that matters.

Only GET requests. Lists carry no config and are known to show stale values (`daylight_saving_time_enabled`),
so they are used to find ids and never to compare fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.api import wire
from reconciler.api.client import Client
from reconciler.engine.parallel import each
from reconciler.kinds.group import observed_group
from reconciler.kinds.registry import KINDS
from reconciler.model.address import DESTINATION
from reconciler.model.event import Listener, ReadingAccount
from reconciler.model.resource import Observed


@dataclass(frozen=True, slots=True)
class Listing:
    """What the lists of the account show: every group by id, and the ids that have a destination."""

    groups: Mapping[str, Observed]
    destinations: frozenset[str]


def list_account(client: Client) -> Listing:
    """Walk both lists. Raises `ApiError`."""
    return Listing(
        groups={group.id: observed_group(group) for group in client.groups()},
        destinations=frozenset(destination_id(each) for each in client.destinations()),
    )


def destination_id(destination: wire.DestinationSummary) -> str:
    """A destination is found by its group: both ids are documented to be equal, and the group's is what we hold."""
    return destination.group_id or destination.id


READERS = 4
"""Details that are read at the same time."""


def read_destinations(client: Client, ids: Iterable[str], listener: Listener) -> dict[str, Observed]:
    """Details of destinations by id; one that is gone by now is left out. Raises `ApiError`."""
    wanted = list(ids)
    kind = KINDS[DESTINATION]
    found: dict[str, Observed] = {}
    listener(ReadingAccount(0, len(wanted)))
    read = each(lambda id: kind.observe(client, id), wanted, READERS)
    for done, (id, observed) in enumerate(read, start=1):
        if observed is not None:
            found[id] = observed
        listener(ReadingAccount(done, len(wanted)))
    return found
