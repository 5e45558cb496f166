"""`apply`: carry out a plan, then look whether anything is left."""

from __future__ import annotations

import threading

from reconciler.engine.applier import Applier
from reconciler.model.address import Address
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.event import Checking
from reconciler.model.outcome import Applied
from reconciler.operations.plan import Planned, make_plan
from reconciler.operations.workspace import Workspace


def apply_plan(workspace: Workspace, planned: Planned, cancelled: threading.Event) -> Applied:
    """Carry out every step; a failure of one never raises and never stops what does not depend on it.

    Setting `cancelled` lets the step in flight finish and starts nothing more.
    """
    clock, transport = workspace.settings.clock, workspace.transport
    began, sent = clock.monotonic(), transport.requests_sent
    applier = Applier(workspace.client, clock, workspace.listener, cancelled)
    outcomes = applier.run(planned.steps)
    remaining = None if cancelled.is_set() else _remaining(workspace, planned)
    return Applied(
        outcomes=outcomes,
        requests=transport.requests_sent - sent,
        seconds=clock.monotonic() - began,
        interrupted=cancelled.is_set(),
        remaining=remaining,
    )


def _remaining(workspace: Workspace, planned: Planned) -> tuple[Address, ...] | None:
    """Addresses for which a fresh plan still wants something; None where it cannot be made."""
    touched = {change.address.key for change in planned.plan.effective}
    workspace.listener(Checking(len(touched)))
    try:
        again = make_plan(workspace, touched)
    except ReconcilerError:
        return None
    return tuple(change.address for change in again.plan.effective)
