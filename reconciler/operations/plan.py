"""`plan`: compare the specs with the account. Only reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.api import wire
from reconciler.api.errors import ApiError
from reconciler.engine.bind import awaited, bind_groups, is_unanswered, moved
from reconciler.engine.budget import Left, cost_of, shortfalls
from reconciler.engine.digest import digest_of
from reconciler.engine.failure import explain_read
from reconciler.engine.limits import Limits, exceeded
from reconciler.engine.looking import Looking
from reconciler.engine.observe import Listing, Observer
from reconciler.engine.planner import Planner, Step, tests_outstanding
from reconciler.engine.removal import (
    Removal,
    Removals,
    Undertaker,
    contradicted,
    given_up,
    listed,
    replacement_blockers,
    vanished,
)
from reconciler.model.address import DESTINATION, GROUP, Address, by_entry
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity, in_reading_order
from reconciler.model.plan import Action, Change, Plan, Unmanaged
from reconciler.model.record import Record
from reconciler.model.resource import Desired, Observed
from reconciler.operations.gate import settings_told
from reconciler.operations.policies import judge_plan, weighed
from reconciler.operations.resend import chosen_secrets
from reconciler.operations.scope import Scope, scope_of
from reconciler.operations.specs import Specs
from reconciler.operations.workspace import Workspace
from reconciler.spec.removal import Extent, Tombstone


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and beside it what is needed to carry it out. `live` has the groups that existed, by id; `records`
    is what is remembered, by the addresses of today; `ids` are those of everything in scope that exists."""

    plan: Plan
    steps: Mapping[Address, Step]
    removals: tuple[Removal, ...]
    live: Mapping[str, Observed]
    records: Mapping[Address, Record]
    ids: Mapping[Address, str]

    def namesakes(self, name: str) -> tuple[str, ...]:
        """Ids of the groups that had this name."""
        return tuple(sorted(group.id for group in self.live.values() if group.name == name))


def make_plan(
    workspace: Workspace,
    only: Collection[Address] | None = None,
    *,
    scope: frozenset[Address] | None = None,
) -> Planned:
    """Compare entries with the account: one account call, two lists, one read per destination of a group that
    exists, and one list of connections per planned deletion or replacement. Only what memory or one of the lists
    knows and the other does not show costs more: it is looked for before it counts as gone.

    What is out of scope is not read. `scope` takes the place of that of the command line. `only` is for looking at
    these addresses once more after an apply, when limits are of no interest.

    Raises `ReconcilerError` where the account cannot be read, is another one, or where an entry
    cannot be planned.
    """
    with workspace.specs.shading():
        planned = _make_plan(workspace, only, scope)
    return replace(planned, plan=_shaded(planned.plan, workspace.specs))


def _shaded(plan: Plan, specs: Specs) -> Plan:
    judgements = (
        replace(each, findings=specs.shaded(each.findings), older=specs.shaded(each.older))
        for each in plan.judgements
    )
    return replace(
        plan,
        warnings=specs.shaded(plan.warnings),
        blockers=specs.shaded(plan.blockers),
        judgements=tuple(judgements),
    )


def _make_plan(
    workspace: Workspace, only: Collection[Address] | None, scope: frozenset[Address] | None
) -> Planned:
    clock, specs = workspace.settings.clock, workspace.specs
    began, sent = clock.monotonic(), workspace.courier.requests_sent
    records = moved(workspace.memory.records, (*specs.groups, *specs.destinations))
    chosen = _scope(workspace, records, scope if scope is not None else only)
    scope = chosen.addresses
    try:
        account = _the_right_account(workspace)
        workspace.memory.check_account(account.account_id)
        observer = _observer(workspace)
        remembered = {address: record for address, record in records.items() if address in scope}
        wanted = [each for each in specs.groups if each.address in scope]
        listing = _listing(observer, wanted, remembered)
        bound = bind_groups(specs.groups, listing.groups, records, scope)
        entries = [each for each in (*specs.groups, *specs.destinations) if each.address in scope]
        details = _details(observer, entries, listing, bound, remembered)
        listing = replace(listing, destinations=listing.destinations | details.keys())
        _refuse_vanished(specs, listing, _missed(records, chosen))
        _refuse_contradictions(specs, bound, scope)
        undertaker = _undertaker(workspace, listing, records)
        removals = undertaker.removals(_in_scope(specs.removed, scope))
        steps = _steps(workspace, entries, bound, {GROUP: listing.groups, DESTINATION: details}, records)
        blockers = (*removals.blockers, *_replacement_blockers(undertaker, steps))
    except ApiError as error:
        raise ReconcilerError([explain_read(error)]) from error
    changes = [steps[address].change for address in sorted(steps, key=by_entry)]
    plan = Plan(
        account_id=account.account_id,
        account_name=account.account_name,
        changes=(*changes, *(removal.change for removal in removals.removals)),
        unmanaged=_unmanaged(listing, bound, removals, specs.removed),
        warnings=(
            *specs.warnings,
            *removals.notes,
            *_unfamiliar(workspace, listing, changes),
            *_unfinished(specs, records, scope),
            *_beyond_budget(workspace, steps, removals),
        ),
        blockers=blockers,
        files=len(specs.files),
        requests=workspace.courier.requests_sent - sent,
        seconds=clock.monotonic() - began,
        narrowing=chosen.narrowing,
    )
    managed = _managed(specs, listing, bound)
    beyond: Iterable[Diagnostic] = ()
    if only is None:
        plan = _judged(workspace, plan, steps, details, managed)
        beyond = _beyond_limits(workspace, plan, len(managed))
    narrowed = only is not None or chosen.narrowing is not None
    digest = digest_of(
        plan, steps, removals.removals, listing.groups, sorted(map(str, scope)) if narrowed else ()
    )
    blockers = tuple(settings_told((*plan.blockers, *beyond), specs.project))
    plan = replace(plan, blockers=blockers, digest=digest)
    ids = {address: step.change.id for address, step in steps.items() if step.change.id is not None}
    return Planned(plan, steps, removals.removals, listing.groups, records, ids)


