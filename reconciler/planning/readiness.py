"""Wait for the private links and hybrid agents that entries refer to, before a plan is made: `apply --wait`."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.api.errors import ApiError
from reconciler.kinds.account_objects import get_object_name
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.event import AwaitingObjects
from reconciler.model.record_transitions import apply_moves
from reconciler.model.resource import Desired
from reconciler.planning.errors import explain_read
from reconciler.planning.object_names import NamedObject, find_awaited_objects
from reconciler.planning.targets import resolve_scope
from reconciler.workspace.workspace import Workspace

POLL_INTERVAL = 15.0
"""Seconds between two reads of the lists. A link takes minutes."""


def wait_for_objects(workspace: Workspace, seconds: float) -> None:
    """Wait until all links and hybrid agents of the entries in scope can be used, at most for `seconds`.

    Raises `ReconcilerError` if one of them cannot be used by then, or if a list cannot be read. An object that will
    never be usable is not waited for: the plan reports it.
    """
    if workspace.settings.sandbox:
        return  # its objects are made up, and ready
    specs, clock = workspace.specs, workspace.settings.clock
    records = apply_moves(workspace.state.records, (*specs.groups, *specs.destinations))
    scope = resolve_scope(workspace.settings, specs, workspace.baseline, records)
    entries = [entry for entry in specs.destinations if entry.address in scope.addresses]
    until = clock.monotonic() + seconds
    while awaited := _find_awaited(workspace, entries):
        remaining = until - clock.monotonic()
        if remaining <= 0:
            raise ReconcilerError(specs.mask_excerpts(map(_explain_timeout, awaited)))
        names = sorted({f"{named.field.noun} {get_object_name(named.item)}" for named in awaited})
        workspace.listener(AwaitingObjects(tuple(names), remaining))
        clock.wait(workspace.cancelled, min(POLL_INTERVAL, remaining))
        if workspace.cancelled.is_set():
            return


def _find_awaited(workspace: Workspace, entries: Iterable[Desired]) -> tuple[NamedObject, ...]:
    try:
        return find_awaited_objects(workspace.client, entries)
    except ApiError as error:
        raise ReconcilerError([explain_read(error)]) from error


def _explain_timeout(named: NamedObject) -> Diagnostic:
    noun, path = named.field.noun, named.field.path
    return Diagnostic(
        "not-ready",
        f"the {noun} `{get_object_name(named.item)}` {named.fault} after the time of `--wait`",
        span=named.desired.spans.get(path, named.desired.span),
        address=named.desired.address,
        help=f"look at the {noun} in Fivetran, or wait longer",
    )
