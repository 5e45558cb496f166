"""Handle control requests about approvals of certificates and fingerprints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field
from werkzeug.wrappers import Request

from reconciler.emulator.control.bodies import read_body, read_query
from reconciler.emulator.control.endpoint import ControlledEmulator, Endpoint
from reconciler.emulator.dashboard_errors import build_unknown_error
from reconciler.emulator.store import Kind
from reconciler.emulator.targets import Target


class ApprovalChoice(Target):
    """Approvals of a destination or of all destinations: one by its hash, or all."""

    hash: Annotated[str, Field(min_length=1)] | None = None


def list_approvals(emulator: ControlledEmulator, request: Request) -> Any:
    """List waiting and given approvals of each destination that has any."""
    listed = [
        _render_approvals(emulator, identifier)
        for identifier in _choose_destinations(emulator, read_query(request, ApprovalChoice))
    ]
    return {"approvals": [entry for entry in listed if entry["waiting"] or entry["approved"]]}


def approve(emulator: ControlledEmulator, request: Request) -> Any:
    """Approve waiting certificates and host keys."""
    choice = read_body(request, ApprovalChoice, emulator.read_document)
    return {"approved": _change_each(emulator, choice, emulator.dashboard.approve)}


def revoke(emulator: ControlledEmulator, request: Request) -> Any:
    """Revoke approvals."""
    choice = read_query(request, ApprovalChoice)
    return {"revoked": _change_each(emulator, choice, emulator.dashboard.revoke)}


def _change_each(
    emulator: ControlledEmulator,
    choice: ApprovalChoice,
    change: Callable[[str, str | None], list[str]],
) -> list[dict[str, str]]:
    """Change the approvals of each chosen destination. Raises a 404 for a hash that no destination has."""
    changed: list[dict[str, str]] = []
    known: list[str] = []
    for identifier in _choose_destinations(emulator, choice):
        entry = _render_approvals(emulator, identifier)
        side = "waiting" if change == emulator.dashboard.approve else "approved"
        hashes = [approval["hash"] for approval in entry[side]]
        known += hashes
        if choice.hash is None or choice.hash in hashes:
            changed += [
                {"group": entry["group"], "destination": identifier, "hash": each}
                for each in change(identifier, choice.hash)
            ]
    if choice.hash is not None and not changed:
        raise build_unknown_error("hash", choice.hash, known)
    return changed


def _choose_destinations(emulator: ControlledEmulator, choice: Target) -> list[str]:
    """Choose the ids of existing destinations. Raises a 404 for a name that no group has."""
    name = choice.group or choice.destination
    if name is not None:
        return [emulator.dashboard.find_destination(name)]
    return [document["id"] for document in emulator.account.store.list_documents(Kind.DESTINATION)]


def _render_approvals(emulator: ControlledEmulator, identifier: str) -> dict[str, Any]:
    group = emulator.account.store.find(Kind.GROUP, identifier) or {}
    return {
        "group": group.get("name", ""),
        "destination": identifier,
        "waiting": [
            {"kind": str(waiting.kind), "hash": waiting.hash, "name": waiting.name}
            for waiting in emulator.dashboard.list_waiting(identifier)
        ],
        "approved": [
            {"kind": str(kind), "hash": approval["hash"], "validated_by": approval["validated_by"]}
            for kind in (Kind.CERTIFICATE, Kind.FINGERPRINT)
            for approval in emulator.dashboard.list_approved(kind, identifier)
        ],
    }


ENDPOINTS = (
    Endpoint("GET", "/approvals", "lists waiting and given approvals; ?group=", list_approvals),
    Endpoint("POST", "/approvals", "approves what waits: group, hash", approve),
    Endpoint("DELETE", "/approvals", "revokes approvals: ?group=, ?hash=", revoke),
)
