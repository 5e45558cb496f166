"""A Fivetran account in its own process: `reconciler emulate` on a socket."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from certificate_chain import MadeCertificate
from command_line import COMMAND, PROCESS_TIMEOUT, build_environment

SEED = """\
version: 1
account: {{id: {id}, name: Acme}}
groups: []
"""


@dataclass
class AccountProcess:
    """A running account; `url` is the value of FIVETRAN_API_URL. One process serves many tests: `reset` restores it."""

    id: str
    url: str
    _start_sequence: int = 0

    def reset(self, content: Any = None) -> None:
        """Reset the account to an empty account or to a dump."""
        empty = {"version": 1, "account": {"id": self.id, "name": "Acme"}, "groups": []}
        self._call_control("POST", "/reset", content or empty)
        history = self._call_control("GET", "/history")["history"]
        self._start_sequence = history[-1]["sequence"] if history else 0

    def dump(self) -> Any:
        """Dump the content of the account in the form that `reset` accepts."""
        return self._call_control("GET", "/account?secrets=shown")

    @property
    def calls(self) -> list[str]:
        """List the requests since the last reset."""
        history = self._call_control("GET", f"/history?since={self._start_sequence}")["history"]
        return [f"{entry['method']} {entry['path']}" for entry in history]

    @property
    def writes(self) -> list[str]:
        """List the write requests since the last reset."""
        return [call for call in self.calls if not call.startswith("GET ")]

    def get_groups(self) -> dict[str, dict[str, Any]]:
        """Get the content of the account by group name, with plain secrets."""
        return {group["name"]: group for group in self.dump().get("groups", [])}

    def change_destination(self, name: str, **config: Any) -> None:
        """Change the destination of a group outside the specs."""
        group = self.get_groups()[name]["id"]
        self._call("PATCH", f"{self.url}/destinations/{group}", {"config": config, "run_setup_tests": False})

    def present_certificate(self, group: str, chain: Sequence[MadeCertificate]) -> None:
        """Let the server behind the destination of a group present a chain. The group need not exist yet."""
        self._call_control(
            "POST", "/network", {"group": group, "certificate": [each.encoded for each in chain]}
        )

    def list_approved(self, name: str) -> list[str]:
        """List the hashes of the approved certificates of a group's destination."""
        return [approval["hash"] for approval in self.get_groups()[name].get("certificates", [])]

    def add_fault(self, text: str) -> None:
        """Add a fault."""
        self._call_control("POST", "/faults", {"faults": [text]})

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._call_control("DELETE", "/faults")

    def _call_control(self, method: str, path: str, body: Any = None) -> Any:
        return self._call(method, f"{self.url.removesuffix('/v1')}/_emulator{path}", body)

    def _call(self, method: str, url: str, body: Any = None) -> Any:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json;version=2",
            "Authorization": "Basic c29tZWJvZHk6YnktaGFuZA==",
        }
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(url, data, headers, method=method), timeout=PROCESS_TIMEOUT) as response:
            return json.load(response)


@contextmanager
def run_account(directory: Path, id: str) -> Iterator[AccountProcess]:
    """Run an empty account with this id until the end of the block."""
    seed = directory / f"{id}.yaml"
    seed.write_text(SEED.format(id=id))
    with subprocess.Popen(
        [*COMMAND, "emulate", "--port", "0", "--seed", str(seed)],
        cwd=directory,
        env=build_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("export FIVETRAN_API_URL="), line
            yield AccountProcess(id, line.split("=", 1)[1].split()[0].strip())
        finally:
            process.kill()
