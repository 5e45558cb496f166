"""Read the account by GET requests: the two lists, and each destination in scope by its id.

Lists have no config and show stale values (`daylight_saving_time_enabled`), so they give ids and never fields to
compare. A list may also leave an object out. An object that a record or the other list knows is therefore polled by its
id before it counts as gone: a wrong "gone" would create it a second time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.api import responses
from reconciler.api.client import Client
from reconciler.api.errors import (
    ApiError,
    BudgetSpent,
    Forbidden,
    InvalidResponseError,
    RateLimited,
    RejectedError,
    ServerError,
    Unauthorized,
)
from reconciler.kinds.approvals import list_approved
from reconciler.kinds.destination import read_status
from reconciler.kinds.group import build_observed_group
from reconciler.kinds.registry import KINDS
from reconciler.model.address import DESTINATION, GROUP
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.event import Listener, ReadingAccount
from reconciler.model.plan import ListedDestination
from reconciler.model.resource import Observed
from reconciler.model.trust import ApprovedServer, ServerKind
from reconciler.runtime.polling import MAX_POLLS, Poller
from reconciler.runtime.workers import map_parallel


@dataclass(frozen=True, slots=True)
class AccountListing:
    """The objects of the account: every group by id, and the ids of all destinations.

    `forbidden` are the answers 403 to reads of groups, `summaries` the listed destinations; both are by id.
    """

    groups: Mapping[str, Observed]
    destinations: frozenset[str]
    forbidden: Mapping[str, Forbidden] = field(default_factory=dict)
    summaries: Mapping[str, ListedDestination] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadResult:
    """Answers to GET by id: existing objects, and answers 403. An id in no field is deleted or hidden.

    Only a run with a budget has the other fields: `failed` are other errors that are about one object, `unread` are the
    ids for which the budget did not last.
    """

    found: Mapping[str, Observed]
    forbidden: Mapping[str, Forbidden]
    failed: Mapping[str, ApiError] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AccountView:
    """Everything that a run has read of an account. `group_ids` are the ids of matched live groups by key; `problems`
    are findings about entries that cannot be matched. `approvals` are the approved servers of destinations with pins,
    by id, of the pinned kinds."""

    account: responses.Account
    listing: AccountListing
    details: ReadResult
    group_ids: Mapping[str, str]
    problems: tuple[Diagnostic, ...] = ()
    approvals: Mapping[str, Mapping[ServerKind, tuple[ApprovedServer, ...]]] = field(default_factory=dict)

    @property
    def unmatched_keys(self) -> frozenset[str]:
        """The keys of the entries that cannot be matched."""
        return frozenset(problem.address.key for problem in self.problems if problem.address is not None)

    @property
    def existing_ids(self) -> Mapping[str, Collection[str]]:
        """The ids of existing objects by kind. A read by id counts beside the list, which may leave an object out."""
        destinations = self.listing.destinations | self.details.found.keys()
        return {GROUP: self.listing.groups.keys(), DESTINATION: destinations}


@dataclass(frozen=True, slots=True)
class Observer:
    """Reader of one account, with `readers` concurrent calls. Raises `ApiError`.

    A `has_budget` reader repeats no read of an object that seems to be gone: a run that creates nothing may be wrong
    about that. Its reads by id also go on after an error that is about one object, and end without an error once the
    budget is spent or Fivetran takes no more requests.
    """

    client: Client
    poller: Poller
    listener: Listener
    readers: int = 1
    has_budget: bool = False

    def list_account(self, expected: Collection[str] = ()) -> AccountListing:
        """Read both lists, and by id the groups that they leave out.

        These are the groups of listed destinations, and `expected` groups, whose ids a record or an `id:` has. An
        expected group that was deleted costs six polls.
        """
        groups = self._list_groups()
        summaries = {
            get_destination_id(summary): _describe_summary(summary)
            for summary in self.client.list_destinations()
        }
        destinations = frozenset(summaries)
        unlisted = {*destinations, *expected} - groups.keys()
        if not unlisted:
            return AccountListing(groups, destinations, summaries=summaries)
        if not self.has_budget:
            groups = {**groups, **self._list_groups()}
        reads = self._read_by_id(GROUP, unlisted - groups.keys(), expected, MAX_POLLS - 2)
        return AccountListing({**groups, **reads.found}, destinations, reads.forbidden, summaries)

    def list_until(
        self, listing: AccountListing, is_complete: Callable[[Mapping[str, Observed]], bool]
    ) -> AccountListing:
        """Poll the list of groups until it is complete: a new group may be listed late. Returns the merged listing."""
        groups = dict(listing.groups)

        def poll_groups() -> bool | None:
            groups.update(self._list_groups())
            return is_complete(groups) or None

        self.poller.poll_until(poll_groups, MAX_POLLS - 1)
        return replace(listing, groups=groups)

    def read_destinations(self, ids: Iterable[str], expected: Collection[str] = ()) -> ReadResult:
        """Read destinations by the ids of their groups. An `expected` destination is polled six times before it counts
        as gone."""
        unique_ids = list(dict.fromkeys(ids))
        self.listener(ReadingAccount(0, len(unique_ids)))
        return self._read_by_id(DESTINATION, unique_ids, expected, MAX_POLLS, reports_progress=True)

    def read_approvals(
        self, wanted: Iterable[tuple[str, ServerKind]]
    ) -> tuple[dict[str, dict[ServerKind, tuple[ApprovedServer, ...]]], dict[str, ApiError]]:
        """Read one list of approvals for each id of a destination and kind of server. Returns the approvals, and the
        errors that do not stop this reader, by id."""
        pairs = list(wanted)

        def read_list(pair: tuple[str, ServerKind]) -> tuple[ApprovedServer, ...] | ApiError:
            try:
                return list_approved(self.client, *pair)
            except ApiError as error:
                if self._may_go_on(error):
                    return error
                raise

        approvals: dict[str, dict[ServerKind, tuple[ApprovedServer, ...]]] = {}
        errors: dict[str, ApiError] = {}
        for (id, kind), answer in map_parallel(read_list, pairs, self.readers):
            if isinstance(answer, ApiError):
                errors[id] = answer
            else:
                approvals.setdefault(id, {})[kind] = answer
        return approvals, errors

    def _may_go_on(self, error: ApiError) -> bool:
        """Return whether the other reads go on after a failed read."""
        return self.has_budget and (_ends_reading(error) or _is_about_one_object(error))

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
        max_polls = 1 if self.has_budget else max_polls

        def read_object(id: str) -> Observed | ApiError | None:
            observe = KINDS[kind].observe
            try:
                return self.poller.poll_until(
                    lambda: observe(self.client, id), max_polls if id in expected else 1
                )
            except Forbidden as error:  # is about this object only, so the other reads go on
                return error
            except ApiError as error:
                if kind == DESTINATION and self._may_go_on(error):
                    return error
                raise

        found: dict[str, Observed] = {}
        errors: dict[str, ApiError] = {}
        for done, (id, answer) in enumerate(map_parallel(read_object, id_list, self.readers), start=1):
            if isinstance(answer, ApiError):
                errors[id] = answer
            elif answer is not None:
                found[id] = answer
            if reports_progress:
                self.listener(ReadingAccount(done, len(id_list)))
        limited = [error for error in errors.values() if isinstance(error, RateLimited)]
        if limited and len(limited) == len(id_list):  # nothing was read, which must not look like a result
            raise limited[0]
        return build_read_result(found, errors)


def build_read_result(found: Mapping[str, Observed], errors: Mapping[str, ApiError]) -> ReadResult:
    """Build the result of reads by id. Only objects without an error count as found."""
    return ReadResult(
        {id: observed for id, observed in found.items() if id not in errors},
        {id: error for id, error in errors.items() if isinstance(error, Forbidden)},
        {id: error for id, error in errors.items() if _is_about_one_object(error)},
        frozenset(id for id, error in errors.items() if _ends_reading(error)),
    )


def _ends_reading(error: ApiError) -> bool:
    """Return whether no other read can follow in this run, or for a long time."""
    return isinstance(error, BudgetSpent | RateLimited)


def _is_about_one_object(error: ApiError) -> bool:
    """Return whether a failed read is about its object, as far as an answer can tell: others may be read all the
    same."""
    if isinstance(error, Forbidden | Unauthorized | RateLimited):
        return False
    return isinstance(error, RejectedError | ServerError | InvalidResponseError)


def get_destination_id(destination: responses.DestinationSummary) -> str:
    """Return the id of the group: both ids are documented to be equal, and records hold the id of the group."""
    return destination.group_id or destination.id


def _describe_summary(summary: responses.DestinationSummary) -> ListedDestination:
    """Describe a destination as the list shows it. The answer itself, with all other fields, is not kept."""
    region = summary.raw.get("region")
    return ListedDestination(
        sys.intern(summary.service),
        sys.intern(region) if isinstance(region, str) else "",
        sys.intern(read_status(summary)),
    )
