"""Plans that somebody reviewed: writing one down, and making it again to carry it out."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from reconciler import __version__
from reconciler.api.errors import ApiError
from reconciler.engine.expectation import (
    Difference,
    Expectation,
    Mismatch,
    Now,
    declared_by,
    edited,
    expectation_of,
    review,
)
from reconciler.engine.failure import explain_read
from reconciler.engine.planfile import (
    FORMAT,
    AlteredError,
    OtherFormatError,
    SavedPlan,
    decoded_plan,
    encoded_plan,
)
from reconciler.engine.removal import given_up
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.plan import SILENT, Action, Change, FieldChange, Reason, Shown
from reconciler.model.removal import Extent
from reconciler.model.value import dotted
from reconciler.operations.memory import Reviewed
from reconciler.operations.plan import Planned, make_plan
from reconciler.operations.workspace import Workspace

VALID_FOR = timedelta(days=7)

DONE = "`reconciler plan` shows whether anything else is left"
NEW_PLAN = "make a new plan and have it reviewed; `reconciler show` still displays this one"


def saved_plan(workspace: Workspace, planned: Planned, valid_for: timedelta = VALID_FOR) -> SavedPlan:
    """A plan as it is written down. It holds no secret: fingerprints tell whether one is still the same."""
    now = workspace.settings.clock.now()
    touched = {change.address for change in planned.plan.changes if change.action in _REVIEWED}
    removed = {change.address.key for change in planned.plan.changes if change.action in _REMOVED}
    # A removal is one thing, also where only its group is left.
    scope = touched | {Address(GROUP, each.key) for each in touched}
    scope |= {Address(DESTINATION, key) for key in removed}
    return SavedPlan(
        format=FORMAT,
        tool=__version__,
        created_at=now,
        expires_at=now + valid_for,
        scope=tuple(sorted(map(str, scope))),
        compare_secrets=workspace.settings.compare_secrets,
        resend=workspace.settings.resend,
        complete=not planned.plan.unseen,
        expected=tuple(expectations(planned, planned.plan.effective).values()),
        plan=planned.plan,
    )


def expectations(planned: Planned, changes: Iterable[Change]) -> dict[str, Expectation]:
    """What a plan says about these of its changes, by address."""
    return {
        str(change.address): expectation_of(
            change,
            planned.steps.get(change.address),
            planned.ids,
            planned.namesakes(planned.steps[change.address].desired.name)
            if change.address in planned.steps
            else (),
        )
        for change in changes
    }


def refuse_outdated(saved: SavedPlan, workspace: Workspace) -> None:
    """Raise `ReconcilerError` for a plan that is too old, not whole, or of another account. One request."""
    now = workspace.settings.clock.now()
    if now >= saved.expires_at:
        raise _refused("plan-expired", f"this plan was valid until {saved.expires_at:%Y-%m-%d %H:%M} UTC")
    if not saved.complete:
        raise _refused(
            "plan-incomplete", "not everything that this plan is about could be read when it was made"
        )
    try:
        account = workspace.client.account().account_id
    except ApiError as error:
        raise ReconcilerError([explain_read(error)]) from error
    if account != saved.plan.account_id:
        made_for = (
            f"this plan is for account `{saved.plan.account_id}`, these credentials are for `{account}`"
        )
        raise _refused(
            "plan-other-account", made_for, "use credentials of the account that the plan was made for"
        )


def plan_again(workspace: Workspace, saved: SavedPlan) -> Planned:
    """The reviewed plan, made again from the specs and the account as they are now.

    What is in effect already is left out, so that a plan that stopped part-way can go on; what was not reviewed is
    left out as well. Raises `ReconcilerError` with everything that is not as it was reviewed.
    """
    refuse_outdated(saved, workspace)
    recreate = tuple(map(str, saved.plan.recreated))
    workspace = replace(workspace, settings=replace(workspace.settings, recreate=recreate))
    try:
        planned = make_plan(workspace, scope=frozenset(_address(text) for text in saved.scope))
        if planned.plan.unseen:
            raise ReconcilerError(planned.plan.unseen)
    except ReconcilerError as error:
        raise ReconcilerError(_as_refusals(error, workspace, saved)) from error
    with workspace.specs.shading():
        return _as_reviewed(workspace, planned, saved)


def _as_reviewed(workspace: Workspace, planned: Planned, saved: SavedPlan) -> Planned:
    changes = planned.plan.changes
    fresh = expectations(planned, changes)
    interrupted = {str(change.address) for change in changes if Reason.INTERRUPTED in change.reasons}
    ours = {str(address): record.id for address, record in planned.records.items()}
    verdict = review(saved.expected, Now(*_specs(workspace), fresh, ours, interrupted))
    if verdict.differences:
        raise ReconcilerError(_told(each, saved.plan.changes, changes) for each in verdict.differences)
    if saved.expected and not verdict.pending:
        raise _refused("plan-applied", "everything in this plan is in effect already", DONE)
    return _restricted(planned, verdict.pending)


def _specs(workspace: Workspace) -> tuple[dict[str, Mapping[str, str]], dict[str, str]]:
    """What the specs declare, and the ids of what they want deleted, by address."""
    specs = workspace.specs
    return (
        {str(each.address): declared_by(each) for each in (*specs.groups, *specs.destinations)},
        {
            str(address): each.id
            for each in specs.removed
            if each.extent is not Extent.MANAGEMENT
            for address in given_up(each)
        },
    )


def _as_refusals(error: ReconcilerError, workspace: Workspace, saved: SavedPlan) -> Iterator[Diagnostic]:
    """Why there is no plan any more, said of the reviewed one: because somebody edited the specs of what it touches,
    or made something else of it at Fivetran."""
    now = Now(*_specs(workspace), {}, {}, ())
    differences = [found for each in saved.expected if (found := edited(each, now)) is not None]
    if differences:
        yield from (_told(each, saved.plan.changes, ()) for each in differences)
        return
    touched = {_address(each.address).key for each in saved.expected}
    for each in error.diagnostics:
        is_about_it = each.address is not None and each.address.key in touched
        if is_about_it and each.code in _ANOTHER_OBJECT:
            what = f"{each.address} is not as it was reviewed: {_ANOTHER_OBJECT[each.code]}"
            yield replace(each, code="plan-stale", message=what, notes=(each.message,), help=NEW_PLAN)
        else:
            yield each


_ANOTHER_OBJECT = {
    "ambiguous-name": "several groups have its name now",
    "gone-or-hidden": "it is gone from Fivetran, or hidden from these credentials",
    "removal-other-name": "its group has another name now",
    "removal-unknown-id": "it is gone from Fivetran",
    "replace-refused": "something else is in its place now",
    "unknown-id": "it is gone from Fivetran",
}
"""What it means for a reviewed plan that no plan can be made, although the specs are the same."""


def _restricted(planned: Planned, pending: Collection[str]) -> Planned:
    """The plan without what nobody reviewed."""
    kept = {
        change.address
        for change in planned.plan.changes
        if change.action in SILENT or str(change.address) in pending
    }
    return replace(
        planned,
        plan=replace(
            planned.plan, changes=tuple(each for each in planned.plan.changes if each.address in kept)
        ),
        steps={address: step for address, step in planned.steps.items() if address in kept},
        removals=tuple(each for each in planned.removals if each.change.address in kept),
    )


def _told(found: Difference, reviewed: Iterable[Change], now: Iterable[Change]) -> Diagnostic:
    before, after = (
        next((change for change in changes if str(change.address) == found.address), None)
        for changes in (reviewed, now)
    )
    change = after or before
    return Diagnostic(
        _CODES[found.mismatch],
        f"{found.address} is not as it was reviewed: {found.what}",
        span=after.span if after is not None else None,
        address=change.address if change is not None else None,
        notes=tuple(_field(found.mismatch, path, before, after) for path in found.paths),
        help=NEW_PLAN,
    )


_CODES: Mapping[Mismatch, str] = {
    Mismatch.SPEC: "plan-spec-changed",
    Mismatch.OBJECT: "plan-stale",
    Mismatch.SECRET: "plan-secret-changed",
}


def _field(mismatch: Mismatch, path: str, before: Change | None, now: Change | None) -> str:
    reviewed, found = _field_of(path, before), _field_of(path, now)
    known = found or reviewed
    if mismatch is Mismatch.SECRET:
        place = f"`{known.after}`" if known is not None else "it"
        return f"`{path}`: behind {place} is another value than when this was reviewed"
    if known is None:
        return f"`{path}`: edited since this was reviewed"
    return f"`{path}`: reviewed {_change_of(before, reviewed)}, now {_change_of(now, found)}"


def _field_of(path: str, change: Change | None) -> FieldChange | None:
    fields = change.fields if change is not None else ()
    return next((field for field in fields if dotted(field.path) == path), None)


def _change_of(change: Change | None, field: FieldChange | None) -> str:
    match field:
        case None:
            return "no change"
        case FieldChange(shown=Shown.CLEAR):
            is_new = change is not None and change.action is Action.CREATE
            return _value(field.after) if is_new else f"{_value(field.before)} -> {_value(field.after)}"
        case FieldChange(shown=Shown.SECRET):
            return f"the secret `{field.after}`"
        case FieldChange(shown=Shown.HIDDEN):
            return "a value that is not shown" if field.after else "cleared"
    return str(field.after)


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


_REVIEWED = frozenset(Action) - {Action.NO_OP}
_REMOVED = frozenset({Action.DELETE, Action.FORGET})


def _address(text: str) -> Address:
    kind, _, key = text.partition(".")
    return Address(kind, key)


def _refused(code: str, message: str, advice: str = NEW_PLAN) -> ReconcilerError:
    return ReconcilerError([Diagnostic(code, message, help=advice)])


def approved_plan(workspace: Workspace, digest: str) -> tuple[Planned, Reviewed]:
    """The plan that was approved by its digest, and what is to be remembered of it.

    Where an earlier run was told to carry out the same one and stopped part-way, what that run was told is what
    counts. Raises `ReconcilerError` where the plan is another one.
    """
    planned = make_plan(workspace)
    if planned.plan.digest == digest:
        saved = encoded_plan(_as_remembered(saved_plan(workspace, planned))).decode()
        return planned, Reviewed(digest, saved)
    kept = workspace.memory.reviewed.get(digest)
    stopped = _decoded(kept) if kept is not None else None
    if kept is not None and stopped is not None and stopped.plan.digest == digest:
        return plan_again(workspace, stopped), Reviewed(digest, kept)
    if not planned.plan.effective and not planned.plan.unseen:
        raise _refused("plan-applied", "nothing is left to do: what was approved is in effect already", DONE)
    raise ReconcilerError(
        [
            Diagnostic(
                "plan-unlike",
                f"this plan has the digest `{planned.plan.digest}`, and `{digest}` was approved",
                notes=(
                    "the specs or the account have changed since the approval, or the scope is another one",
                    *(each.message for each in planned.plan.unseen),
                ),
                help="look at what `reconciler plan` shows now, and have it approved",
            )
        ]
    )


def _as_remembered(saved: SavedPlan) -> SavedPlan:
    """A state keeps what a plan does, and not the whole objects that people are shown with it."""
    changes = tuple(replace(change, other_values=(), applied=()) for change in saved.plan.changes)
    return replace(saved, plan=replace(saved.plan, changes=changes))


def _decoded(kept: str) -> SavedPlan | None:
    """The plan that a state remembers. One that cannot be read is none: memory is no authority."""
    try:
        return decoded_plan(kept.encode())
    except (AlteredError, OtherFormatError):
        return None
