"""Choose the destinations that a run with a budget of requests reads, and describe how far it has come.

The account, the lists and the objects that a list leaves out cost the same in every run. The rest of the budget goes to
the destinations that were read least recently, so that a fixed number of runs reads all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.api.client import PAGE_SIZE
from reconciler.model.address import DESTINATION, GROUP, Address, get_entry_sort_key
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.read_coverage import ReadCoverage
from reconciler.model.resource import Desired
from reconciler.model.trust import ServerKind
from reconciler.planning.object_names import list_named_fields
from reconciler.planning.refresh import AccountView
from reconciler.state.read_times import ReadTimes


@dataclass(slots=True)
class PartialReading:
    """Reading of a part of the destinations by a run that may send `budget` requests.

    `last` are the times of earlier reads. The other fields are known once the destinations are read:
    `costs` are the requests for each destination in scope by id, `fixed` the requests for everything else.
    """

    budget: int
    last: ReadTimes
    now: datetime
    costs: Mapping[str, int] = field(default_factory=dict)
    fixed: int = 0
    chosen: tuple[str, ...] = ()
    read: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    managed: frozenset[str] = frozenset()

    def choose(self, costs: Mapping[str, int], listed: Collection[str], sent: int) -> list[str]:
        """Choose the destinations to read, by id, in their order: those that the list does not show, which every run
        looks up, then those that were never read, then the least recently read. A failed read counts here, so that
        destinations that always fail take no more of the budget than others.

        `costs` are the requests for each, `listed` the ids of the list, `sent` the requests of the run so far. Raises
        ReconcilerError if some destination could never be read.
        """
        looked_up = sorted(id for id in costs if id not in listed)
        waiting = sorted(costs.keys() - {*looked_up}, key=lambda id: (self.last.get_last_attempt(id), id))
        self.costs = costs
        self.fixed = sent + sum(costs[id] for id in looked_up)
        needed = self.fixed + max((costs[id] for id in waiting), default=0)
        if costs and self.budget < needed:
            raise ReconcilerError([explain_small_budget(self.budget, needed)])
        self.chosen = (*looked_up, *self._fill(waiting))
        return list(self.chosen)

    def _fill(self, waiting: Iterable[str]) -> list[str]:
        """Take destinations in their order as long as the next one fits into the rest of the budget."""
        rest, taken = self.budget - self.fixed, []
        for id in waiting:
            rest -= self.costs[id]
            if rest < 0:
                break
            taken.append(id)
        return taken

    def count_runs_per_round(self, listed: Collection[str]) -> int:
        """Count the runs of this budget that read every destination once."""
        runs, waiting = 1, [id for id in self.costs if id in listed]
        while (taken := len(self._fill(waiting))) < len(waiting):
            runs, waiting = runs + 1, waiting[taken:]
        return runs

    def describe(self, view: AccountView, entries: Iterable[Desired]) -> ReadCoverage:
        """Describe the part of the destinations that the run has read. `entries` are the entries in scope."""
        by_id = {
            id: entry.address
            for entry in entries
            if entry.address.kind == DESTINATION and (id := view.group_ids.get(entry.address.key)) is not None
        }
        unread = {id: address for id, address in by_id.items() if id in view.details.unread}
        times = [self.last.reads[id] for id in unread if id in self.last.reads]
        return ReadCoverage(
            budget=self.budget,
            read=len(by_id.keys() & self.read),
            of=len(by_id.keys() & self.costs.keys()),
            runs_per_round=self.count_runs_per_round(view.listing.destinations),
            unread=tuple(sorted(unread.values(), key=get_entry_sort_key)),
            never_read=len(unread) - len(times),
            oldest_seconds=max(0.0, (self.now - min(times)).total_seconds()) if times else None,
            ended_early=not view.details.unread.isdisjoint(self.chosen),
            statuses=_list_statuses(view, unread),
        )


def _list_statuses(view: AccountView, unread: Mapping[str, Address]) -> dict[str, str]:
    """List the statuses of unread destinations, as the list of the account shows them."""
    summaries = view.listing.summaries
    statuses = {str(address): summaries[id].setup_status for id, address in unread.items() if id in summaries}
    return {address: status for address, status in statuses.items() if status}


def compute_read_costs(
    ids: Iterable[str], entries: Iterable[Desired], group_ids: Mapping[str, str]
) -> dict[str, int]:
    """Compute the number of requests for each of these destinations: one, and one for each kind of server that its
    entry pins, whose approvals are a list of their own."""
    pinned = {
        group_ids.get(entry.address.key): sum(bool(entry.trust.list_pins(kind)) for kind in ServerKind)
        for entry in entries
        if entry.trust.pins
    }
    return {id: 1 + pinned.get(id, 0) for id in ids}


def estimate_smallest_budget(entries: Collection[Desired], budget: int) -> int:
    """Estimate the smallest useful budget for entries whose lists have cost the whole `budget` already: the account,
    each list, and one destination."""
    kinds = {field.source for entry in entries for field in list_named_fields(entry)}
    pages = (
        max(1, -(-sum(entry.address.kind == kind for entry in entries) // PAGE_SIZE))
        for kind in (GROUP, DESTINATION)
    )
    return max(1 + len(kinds) + sum(pages) + 1, budget + 1)


def explain_small_budget(budget: int, needed: int) -> Diagnostic:
    """Explain that a budget does not reach for one destination."""
    return Diagnostic(
        "budget-too-small",
        f"a budget of {budget:,} request{'' if budget == 1 else 's'} reads no destination: the account and its lists"
        " cost as much in each run",
        help=f"use `--budget {needed}` or more",
    )