def _scope(
    workspace: Workspace, records: Mapping[Address, Record], given: Collection[Address] | None
) -> Scope:
    """What is given; else what the options of the command line leave."""
    if given is not None:
        return Scope(frozenset(given), missed=frozenset(given))
    return scope_of(workspace.settings, workspace.specs, workspace.baseline, records)


def _in_scope(tombstones: tuple[Tombstone, ...], scope: frozenset[Address]) -> tuple[Tombstone, ...]:
    """A removal is one thing: it is in scope as a whole or not at all."""
    return tuple(each for each in tombstones if Address(DESTINATION, each.key) in scope)


def _undertaker(workspace: Workspace, listing: Listing, records: Mapping[Address, Record]) -> Undertaker:
    return Undertaker(
        groups={id: group.name for id, group in listing.groups.items()},
        destinations=listing.destinations,
        records=records,
        protected=workspace.specs.project.protected,
        connections=workspace.client.group_connections,
    )


def _replacement_blockers(undertaker: Undertaker, steps: Mapping[Address, Step]) -> list[Diagnostic]:
    """One list of connections per replacement, before anything is deleted."""
    return [
        blocker
        for address, step in sorted(steps.items())
        if step.change.action is Action.REPLACE
        for blocker in replacement_blockers(
            step.change, undertaker.connections(step.change.id or ""), undertaker.is_protected(address.key)
        )
    ]


def _missed(records: Mapping[Address, Record], chosen: Scope) -> Mapping[Address, Record]:
    if chosen.missed is None:
        return records
    return {address: record for address, record in records.items() if address in chosen.missed}


def _refuse_vanished(specs: Specs, listing: Listing, records: Mapping[Address, Record]) -> None:
    declared = {desired.address for desired in (*specs.groups, *specs.destinations)}
    existing = {GROUP: listing.groups.keys(), DESTINATION: listing.destinations}
    problems = vanished(records, declared, specs.removed, existing)
    if problems:
        raise ReconcilerError(problems)


def _refuse_contradictions(specs: Specs, bound: Mapping[str, str], scope: frozenset[Address]) -> None:
    problems = contradicted(_in_scope(specs.removed, scope), bound, (*specs.groups, *specs.destinations))
    if problems:
        raise ReconcilerError(in_reading_order(problems))


def _beyond_limits(workspace: Workspace, plan: Plan, managed: int) -> Iterator[Diagnostic]:
    block = workspace.specs.project.limits
    limits = Limits(block.deletes, block.replacements, block.changed_fraction)
    return exceeded(plan, managed, limits, workspace.settings.allowed)


def _judged(
    workspace: Workspace,
    plan: Plan,
    steps: Mapping[Address, Step],
    details: Mapping[str, Observed],
    managed: Collection[Address],
) -> Plan:
    """The plan with what the policies of the project say about it."""
    judgements = judge_plan(
        workspace.specs,
        plan,
        steps=steps,
        observed=details,
        existing=managed,
        overridden=workspace.settings.overridden,
        resolves=not workspace.settings.sandbox,  # which makes all values up
    )
    warnings, blockers = weighed(judgements)
    return replace(
        plan,
        warnings=(*plan.warnings, *warnings),
        blockers=(*plan.blockers, *blockers),
        judgements=judgements,
    )


def _managed(specs: Specs, listing: Listing, bound: Mapping[str, str]) -> frozenset[Address]:
    """Of what is declared or to be deleted all that exists, whatever the scope."""
    ids = {Address(GROUP, key): id for key, id in bound.items()}
    ids |= {each.address: bound.get(each.address.key, "") for each in specs.destinations}
    ids |= {
        address: each.id
        for each in specs.removed
        if each.extent is not Extent.MANAGEMENT
        for address in given_up(each)
    }
    existing = {GROUP: listing.groups.keys(), DESTINATION: listing.destinations}
    return frozenset(address for address, id in ids.items() if id in existing[address.kind])


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


