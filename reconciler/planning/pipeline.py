"""`plan`: compare the specs with the account. Only reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.api import responses
from reconciler.api.errors import ApiError, Forbidden
from reconciler.kinds.registry import KINDS
from reconciler.model.address import DESTINATION, GROUP, Address, get_entry_sort_key
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity, sort_diagnostics
from reconciler.model.plan import Action, Change, Plan, Reason, UnmanagedGroup
from reconciler.model.record import Record
from reconciler.model.record_transitions import apply_moves
from reconciler.model.removal import CompletedRemoval, Extent
from reconciler.model.resource import Desired, Observed
from reconciler.planning.deletions import (
    DeletionPlan,
    DeletionPlanner,
    PlannedDeletion,
    find_replacement_blockers,
    format_connections,
    orphaned,
    read_placement,
    removed_addresses,
)
from reconciler.planning.digest import compute_digest
from reconciler.planning.errors import explain_read
from reconciler.planning.limits import Limits, limit_violations
from reconciler.planning.match import create_outcome_unknown, match_groups, pending_creates
from reconciler.planning.missing import (
    AccountView,
    MissingResolution,
    explain_unused_selectors,
    find_missing,
    resolve_missing,
)
from reconciler.planning.planner import PlannedOperation, Planner, has_outstanding_tests
from reconciler.planning.policies import evaluate_plan_policies, split_by_severity
from reconciler.planning.quota import RemainingQuota, estimate_cost, quota_warnings
from reconciler.planning.refresh import AccountListing, Observer, ReadResult
from reconciler.planning.removal_identity import build_removal_identity
from reconciler.planning.resend import select_creates, select_secrets
from reconciler.planning.settling import find_late_duplicates, find_unsettled
from reconciler.planning.target_options import Scope, resolve_scope
from reconciler.runtime.polling import Poller
from reconciler.spec.removal import RemovalEntry
from reconciler.workspace.settings_from import note_settings_source
from reconciler.workspace.specs import Specs
from reconciler.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class PlanResult:
    """A plan, and beside it what is needed to carry it out. `live` has the groups that existed, by id; `records`
    is what is remembered, in scope by the addresses of today; `ids` are those of everything in scope that exists.
    `done` are the removals that are in effect already, by key."""

    plan: Plan
    operations: Mapping[Address, PlannedOperation]
    deletions: tuple[PlannedDeletion, ...]
    live_groups: Mapping[str, Observed]
    records: Mapping[Address, Record]
    ids: Mapping[Address, str]
    completed_removals: Mapping[str, CompletedRemoval] = field(default_factory=dict)

    def find_namesakes(self, name: str) -> tuple[str, ...]:
        """Ids of the groups that had this name."""
        return tuple(sorted(group.id for group in self.live_groups.values() if group.name == name))


def make_plan(
    workspace: Workspace,
    only: Collection[Address] | None = None,
    *,
    scope: frozenset[Address] | None = None,
) -> PlanResult:
    """Compare entries with the account: one account call, two lists, one read per destination of a group that
    exists, and one list of connections per planned deletion or replacement. Only what memory or one of the lists
    knows and the other does not show costs more: it is looked for before it counts as missing (S-13). So is what
    `removed:` names and no list shows.

    What is out of scope is not read. `scope` takes the place of that of the command line. `only` is for looking at
    these addresses once more after an apply, when limits are of no interest.

    Raises `ReconcilerError` where the account cannot be read, is another one, or where an entry
    cannot be planned.
    """
    with workspace.specs.masking_excerpts():
        planned = _compute_plan(workspace, only, scope)
    return replace(planned, plan=_mask_excerpts(planned.plan, workspace.specs))


def _mask_excerpts(plan: Plan, specs: Specs) -> Plan:
    judgements = (
        replace(
            judgement,
            findings=specs.mask_excerpts(judgement.findings),
            older=specs.mask_excerpts(judgement.older),
        )
        for judgement in plan.judgements
    )
    return replace(
        plan,
        warnings=specs.mask_excerpts(plan.warnings),
        blockers=specs.mask_excerpts(plan.blockers),
        judgements=tuple(judgements),
    )


def _compute_plan(
    workspace: Workspace, only: Collection[Address] | None, scope: frozenset[Address] | None
) -> PlanResult:
    clock, specs = workspace.settings.clock, workspace.specs
    started, requests_before = clock.monotonic(), workspace.sender.requests_sent
    records = apply_moves(workspace.state.records, (*specs.groups, *specs.destinations))
    run_scope = _resolve_scope(workspace, records, scope if scope is not None else only)
    is_new = scope is None and only is None
    scope = run_scope.addresses
    try:
        account = _check_account(workspace)
        workspace.state.check_account(account.account_id)
        observer = _build_observer(workspace)
        scoped_records = {address: record for address, record in records.items() if address in scope}
        scoped_groups = [entry for entry in specs.groups if entry.address in scope]
        listing = _list_account(observer, scoped_groups, scoped_records)
        group_ids = match_groups(specs.groups, listing.groups, records, scope)
        entries = [entry for entry in (*specs.groups, *specs.destinations) if entry.address in scope]
        reads = _read_destinations(observer, entries, listing, group_ids, scoped_records)
        details = reads.found
        view = AccountView(listing, reads, group_ids)
        resolution = _resolve_missing(workspace, account, entries, records, view, is_new=is_new)
        listing = replace(listing, destinations=listing.destinations | details.keys())
        deletion_planner = _build_deletion_planner(workspace, listing, details, records, group_ids)
        deletion_plan = deletion_planner.plan_deletions(_filter_removals(specs.removed, scope))
        _refuse_conflicts(
            _find_orphaned(specs, listing, _filter_orphan_candidates(records, run_scope)),
            deletion_plan.problems,
        )
        live = {GROUP: listing.groups, DESTINATION: details}
        operations = _plan_entries(
            workspace, entries, group_ids, live, records, unplanned=resolution.unplanned
        )
        operations = _add_unsettled(workspace, operations, records)
        operations = _add_replaced_objects(deletion_planner, operations)
        blockers = (
            *resolution.findings,
            *deletion_plan.blockers,
            *_find_replacement_blockers(deletion_planner, operations),
        )
    except ApiError as error:
        raise ReconcilerError([explain_read(error)]) from error
    changes = [operations[address].change for address in sorted(operations, key=get_entry_sort_key)]
    plan = Plan(
        account_id=account.account_id,
        account_name=account.account_name,
        changes=(*changes, *(deletion.change for deletion in deletion_plan.deletions)),
        unmanaged=_find_unmanaged(listing, group_ids, deletion_plan, specs.removed),
        warnings=(
            *specs.warnings,
            *deletion_plan.notes,
            *_warn_without_state(workspace, listing, changes),
            *run_scope.warnings,
            *_warn_unfinished(specs, records, run_scope),
            *find_late_duplicates(specs.groups, records, listing.groups, group_ids),
            *_warn_quota(workspace, operations, deletion_plan),
        ),
        blockers=blockers,
        files=len(specs.files),
        requests=workspace.sender.requests_sent - requests_before,
        seconds=clock.monotonic() - started,
        narrowing=run_scope.summary,
        recreated=tuple(sorted(resolution.recreated, key=get_entry_sort_key)),
    )
    managed = _find_managed(specs, listing, group_ids)
    violations: Iterable[Diagnostic] = ()
    if only is None:
        plan = _evaluate_policies(workspace, plan, operations, details, managed)
        violations = _check_limits(workspace, plan, len(managed))
    is_narrowed = only is not None or run_scope.summary is not None
    digest = compute_digest(
        plan,
        operations,
        deletion_plan.deletions,
        listing.groups,
        sorted(map(str, scope)) if is_narrowed else (),
    )
    blockers = tuple(note_settings_source((*plan.blockers, *violations), specs.project))
    plan = replace(plan, blockers=blockers, digest=digest)
    ids = {
        address: operation.change.id
        for address, operation in operations.items()
        if operation.change.id is not None
    }
    # A record follows a `was:` only in scope: an old `was:` of a branch must not undo a later move of its base.
    kept_records = apply_moves(workspace.state.records, entries)
    return PlanResult(
        plan,
        operations,
        deletion_plan.deletions,
        listing.groups,
        kept_records,
        ids,
        deletion_plan.completed_removals,
    )


def _resolve_scope(
    workspace: Workspace, records: Mapping[Address, Record], given: Collection[Address] | None
) -> Scope:
    """What is given; else what the options of the command line leave."""
    if given is not None:
        return Scope(frozenset(given), orphan_candidates=frozenset(given))
    return resolve_scope(workspace.settings, workspace.specs, workspace.baseline, records)


def _filter_removals(
    entries: tuple[RemovalEntry, ...], scope: frozenset[Address]
) -> tuple[RemovalEntry, ...]:
    """A removal is one thing: it is in scope as a whole or not at all."""
    return tuple(entry for entry in entries if Address(DESTINATION, entry.key) in scope)


def _build_deletion_planner(
    workspace: Workspace,
    listing: AccountListing,
    details: Mapping[str, Observed],
    records: Mapping[Address, Record],
    group_ids: Mapping[str, str],
) -> DeletionPlanner:
    group_names = {id: group.name for id, group in listing.groups.items()}
    listed_placements = {
        id: (destination.service, str(destination.raw.get("region") or ""))
        for id, destination in listing.summaries.items()
    }
    client, poller = workspace.client, Poller(workspace.settings.clock, workspace.cancelled)

    def is_gone(kind: str, id: str) -> bool:
        return poller.poll_until(lambda: KINDS[kind].observe(client, id) is None or None) is not None

    return DeletionPlanner(
        build_removal_identity(
            group_names, records, workspace.state.removals, workspace.specs.groups, group_ids
        ),
        destinations={id: read_placement(destination) for id, destination in details.items()}
        | listed_placements,
        protected=workspace.specs.project.protected,
        list_connections=client.list_group_connections,
        observe=lambda kind, id: KINDS[kind].observe(client, id),
        is_gone=is_gone,
    )


def _add_replaced_objects(
    deletion_planner: DeletionPlanner, operations: Mapping[Address, PlannedOperation]
) -> dict[Address, PlannedOperation]:
    """Each replacement with what it deletes. One list of connections for each, before anything is deleted."""
    return {
        address: replace(
            operation,
            change=replace(
                operation.change, live=deletion_planner.describe_replaced(operation.change.id or "")
            ),
        )
        if operation.change.action is Action.REPLACE
        else operation
        for address, operation in operations.items()
    }


def _find_replacement_blockers(
    deletion_planner: DeletionPlanner, operations: Mapping[Address, PlannedOperation]
) -> list[Diagnostic]:
    return [
        blocker
        for address, operation in sorted(operations.items())
        if operation.change.action is Action.REPLACE
        for blocker in find_replacement_blockers(operation.change, deletion_planner.is_protected(address.key))
    ]


def _filter_orphan_candidates(
    records: Mapping[Address, Record], run_scope: Scope
) -> Mapping[Address, Record]:
    if run_scope.orphan_candidates is None:
        return records
    return {address: record for address, record in records.items() if address in run_scope.orphan_candidates}


def _find_orphaned(
    specs: Specs, listing: AccountListing, records: Mapping[Address, Record]
) -> list[Diagnostic]:
    declared = {desired.address for desired in (*specs.groups, *specs.destinations)}
    existing = {GROUP: listing.groups.keys(), DESTINATION: listing.destinations}
    return orphaned(records, declared, specs.removed, existing)


def _refuse_conflicts(*problems: Iterable[Diagnostic]) -> None:
    """Specs and account, or specs and memory, say different things about what exists."""
    conflicts = [problem for batch in problems for problem in batch]
    if conflicts:
        raise ReconcilerError(sort_diagnostics(conflicts))


def _check_limits(workspace: Workspace, plan: Plan, managed: int) -> Iterator[Diagnostic]:
    block = workspace.specs.project.limits
    limits = Limits(block.deletes, block.replacements, block.changed_fraction)
    return limit_violations(plan, managed, limits, workspace.settings.allowed)


def _evaluate_policies(
    workspace: Workspace,
    plan: Plan,
    operations: Mapping[Address, PlannedOperation],
    details: Mapping[str, Observed],
    managed: Collection[Address],
) -> Plan:
    """The plan with what the policies of the project say about it."""
    judgements = evaluate_plan_policies(
        workspace.specs,
        plan,
        operations=operations,
        observed=details,
        existing=managed,
        overridden=workspace.settings.overridden,
        has_real_values=not workspace.settings.sandbox,  # which makes all values up
    )
    warnings, blockers = split_by_severity(judgements)
    return replace(
        plan,
        warnings=(*plan.warnings, *warnings),
        blockers=(*plan.blockers, *blockers),
        judgements=judgements,
    )


def _find_managed(specs: Specs, listing: AccountListing, group_ids: Mapping[str, str]) -> frozenset[Address]:
    """Of what is declared or to be deleted all that exists, whatever the scope."""
    ids = {Address(GROUP, key): id for key, id in group_ids.items()}
    ids |= {entry.address: group_ids.get(entry.address.key, "") for entry in specs.destinations}
    ids |= {
        address: entry.id
        for entry in specs.removed
        if entry.extent is not Extent.MANAGEMENT
        for address in removed_addresses(entry)
    }
    existing = {GROUP: listing.groups.keys(), DESTINATION: listing.destinations}
    return frozenset(address for address, id in ids.items() if id in existing[address.kind])


def _check_account(workspace: Workspace) -> responses.Account:
    """Refuse another account before anything else is read. A sandbox account is always the right one."""
    account = workspace.client.get_account()
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


def _build_observer(workspace: Workspace) -> Observer:
    poller = Poller(workspace.settings.clock, workspace.cancelled)
    return Observer(workspace.client, poller, workspace.listener, workspace.settings.parallelism)


def _list_account(
    observer: Observer, scoped_groups: list[Desired], records: Mapping[Address, Record]
) -> AccountListing:
    """The lists, with everything that earlier runs made or may have made of the `wanted` groups, and what their `id:`
    names. `remembered` are the records in scope."""
    declared = {desired.id or records.get(desired.address, Record()).id for desired in scoped_groups}
    known_ids = {*declared, *(record.id for record in records.values())}
    listing = observer.list_account({id for id in known_ids if id is not None})
    _raise_forbidden(listing.forbidden, declared)
    if not pending_creates(scoped_groups, listing.groups, records):
        return listing
    return observer.list_until(listing, lambda groups: not pending_creates(scoped_groups, groups, records))


def _raise_forbidden(forbidden: Mapping[str, Forbidden], declared: Collection[str | None]) -> None:
    """Raise the answer 403 about any object that is not declared: it is the answer to no entry, so it ends the run."""
    for id, error in forbidden.items():
        if id not in declared:
            raise error


def _resolve_missing(
    workspace: Workspace,
    account: responses.Account,
    entries: list[Desired],
    records: Mapping[Address, Record],
    view: AccountView,
    *,
    is_new: bool,
) -> MissingResolution:
    """What is missing of these entries. Of a plan that is made again, a part may be in effect: a selector that names
    nothing that is missing is an error in a new plan only."""
    selectors = workspace.settings.recreate
    missing = find_missing(entries, records, view)
    resolution = resolve_missing(missing, selectors, [entry.address for entry in entries], account)
    if not is_new:
        return resolution
    unused = explain_unused_selectors(selectors, entries, missing, records, view)
    return replace(resolution, findings=(*resolution.findings, *unused))


def _read_destinations(
    observer: Observer,
    entries: list[Desired],
    listing: AccountListing,
    group_ids: Mapping[str, str],
    records: Mapping[Address, Record],
) -> ReadResult:
    """Destinations by id: those of all entries, and those that are remembered and that their list leaves out.
    `remembered` are the records in scope."""
    expected = {
        record.id or group_ids.get(address.key, "")
        for address, record in records.items()
        if address.kind == DESTINATION and (record.id or create_outcome_unknown(record))
    }
    expected &= listing.groups.keys()
    declared = {
        id
        for entry in entries
        if entry.address.kind == DESTINATION and (id := group_ids.get(entry.address.key))
    }
    ids_to_read = declared | (expected - listing.destinations)
    details = observer.read_destinations(sorted(ids_to_read), expected)
    _raise_forbidden(details.forbidden, declared)
    return details


def _plan_entries(
    workspace: Workspace,
    entries: list[Desired],
    group_ids: Mapping[str, str],
    live: Mapping[str, Mapping[str, Observed]],
    records: Mapping[Address, Record],
    *,
    unplanned: Collection[Address],
) -> dict[Address, PlannedOperation]:
    """One step per entry that is not `unplanned`; `live` is by kind and id. Raises `ReconcilerError` with everything
    that cannot be planned."""
    planner = Planner(
        workspace.registry.resolve,
        workspace.state.build_fingerprinter(),
        workspace.settings.compare_secrets,
        select_secrets(workspace.settings.resend, entries),
    )
    operations = []
    for desired in entries:
        if desired.address in unplanned:
            continue
        observed = live[desired.address.kind].get(group_ids.get(desired.address.key, ""))
        operations.append(planner.plan_resource(desired, observed, records.get(desired.address)))
    if planner.diagnostics:
        diagnostics = [
            _add_connections(workspace, diagnostic, group_ids) for diagnostic in planner.diagnostics
        ]
        raise ReconcilerError(sort_diagnostics(diagnostics))
    return {operation.change.address: operation for operation in operations}


def _add_unsettled(
    workspace: Workspace, operations: Mapping[Address, PlannedOperation], records: Mapping[Address, Record]
) -> dict[Address, PlannedOperation]:
    """The steps, with what each create has to wait for. Raises `ReconcilerError` where one is to be resent that does
    not wait."""
    now, settle = workspace.now(), workspace.specs.project.settle
    creates = {
        address for address, operation in operations.items() if operation.change.action is Action.CREATE
    }
    waits = {address: find_unsettled(records.get(address), now, settle) for address in creates}
    held = {address: wait for address, wait in waits.items() if wait is not None}
    resent = select_creates(workspace.settings.resent_creates, held)
    return {
        **operations,
        **{
            address: replace(
                operations[address],
                change=replace(
                    operations[address].change,
                    reasons=(Reason.INTERRUPTED,),
                    unsettled=replace(wait, resent=address in resent),
                ),
            )
            for address, wait in held.items()
        },
    }


def _add_connections(workspace: Workspace, problem: Diagnostic, group_ids: Mapping[str, str]) -> Diagnostic:
    """R13: whoever wants a replacement should know at once what stands in its way."""
    if problem.code != "replace-refused" or problem.address is None:
        return problem
    connections = workspace.client.list_group_connections(group_ids[problem.address.key])
    note = (
        f"loading into it: {format_connections(connections)}"
        if connections
        else "no connection loads into it"
    )
    return replace(problem, notes=(*problem.notes, note))


def _warn_without_state(
    workspace: Workspace, listing: AccountListing, changes: Iterable[Change]
) -> list[Diagnostic]:
    """Without a memory, a group that was renamed at Fivetran looks like one that is still to be made."""
    new_groups = [
        change for change in changes if change.action is Action.CREATE and change.address.kind == GROUP
    ]
    if workspace.state.exists or not listing.groups or not new_groups:
        return []
    return [
        Diagnostic(
            "no-memory",
            f"{len(new_groups)} of the groups are to be made, in an account that no earlier run remembers",
            severity=Severity.WARNING,
            notes=("groups are found by `id:` or by their exact names only",),
            help="if one of them exists under another name, write its `id:` into its entry",
        )
    ]


def _warn_unfinished(specs: Specs, records: Mapping[Address, Record], run_scope: Scope) -> list[Diagnostic]:
    """Unfinished work stays visible, also where a plan is about something else."""
    unfinished = [
        destination
        for destination in specs.destinations
        if destination.address not in run_scope.addresses
        and destination.address.key not in run_scope.left_alone
        and has_outstanding_tests(destination, records.get(destination.address))
    ]
    return [
        Diagnostic(
            "unfinished",
            f"{destination.address} was written and has not passed its setup tests; this plan leaves it out",
            span=destination.span,
            severity=Severity.WARNING,
            address=destination.address,
            help=f"`--target {destination.address}` or a plan of everything shows it, and an apply tests it again",
        )
        for destination in unfinished
    ]


def _warn_quota(
    workspace: Workspace, operations: Mapping[Address, PlannedOperation], deletion_plan: DeletionPlan
) -> list[Diagnostic]:
    limiter = workspace.sender.limiter
    remaining = RemainingQuota(limiter.count_remaining_requests(), limiter.count_remaining_tests())
    return quota_warnings(estimate_cost(operations.values(), deletion_plan.deletions), remaining)


def _find_unmanaged(
    listing: AccountListing,
    group_ids: Mapping[str, str],
    deletion_plan: DeletionPlan,
    removed: Iterable[RemovalEntry],
) -> tuple[UnmanagedGroup, ...]:
    managed = {*group_ids.values(), *(deletion.change.id for deletion in deletion_plan.deletions)}
    managed |= {entry.id for entry in removed if entry.extent is Extent.PAIR}  # also where it is out of scope
    unmanaged = [group for group in listing.groups.values() if group.id not in managed]
    return tuple(
        UnmanagedGroup(group.id, group.name)
        for group in sorted(unmanaged, key=lambda group: (group.name, group.id))
    )
