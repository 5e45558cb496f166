"""Warn of what a plan against a snapshot cannot know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import Action
from reconciler.model.snapshot_origin import SnapshotOrigin
from reconciler.planning.deletions import PlannedDeletion
from reconciler.planning.planner import PlannedOperation


def warn_of_snapshot(
    snapshot: SnapshotOrigin | None,
    operations: Mapping[Address, PlannedOperation],
    deletions: Iterable[PlannedDeletion],
) -> Iterator[Diagnostic]:
    """Warn that a plan was made against a snapshot, and of deletions and pins whose lists the snapshot lacks."""
    if snapshot is None:
        return
    yield Diagnostic(
        "snapshot-plan",
        f"this plan is against the {snapshot}, and cannot be applied",
        severity=Severity.WARNING,
        notes=("no secret was read or compared",),
        help="run `reconciler plan` with credentials for a plan against the account",
    )
    changes = [operation.change for operation in operations.values()]
    changes += [deletion.change for deletion in deletions]
    if not snapshot.has_connections and any(
        change.action in {Action.DELETE, Action.REPLACE} for change in changes
    ):
        yield Diagnostic(
            "snapshot-lacks-connections",
            f"`{snapshot.path}` has no connections, which may block the deletions of this plan",
            severity=Severity.WARNING,
            help="take the snapshot with `--with connections`",
        )
    if not snapshot.has_approvals and any(operation.desired.trust.pins for operation in operations.values()):
        yield Diagnostic(
            "snapshot-lacks-approvals",
            f"`{snapshot.path}` has no approvals, so the pins of existing destinations are not compared",
            severity=Severity.WARNING,
            help="take the snapshot with `--with trust`",
        )
