"""Handle `/_emulator/…`: check the caller, and route the request to its endpoint."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

from reconciler.emulator.control import approvals, content, scenario, traffic
from reconciler.emulator.control.endpoint import ControlError, ControlledEmulator, Endpoint
from reconciler.emulator.envelope import ErrorReply
from reconciler.emulator.http_response import HttpResponse
from reconciler.model.suggestions import find_nearest

PREFIX = "/_emulator"

ENDPOINTS = (
    *traffic.ENDPOINTS,
    *content.ENDPOINTS,
    *approvals.ENDPOINTS,
    *scenario.ENDPOINTS,
)


class Control:
    """Control of a running emulator, for programs on this machine only. Web pages in browsers are refused."""

    def __init__(self, emulator: ControlledEmulator) -> None:
        self._emulator = emulator
        self._endpoints = {(endpoint.method, endpoint.path): endpoint for endpoint in ENDPOINTS}

    def handle(self, request: Request) -> HttpResponse:
        """Handle one request. The history gets no entry, and faults and quotas do not apply."""
        try:
            _check_caller(request)
            path = request.path.removeprefix(PREFIX).rstrip("/")
            if (request.method, path) == ("GET", ""):
                return _build_json_response(_list_endpoints(), 200)
            result = self._require_endpoint(request.method, path).handler(self._emulator, request)
        except ControlError as error:
            return _build_json_response({"error": str(error)}, error.status)
        except ErrorReply as error:
            return _build_json_response({"error": error.reply.message}, error.reply.status)
        except HTTPException as error:
            return _build_json_response({"error": error.description}, error.code or 400)
        return result if isinstance(result, HttpResponse) else _build_json_response(result, 200)

    def _require_endpoint(self, method: str, path: str) -> Endpoint:
        """Get the endpoint of a request. Raises a 404, or a 405 if the path has other methods."""
        endpoint = self._endpoints.get((method, path))
        if endpoint is not None:
            return endpoint
        methods = [known_method for known_method, known_path in self._endpoints if known_path == path]
        if methods:
            raise ControlError(405, f"`{PREFIX}{path}` takes {', '.join(methods)}, not {method}")
        suggestion = find_nearest(path, {known_path for _, known_path in self._endpoints})
        advice = (
            f"did you mean `{PREFIX}{suggestion}`?" if suggestion else f"`GET {PREFIX}` lists all endpoints"
        )
        raise ControlError(404, f"there is no such endpoint; {advice}")


def _list_endpoints() -> dict[str, Any]:
    return {
        "endpoints": {f"{endpoint.method} {PREFIX}{endpoint.path}": endpoint.does for endpoint in ENDPOINTS}
    }


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
        raise ControlError(403, "only programs on this machine may use this endpoint")


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _build_json_response(content: Any, status: int) -> HttpResponse:
    return HttpResponse(status, (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode())
