"""Read all lists of an account, each of which the role of the key may forbid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from reconciler.api.client import Client
from reconciler.api.errors import ApiError, Unauthorized
from reconciler.api.retry import is_outage
from reconciler.kinds.account_objects import OBJECT_LISTS

GROUPS, DESTINATIONS, CONNECTIONS, USERS = "groups", "destinations", "connections", "users"
_LISTS: Mapping[str, Callable[[Client], Sequence[Any]]] = {
    GROUPS: Client.list_groups,
    DESTINATIONS: Client.list_destinations,
    USERS: Client.list_users,
    **OBJECT_LISTS,
}
NAMES = (GROUPS, DESTINATIONS, CONNECTIONS, USERS, *OBJECT_LISTS)


@dataclass(frozen=True, slots=True)
class ListRead:
    """Result of reading a list: its items, or the error."""

    items: Sequence[Any] = ()
    error: ApiError | None = None


@dataclass(frozen=True, slots=True)
class AccountLists:
    """Lists of an account by name. A list that was not read is absent: the account has no group, or `outage` is the
    error that ended the reads."""

    reads: Mapping[str, ListRead]
    outage: ApiError | None = None

    def get_items(self, name: str) -> Sequence[Any]:
        """Get the items of a list; none if it could not be read."""
        return self.reads[name].items if name in self.reads else ()

    def has_read(self, name: str) -> bool:
        """Return whether a list was read."""
        return name in self.reads and self.reads[name].error is None


def read_lists(client: Client, names: Sequence[str] = NAMES) -> AccountLists:
    """Read the lists of these names, the connections for the first group only. An outage ends the reads: each further
    request would fail likewise."""
    reads: dict[str, ListRead] = {}
    for name in names:
        if name == CONNECTIONS:
            if not (groups := reads[GROUPS].items):
                continue
            read = _read(partial(client.list_group_connections, groups[0].id))
        else:
            read = _read(partial(_LISTS[name], client))
        if read.error is not None and (is_outage(read.error) or isinstance(read.error, Unauthorized)):
            return AccountLists(reads, read.error)
        reads[name] = read
    return AccountLists(reads)


def _read(read: Callable[[], Sequence[Any]]) -> ListRead:
    try:
        return ListRead(read())
    except ApiError as error:
        return ListRead(error=error)
