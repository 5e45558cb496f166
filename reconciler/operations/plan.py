"""`plan`: compare the specs with the account. Only reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from reconciler.api import wire
from reconciler.api.errors import ApiError
from reconciler.engine.bind import bind_groups, moved
from reconciler.engine.failure import explain_read
from reconciler.engine.limits import Limits, exceeded
from reconciler.engine.observe import Listing, list_account, read_destinations
from reconciler.engine.planner import Planner, Step
from reconciler.engine.removal import Removal, Removals, Undertaker, vanished
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, in_reading_order
from reconciler.model.plan import Plan, Unmanaged
from reconciler.model.record import Record
from reconciler.model.resource import Desired, Observed
from reconciler.operations.specs import Specs
from reconciler.operations.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and beside it what is needed to carry it out. `live` has the groups that existed, by id; `records`
    is what is remembered, by the addresses of today."""

    plan: Plan
    steps: Mapping[Address, Step]
    removals: tuple[Removal, ...]
    live: Mapping[str, Observed]
    records: Mapping[Address, Record]


def make_plan(workspace: Workspace, keys: Collection[str] | None = None) -> Planned:
    """Compare entries with the account: one account call, two lists, one read per existing destination, and one
    list of connections per planned deletion.

    With `keys` only these entries are planned, and only their destinations are read.

    Raises `ReconcilerError` where the account cannot be read, is another one, or where an entry
    cannot be planned.
    """
    clock, specs = workspace.settings.clock, workspace.specs
    began, sent = clock.monotonic(), workspace.transport.requests_sent
    records = moved(workspace.memory.records, (*specs.groups, *specs.destinations))
    try:
        account = _the_right_account(workspace)
        workspace.memory.check_account(account.account_id)
        listing = list_account(workspace.client)
        bound = bind_groups(specs.groups, listing.groups, records)
        _refuse_vanished(specs, listing, records)
        entries = _entries(specs, keys)
        details = _details(workspace, entries, listing, bound)
        removals = _removals(workspace, listing, records, keys)
    except ApiError as error:
        raise ReconcilerError([explain_read(error)]) from error
    steps = _steps(workspace, entries, bound, {GROUP: listing.groups, DESTINATION: details}, records)
    changes = [steps[address].change for address in sorted(steps, key=_by_entry)]
    plan = Plan(
        account_id=account.account_id,
        account_name=account.account_name,
        changes=(*changes, *(removal.change for removal in removals.removals)),
        unmanaged=_unmanaged(listing, bound, removals),
        warnings=(*specs.warnings, *removals.notes),
        blockers=removals.blockers,
        files=len(specs.files),
        requests=workspace.transport.requests_sent - sent,
        seconds=clock.monotonic() - began,
    )
    beyond = exceeded(plan, _limits(specs), workspace.settings.allowed) if keys is None else ()
    plan = replace(plan, blockers=(*plan.blockers, *beyond))
    return Planned(plan, steps, removals.removals, listing.groups, records)


def _removals(
    workspace: Workspace, listing: Listing, records: Mapping[Address, Record], keys: Collection[str] | None
) -> Removals:
    undertaker = Undertaker(
        groups=listing.groups.keys(),
        destinations=listing.destinations,
        records=records,
        protected=workspace.specs.project.protected,
        connections=workspace.client.group_connections,
    )
    wanted = (each for each in workspace.specs.removed if keys is None or each.key in keys)
    return undertaker.removals(tuple(wanted))


def _refuse_vanished(specs: Specs, listing: Listing, records: Mapping[Address, Record]) -> None:
    declared = {desired.address for desired in (*specs.groups, *specs.destinations)}
    existing = {GROUP: listing.groups.keys(), DESTINATION: listing.destinations}
    problems = vanished(records, declared, specs.removed, existing)
    if problems:
        raise ReconcilerError(problems)


def _limits(specs: Specs) -> Limits:
    limits = specs.project.limits
    return Limits(limits.deletes, limits.changed_fraction)


def _the_right_account(workspace: Workspace) -> wire.Account:
    """Refuse another account before anything else is read. A sandbox account is always the right one."""
    account = workspace.client.account()
    expected = workspace.specs.project.account_id
    if workspace.settings.sandbox or expected is None or account.account_id == expected:
        return account
    raise ReconcilerError(
        [
            Diagnostic(
                "other-account",
                f"these credentials are for account `{account.account_id}`, the project is for `{expected}`",
                span=workspace.specs.project.account_id_span,
                help="use credentials of the right account, or correct `account_id:` in the project file",
            )
        ]
    )


def _entries(specs: Specs, keys: Collection[str] | None) -> list[Desired]:
    every = (*specs.groups, *specs.destinations)
    return [desired for desired in every if keys is None or desired.address.key in keys]


def _details(
    workspace: Workspace, entries: list[Desired], listing: Listing, bound: Mapping[str, str]
) -> dict[str, Observed]:
    ids = (bound.get(each.address.key) for each in entries if each.address.kind == DESTINATION)
    return read_destinations(
        workspace.client, [id for id in ids if id in listing.destinations], workspace.listener
    )


def _steps(
    workspace: Workspace,
    entries: list[Desired],
    bound: Mapping[str, str],
    live: Mapping[str, Mapping[str, Observed]],
    records: Mapping[Address, Record],
) -> dict[Address, Step]:
    """One step per entry; `live` is by kind and id. Raises `ReconcilerError` with everything that cannot be planned."""
    planner = Planner(
        workspace.registry.resolve, workspace.memory.fingerprinter(), workspace.settings.compare_secrets
    )
    steps = []
    for desired in entries:
        observed = live[desired.address.kind].get(bound.get(desired.address.key, ""))
        steps.append(planner.step(desired, observed, records.get(desired.address)))
    if planner.diagnostics:
        raise ReconcilerError(in_reading_order(planner.diagnostics))
    return {step.change.address: step for step in steps}


def _by_entry(address: Address) -> tuple[str, bool]:
    """Reading order: entries by key, the group before its destination."""
    return address.key, address.kind != GROUP


def _unmanaged(listing: Listing, bound: Mapping[str, str], removals: Removals) -> tuple[Unmanaged, ...]:
    managed = {*bound.values(), *(removal.change.id for removal in removals.removals)}
    others = [group for group in listing.groups.values() if group.id not in managed]
    return tuple(
        Unmanaged(group.id, group.name) for group in sorted(others, key=lambda group: (group.name, group.id))
    )
