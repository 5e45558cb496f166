"""Make a plan from specs, state and account, in the steps below. Only reads.

A step *refuses* by `ReconcilerError`, so that there is no plan. It *blocks* by a finding in the plan, which can then be
read and not applied. A blocker may *omit* an entry that cannot be planned: the rest of the plan is shown without it.

 1. Scope (`targets`). Reads the options, the specs and the records. Gives the addresses that the plan is about.
    Refuses a selector that matches nothing, and an entry that both sides of `--changed-since` changed.
 2. Account (`account`). Reads the account of the credentials. Refuses another account than that of the project file or
    of the state.
 3. Names (`object_names`). Reads one list for each kind of link, agent or secrets manager that an entry names. Gives
    the ids, from which everything below is computed. Omits an entry with a wrong name.
 4. Refresh (`account`, `refresh`). Reads both lists; reads by id what the records know and the lists leave out. Gives
    the live groups. Refuses to go on without an object that it may not read and that no entry declares.
 5. Match (`match`). Gives the live group of each entry, by id, record or name. Omits an entry with an ambiguous name
    or a mistyped `id:`.
 6. Destinations (`account`, `refresh`). Reads every destination in scope by id, and one list of approved servers for
    each kind that a destination pins.
 7. Missing objects (`missing`). Gives the entries that `--recreate` creates again. Omits every known object that the
    account does not show.
 8. Deletions (`deletions`, `removal_identity`, `orphans`). Reads the connections of removed entries. Gives one deletion
    per object. Omits a removal of another object than the entry says, and an orphan. Blocks by protection and
    by connections.
 9. Operations (`planner`, `diff`, `fields`, `secret_planning`, `trust`, `assertions`). Resolves references. Gives one
    operation per entry. Refuses a wrong value behind a reference, and a creation that lacks a field. Omits a
    replacement without permission, an entry whose secret is unavailable, and an entry with a false or expired pin.
10. Owners (`owners`). Reads the states of other projects at the place of the state. Omits an entry whose objects
    another state has, unless nothing of it would be changed. Blocks by a state that cannot be read, if the project
    demands to read all.
11. Waits (`settling`). Gives each create the earlier request that it has to wait for. Refuses `--resend-create` for a
    create that does not wait.
12. Replacements (`replacements`). Reads the connections of replaced destinations. Blocks by protection and connections.
13. Names (`names`). Lets a group wait for the rename that frees its name. Blocks by a name that another group has.
    All mutating requests of the apply are known now; `requests` announces them.
14. Plan (`managed`, `connections`, `plan_warnings`, `limits`, `ignored`). Gives the changes in order, the objects
    without an entry, on request with the connections of their groups, and the warnings without those that the project
    ignores.
15. Policies and limits (`policies`, `limits`). Block. Refuse the override of a policy that cannot be overridden.
    Secrets that Fivetran repeats are redacted after that (`redaction`), so that the digest covers the shown plan.
16. Effects (`effects`). Give the digest.

A run with a budget of requests reads a part of the destinations in step 6 (`partial_reads`), plans only these, and
reads no connections: it applies nothing, so deletions are left out, and replacements are not described.

A saved plan is made by the same steps; `saved_plans` compares its effects with the reviewed ones by `staleness`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.api.errors import ApiError, BudgetSpent
from reconciler.model.address import DESTINATION, GROUP, Address, get_entry_sort_key
from reconciler.model.diagnostic import (
    Diagnostic,
    ReconcilerError,
    Severity,
    select_errors,
    sort_diagnostics,
)
from reconciler.model.plan import Action, AssertedValue, Plan
from reconciler.model.record import Record
from reconciler.model.record_transitions import apply_moves
from reconciler.model.removal import CompletedRemoval
from reconciler.model.resource import Desired, Observed
from reconciler.model.value import FieldPath
from reconciler.planning.account import check_account, view_account
from reconciler.planning.assertions import (
    assert_values_of,
    list_asserted_references,
    require_fingerprint_key,
)
from reconciler.planning.connections import list_connections
from reconciler.planning.deletions import (
    DeletionPlan,
    DeletionPlanner,
    PlannedDeletion,
    build_deletion_planner,
)
from reconciler.planning.effects import Effect, build_effects, compute_digest
from reconciler.planning.errors import explain_failed_read, explain_read
from reconciler.planning.fact_warnings import warn_broken_undeclared, warn_of_facts
from reconciler.planning.facts import list_moved_addresses
from reconciler.planning.ignored import ignore_plan_warnings
from reconciler.planning.limits import (
    RemainingQuota,
    estimate_cost,
    find_limit_violations,
    warn_low_quota,
)
from reconciler.planning.managed import UnmanagedObjects, find_managed, find_unmanaged, note_statuses
from reconciler.planning.missing import (
    MissingResolution,
    explain_unused_selectors,
    find_missing,
    resolve_missing,
)
from reconciler.planning.names import NameFacts, resolve_names, warn_lookalikes
from reconciler.planning.object_names import (
    ResolvedNames,
    list_from_account,
    make_up_objects,
    resolve_object_names,
)
from reconciler.planning.orphans import find_orphans
from reconciler.planning.owners import OwnedParts, Owners, OwnFacts, build_owners, leave_to_owners
from reconciler.planning.partial_reads import (
    PartialReading,
    estimate_smallest_budget,
    explain_small_budget,
)
from reconciler.planning.plan_warnings import warn_creation_doubts, warn_unfinished, warn_without_state
from reconciler.planning.planner import PlannedOperation, Planner
from reconciler.planning.policies import add_policy_results, evaluate_plan_policies
from reconciler.planning.protection import build_protection_check, note_protection
from reconciler.planning.redaction import redact_plan
from reconciler.planning.refresh import AccountView
from reconciler.planning.removal_identity import build_removal_identity
from reconciler.planning.replacements import (
    describe_replaced_objects,
    find_replacement_blockers,
    note_connections,
)
from reconciler.planning.requests import announce_deletions, announce_writes
from reconciler.planning.settling import find_late_duplicates, hold_unsettled_creates
from reconciler.planning.snapshot_warnings import warn_of_snapshot
from reconciler.planning.targets import (
    Scope,
    list_uncomparable_secrets,
    match_selector,
    resolve_scope,
    select_secrets,
)
from reconciler.planning.trust_findings import check_expiry, warn_waiting
from reconciler.runtime.polling import Poller
from reconciler.workspace.settings_from import note_settings_source
from reconciler.workspace.specs import Specs, to_strict
from reconciler.workspace.workspace import Workspace

_NOTHING_SENT: Mapping[Address, Collection[FieldPath]] = {}


@dataclass(frozen=True, slots=True)
class PlanResult:
    """A plan with everything that its apply needs. Holds secrets, so it never leaves the process.

    `live_groups` are the existing groups by id. `records` are the records of the state; records in scope are by
    present address. `ids` are the ids of all existing objects in scope. `effects` has one effect per change.
    `completed_removals` are removals, by key, that are in effect and that the state does not know as completed.
    """

    plan: Plan
    operations: Mapping[Address, PlannedOperation]
    deletions: tuple[PlannedDeletion, ...]
    live_groups: Mapping[str, Observed]
    records: Mapping[Address, Record]
    ids: Mapping[Address, str]
    effects: Mapping[Address, Effect]
    completed_removals: Mapping[str, CompletedRemoval] = field(default_factory=dict)

    @property
    def asserted(self) -> tuple[AssertedValue, ...]:
        """The values that the operator of this run asserts to be in effect, in the order of the plan."""
        operations = (self.operations.get(change.address) for change in self.plan.changes)
        return tuple(
            value for operation in operations if operation is not None for value in operation.asserted
        )


@dataclass(frozen=True, slots=True)
class _PlanInput:
    """The part of the specs that a plan is about, with all records by present address.

    Records out of scope count as well: their objects belong to other entries. `is_new` is false for a plan that is
    made again, `is_recheck` is true for the convergence check after an apply. `unresolved` entries name an object
    of the account that does not exist, or could not be read, and are not planned. `reading` is the reading of a run
    with a budget.
    """

    scope: Scope
    entries: tuple[Desired, ...]
    records: Mapping[Address, Record]
    is_new: bool
    is_recheck: bool
    unresolved: frozenset[Address] = frozenset()
    reading: PartialReading | None = None

    @property
    def digest_scope(self) -> tuple[str, ...]:
        """The scope that a digest covers: empty for a plan of everything, whose digest must not change only because an
        unchanged entry joins the specs."""
        is_narrowed = self.is_recheck or self.scope.summary is not None
        return tuple(map(str, self.scope.addresses)) if is_narrowed else ()


def make_plan(
    workspace: Workspace,
    only: Collection[Address] | None = None,
    *,
    scope: frozenset[Address] | None = None,
    just_sent: Mapping[Address, Collection[FieldPath]] = _NOTHING_SENT,
    reading: PartialReading | None = None,
) -> PlanResult:
    """Make the plan of a workspace by the steps above.

    Costs one account call, two lists, one read per destination of an existing group, one list per kind of server that
    such a destination pins, and one list of connections per planned deletion or replacement. An object that a record, a
    removal or one list knows and another list leaves out costs more reads: it is polled by its id before it counts as
    missing. Nothing out of scope is read by id. The states of other projects cost one list of their place, and are read
    if they are new.

    `scope` replaces the scope of the options. `only` does too, for the convergence check of these addresses after an
    apply, which checks no policies and no limits. `just_sent` are the fields that this apply has sent: another live
    value of such a field was not kept by Fivetran, and is no difference. With a `reading` the plan is about the
    destinations that this reading chooses, and takes note of the destinations that were read.

    Raises `ReconcilerError` if a step refuses or the account cannot be read.
    """
    with workspace.specs.mask_errors():
        result = _compute_plan(workspace, only, scope, just_sent, reading)
    return replace(result, plan=_mask_excerpts(result.plan, workspace.specs))


def _compute_plan(
    workspace: Workspace,
    only: Collection[Address] | None,
    scope: frozenset[Address] | None,
    just_sent: Mapping[Address, Collection[FieldPath]],
    reading: PartialReading | None,
) -> PlanResult:
    clock, sender = workspace.settings.clock, workspace.sender
    started, requests_before = clock.monotonic(), sender.requests_sent
    if workspace.settings.asserts_secrets:
        require_fingerprint_key(workspace.state.build_fingerprinter())
    inputs = replace(_select_inputs(workspace, only, scope), reading=reading)  # 1
    records = inputs.records
    try:
        account = check_account(workspace)  # 2
        names_of_objects = _resolve_object_names(workspace, inputs.entries)  # 3
        workspace, inputs = _with_resolved_names(workspace, inputs, names_of_objects)
        view = view_account(  # 4, 5, 6
            workspace, account, inputs.entries, records, inputs.scope.addresses, reading=reading
        )
        coverage = reading.describe(view, inputs.entries) if reading is not None else None
        inputs, failed_reads = _leave_out_unread(inputs, view)
        missing = _resolve_missing(workspace, inputs, view)  # 7
        deletion_planner = _build_deletion_planner(workspace, view, records)
        deletion_plan = _plan_deletions(workspace, deletion_planner, inputs, view)  # 8
        planner = _build_planner(workspace, inputs, view, just_sent)
        operations, refusals, value_warnings = _plan_operations(
            workspace, planner, inputs, view, missing.unplanned
        )  # 9
        operations = note_protection(operations, records, planner.is_protected)
        owners = _read_owners(workspace, inputs, view)
        owned = _leave_to_owners(workspace, inputs, view, owners, OwnedParts(operations, deletion_plan))  # 10
        deletion_plan = owned.deletions
        operations = _hold_unsettled_creates(workspace, inputs, owned.operations)  # 11
        if reading is None:
            operations = describe_replaced_objects(operations, deletion_planner.describe_replaced)  # 12
        names = resolve_names(operations, _collect_name_facts(workspace, view, deletion_plan))  # 13
        operations = announce_writes(names.operations)
        deletions = note_statuses(announce_deletions(deletion_plan.deletions), view)
        deletion_plan = replace(deletion_plan, deletions=deletions)
        unmanaged = _find_unmanaged(workspace, inputs, view, owners, deletion_plan)  # 14
    except ApiError as error:
        raise ReconcilerError([_explain_read(error, inputs)]) from error
    plan = replace(
        _build_plan(
            workspace,
            inputs,
            view,
            operations,
            deletion_plan,
            unmanaged=unmanaged,
            value_warnings=[*names_of_objects.warnings, *value_warnings, *owned.warnings],
        ),
        blockers=(
            *names_of_objects.problems,
            *failed_reads,
            *missing.findings,
            *sort_diagnostics((*view.problems, *deletion_plan.problems, *refusals, *owned.refusals)),
            *deletion_plan.blockers,
            *find_replacement_blockers(operations, deletion_planner.is_protected),
            *names.problems,
        ),
        recreated=tuple(sorted(missing.recreated, key=get_entry_sort_key)),
        unplanned=_list_unplanned(inputs, operations, deletion_plan),
        requests=sender.requests_sent - requests_before,
        seconds=clock.monotonic() - started,
        coverage=coverage,
    )
    plan = ignore_plan_warnings(workspace.specs, plan, operations)
    if not inputs.is_recheck:
        plan = _judge_plan(workspace, plan, operations, view)  # 15
    return _build_result(  # 16
        workspace,
        inputs,
        redact_plan(plan, workspace.settings.redactor),
        view.listing.groups,
        operations=operations,
        deletion_plan=deletion_plan,
    )


def _build_result(
    workspace: Workspace,
    inputs: _PlanInput,
    plan: Plan,
    live_groups: Mapping[str, Observed],
    *,
    operations: Mapping[Address, PlannedOperation],
    deletion_plan: DeletionPlan,
) -> PlanResult:
    """Give a plan its digest, and add all that an apply of it needs."""
    effects = build_effects(plan.changes, operations, live_groups)
    digest = compute_digest(
        plan.account_id,
        effects.values(),
        inputs.digest_scope,
        plan.unprotected,
        workspace.specs.given_variables,
        is_against_snapshot=plan.snapshot is not None,
    )
    blockers = tuple(note_settings_source(plan.blockers, workspace.specs.project))
    return PlanResult(
        plan=replace(plan, blockers=blockers, digest=digest),
        operations=operations,
        deletions=deletion_plan.deletions,
        live_groups=live_groups,
        # A record follows a `was:` only in scope: an old `was:` of a branch must not undo a later move of its base.
        records=apply_moves(workspace.state.records, inputs.entries),
        ids={
            address: operation.change.id
            for address, operation in operations.items()
            if operation.change.id is not None
        },
        effects=effects,
        completed_removals=deletion_plan.completed_removals,
    )


def _select_inputs(
    workspace: Workspace, only: Collection[Address] | None, scope: frozenset[Address] | None
) -> _PlanInput:
    specs = workspace.specs
    declared = (*specs.groups, *specs.destinations)
    records = apply_moves(workspace.state.records, declared)
    given = scope if scope is not None else only
    run_scope = (
        Scope(frozenset(given), orphan_candidates=frozenset(given))
        if given is not None
        else resolve_scope(workspace.settings, specs, workspace.baseline, records)
    )
    return _PlanInput(
        run_scope,
        tuple(entry for entry in declared if entry.address in run_scope.addresses),
        records,
        is_new=given is None,
        is_recheck=only is not None,
    )


def _resolve_object_names(workspace: Workspace, entries: Collection[Desired]) -> ResolvedNames:
    is_sandbox = workspace.settings.sandbox
    list_objects = make_up_objects(entries) if is_sandbox else list_from_account(workspace.client)
    return resolve_object_names(list_objects, entries)


def _with_resolved_names(
    workspace: Workspace, inputs: _PlanInput, resolved: ResolvedNames
) -> tuple[Workspace, _PlanInput]:
    """Plan with the ids of named objects. An entry with a wrong name stays declared, and is not planned."""
    by_address = {entry.address: entry for entry in resolved.entries}
    destinations = tuple(by_address.get(entry.address, entry) for entry in workspace.specs.destinations)
    specs = replace(workspace.specs, destinations=destinations)
    wrong = frozenset(entry.address for entry in inputs.entries) - by_address.keys()
    return (
        replace(workspace, specs=specs),
        replace(inputs, entries=resolved.entries, unresolved=wrong),
    )


def _leave_out_unread(inputs: _PlanInput, view: AccountView) -> tuple[_PlanInput, list[Diagnostic]]:
    """Leave out the destinations that a run with a budget has not read: they are neither missing nor planned. Returns a
    finding for each destination whose read failed."""
    unread, failed = view.details.unread, view.details.failed
    if not (unread or failed):
        return inputs, []
    entries: list[Desired] = []
    findings: list[Diagnostic] = []
    for entry in inputs.entries:
        id = view.group_ids.get(entry.address.key, "") if entry.address.kind == DESTINATION else ""
        if id in failed:
            findings.append(explain_failed_read(failed[id], entry))
        elif id not in unread:
            entries.append(entry)
    unresolved = inputs.unresolved | {finding.address for finding in findings if finding.address is not None}
    return replace(inputs, entries=tuple(entries), unresolved=unresolved), findings


def _explain_read(error: ApiError, inputs: _PlanInput) -> Diagnostic:
    """Explain a failed read, or a budget that was spent before the first destination was read."""
    if isinstance(error, BudgetSpent) and inputs.reading is not None:
        budget = inputs.reading.budget
        return explain_small_budget(budget, estimate_smallest_budget(inputs.entries, budget))
    return explain_read(error)


def _list_unplanned(
    inputs: _PlanInput, operations: Collection[Address], deletion_plan: DeletionPlan
) -> tuple[Address, ...]:
    """List the addresses that blockers leave out of a plan."""
    declared = {entry.address for entry in inputs.entries} | inputs.unresolved
    return tuple(sorted(declared - {*operations} | {*deletion_plan.refused}, key=get_entry_sort_key))


def _resolve_missing(workspace: Workspace, inputs: _PlanInput, view: AccountView) -> MissingResolution:
    """Find and resolve the missing objects. Entries that cannot be matched are neither missing nor planned."""
    unmatched = {entry.address for entry in inputs.entries if entry.address.key in view.unmatched_keys}
    entries, records = [entry for entry in inputs.entries if entry.address not in unmatched], inputs.records
    selectors = [
        selector for selector in workspace.settings.recreate if not match_selector(selector, unmatched)
    ]
    missing = find_missing(entries, records, view)
    resolution = resolve_missing(missing, selectors, [entry.address for entry in entries], view.account)
    resolution = replace(resolution, unplanned=resolution.unplanned | unmatched)
    # An earlier apply of a plan that is made again may have created the object: then its selector names nothing.
    if not inputs.is_new:
        return resolution
    unused = explain_unused_selectors(selectors, entries, missing, records, view)
    return replace(resolution, findings=(*resolution.findings, *unused))


def _build_deletion_planner(
    workspace: Workspace, view: AccountView, records: Mapping[Address, Record]
) -> DeletionPlanner:
    identity = build_removal_identity(
        {id: group.name for id, group in view.listing.groups.items()},
        records,
        workspace.state.removals,
        workspace.specs.groups,
        view.group_ids,
    )
    poller = Poller(workspace.settings.clock, workspace.cancelled)
    return build_deletion_planner(
        workspace.client, poller, identity, view, workspace.specs.project.content.protected
    )


def _plan_deletions(
    workspace: Workspace, planner: DeletionPlanner, inputs: _PlanInput, view: AccountView
) -> DeletionPlan:
    """Plan the removals in scope, and find the orphans in scope, which are problems too."""
    specs, scope = workspace.specs, inputs.scope
    removed = specs.removed if inputs.reading is None else ()
    # A removal of a pair is in scope as a whole or not at all: its two objects are deleted together.
    deletion_plan = planner.plan_deletions(
        entry for entry in removed if Address(DESTINATION, entry.key) in scope.addresses
    )
    candidates = {
        address: record
        for address, record in inputs.records.items()
        if scope.orphan_candidates is None or address in scope.orphan_candidates
    }
    declared = {entry.address for entry in (*specs.groups, *specs.destinations)}
    orphans = find_orphans(candidates, declared, specs.removed, view.existing_ids)
    orphaned = (orphan.address for orphan in orphans if orphan.address is not None)
    return replace(
        deletion_plan,
        problems=(*orphans, *deletion_plan.problems),
        refused=(*orphaned, *deletion_plan.refused),
    )


def _build_planner(
    workspace: Workspace,
    inputs: _PlanInput,
    view: AccountView,
    just_sent: Mapping[Address, Collection[FieldPath]],
) -> Planner:
    stored, redactor = workspace.state.records, workspace.settings.redactor
    return Planner(
        workspace.registry.resolve,
        workspace.state.build_fingerprinter(),
        workspace.settings.compare_secrets,
        select_secrets(workspace.settings.resend, inputs.entries),
        is_protected=build_protection_check(workspace.specs.project.content.protected),
        moved=list_moved_addresses(stored, apply_moves(stored, inputs.entries), inputs.entries),
        just_sent=just_sent,
        echoes_secret=lambda live: bool(redactor.redact_all(live) != live),
        checks_values=not workspace.settings.sandbox,  # the values of a sandbox are made up
        approvals=view.approvals,
    )


def _plan_operations(
    workspace: Workspace,
    planner: Planner,
    inputs: _PlanInput,
    view: AccountView,
    unplanned: Collection[Address],
) -> tuple[dict[Address, PlannedOperation], list[Diagnostic], list[Diagnostic]]:
    """Plan every entry in scope that is not `unplanned`.

    Returns the operations, the refusals of omitted entries, and warnings about declared values. Raises
    `ReconcilerError` for wrong values, with all refusals.
    """
    triples = list(_pair_with_live(inputs, view, unplanned))
    _prefetch_references(workspace, planner, triples)
    operations = {}
    for desired, observed, record in triples:
        operation = planner.plan_resource(desired, observed, record)
        if workspace.settings.asserts_secrets:
            operation = assert_values_of(operation, planner)
        operations[desired.address] = operation
    expiry = check_expiry(operations.values(), workspace.settings.clock.now().date())
    findings = [*planner.diagnostics, *planner.warnings, *expiry]
    if inputs.reading is None:
        read_connections = workspace.client.list_group_connections
        findings = [note_connections(finding, read_connections, view.group_ids) for finding in findings]
    if workspace.settings.strict:
        findings = [to_strict(finding) for finding in findings]
    refusals = select_errors(findings)
    if not all(refusal.code_facts.omits_entry for refusal in refusals):
        raise ReconcilerError(sort_diagnostics(refusals))
    refused = {refusal.address for refusal in refusals}
    return (
        {address: operation for address, operation in operations.items() if address not in refused},
        refusals,
        [finding for finding in findings if finding.severity is not Severity.ERROR],
    )


def _pair_with_live(
    inputs: _PlanInput, view: AccountView, unplanned: Collection[Address]
) -> Iterator[tuple[Desired, Observed | None, Record | None]]:
    """Pair every entry in scope that is not `unplanned` with its live object and its record."""
    live = {GROUP: view.listing.groups, DESTINATION: view.details.found}
    for desired in inputs.entries:
        address = desired.address
        if address not in unplanned:
            observed = live[address.kind].get(view.group_ids.get(address.key, ""))
            yield desired, observed, inputs.records.get(address)


def _prefetch_references(
    workspace: Workspace,
    planner: Planner,
    triples: Iterable[tuple[Desired, Observed | None, Record | None]],
) -> None:
    """Read the references of all entries at the same time, before one entry after the other is planned."""
    references = [
        reference
        for desired, observed, record in triples
        for reference in (
            *planner.list_references(desired, observed, record),
            *(list_asserted_references(desired, record) if workspace.settings.asserts_secrets else ()),
        )
    ]
    workspace.registry.prefetch(references, workspace.settings.workers)


def _collect_name_facts(workspace: Workspace, view: AccountView, deletion_plan: DeletionPlan) -> NameFacts:
    """Collect the facts about the names of live groups. Entries out of scope keep their names too."""
    owners = {
        view.group_ids[entry.address.key]: entry
        for entry in workspace.specs.groups
        if entry.address.key in view.group_ids
    }
    removed = {
        deletion.change.id or "": deletion.change.address.key
        for deletion in deletion_plan.deletions
        if deletion.change.action is Action.DELETE and deletion.change.address.kind == GROUP
    }
    return NameFacts(view.listing.groups, owners, removed)


def _read_owners(workspace: Workspace, inputs: _PlanInput, view: AccountView) -> Owners:
    """Read what the states of other projects have. Each sandbox has an account of its own, so no other state has
    anything of it. The convergence check of an apply is about what its plan has checked."""
    if inputs.is_recheck or workspace.settings.sandbox:
        return Owners()
    return build_owners(workspace.state.read_neighbours(view.account.account_id))


def _leave_to_owners(
    workspace: Workspace, inputs: _PlanInput, view: AccountView, owners: Owners, parts: OwnedParts
) -> OwnedParts:
    """Leave out what the states of other projects have."""
    project = workspace.specs.project
    return leave_to_owners(
        owners,
        parts,
        OwnFacts(
            view.listing.groups,
            inputs.records,
            project.shown,
            is_strict=project.content.requires_all_states,
        ),
    )


def _hold_unsettled_creates(
    workspace: Workspace, inputs: _PlanInput, operations: Mapping[Address, PlannedOperation]
) -> dict[Address, PlannedOperation]:
    settle = workspace.specs.project.content.settle
    # A selector of an omitted entry is not wrong: its blocker says what is.
    omitted = [entry.address for entry in inputs.entries if entry.address not in operations]
    resent = [
        selector
        for selector in workspace.settings.resent_creates
        if match_selector(selector, operations) or not match_selector(selector, omitted)
    ]
    return hold_unsettled_creates(operations, inputs.records, workspace.now(), settle, resent)


def _find_unmanaged(
    workspace: Workspace,
    inputs: _PlanInput,
    view: AccountView,
    owners: Owners,
    deletion_plan: DeletionPlan,
) -> UnmanagedObjects:
    """Find the objects without an entry, with the connections of their groups if the user asked for them."""
    unmanaged = find_unmanaged(workspace.specs, view, deletion_plan.deletions, inputs.records, owners)
    if inputs.is_recheck or not workspace.settings.lists_connections:
        return unmanaged
    readers = workspace.settings.readers
    return unmanaged.add_connections(list_connections(workspace.client, unmanaged.group_ids, readers))


def _build_plan(
    workspace: Workspace,
    inputs: _PlanInput,
    view: AccountView,
    operations: Mapping[Address, PlannedOperation],
    deletion_plan: DeletionPlan,
    *,
    unmanaged: UnmanagedObjects,
    value_warnings: Iterable[Diagnostic],
) -> Plan:
    """Build the plan without blockers: its changes, the objects without an entry, and the warnings."""
    specs, groups = workspace.specs, view.listing.groups
    changes = [operations[address].change for address in sorted(operations, key=get_entry_sort_key)]
    return Plan(
        account_id=view.account.account_id,
        account_name=view.account.account_name,
        changes=(*changes, *(deletion.change for deletion in deletion_plan.deletions)),
        unmanaged=unmanaged.groups,
        undeclared=unmanaged.destinations,
        owned=unmanaged.owned,
        warnings=(
            *warn_of_snapshot(workspace.snapshot, operations, deletion_plan.deletions),
            *specs.warnings,
            *sort_diagnostics(value_warnings),
            *warn_creation_doubts(operations.values()),
            *deletion_plan.notes,
            *(() if workspace.state.exists else warn_without_state(groups.values(), changes)),
            *warn_lookalikes(
                operations.values(),
                [groups[group.id] for group in (*unmanaged.groups, *unmanaged.owned)],
            ),
            *inputs.scope.warnings,
            *warn_of_facts(
                [operations[address] for address in sorted(operations, key=get_entry_sort_key)],
                deletion_plan.deletions,
                inputs.records,
            ),
            *warn_waiting(operations[address] for address in sorted(operations, key=get_entry_sort_key)),
            *warn_broken_undeclared(unmanaged.destinations, specs.groups, inputs.scope.addresses),
            *warn_unfinished(specs.destinations, inputs.records, inputs.scope),
            *_find_late_duplicates(specs, inputs.records, view),
            *_warn_quota(workspace, operations, deletion_plan),
        ),
        uncomparable_secrets=_list_uncomparable_secrets(workspace, operations),
        files=len(specs.files),
        narrowing=inputs.scope.summary,
        snapshot=workspace.snapshot,
    )


def _list_uncomparable_secrets(
    workspace: Workspace, operations: Mapping[Address, PlannedOperation]
) -> tuple[str, ...]:
    """List the secrets that may have changed unnoticed. A run that skips secrets compares none, as its user knows."""
    if not workspace.settings.compare_secrets:
        return ()
    return tuple(
        list_uncomparable_secrets(
            operations[address] for address in sorted(operations, key=get_entry_sort_key)
        )
    )


def _find_late_duplicates(
    specs: Specs, records: Mapping[Address, Record], view: AccountView
) -> list[Diagnostic]:
    """Find late duplicates, except for entries that cannot be matched: their blockers name the same groups."""
    found = find_late_duplicates(specs.groups, records, view.listing.groups, view.group_ids)
    return [
        finding
        for finding in found
        if finding.address is None or finding.address.key not in view.unmatched_keys
    ]


def _warn_quota(
    workspace: Workspace, operations: Mapping[Address, PlannedOperation], deletion_plan: DeletionPlan
) -> list[Diagnostic]:
    limiter = workspace.sender.limiter
    remaining = RemainingQuota(limiter.count_remaining_requests(), limiter.count_remaining_tests())
    return warn_low_quota(estimate_cost(operations.values(), deletion_plan.deletions), remaining)


def _judge_plan(
    workspace: Workspace,
    plan: Plan,
    operations: Mapping[Address, PlannedOperation],
    view: AccountView,
) -> Plan:
    """Add the results of policies, and a blocker for each exceeded limit. Both judge the plan, not its scope."""
    managed = find_managed(workspace.specs, view)
    results = evaluate_plan_policies(
        workspace.specs,
        plan,
        operations=operations,
        observed=view.details.found,
        existing=managed,
        overridden=workspace.settings.overridden,
        has_real_values=not workspace.settings.sandbox,  # the values of a sandbox are made up
    )
    plan = add_policy_results(plan, results)
    return replace(plan, blockers=(*plan.blockers, *_check_limits(workspace, plan, len(managed))))


def _check_limits(workspace: Workspace, plan: Plan, managed: int) -> Iterator[Diagnostic]:
    return find_limit_violations(
        plan, managed, workspace.specs.project.content.limits, workspace.settings.allowed
    )


def _mask_excerpts(plan: Plan, specs: Specs) -> Plan:
    """Mask the hidden values in the source excerpts of all findings of a plan."""
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
        ignored=tuple(
            replace(each, warning=warning)
            for each in plan.ignored
            for warning in specs.mask_excerpts([each.warning])
        ),
        blockers=specs.mask_excerpts(plan.blockers),
        judgements=tuple(judgements),
    )
