"""Handle `/_emulator/…`: the endpoints for the operator of the emulator. Fivetran has no such endpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

from reconciler.emulator.account import Account
from reconciler.emulator.fault_kinds import FaultError
from reconciler.emulator.fault_text import parse_faults
from reconciler.emulator.faults import Faults
from reconciler.emulator.history import History, HistoryEntry
from reconciler.emulator.http_response import HttpResponse
from reconciler.emulator.late_requests import LateRequests
from reconciler.emulator.masking import mask_secrets
from reconciler.emulator.quota import Quota
from reconciler.emulator.seed import Seed, dump, load_seed
from reconciler.emulator.switches import Behaviour, BehaviourError, change_switches

PREFIX = "/_emulator"

_SHOW_SECRETS = "shown"
_NDJSON = "application/x-ndjson"


class _ControlError(Exception):
    """Error of a control request: status and message of the response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Control:
    """Control of a running emulator, for programs on this machine only.

    It reads the history and the account, and changes faults and behaviour. Web pages in browsers are refused.
    """

    def __init__(
        self, account: Account, history: History, faults: Faults, quota: Quota, late: LateRequests
    ) -> None:
        self._late_requests = late
        self._account = account
        self._history = history
        self._faults = faults
        self._quota = quota
        self._initial: tuple[Behaviour, tuple[Any, ...]] = (
            account.behaviour,
            tuple(active.fault for active in faults.active()),
        )
        self._endpoints: Mapping[tuple[str, str], Callable[[Request], Any]] = MappingProxyType(
            {
                ("GET", ""): self._list_endpoints,
                ("GET", "/history"): self._list_history,
                ("GET", "/account"): self._dump_account,
                ("GET", "/faults"): self._list_faults,
                ("POST", "/faults"): self._add_faults,
                ("DELETE", "/faults"): self._clear_faults,
                ("GET", "/behaviour"): self._list_switches,
                ("POST", "/behaviour"): self._change_switches,
                ("POST", "/reset"): self._reset,
            }
        )

    def handle(self, request: Request) -> HttpResponse:
        """Handle one request. The history gets no entry, and faults and quotas do not apply."""
        try:
            _check_caller(request)
            endpoint = self._endpoints.get((request.method, request.path.removeprefix(PREFIX).rstrip("/")))
            if endpoint is None:
                raise _ControlError(404, f"there is no such endpoint; `GET {PREFIX}` lists all endpoints")
            result = endpoint(request)
        except _ControlError as error:
            return _build_json_response({"error": str(error)}, error.status)
        except HTTPException as error:
            return _build_json_response({"error": error.description}, error.code or 400)
        return result if isinstance(result, HttpResponse) else _build_json_response(result, 200)

    def _list_endpoints(self, request: Request) -> Any:
        return {"endpoints": [f"{method} {PREFIX}{path}" for method, path in self._endpoints]}

    def _list_history(self, request: Request) -> Any:
        since = request.args.get("since", "0")
        if not (since.isascii() and since.isdigit() and len(since) < 16):
            raise _ControlError(400, "`since` must be a sequence number")
        entries = [
            _render_entry(entry, _shows_secrets(request)) for entry in self._history.list_since(int(since))
        ]
        if request.args.get("format") == "lines" or _NDJSON in request.headers.get("Accept", ""):
            text = "".join(json.dumps(entry) + "\n" for entry in entries)
            return HttpResponse(200, text.encode(), content_type=_NDJSON)
        return {"history": entries}

    def _dump_account(self, request: Request) -> Any:
        return dump(self._account, show_secrets=_shows_secrets(request))

    def _list_faults(self, request: Request) -> Any:
        return {
            "faults": [
                {
                    "fault": str(active_fault.fault),
                    "seen": active_fault.seen,
                    "struck": active_fault.triggered,
                }
                for active_fault in self._faults.active()
            ]
        }

    def _add_faults(self, request: Request) -> Any:
        body = _parse_body(request)
        lines = body.get("faults") if isinstance(body, dict) else body
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            raise _ControlError(400, 'write `{"faults": ["GET * status 503"]}`')
        try:
            self._faults.add(*parse_faults(lines))
        except FaultError as error:
            raise _ControlError(400, str(error)) from None
        return self._list_faults(request)

    def _clear_faults(self, request: Request) -> Any:
        self._faults.clear()
        return self._list_faults(request)

    def _list_switches(self, request: Request) -> Any:
        return self._account.behaviour.model_dump()

    def _change_switches(self, request: Request) -> Any:
        body = _parse_body(request)
        if not isinstance(body, dict):
            raise _ControlError(400, 'write `{"last_page": "null"}`')
        try:
            self._account.behaviour = change_switches(self._account.behaviour, body)
        except BehaviourError as error:
            raise _ControlError(400, str(error)) from None
        return self._list_switches(request)

    def _reset(self, request: Request) -> Any:
        """Reset the account, and load the seed of the body, if any. Switches and faults become as at the start."""
        body = _parse_body(request)
        try:
            seed = Seed.model_validate(body) if body else None
        except ValidationError as error:
            locations = [
                ".".join(map(str, detail["loc"])) or "seed" for detail in error.errors(include_input=False)
            ]
            raise _ControlError(400, f"the seed is wrong at {', '.join(locations)}") from None
        behaviour, faults = self._initial
        self._account.reset()
        self._late_requests.clear()
        self._quota.reset()
        self._account.behaviour = behaviour
        self._faults.clear()
        self._faults.add(*faults)
        if seed is not None:
            load_seed(self._account, seed)
        return self._dump_account(request)


def _check_caller(request: Request) -> None:
    """Check that the caller is a program on this machine. Raises a 403, also for web pages in a local browser."""
    # A page on the web can make a browser send requests to this machine. The browser adds Origin, and DNS
    # rebinding shows in the Host header.
    caller = request.environ.get("REMOTE_ADDR") or "127.0.0.1"
    host = request.host.rpartition(":")[0].strip("[]") or request.host
    if (
        not _is_loopback(caller)
        or "Origin" in request.headers
        or not (host == "localhost" or _is_loopback(host))
    ):
        raise _ControlError(403, "only programs on this machine may use this endpoint")


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _shows_secrets(request: Request) -> bool:
    return request.args.get("secrets") == _SHOW_SECRETS


def _render_entry(entry: HistoryEntry, show_secrets: bool) -> dict[str, Any]:
    rendered = asdict(entry) | {"effects": [str(effect) for effect in entry.effects]}
    return rendered if show_secrets else {**rendered, "body": mask_secrets(entry.body)}


def _parse_body(request: Request) -> Any:
    """Parse the body: None if it is empty, a list of lines for plain text, JSON otherwise. Raises a 400."""
    text = request.get_data(cache=False).decode("utf-8", "replace")
    if not text.strip():
        return None
    if (request.mimetype or "") == "text/plain":
        return text.splitlines()
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _ControlError(400, "the body is not JSON") from None


def _build_json_response(content: Any, status: int) -> HttpResponse:
    return HttpResponse(status, (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode())
