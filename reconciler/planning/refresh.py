"""Reading the account: one account call, the two lists, one read per destination that matters.

Only GET requests. Lists carry no config and are known to show stale values (`daylight_saving_time_enabled`),
so they are used to find ids and never to compare fields. A list that leaves something out must not make anything
look absent that memory, or the other list, knows: that is looked for by its id before it counts as gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.api import responses
from reconciler.api.client import Client
from reconciler.api.errors import Forbidden
from reconciler.kinds.group import build_observed_group
from reconciler.kinds.registry import KINDS
from reconciler.model.address import DESTINATION, GROUP
from reconciler.model.event import Listener, ReadingAccount
from reconciler.model.resource import Observed
from reconciler.runtime.polling import MAX_POLLS, Poller
from reconciler.runtime.workers import map_parallel


@dataclass(frozen=True, slots=True)
class AccountListing:
    """What is in the account: every group by id, and the ids that have a destination. `refused` are groups that were
    asked for by their ids and that these credentials may not read, each with its answer. `summaries` are destinations
    as their list shows them, by the same ids."""

    groups: Mapping[str, Observed]
    destinations: frozenset[str]
    forbidden: Mapping[str, Forbidden] = field(default_factory=dict)
    summaries: Mapping[str, responses.DestinationSummary] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What GET by id answered: objects that exist, and ids that these credentials may not read, each with its answer.
    An id that is in neither does not exist, as far as these credentials are told."""

    found: Mapping[str, Observed]
    forbidden: Mapping[str, Forbidden]


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads one account with `readers` calls at a time. Raises `ApiError`."""

    client: Client
    poller: Poller
    listener: Listener
    readers: int = 1

    def list_account(self, expected: Collection[str] = ()) -> AccountListing:
        """Both lists, completed by what they must have left out: the groups of listed destinations, and the
        groups that are `expected` because an earlier run or an `id:` knows them. One that was deleted costs six
        looks."""
        groups = self._list_groups()
        summaries = {get_destination_id(summary): summary for summary in self.client.list_destinations()}
        destinations = frozenset(summaries)
        unlisted = {*destinations, *expected} - groups.keys()
        if not unlisted:
            return AccountListing(groups, destinations, summaries=summaries)
        groups = {**groups, **self._list_groups()}
        reads = self._read_by_id(GROUP, unlisted - groups.keys(), expected, MAX_POLLS - 2)
        return AccountListing({**groups, **reads.found}, destinations, reads.forbidden, summaries)

    def list_until(
        self, listing: AccountListing, is_complete: Callable[[Mapping[str, Observed]], bool]
    ) -> AccountListing:
        """The listing with what further looks show, until it is complete: what was created a moment ago may not be
        listed at once."""
        groups = dict(listing.groups)

        def poll_groups() -> bool | None:
            groups.update(self._list_groups())
            return is_complete(groups) or None

        self.poller.poll_until(poll_groups, MAX_POLLS - 1)
        return replace(listing, groups=groups)

    def read_destinations(self, ids: Iterable[str], expected: Collection[str] = ()) -> ReadResult:
        """Destinations by id, as their groups have them; those that have none are left out. One that is `expected`
        is looked for six times before it counts as gone."""
        unique_ids = list(dict.fromkeys(ids))
        self.listener(ReadingAccount(0, len(unique_ids)))
        return self._read_by_id(DESTINATION, unique_ids, expected, MAX_POLLS, reports_progress=True)

    def _list_groups(self) -> dict[str, Observed]:
        return {group.id: build_observed_group(group) for group in self.client.list_groups()}

    def _read_by_id(
        self,
        kind: str,
        ids: Iterable[str],
        expected: Collection[str],
        max_polls: int,
        *,
        reports_progress: bool = False,
    ) -> ReadResult:
        id_list = list(ids)

        def read_object(id: str) -> Observed | Forbidden | None:
            observe = KINDS[kind].observe
            try:
                return self.poller.poll_until(
                    lambda: observe(self.client, id), max_polls if id in expected else 1
                )
            except Forbidden as error:  # an answer about this object; it is no reason to read nothing else
                return error

        found: dict[str, Observed] = {}
        forbidden: dict[str, Forbidden] = {}
        for done, (id, answer) in enumerate(map_parallel(read_object, id_list, self.readers), start=1):
            if isinstance(answer, Forbidden):
                forbidden[id] = answer
            elif answer is not None:
                found[id] = answer
            if reports_progress:
                self.listener(ReadingAccount(done, len(id_list)))
        return ReadResult(found, forbidden)


def get_destination_id(destination: responses.DestinationSummary) -> str:
    """A destination is found by its group: both ids are documented to be equal, and the group's is what we hold."""
    return destination.group_id or destination.id
