"""Serve the hosts of a cloud through a proxy on loopback, for the client libraries of clouds.

The libraries get the real names of hosts, verify the certificate, and find the proxy in the environment.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from scripted_server import ReceivedRequest, ScriptedServer, ServerConnection, build_response, serve_script
from self_signed_cert import make_server_context


@dataclass(frozen=True)
class CloudAnswer:
    """Answer of a host: a status, a JSON document or bytes, and further headers."""

    status: int
    body: Any = None
    headers: tuple[str, ...] = ()


class Cloud(Protocol):
    """Cloud with its own hosts."""

    hosts: tuple[str, ...]

    def answer(self, host: str, request: ReceivedRequest) -> CloudAnswer | None:
        """Answer a request. None is silence until the end of the test."""


@dataclass
class ServedCloud:
    """Cloud that is served. `environ` points the libraries at it, `requests` are those inside the tunnels."""

    server: ScriptedServer
    environ: Mapping[str, str]
    requests: list[str] = field(default_factory=list)

    def count(self, text: str) -> int:
        """Count the requests whose `METHOD https://host/path` holds a text."""
        return sum(text in request for request in self.requests)


@contextmanager
def serve_cloud(cloud: Cloud, folder: Path) -> Iterator[ServedCloud]:
    """Serve a cloud until the block ends."""
    tls, certificate = make_server_context(cloud.hosts[0], folder, *cloud.hosts[1:])
    lock = threading.Lock()
    requests: list[str] = []

    def answer(wire: ServerConnection, request: ReceivedRequest) -> None:
        host = request.headers["host"].removesuffix(":443")
        with lock:
            requests.append(f"{request.method} https://{host}{request.target}")
            found = cloud.answer(host, request)
        if found is None:
            wire.hang()
            return
        body = found.body if isinstance(found.body, bytes) else json.dumps(found.body).encode()
        headers = ("Content-Type: application/json", "Connection: close", *found.headers)
        wire.send(build_response(body, f"{found.status} Some", *headers))

    with serve_script(answer, tls=tls, tunnel=True) as running:
        proxy = f"http://127.0.0.1:{running.port}"
        environ = {"HTTPS_PROXY": proxy, "https_proxy": proxy, "REQUESTS_CA_BUNDLE": str(certificate)}
        yield ServedCloud(running, environ, requests)


_VARIABLES = (
    "AZURE_", "GOOGLE_", "CLOUDSDK_", "IDENTITY_", "MSI_", "GCE_", "NO_GCE_CHECK", "NO_PROXY", "no_proxy",
    "HTTPS_PROXY", "https_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
)  # fmt: skip
"""Beginnings of the variables that the libraries of clouds read."""


def set_cloud_environment(monkeypatch: pytest.MonkeyPatch, home: Path, /, **environ: str) -> None:
    """Set variables that the libraries of clouds read, and remove all others, also those of an earlier call. They look
    for sessions of users in `home`."""
    for name in [*os.environ]:
        if name.startswith(_VARIABLES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
