"""Run the emulator and the command line, for tests of the whole product.

`EmulatedFivetran` is an emulator on a loopback socket with a history; `Project.run` calls the real command line in this
process.
"""

from __future__ import annotations

import json
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from documented_exits import check_exit_code
from fake_clock import HastyClock
from secret_leak_detector import get_detector, track_product_run

from reconciler.cli.main import run as run_command_line
from reconciler.emulator.app import Emulator, create_app
from reconciler.emulator.serve import serve_in_thread

ROOT = Path(__file__).parents[2]
KEY, SECRET = "key-of-the-tests", "secret-of-the-tests"
SETTLE_TIME = timedelta(minutes=16)
"""Time after which a request without an answer is settled: it will have no effect any more."""


@dataclass(frozen=True)
class CommandResult:
    """Output and exit code of a command."""

    exit: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """Standard output, parsed as the one JSON document that it must be."""
        return json.loads(self.stdout)


@dataclass(frozen=True)
class EmulatedFivetran:
    """Running emulator. `app` gives the history, `url` is the base URL for clients."""

    app: Emulator
    url: str

    @property
    def calls(self) -> list[str]:
        """List all requests as `METHOD path`, oldest first."""
        return [f"{entry.method} {entry.path}" for entry in self.app.read_history()]

    @property
    def writes(self) -> list[str]:
        """List the requests that may change the account."""
        return [call for call in self.calls if not call.startswith("GET ")]

    @property
    def account_id(self) -> str:
        """Return the id of the account."""
        return self.app.dashboard.identity.account_id

    def list_ids(self, collection: str) -> list[str]:
        """List the ids in `groups` or `destinations`, as any client would."""
        return [item["id"] for item in self.get(f"/{collection}?limit=1000")["items"]]

    def get(self, path: str) -> Any:
        """Return the data that a GET of this path answers."""
        return self._send("GET", path)

    def post(self, path: str, body: Any) -> Any:
        """Send a POST, as another client of the account. Returns the data of the answer."""
        return self._send("POST", path, json.dumps(body).encode())

    def delete(self, path: str) -> None:
        """Send a DELETE, as another client of the account."""
        self._send("DELETE", path)

    def _send(self, method: str, path: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(
            self.url + path,
            data=body,
            method=method,
            headers={
                "Authorization": "Basic " + b64encode(f"{KEY}:{SECRET}".encode()).decode(),
                "Accept": "application/json;version=2",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response).get("data")

    def list_bodies(self, method: str, path: str) -> list[Any]:
        """Parse the bodies of all requests to exactly this path."""
        return [
            entry.body for entry in self.app.read_history() if (entry.method, entry.path) == (method, path)
        ]


@contextmanager
def serve_fivetran(**options: Any) -> Iterator[EmulatedFivetran]:
    """Serve an empty account on a free loopback port, with the credentials of the tests. Its clock moves with the clock
    of the command line."""
    app = create_app(credentials=(KEY, SECRET), clock=lambda: datetime.now(UTC) + HastyClock.ahead, **options)
    try:
        with serve_in_thread(app) as url:
            yield EmulatedFivetran(app, url)
    finally:
        app.close()


class Project:
    """Folder with specs, in which the command line is run."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capfd = capfd
        self.write("specs/reconciler.yaml", "version: 1\nspecs: ['groups/*.yaml']\n")

    def enter(self, name: str) -> Project:
        """Return this project with commands that run in one of its folders, which is made."""
        inside = copy(self)
        inside.folder = self.folder / name
        inside.folder.mkdir(parents=True, exist_ok=True)
        return inside

    def write(self, name: str, text: str) -> Path:
        """Write a file into the project."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        get_detector().add_written_file(file, text)
        return file

    def write_groups(self, text: str, file: str = "main") -> None:
        """Write a spec file with these group entries into the project (two spaces of indent)."""
        self.write(f"specs/groups/{file}.yaml", f"version: 1\ngroups:\n{text}")

    def advance_time(self, span: timedelta = SETTLE_TIME) -> None:
        """Advance the clock for the rest of this test."""
        self._monkeypatch.setattr(HastyClock, "ahead", HastyClock.ahead + span)

    def run(self, *arguments: str, environ: Mapping[str, str] | None = None) -> CommandResult:
        """Run a command line in the project's folder. Its environment for Fivetran and secrets is `environ` alone."""
        get_detector().add_environment(environ or {})
        get_detector().add_folder(self.folder)
        with self._monkeypatch.context() as patch, track_product_run():
            patch.chdir(self.folder)
            patch.setattr("reconciler.cli.context.SystemClock", HastyClock)
            for name in (
                "FIVETRAN_APIKEY",
                "FIVETRAN_APISECRET",
                "FIVETRAN_API_URL",
                "RECONCILER_PROJECT",
                "HTTPS_PROXY",
            ):
                patch.delenv(name, raising=False)
            for name, value in (environ or {}).items():
                patch.setenv(name, value)
            self._capfd.readouterr()
            code = run_command_line(list(arguments))
        captured = self._capfd.readouterr()
        for name, text in (("stdout", captured.out), ("stderr", captured.err)):
            get_detector().add_artefact(f"{name} of `{' '.join(arguments)}`", text)
        check_exit_code(arguments, code)
        return CommandResult(code, captured.out, captured.err)

    def run_against(
        self, server: EmulatedFivetran, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> CommandResult:
        """Run a command line against a running emulator."""
        return self.run(*arguments, environ={**build_credentials(server.url), **(environ or {})})


def build_credentials(url: str) -> dict[str, str]:
    """Build the environment that points a client at an emulator of `serve_fivetran`."""
    return {"FIVETRAN_APIKEY": KEY, "FIVETRAN_APISECRET": SECRET, "FIVETRAN_API_URL": url}
