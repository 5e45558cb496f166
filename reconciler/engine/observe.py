"""Reading the account: one account call, the two lists, one read per destination that matters.

Only GET requests. Lists carry no config and are known to show stale values (`daylight_saving_time_enabled`),
so they are used to find ids and never to compare fields. A list that leaves something out must not make anything
look absent that memory, or the other list, knows: that is looked for by its id before it counts as gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.api import wire
from reconciler.api.client import Client
from reconciler.api.errors import Forbidden
from reconciler.engine.looking import LOOKS, Looking
from reconciler.engine.parallel import each
from reconciler.kinds.group import observed_group
from reconciler.kinds.registry import KINDS
from reconciler.model.address import DESTINATION, GROUP
from reconciler.model.event import Listener, ReadingAccount
from reconciler.model.resource import Observed


@dataclass(frozen=True, slots=True)
class Listing:
    """What is in the account: every group by id, and the ids that have a destination. `refused` are groups that were
    asked for by their ids and that these credentials may not read, each with its answer. `summaries` are destinations
    as their list shows them, by the same ids."""

    groups: Mapping[str, Observed]
    destinations: frozenset[str]
    refused: Mapping[str, Forbidden] = field(default_factory=dict)
    summaries: Mapping[str, wire.DestinationSummary] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Details:
    """What GET by id answered: objects that exist, and ids that these credentials may not read, each with its answer.
    An id that is in neither does not exist, as far as these credentials are told."""

    found: Mapping[str, Observed]
    refused: Mapping[str, Forbidden]


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads one account with `readers` calls at a time. Raises `ApiError`."""

    client: Client
    looking: Looking
    listener: Listener
    readers: int = 1

    def list_account(self, expected: Collection[str] = ()) -> Listing:
        """Both lists, completed by what they must have left out: the groups of listed destinations, and the
        groups that are `expected` because an earlier run or an `id:` knows them. One that was deleted costs six
        looks."""
        groups = self._listed_groups()
        summaries = {destination_id(each): each for each in self.client.destinations()}
        destinations = frozenset(summaries)
        doubtful = {*destinations, *expected} - groups.keys()
        if not doubtful:
            return Listing(groups, destinations, summaries=summaries)
        groups = {**groups, **self._listed_groups()}
        looked = self._looked_for(GROUP, doubtful - groups.keys(), expected, LOOKS - 2)
        return Listing({**groups, **looked.found}, destinations, looked.refused, summaries)

    def list_again(self, listing: Listing, is_complete: Callable[[Mapping[str, Observed]], bool]) -> Listing:
        """The listing with what further looks show, until it is complete: what was created a moment ago may not be
        listed at once."""
        groups = dict(listing.groups)

        def look() -> bool | None:
            groups.update(self._listed_groups())
            return is_complete(groups) or None

        self.looking.until_seen(look, LOOKS - 1)
        return replace(listing, groups=groups)

    def details(self, ids: Iterable[str], expected: Collection[str] = ()) -> Details:
        """Destinations by id, as their groups have them; those that have none are left out. One that is `expected`
        is looked for six times before it counts as gone."""
        wanted = list(dict.fromkeys(ids))
        self.listener(ReadingAccount(0, len(wanted)))
        return self._looked_for(DESTINATION, wanted, expected, LOOKS, tell=True)

    def _listed_groups(self) -> dict[str, Observed]:
        return {group.id: observed_group(group) for group in self.client.groups()}

    def _looked_for(
        self, kind: str, ids: Iterable[str], expected: Collection[str], looks: int, *, tell: bool = False
    ) -> Details:
        wanted = list(ids)

        def look(id: str) -> Observed | Forbidden | None:
            read = KINDS[kind].observe
            try:
                return self.looking.until_seen(lambda: read(self.client, id), looks if id in expected else 1)
            except Forbidden as error:  # an answer about this object; it is no reason to read nothing else
                return error

        found: dict[str, Observed] = {}
        refused: dict[str, Forbidden] = {}
        for done, (id, answer) in enumerate(each(look, wanted, self.readers), start=1):
            if isinstance(answer, Forbidden):
                refused[id] = answer
            elif answer is not None:
                found[id] = answer
            if tell:
                self.listener(ReadingAccount(done, len(wanted)))
        return Details(found, refused)


def destination_id(destination: wire.DestinationSummary) -> str:
    """A destination is found by its group: both ids are documented to be equal, and the group's is what we hold."""
    return destination.group_id or destination.id
