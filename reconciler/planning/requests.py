"""Announce the mutating requests of a plan: method, object and fields of each request that its apply sends.

Reviewers can predict the apply from the announcement. It is made from the bodies that the apply sends. A request that
is sent again after a failure is announced once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.kinds.approvals import build_approval_body
from reconciler.kinds.destination_body import list_body_paths
from reconciler.kinds.registry import KINDS
from reconciler.model.address import Address
from reconciler.model.plan import Action, AnnouncedRequest, Change
from reconciler.model.trust import Pin, TrustAction, TrustChange
from reconciler.model.value import FieldPath
from reconciler.planning.deletions import PlannedDeletion
from reconciler.planning.planner import PlannedOperation


def announce_writes(operations: Mapping[Address, PlannedOperation]) -> dict[Address, PlannedOperation]:
    """Add to each operation the requests that its apply sends."""
    return {address: _announce_operation(operation) for address, operation in operations.items()}


def _announce_operation(operation: PlannedOperation) -> PlannedOperation:
    requests = tuple(_list_writes(operation))
    return replace(operation, change=replace(operation.change, requests=requests)) if requests else operation


def announce_deletions(deletions: Iterable[PlannedDeletion]) -> tuple[PlannedDeletion, ...]:
    """Add to each deletion the requests that its apply sends."""
    return tuple(
        replace(deletion, change=replace(deletion.change, requests=tuple(_list_deletes(deletion.change))))
        if deletion.change.action is Action.DELETE
        else deletion
        for deletion in deletions
    )


def _list_writes(operation: PlannedOperation) -> Iterator[AnnouncedRequest]:
    change, desired = operation.change, operation.desired
    kind, address = KINDS[change.address.kind], str(change.address)
    if change.action is Action.REPLACE:
        yield from _list_deletes(change)
    if change.action in {Action.CREATE, Action.REPLACE}:
        # The id of the group may be unknown yet; it decides about no field.
        yield _announce("POST", address, kind.build_create_body(change.id, desired, operation.values))
    approvals = [_announce_approval(address, approval) for approval in change.approvals]
    if change.action not in {Action.CREATE, Action.REPLACE}:
        yield from approvals
    if change.action is Action.UPDATE:
        values, carried = operation.values, operation.carried
        yield _announce("PATCH", address, kind.build_update_body(values, carried), carried)
        second_body = kind.build_second_update_body(values, carried)
        if second_body:
            yield _announce("PATCH", address, second_body, carried, may=True)
    if change.action in {Action.CREATE, Action.REPLACE}:
        yield from approvals
    if change.runs_tests:
        yield _announce("POST", f"{address}/test", kind.build_test_body(desired), may=True)
        yield from (_announce_met(address, pin) for pin in change.facts.trust.unmet)
    yield from (_announce_revocation(address, revocation) for revocation in change.revocations)


def _announce_approval(address: str, approval: TrustChange, *, may: bool = False) -> AnnouncedRequest:
    kind = approval.identity.kind
    return _announce("POST", f"{address}/{kind.plural}", build_approval_body(approval.identity), may=may)


def _announce_met(address: str, pin: Pin) -> AnnouncedRequest:
    """Announce the approval of a pinned server that a setup test of the same apply may meet."""
    return _announce_approval(address, TrustChange(TrustAction.APPROVE, pin.identity, pin), may=True)


def _announce_revocation(address: str, revocation: TrustChange) -> AnnouncedRequest:
    identity = revocation.identity
    return AnnouncedRequest("DELETE", f"{address}/{identity.kind.plural}/{identity.hash}", may=True)


def _list_deletes(change: Change) -> Iterator[AnnouncedRequest]:
    for connection in change.live.connections_deleted_first if change.live is not None else ():
        yield AnnouncedRequest("DELETE", f"connection {connection.id}")
    yield AnnouncedRequest("DELETE", str(change.address))


def _announce(
    method: str, name: str, body: Mapping[str, Any], carried: Collection[FieldPath] = (), *, may: bool = False
) -> AnnouncedRequest:
    fields = tuple(path for path in list_body_paths(body) if path not in carried)
    return AnnouncedRequest(method, name, fields, tuple(carried), may)
