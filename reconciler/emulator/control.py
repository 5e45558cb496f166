"""`/_emulator/…`: the emulator's own endpoints, for whoever runs it. No client of Fivetran sees them."""

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
from reconciler.emulator.behaviour import Behaviour, BehaviourError, switched
from reconciler.emulator.fault_kinds import FaultError
from reconciler.emulator.fault_text import parse_faults
from reconciler.emulator.faults import Faults
from reconciler.emulator.history import Exchange, History
from reconciler.emulator.late import LateRequests
from reconciler.emulator.masking import masked
from reconciler.emulator.outgoing import Outgoing
from reconciler.emulator.quota import Quota
from reconciler.emulator.seed import Seed, plant, written_down

PREFIX = "/_emulator"

_SHOWN = "shown"
_LINES = "application/x-ndjson"


class _RefusedError(Exception):
    """The answer is an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Control:
    """Looks into an emulator and changes how it behaves. Only for this machine, never for a browser."""

    def __init__(
        self, account: Account, history: History, faults: Faults, quota: Quota, late: LateRequests
    ) -> None:
        self._late = late
        self._account = account
        self._history = history
        self._faults = faults
        self._quota = quota
        self._at_first: tuple[Behaviour, tuple[Any, ...]] = (
            account.behaviour,
            tuple(each.fault for each in faults.standing()),
        )
        self._endpoints: Mapping[tuple[str, str], Callable[[Request], Any]] = MappingProxyType(
            {
                ("GET", ""): self._index,
                ("GET", "/history"): self._requests,
                ("GET", "/account"): self._written_down,
                ("GET", "/faults"): self._standing,
                ("POST", "/faults"): self._arm,
                ("DELETE", "/faults"): self._disarm,
                ("GET", "/behaviour"): self._switches,
                ("POST", "/behaviour"): self._switch,
                ("POST", "/reset"): self._reset,
            }
        )

    def answer(self, request: Request) -> Outgoing:
        """The answer to one request. It is in no history, and no fault and no quota concerns it."""
        try:
            _check_caller(request)
            work = self._endpoints.get((request.method, request.path.removeprefix(PREFIX).rstrip("/")))
            if work is None:
                raise _RefusedError(404, f"there is nothing here; `GET {PREFIX}` lists what there is")
            found = work(request)
        except _RefusedError as error:
            return _json({"error": str(error)}, error.status)
        except HTTPException as error:
            return _json({"error": error.description}, error.code or 400)
        return found if isinstance(found, Outgoing) else _json(found, 200)

    def _index(self, request: Request) -> Any:
        return {"endpoints": [f"{method} {PREFIX}{path}" for method, path in self._endpoints]}

    def _requests(self, request: Request) -> Any:
        since = request.args.get("since", "0")
        if not (since.isascii() and since.isdigit() and len(since) < 16):
            raise _RefusedError(400, "`since` must be a sequence number")
        found = [_exchange(each, _secrets(request)) for each in self._history.since(int(since))]
        if request.args.get("format") == "lines" or _LINES in request.headers.get("Accept", ""):
            text = "".join(json.dumps(each) + "\n" for each in found)
            return Outgoing(200, text.encode(), content_type=_LINES)
        return {"history": found}

    def _written_down(self, request: Request) -> Any:
        return written_down(self._account, show_secrets=_secrets(request))

    def _standing(self, request: Request) -> Any:
        return {
            "faults": [
                {"fault": str(each.fault), "seen": each.seen, "struck": each.struck}
                for each in self._faults.standing()
            ]
        }

    def _arm(self, request: Request) -> Any:
        body = _body(request)
        lines = body.get("faults") if isinstance(body, dict) else body
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            raise _RefusedError(400, 'write `{"faults": ["GET * status 503"]}`')
        try:
            self._faults.add(*parse_faults(lines))
        except FaultError as error:
            raise _RefusedError(400, str(error)) from None
        return self._standing(request)

    def _disarm(self, request: Request) -> Any:
        self._faults.clear()
        return self._standing(request)

    def _switches(self, request: Request) -> Any:
        return self._account.behaviour.model_dump()

    def _switch(self, request: Request) -> Any:
        body = _body(request)
        if not isinstance(body, dict):
            raise _RefusedError(400, 'write `{"last_page": "null"}`')
        try:
            self._account.behaviour = switched(self._account.behaviour, body)
        except BehaviourError as error:
            raise _RefusedError(400, str(error)) from None
        return self._switches(request)

    def _reset(self, request: Request) -> Any:
        """An account as new, or as a seed has it; behaviour and faults as they were at the start."""
        body = _body(request)
        try:
            seed = Seed.model_validate(body) if body else None
        except ValidationError as error:
            places = [".".join(map(str, each["loc"])) or "seed" for each in error.errors(include_input=False)]
            raise _RefusedError(400, f"the seed is wrong at {', '.join(places)}") from None
        behaviour, faults = self._at_first
        self._account.empty()
        self._late.clear()
        self._quota.renew()
        self._account.behaviour = behaviour
        self._faults.clear()
        self._faults.add(*faults)
        if seed is not None:
            plant(self._account, seed)
        return self._written_down(request)


def _check_caller(request: Request) -> None:
    """403 for other machines, and for web pages that a browser on this one shows."""
    caller = request.environ.get("REMOTE_ADDR") or "127.0.0.1"
    host = request.host.rpartition(":")[0].strip("[]") or request.host
    if not _is_here(caller) or "Origin" in request.headers or not (host == "localhost" or _is_here(host)):
        raise _RefusedError(403, "this is for programs on this machine alone")


def _is_here(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _secrets(request: Request) -> bool:
    return request.args.get("secrets") == _SHOWN


def _exchange(exchange: Exchange, show_secrets: bool) -> dict[str, Any]:
    told = asdict(exchange) | {"effects": [str(effect) for effect in exchange.effects]}
    return told if show_secrets else {**told, "body": masked(exchange.body)}


def _body(request: Request) -> Any:
    """The parsed body, None where there is none; plain text is a list of its lines."""
    text = request.get_data(cache=False).decode("utf-8", "replace")
    if not text.strip():
        return None
    if (request.mimetype or "") == "text/plain":
        return text.splitlines()
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _RefusedError(400, "the body is not JSON") from None


def _json(content: Any, status: int) -> Outgoing:
    return Outgoing(status, (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode())
