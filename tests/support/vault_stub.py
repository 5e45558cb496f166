"""Serve a Vault: tokens, AppRole and Kubernetes logins, KV engines of both versions, and the question for a mount.

Paths, statuses and bodies are those of Vault 1.x. The scripts of `scripted_server` carry the bytes.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from scripted_server import ReceivedRequest, ScriptedServer, ServerConnection, build_response, serve_script

STATIC_TOKEN = "hvs.static-token-of-the-tests"
LOGIN_TOKEN = "hvs.token-of-a-login-of-the-tests"
ENTRY = {"user": "loader", "password": "canary", "port": 5432, "nested": {"a": "canary"}}

_Answer = tuple[int, Any]
_DENIED: _Answer = (403, {"errors": ["permission denied"]})
_NOTHING: _Answer = (404, {"errors": []})


@dataclass
class Engine:
    """Secrets engine: its version (None for another engine than KV), and its entries by path."""

    version: int | None = 2
    entries: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "kv"


@dataclass
class VaultStub:
    """State of a Vault. `readable` are the prefixes that the tokens may read, `tells_mounts` says whether policies
    allow the question for a mount, `logins` are the accepted credentials by path."""

    engines: Mapping[str, Engine] = field(default_factory=lambda: {"kv/": Engine(2, {"team/db": ENTRY})})
    readable: tuple[str, ...] = ("",)
    tells_mounts: bool = True
    logins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    namespace: str = ""
    statuses: list[int] = field(default_factory=list)
    """Statuses of the next answers, whatever is asked."""
    requests: list[ReceivedRequest] = field(default_factory=list)
    _tokens: set[str] = field(default_factory=lambda: {STATIC_TOKEN})
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def targets(self) -> list[str]:
        """The paths of all requests, in the order of their arrival, without `/v1`."""
        return [request.target.removeprefix("/v1") for request in self.requests]

    def answer(self, wire: ServerConnection, request: ReceivedRequest) -> None:
        """Answer a request."""
        with self._lock:
            self.requests.append(request)
            status, body = self._choose_answer(request)
        wire.send(
            build_response(json.dumps(body).encode(), f"{status} Some", "Content-Type: application/json")
        )

    def _choose_answer(self, request: ReceivedRequest) -> _Answer:
        if self.statuses:
            return self.statuses.pop(0), {"errors": ["canary"]}
        path = unquote(request.target).removeprefix("/v1/")
        if request.headers.get("x-vault-namespace", "") != self.namespace:
            return _DENIED
        if path.startswith("auth/"):
            return self._log_in(path, request)
        if request.headers.get("x-vault-token") not in self._tokens or request.method != "GET":
            return _DENIED
        if path.startswith("sys/internal/ui/mounts/"):
            return self._describe_mount(path.removeprefix("sys/internal/ui/mounts/"))
        return self._read(path)

    def _log_in(self, path: str, request: ReceivedRequest) -> _Answer:
        if path not in self.logins:
            return _DENIED
        if request.method != "POST" or request.json != dict(self.logins[path]):
            return 400, {"errors": ["invalid role or secret ID: canary"]}
        self._tokens.add(LOGIN_TOKEN)
        return 200, {"auth": {"client_token": LOGIN_TOKEN, "lease_duration": 3600, "renewable": True}}

    def _find_engine(self, path: str) -> str | None:
        return next((mount for mount in self.engines if f"{path}/".startswith(mount)), None)

    def _may_read(self, path: str) -> bool:
        return any(path.startswith(prefix) for prefix in self.readable)

    def _describe_mount(self, path: str) -> _Answer:
        mount = self._find_engine(path)
        may_read = mount is not None and any(
            prefix.startswith(mount) or mount.startswith(prefix) for prefix in self.readable
        )
        if not self.tells_mounts or mount is None or not may_read:
            return 403, {"errors": [f"preflight capability check returned 403 for canary {path}"]}
        engine = self.engines[mount]
        options = {"version": str(engine.version)} if engine.version == 2 else None
        return 200, {"data": {"path": mount, "type": engine.kind, "options": options, "uuid": "1"}}

    def _read(self, path: str) -> _Answer:
        mount = self._find_engine(path)
        if not self._may_read(path):
            return _DENIED
        if mount is None:
            return 404, {"errors": [f'no handler for route "{path}". canary']}
        engine, below = self.engines[mount], path.removeprefix(mount)
        if engine.version is None:
            return 200, {"lease_id": f"{path}/1", "data": {"password": "canary"}}
        if engine.version == 1:
            entry = engine.entries.get(below)
            return _NOTHING if entry is None else (200, {"lease_id": "", "data": entry})
        if not below.startswith("data/"):
            return 404, {"data": None, "warnings": ["Invalid path for a versioned K/V secrets engine."]}
        entry = engine.entries.get(below.removeprefix("data/"))
        if entry is None:
            return _NOTHING
        return 200, {"lease_id": "", "data": {"data": entry, "metadata": {"version": 3}}}


@contextmanager
def serve_vault(stub: VaultStub, **options: Any) -> Iterator[ScriptedServer]:
    """Serve a Vault on loopback until the block ends."""
    with serve_script(stub.answer, **options) as running:
        yield running


def build_settings(running: ScriptedServer, token: str = STATIC_TOKEN, **more: str) -> dict[str, str]:
    """Build the environment of a client with a token."""
    return {"VAULT_ADDR": f"http://127.0.0.1:{running.port}", "VAULT_TOKEN": token, **more}
