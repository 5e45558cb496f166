"""Handle control requests about approvals of certificates and fingerprints."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from werkzeug.wrappers import Request

from reconciler.emulator.control.bodies import read_body, read_query
from reconciler.emulator.control.endpoint import ControlledEmulator, Endpoint
from reconciler.emulator.store import Kind
from reconciler.emulator.targets import Target
from reconciler.emulator.unknown_names import build_unknown_object


class ApprovalChoice(Target):
    """Approvals of a destination or of all destinations: one by its hash, or all."""

    hash: Annotated[str, Field(min_length=1)] | None = None


def list_approvals(emulator: ControlledEmulator, request: Request) -> Any:
    """List waiting and given approvals of the chosen destinations."""
    return _render_chosen(emulator, read_query(request, ApprovalChoice))


def approve(emulator: ControlledEmulator, request: Request) -> Any:
    """Approve what waits under a hash, or else the servers of the chosen destinations."""
    choice = read_body(request, ApprovalChoice, emulator.read_document)
    chosen = _choose_destinations(emulator, choice)
    if choice.hash is None:
        for identifier in chosen:
            emulator.dashboard.approve_servers(identifier)
    else:
        waiting = [
            (each.kind, identifier, each.hash)
            for identifier in chosen
            for each in emulator.dashboard.list_waiting(identifier)
        ]
        for kind, identifier, each_hash in _select(waiting, choice.hash, "waiting hash"):
            emulator.dashboard.approve(kind, identifier, each_hash)
    return _render_chosen(emulator, choice)


def revoke(emulator: ControlledEmulator, request: Request) -> Any:
    """Revoke the approval of a hash, or else all approvals of the chosen destinations."""
    choice = read_query(request, ApprovalChoice)
    approved = [
        (kind, identifier, approval["hash"])
        for identifier in _choose_destinations(emulator, choice)
        for kind in (Kind.CERTIFICATE, Kind.FINGERPRINT)
        for approval in emulator.dashboard.list_approved(kind, identifier)
    ]
    for kind, identifier, each_hash in _select(approved, choice.hash, "approved hash"):
        emulator.dashboard.revoke(kind, identifier, each_hash)
    return _render_chosen(emulator, choice)


def _select(
    entries: list[tuple[Kind, str, str]], chosen_hash: str | None, what: str
) -> list[tuple[Kind, str, str]]:
    """Select the entries of a hash, all for None. Raises a 404 for a hash without an entry."""
    selected = [entry for entry in entries if chosen_hash in (None, entry[2])]
    if chosen_hash is not None and not selected:
        raise build_unknown_object(what, chosen_hash, (each_hash for _, _, each_hash in entries))
    return selected


def _choose_destinations(emulator: ControlledEmulator, choice: Target) -> list[str]:
    """Choose the ids of existing destinations. Raises a 404 for a name that no group has."""
    name = choice.group or choice.destination
    if name is not None:
        return [emulator.dashboard.find_destination(name)]
    return [document["id"] for document in emulator.account.store.list_documents(Kind.DESTINATION)]


def _render_chosen(emulator: ControlledEmulator, choice: Target) -> dict[str, Any]:
    """Render the approvals of each chosen destination that has any."""
    rendered = [_render_approvals(emulator, each) for each in _choose_destinations(emulator, choice)]
    return {"approvals": [entry for entry in rendered if entry["waiting"] or entry["approved"]]}


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
    Endpoint("POST", "/approvals", "approves servers that wait: group, hash", approve),
    Endpoint("DELETE", "/approvals", "revokes approvals: ?group=, ?hash=", revoke),
)
