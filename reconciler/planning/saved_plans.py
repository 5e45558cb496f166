"""Build the saved form of a plan, and make a reviewed plan again to carry it out."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from reconciler import __version__
from reconciler.api.errors import ApiError
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.plan import (
    ACTIONS_WITHOUT_REQUESTS,
    Action,
    Change,
    FieldChange,
    ProtectionChange,
    Reason,
    Visibility,
)
from reconciler.model.removal import Extent
from reconciler.model.value import format_path
from reconciler.planning.deletions import list_removed_addresses
from reconciler.planning.effects import hash_declared, hash_effect
from reconciler.planning.errors import explain_read
from reconciler.planning.pipeline import PlanResult, make_plan
from reconciler.planning.staleness import CurrentFacts, Staleness, StaleReason, compare, find_spec_change
from reconciler.workspace.plan_project import PlanProject
from reconciler.workspace.planfile import (
    FORMAT,
    AlteredError,
    SavedPlan,
    UnsupportedFormatError,
    decode_plan,
    encode_plan,
)
from reconciler.workspace.project_state import ApprovedPlan
from reconciler.workspace.specs import Specs
from reconciler.workspace.workspace import Workspace

VALID_FOR = timedelta(days=7)

DONE_HELP = "`reconciler plan` shows whether anything else is left"
NEW_PLAN_HELP = "make a new plan and have it reviewed; `reconciler show` still shows this plan"


def build_saved_plan(
    workspace: Workspace,
    planned: PlanResult,
    valid_for: timedelta = VALID_FOR,
    project: PlanProject | None = None,
) -> SavedPlan:
    """Build the saved form of a plan. Holds no secret: a fingerprint shows whether a secret is still the same."""
    now = workspace.settings.clock.now()
    touched = {change.address for change in planned.plan.changes if _is_reviewed(change)}
    removed = {change.address.key for change in planned.plan.changes if change.action in _REMOVING_ACTIONS}
    # A removal is in scope as a whole, even if only its group is left.
    scope = touched | {Address(GROUP, address.key) for address in touched}
    scope |= {Address(DESTINATION, key) for key in removed}
    return SavedPlan(
        format=FORMAT,
        tool=__version__,
        created_at=now,
        expires_at=now + valid_for,
        scope=tuple(sorted(map(str, scope))),
        compare_secrets=workspace.settings.compare_secrets,
        resend=workspace.settings.resend,
        complete=not planned.plan.omissions,
        expected=tuple(hash_effect(planned.effects[change.address]) for change in planned.plan.effective),
        plan=planned.plan,
        project=project,
        variables=workspace.settings.given.texts,
    )


def refuse_hidden_variables(specs: Specs) -> None:
    """Raise `ReconcilerError` for values of `--var` in fields that are never shown: a saved plan holds all values of
    `--var`, and no hidden value."""
    hidden = sorted(variable.name for variable in specs.hidden_variables if variable.span is None)
    if hidden:
        raise ReconcilerError(
            Diagnostic(
                "plan-not-saved",
                f"the plan cannot be saved: the value of `--var {name}` stands in a field that is never shown",
                help=f"define `{name}` below `vars:`, or refer to the value in the specs",
            )
            for name in hidden
        )


def refuse_outdated(saved: SavedPlan, workspace: Workspace) -> None:
    """Raise `ReconcilerError` for a plan that is expired, incomplete or of another account. Sends one request."""
    now = workspace.settings.clock.now()
    if now >= saved.expires_at:
        raise _build_error("plan-expired", f"this plan was valid until {saved.expires_at:%Y-%m-%d %H:%M} UTC")
    if not saved.complete:
        raise _build_error(
            "plan-incomplete", "this plan was made without some of its entries, which could not be planned"
        )
    try:
        account = workspace.client.get_account().account_id
    except ApiError as error:
        raise ReconcilerError([explain_read(error)]) from error
    if account != saved.plan.account_id:
        message = f"this plan is for account `{saved.plan.account_id}`, these credentials are for `{account}`"
        raise _build_error(
            "plan-other-account", message, "use credentials of the account that the plan was made for"
        )


def replan(workspace: Workspace, saved: SavedPlan) -> PlanResult:
    """Make the reviewed plan again from the present specs and account.

    The new plan leaves out effects that are done already, so that an apply that stopped part-way can go on, and
    effects that the review did not include. Raises `ReconcilerError` with every effect that differs from the review.
    """
    refuse_outdated(saved, workspace)
    recreate = tuple(map(str, saved.plan.recreated))
    workspace = replace(workspace, settings=replace(workspace.settings, recreate=recreate))
    try:
        planned = make_plan(workspace, scope=frozenset(_parse_address(text) for text in saved.scope))
        refusals = _list_new_refusals(saved, planned)
        if refusals:
            raise ReconcilerError(refusals)
    except ReconcilerError as error:
        raise ReconcilerError(_explain_plan_error(error, workspace, saved)) from error
    with workspace.specs.mask_errors():
        return _restrict_to_reviewed(workspace, planned, saved)


def _list_new_refusals(saved: SavedPlan, planned: PlanResult) -> list[Diagnostic]:
    """List the blockers that say that the account has changed since the review, and the blockers that omit an entry."""
    reviewed = {(blocker.code, blocker.address) for blocker in saved.plan.blockers}
    return [
        blocker
        for blocker in planned.plan.blockers
        if blocker.code_facts.omits_entry
        or (blocker.code_facts.stale is not None and (blocker.code, blocker.address) not in reviewed)
    ]


def _restrict_to_reviewed(workspace: Workspace, planned: PlanResult, saved: SavedPlan) -> PlanResult:
    changes = planned.plan.changes
    effects = {str(address): hash_effect(effect) for address, effect in planned.effects.items()}
    interrupted = {str(change.address) for change in changes if Reason.INTERRUPTED in change.reasons}
    known_ids = {str(address): record.id for address, record in planned.records.items()}
    comparison = compare(
        saved.expected, CurrentFacts(*_hash_specs(workspace), effects, known_ids, interrupted)
    )
    if comparison.stale:
        raise ReconcilerError(
            _explain_staleness(staleness, saved.plan.changes, changes) for staleness in comparison.stale
        )
    _refuse_unreviewed_loss(planned, saved)
    if saved.expected and not comparison.pending:
        raise _build_error("plan-applied", "everything in this plan is in effect already", DONE_HELP)
    return _restrict(planned, comparison.pending)


def _refuse_unreviewed_loss(planned: PlanResult, saved: SavedPlan) -> None:
    """Raise `ReconcilerError` for protection that ends with this apply, and did not end with the reviewed plan."""
    spans = {change.address: change.span for change in planned.plan.changes}
    unreviewed = [address for address in planned.plan.unprotected if address not in saved.plan.unprotected]
    if unreviewed:
        raise ReconcilerError(
            Diagnostic(
                "plan-spec-changed",
                f"{address} is not as it was reviewed: its protection ends now",
                span=spans[address],
                address=address,
                help=NEW_PLAN_HELP,
            )
            for address in unreviewed
        )


def _hash_specs(workspace: Workspace) -> tuple[dict[str, Mapping[str, str]], dict[str, str]]:
    """Hash the declarations of the specs, and list the ids that the specs delete, both by address."""
    specs = workspace.specs
    return (
        {str(entry.address): hash_declared(entry) for entry in (*specs.groups, *specs.destinations)},
        {
            str(address): entry.id
            for entry in specs.removed
            if entry.extent is not Extent.MANAGEMENT
            for address in list_removed_addresses(entry)
        },
    )


def _explain_plan_error(
    error: ReconcilerError, workspace: Workspace, saved: SavedPlan
) -> Iterator[Diagnostic]:
    """Explain the failure to plan again by its meaning for the reviewed plan.

    Either the specs of a touched entry were edited, or the object was changed at Fivetran.
    """
    facts = CurrentFacts(*_hash_specs(workspace), {}, {}, ())
    stale = [
        staleness for effect in saved.expected if (staleness := find_spec_change(effect, facts)) is not None
    ]
    if stale:
        yield from (_explain_staleness(staleness, saved.plan.changes, ()) for staleness in stale)
        return
    touched = {_parse_address(effect.address).key for effect in saved.expected}
    for diagnostic in error.diagnostics:
        address, stale_phrase = diagnostic.address, diagnostic.code_facts.stale
        if address is not None and address.key in touched and stale_phrase is not None:
            yield replace(
                diagnostic,
                code="plan-stale",
                message=f"{address} is not as it was reviewed: {stale_phrase}",
                notes=(diagnostic.message,),
                help=NEW_PLAN_HELP,
            )
        else:
            yield diagnostic


def _restrict(planned: PlanResult, pending: Collection[str]) -> PlanResult:
    """Restrict a plan to the pending reviewed effects, and to changes that need no request."""
    kept = {
        change.address
        for change in planned.plan.changes
        if change.action in ACTIONS_WITHOUT_REQUESTS or str(change.address) in pending
    }
    return replace(
        planned,
        plan=replace(
            planned.plan, changes=tuple(change for change in planned.plan.changes if change.address in kept)
        ),
        operations={
            address: operation for address, operation in planned.operations.items() if address in kept
        },
        deletions=tuple(deletion for deletion in planned.deletions if deletion.change.address in kept),
        effects={address: effect for address, effect in planned.effects.items() if address in kept},
    )


def _explain_staleness(
    staleness: Staleness, reviewed_changes: Iterable[Change], current_changes: Iterable[Change]
) -> Diagnostic:
    before, after = (
        next((change for change in changes if str(change.address) == staleness.address), None)
        for changes in (reviewed_changes, current_changes)
    )
    change = after or before
    return Diagnostic(
        _CODES[staleness.reason],
        f"{staleness.address} is not as it was reviewed: {staleness.message}",
        span=after.span if after is not None else None,
        address=change.address if change is not None else None,
        notes=tuple(_describe_field(staleness.reason, path, before, after) for path in staleness.paths),
        help=NEW_PLAN_HELP,
    )


_CODES: Mapping[StaleReason, str] = {
    StaleReason.SPEC: "plan-spec-changed",
    StaleReason.OBJECT: "plan-stale",
    StaleReason.SECRET: "plan-secret-changed",
}


def _describe_field(reason: StaleReason, path: str, before: Change | None, now: Change | None) -> str:
    reviewed, current = _find_field(path, before), _find_field(path, now)
    known = current or reviewed
    if reason is StaleReason.SECRET:
        place = f"`{known.after}`" if known is not None else "this field"
        return f"`{path}`: the value of {place} has changed since the review"
    if known is None:
        return f"`{path}`: edited since the review"
    return f"`{path}`: reviewed {_describe_change(before, reviewed)}, now {_describe_change(now, current)}"


def _find_field(path: str, change: Change | None) -> FieldChange | None:
    fields = change.fields if change is not None else ()
    return next((field for field in fields if format_path(field.path) == path), None)


def _describe_change(change: Change | None, field: FieldChange | None) -> str:
    match field:
        case None:
            return "no change"
        case FieldChange(shown=Visibility.CLEAR):
            is_new = change is not None and change.action is Action.CREATE
            return (
                _format_value(field.after)
                if is_new
                else f"{_format_value(field.before)} -> {_format_value(field.after)}"
            )
        case FieldChange(shown=Visibility.SECRET):
            return f"the secret `{field.after}`"
        case FieldChange(shown=Visibility.HIDDEN):
            return "a value that is not shown" if field.after else "cleared"
    return str(field.after)


def _format_value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _is_reviewed(change: Change) -> bool:
    """Return whether an apply of the saved plan has to do something for an entry, at least in the state."""
    is_recorded = change.facts.moved_from is not None or change.facts.protection is ProtectionChange.LOST
    return change.action is not Action.NO_OP or is_recorded


_REMOVING_ACTIONS = frozenset({Action.DELETE, Action.FORGET})


def _parse_address(text: str) -> Address:
    kind, _, key = text.partition(".")
    return Address(kind, key)


def _build_error(code: str, message: str, advice: str = NEW_PLAN_HELP) -> ReconcilerError:
    return ReconcilerError([Diagnostic(code, message, help=advice)])


def load_approved_plan(workspace: Workspace, digest: str) -> tuple[PlanResult, ApprovedPlan]:
    """Make the plan that a user approved by its digest. Returns it with the form to be stored in the state.

    If an earlier apply of the same digest stopped part-way, the plan stored by that apply counts. Raises
    `ReconcilerError` if the plan has another digest.
    """
    planned = make_plan(workspace)
    if planned.plan.digest == digest:
        saved = encode_plan(_trim_for_state(build_saved_plan(workspace, planned))).decode()
        return planned, ApprovedPlan(digest, saved)
    stored = workspace.state.approved_plans.get(digest)
    stopped_plan = _decode_stored(stored) if stored is not None else None
    if stored is not None and stopped_plan is not None and stopped_plan.plan.digest == digest:
        return replan(workspace, stopped_plan), ApprovedPlan(digest, stored)
    refusals = [finding for finding in planned.plan.omissions if not finding.code_facts.hides_resource]
    if refusals:
        raise ReconcilerError(refusals)
    if not planned.plan.needs_approval and not planned.plan.omissions:
        raise _build_error(
            "plan-applied", "nothing is left to do: the approved plan is in effect already", DONE_HELP
        )
    raise ReconcilerError(
        [
            Diagnostic(
                "plan-unlike",
                f"this plan has the digest `{planned.plan.digest}`, and `{digest}` was approved",
                notes=(
                    "the specs or the account have changed since the approval, or the scope or a `--var` differs",
                    *(diagnostic.message for diagnostic in planned.plan.gone_or_hidden),
                ),
                help="have the plan approved that `reconciler plan` shows now",
            )
        ]
    )


def _trim_for_state(saved: SavedPlan) -> SavedPlan:
    """Drop the values that a plan only shows, and `--var`, which the next run gives again: the state stores the effects
    of a plan."""
    changes = tuple(replace(change, other_values=(), applied=()) for change in saved.plan.changes)
    return replace(saved, plan=replace(saved.plan, changes=changes), variables={})


def _decode_stored(stored: str) -> SavedPlan | None:
    """Decode the plan stored in the state; None if it is unreadable, since the state is no authority."""
    try:
        return decode_plan(stored.encode())
    except (AlteredError, UnsupportedFormatError):
        return None