def _observer(workspace: Workspace) -> Observer:
    looking = Looking(workspace.settings.clock, workspace.cancelled)
    return Observer(workspace.client, looking, workspace.listener, workspace.settings.parallelism)


def _listing(observer: Observer, wanted: list[Desired], remembered: Mapping[Address, Record]) -> Listing:
    """The lists, with everything that earlier runs made or may have made of the `wanted` groups. `remembered` are
    the records in scope."""
    listing = observer.list_account({record.id for record in remembered.values() if record.id is not None})
    if not awaited(wanted, listing.groups, remembered):
        return listing
    return observer.list_again(listing, lambda groups: not awaited(wanted, groups, remembered))


def _details(
    observer: Observer,
    entries: list[Desired],
    listing: Listing,
    bound: Mapping[str, str],
    remembered: Mapping[Address, Record],
) -> dict[str, Observed]:
    """Destinations by id: those of all entries, and those that are remembered and that their list leaves out.
    `remembered` are the records in scope."""
    expected = {
        record.id or bound.get(address.key, "")
        for address, record in remembered.items()
        if address.kind == DESTINATION and (record.id or is_unanswered(record))
    }
    expected &= listing.groups.keys()
    declared = (bound.get(each.address.key) for each in entries if each.address.kind == DESTINATION)
    wanted = {id for id in declared if id is not None} | (expected - listing.destinations)
    return observer.details(sorted(wanted), expected)


def _steps(
    workspace: Workspace,
    entries: list[Desired],
    bound: Mapping[str, str],
    live: Mapping[str, Mapping[str, Observed]],
    records: Mapping[Address, Record],
) -> dict[Address, Step]:
    """One step per entry; `live` is by kind and id. Raises `ReconcilerError` with everything that cannot be planned."""
    planner = Planner(
        workspace.registry.resolve,
        workspace.memory.fingerprinter(),
        workspace.settings.compare_secrets,
        chosen_secrets(workspace.settings.resend, entries),
    )
    steps = []
    for desired in entries:
        observed = live[desired.address.kind].get(bound.get(desired.address.key, ""))
        steps.append(planner.step(desired, observed, records.get(desired.address)))
    if planner.diagnostics:
        told = [_with_connections(workspace, each, bound) for each in planner.diagnostics]
        raise ReconcilerError(in_reading_order(told))
    return {step.change.address: step for step in steps}


def _with_connections(workspace: Workspace, problem: Diagnostic, bound: Mapping[str, str]) -> Diagnostic:
    """R13: whoever wants a replacement should know at once what stands in its way."""
    if problem.code != "replace-refused" or problem.address is None:
        return problem
    connections = workspace.client.group_connections(bound[problem.address.key])
    note = f"loading into it: {listed(connections)}" if connections else "no connection loads into it"
    return replace(problem, notes=(*problem.notes, note))


def _unfamiliar(workspace: Workspace, listing: Listing, changes: Iterable[Change]) -> list[Diagnostic]:
    """Without a memory, a group that was renamed at Fivetran looks like one that is still to be made."""
    new = [each for each in changes if each.action is Action.CREATE and each.address.kind == GROUP]
    if workspace.memory.exists or not listing.groups or not new:
        return []
    return [
        Diagnostic(
            "no-memory",
            f"{len(new)} of the groups are to be made, in an account that no earlier run remembers",
            severity=Severity.WARNING,
            notes=("groups are found by `id:` or by their exact names only",),
            help="if one of them exists under another name, write its `id:` into its entry",
        )
    ]


def _unfinished(
    specs: Specs, records: Mapping[Address, Record], scope: Collection[Address]
) -> list[Diagnostic]:
    """Unfinished work stays visible, also where a plan is about something else."""
    left = [
        each
        for each in specs.destinations
        if each.address not in scope and tests_outstanding(each, records.get(each.address))
    ]
    return [
        Diagnostic(
            "unfinished",
            f"{each.address} was written and has not passed its setup tests; this plan leaves it out",
            span=each.span,
            severity=Severity.WARNING,
            address=each.address,
            help=f"`--target {each.address}` or a plan of everything shows it, and an apply tests it again",
        )
        for each in left
    ]


def _beyond_budget(
    workspace: Workspace, steps: Mapping[Address, Step], removals: Removals
) -> list[Diagnostic]:
    limiter = workspace.courier.limiter
    left = Left(limiter.remaining_requests(), limiter.remaining_tests())
    return shortfalls(cost_of(steps.values(), removals.removals), left)


def _unmanaged(
    listing: Listing, bound: Mapping[str, str], removals: Removals, removed: Iterable[Tombstone]
) -> tuple[Unmanaged, ...]:
    managed = {*bound.values(), *(removal.change.id for removal in removals.removals)}
    managed |= {each.id for each in removed if each.extent is Extent.PAIR}  # also where it is out of scope
    others = [group for group in listing.groups.values() if group.id not in managed]
    return tuple(
        Unmanaged(group.id, group.name) for group in sorted(others, key=lambda group: (group.name, group.id))
    )
