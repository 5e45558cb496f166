"""Handle control requests about the traffic: history, faults and switches."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, RootModel
from werkzeug.wrappers import Request

from reconciler.emulator.control.bodies import read_body
from reconciler.emulator.control.endpoint import (
    ControlError,
    ControlledEmulator,
    Endpoint,
    shows_secrets,
)
from reconciler.emulator.fault_kinds import FaultError
from reconciler.emulator.fault_text import parse_faults
from reconciler.emulator.history import HistoryEntry
from reconciler.emulator.http_response import HttpResponse
from reconciler.emulator.masking import mask_secrets
from reconciler.emulator.switches import BehaviourError, change_switches

_NDJSON = "application/x-ndjson"


class FaultAddition(BaseModel):
    """New faults, one text each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    faults: list[str]


class SwitchChanges(RootModel[dict[str, Any]]):
    """New values of switches by name."""


def list_history(emulator: ControlledEmulator, request: Request) -> Any:
    """List the history after a sequence number."""
    since = request.args.get("since", "0")
    if not (since.isascii() and since.isdigit() and len(since) < 16):
        raise ControlError(400, "`since` must be a sequence number")
    entries = [
        _render_entry(entry, shows_secrets(request)) for entry in emulator.history.list_since(int(since))
    ]
    if request.args.get("format") == "lines" or _NDJSON in request.headers.get("Accept", ""):
        text = "".join(json.dumps(entry) + "\n" for entry in entries)
        return HttpResponse(200, text.encode(), content_type=_NDJSON)
    return {"history": entries}


def list_faults(emulator: ControlledEmulator, request: Request) -> Any:
    """List the active faults with their counts."""
    return {
        "faults": [
            {"fault": str(active.fault), "seen": active.seen, "struck": active.triggered}
            for active in emulator.faults.active()
        ]
    }


def add_faults(emulator: ControlledEmulator, request: Request) -> Any:
    """Add faults, as `{"faults": […]}` or as plain text with one fault a line."""
    if request.mimetype == "text/plain":
        lines = request.get_data(cache=False).decode("utf-8", "replace").splitlines()
    else:
        lines = read_body(request, FaultAddition, emulator.read_document).faults
    try:
        emulator.faults.add(*parse_faults(lines))
    except FaultError as error:
        raise ControlError(400, str(error)) from None
    return list_faults(emulator, request)


def clear_faults(emulator: ControlledEmulator, request: Request) -> Any:
    """Clear all faults."""
    emulator.faults.clear()
    return list_faults(emulator, request)


def list_switches(emulator: ControlledEmulator, request: Request) -> Any:
    """List the values of all switches."""
    return emulator.account.behaviour.model_dump()


def set_switches(emulator: ControlledEmulator, request: Request) -> Any:
    """Change some switches."""
    changes = read_body(request, SwitchChanges, emulator.read_document).root
    # A bare `null` of YAML is the name of a value.
    values = {name: "null" if value is None else value for name, value in changes.items()}
    try:
        emulator.account.behaviour = change_switches(emulator.account.behaviour, values)
    except BehaviourError as error:
        raise ControlError(400, str(error)) from None
    return list_switches(emulator, request)


def _render_entry(entry: HistoryEntry, show_secrets: bool) -> dict[str, Any]:
    rendered = asdict(entry) | {"effects": [str(effect) for effect in entry.effects]}
    return rendered if show_secrets else {**rendered, "body": mask_secrets(entry.body)}


ENDPOINTS = (
    Endpoint("GET", "/history", "lists requests with their effects; ?since=N, ?format=lines", list_history),
    Endpoint("GET", "/faults", "lists the active faults", list_faults),
    Endpoint("POST", "/faults", "adds faults", add_faults),
    Endpoint("DELETE", "/faults", "clears all faults", clear_faults),
    Endpoint("GET", "/behaviour", "lists the switches", list_switches),
    Endpoint("POST", "/behaviour", "sets switches", set_switches),
)
