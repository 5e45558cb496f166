"""`plan`: compare the specs with the account. Only reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.api import wire
from reconciler.api.errors import ApiError, Forbidden
from reconciler.engine.bind import awaited, bind_groups, is_unanswered, moved
from reconciler.engine.budget import Left, cost_of, shortfalls
from reconciler.engine.digest import digest_of
from reconciler.engine.failure import explain_read
from reconciler.engine.limits import Limits, exceeded
from reconciler.engine.looking import Looking
from reconciler.engine.missing import Absences, Seen, absences, find_missing, idle_selectors
from reconciler.engine.observe import Details, Listing, Observer
from reconciler.engine.planner import Planner, Step, tests_outstanding
from reconciler.engine.removal import (
    Removal,
    Removals,
    Undertaker,
    given_up,
    listed,
    placement,
    replacement_blockers,
    vanished,
)
from reconciler.engine.removal_identity import identity_of
from reconciler.engine.settling import late_twins, unsettled
from reconciler.kinds.registry import KINDS
from reconciler.model.address import DESTINATION, GROUP, Address, by_entry
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity, in_reading_order
from reconciler.model.plan import Action, Change, Plan, Reason, Unmanaged
from reconciler.model.record import Record
from reconciler.model.removal import Extent, Removed
from reconciler.model.resource import Desired, Observed
from reconciler.operations.gate import settings_told
from reconciler.operations.policies import judge_plan, weighed
from reconciler.operations.resend import chosen_creates, chosen_secrets
from reconciler.operations.scope import Scope, scope_of
from reconciler.operations.specs import Specs
from reconciler.operations.workspace import Workspace
from reconciler.spec.removal import Tombstone


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and beside it what is needed to carry it out. `live` has the groups that existed, by id; `records`
    is what is remembered, in scope by the addresses of today; `ids` are those of everything in scope that exists.
    `done` are the removals that are in effect already, by key."""

    plan: Plan
    steps: Mapping[Address, Step]
    removals: tuple[Removal, ...]
    live: Mapping[str, Observed]
    records: Mapping[Address, Record]
    ids: Mapping[Address, str]
    done: Mapping[str, Removed] = field(default_factory=dict)

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
    knows and the other does not show costs more: it is looked for before it counts as missing (S-13). So is what
    `removed:` names and no list shows.

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
    is_new = scope is None and only is None
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
        looked = _details(observer, entries, listing, bound, remembered)
        details = looked.found
        seen = Seen(listing, looked, bound)
        absent = _absences(workspace, account, entries, records, seen, is_new=is_new)
        listing = replace(listing, destinations=listing.destinations | details.keys())
        undertaker = _undertaker(workspace, listing, details, records, bound)
        removals = undertaker.removals(_in_scope(specs.removed, scope))
        _refuse_contradictions(_vanished(specs, listing, _missed(records, chosen)), removals.problems)
        live = {GROUP: listing.groups, DESTINATION: details}
        steps = _steps(workspace, entries, bound, live, records, unplanned=absent.unplanned)
        steps = _with_waits(workspace, steps, records)
        steps = _with_what_is_replaced(undertaker, steps)
        blockers = (*absent.findings, *removals.blockers, *_replacement_blockers(undertaker, steps))
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
            *chosen.warnings,
            *_unfinished(specs, records, chosen),
            *late_twins(specs.groups, records, listing.groups, bound),
            *_beyond_budget(workspace, steps, removals),
        ),
        blockers=blockers,
        files=len(specs.files),
        requests=workspace.courier.requests_sent - sent,
        seconds=clock.monotonic() - began,
        narrowing=chosen.narrowing,
        recreated=tuple(sorted(absent.recreated, key=by_entry)),
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
    # A record follows a `was:` only in scope: an old `was:` of a branch must not undo a later move of its base.
    kept = moved(workspace.memory.records, entries)
    return Planned(plan, steps, removals.removals, listing.groups, kept, ids, removals.done)


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


def _undertaker(
    workspace: Workspace,
    listing: Listing,
    details: Mapping[str, Observed],
    records: Mapping[Address, Record],
    bound: Mapping[str, str],
) -> Undertaker:
    names = {id: group.name for id, group in listing.groups.items()}
    placed = {id: (each.service, str(each.raw.get("region") or "")) for id, each in listing.summaries.items()}
    client, looking = workspace.client, Looking(workspace.settings.clock, workspace.cancelled)

    def is_gone(kind: str, id: str) -> bool:
        return looking.until_seen(lambda: KINDS[kind].observe(client, id) is None or None) is not None

    return Undertaker(
        identity_of(names, records, workspace.memory.removals, workspace.specs.groups, bound),
        destinations={id: placement(each) for id, each in details.items()} | placed,
        protected=workspace.specs.project.protected,
        connections=client.group_connections,
        observe=lambda kind, id: KINDS[kind].observe(client, id),
        is_gone=is_gone,
    )


def _with_what_is_replaced(undertaker: Undertaker, steps: Mapping[Address, Step]) -> dict[Address, Step]:
    """Each replacement with what it deletes. One list of connections for each, before anything is deleted."""
    return {
        address: replace(step, change=replace(step.change, live=undertaker.replaced(step.change.id or "")))
        if step.change.action is Action.REPLACE
        else step
        for address, step in steps.items()
    }


def _replacement_blockers(undertaker: Undertaker, steps: Mapping[Address, Step]) -> list[Diagnostic]:
    return [
        blocker
        for address, step in sorted(steps.items())
        if step.change.action is Action.REPLACE
        for blocker in replacement_blockers(step.change, undertaker.is_protected(address.key))
    ]


def _missed(records: Mapping[Address, Record], chosen: Scope) -> Mapping[Address, Record]:
    if chosen.missed is None:
        return records
    return {address: record for address, record in records.items() if address in chosen.missed}


def _vanished(specs: Specs, listing: Listing, records: Mapping[Address, Record]) -> list[Diagnostic]:
    declared = {desired.address for desired in (*specs.groups, *specs.destinations)}
    existing = {GROUP: listing.groups.keys(), DESTINATION: listing.destinations}
    return vanished(records, declared, specs.removed, existing)


def _refuse_contradictions(*problems: Iterable[Diagnostic]) -> None:
    """Specs and account, or specs and memory, say different things about what exists."""
    found = [each for several in problems for each in several]
    if found:
        raise ReconcilerError(in_reading_order(found))


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
    """The lists, with everything that earlier runs made or may have made of the `wanted` groups, and what their `id:`
    names. `remembered` are the records in scope."""
    declared = {each.id or remembered.get(each.address, Record()).id for each in wanted}
    known = {*declared, *(record.id for record in remembered.values())}
    listing = observer.list_account({id for id in known if id is not None})
    _refuse_others(listing.refused, declared)
    if not awaited(wanted, listing.groups, remembered):
        return listing
    return observer.list_again(listing, lambda groups: not awaited(wanted, groups, remembered))


def _refuse_others(refused: Mapping[str, Forbidden], declared: Collection[str | None]) -> None:
    """Raise the answer 403 about any object that is not declared: it is the answer to no entry, so it ends the run."""
    for id, error in refused.items():
        if id not in declared:
            raise error


def _absences(
    workspace: Workspace,
    account: wire.Account,
    entries: list[Desired],
    records: Mapping[Address, Record],
    seen: Seen,
    *,
    is_new: bool,
) -> Absences:
    """What is missing of these entries. Of a plan that is made again, a part may be in effect: a selector that names
    nothing that is missing is an error in a new plan only."""
    selectors = workspace.settings.recreate
    missing = find_missing(entries, records, seen)
    found = absences(missing, selectors, [each.address for each in entries], account)
    if not is_new:
        return found
    idle = idle_selectors(selectors, entries, missing, records, seen)
    return replace(found, findings=(*found.findings, *idle))


def _details(
    observer: Observer,
    entries: list[Desired],
    listing: Listing,
    bound: Mapping[str, str],
    remembered: Mapping[Address, Record],
) -> Details:
    """Destinations by id: those of all entries, and those that are remembered and that their list leaves out.
    `remembered` are the records in scope."""
    expected = {
        record.id or bound.get(address.key, "")
        for address, record in remembered.items()
        if address.kind == DESTINATION and (record.id or is_unanswered(record))
    }
    expected &= listing.groups.keys()
    declared = {
        id for each in entries if each.address.kind == DESTINATION and (id := bound.get(each.address.key))
    }
    wanted = declared | (expected - listing.destinations)
    details = observer.details(sorted(wanted), expected)
    _refuse_others(details.refused, declared)
    return details


def _steps(
    workspace: Workspace,
    entries: list[Desired],
    bound: Mapping[str, str],
    live: Mapping[str, Mapping[str, Observed]],
    records: Mapping[Address, Record],
    *,
    unplanned: Collection[Address],
) -> dict[Address, Step]:
    """One step per entry that is not `unplanned`; `live` is by kind and id. Raises `ReconcilerError` with everything
    that cannot be planned."""
    planner = Planner(
        workspace.registry.resolve,
        workspace.memory.fingerprinter(),
        workspace.settings.compare_secrets,
        chosen_secrets(workspace.settings.resend, entries),
    )
    steps = []
    for desired in entries:
        if desired.address in unplanned:
            continue
        observed = live[desired.address.kind].get(bound.get(desired.address.key, ""))
        steps.append(planner.step(desired, observed, records.get(desired.address)))
    if planner.diagnostics:
        told = [_with_connections(workspace, each, bound) for each in planner.diagnostics]
        raise ReconcilerError(in_reading_order(told))
    return {step.change.address: step for step in steps}


def _with_waits(
    workspace: Workspace, steps: Mapping[Address, Step], records: Mapping[Address, Record]
) -> dict[Address, Step]:
    """The steps, with what each create has to wait for. Raises `ReconcilerError` where one is to be resent that does
    not wait."""
    now, settle = workspace.now(), workspace.specs.project.settle
    creates = {address for address, step in steps.items() if step.change.action is Action.CREATE}
    waits = {address: unsettled(records.get(address), now, settle) for address in creates}
    held = {address: wait for address, wait in waits.items() if wait is not None}
    resent = chosen_creates(workspace.settings.resent_creates, held)
    return {
        **steps,
        **{
            address: replace(
                steps[address],
                change=replace(
                    steps[address].change,
                    reasons=(Reason.INTERRUPTED,),
                    unsettled=replace(wait, resent=address in resent),
                ),
            )
            for address, wait in held.items()
        },
    }


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


def _unfinished(specs: Specs, records: Mapping[Address, Record], chosen: Scope) -> list[Diagnostic]:
    """Unfinished work stays visible, also where a plan is about something else."""
    left = [
        each
        for each in specs.destinations
        if each.address not in chosen.addresses
        and each.address.key not in chosen.left_alone
        and tests_outstanding(each, records.get(each.address))
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
