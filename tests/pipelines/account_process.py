"""A Fivetran account as a process of its own: `reconciler emulate` on a socket."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from command_line import COMMAND, PROCESS_TIMEOUT, build_environment

SEED = """\
version: 1
account: {{id: {id}, name: Acme}}
groups: []
"""


@dataclass
class AccountProcess:
    """A running account; `url` is what goes into FIVETRAN_API_URL. One serves many tests: `begin` makes it anew."""

    id: str
    url: str
    _start_sequence: int = 0

    def reset(self, content: Any = None) -> None:
        """Be as new, or as it was written down once."""
        empty = {"version": 1, "account": {"id": self.id, "name": "Acme"}, "groups": []}
        self._call_control("POST", "/reset", content or empty)
        history = self._call_control("GET", "/history")["history"]
        self._start_sequence = history[-1]["sequence"] if history else 0

    def dump(self) -> Any:
        """All that is in it, as `begin` takes it."""
        return self._call_control("GET", "/account?secrets=shown")

    @property
    def calls(self) -> list[str]:
        """The requests since the beginning."""
        history = self._call_control("GET", f"/history?since={self._start_sequence}")["history"]
        return [f"{entry['method']} {entry['path']}" for entry in history]

    @property
    def writes(self) -> list[str]:
        """Those of them that may have changed something."""
        return [call for call in self.calls if not call.startswith("GET ")]

    def get_groups(self) -> dict[str, dict[str, Any]]:
        """What is in the account, by the name of the group, secrets in clear."""
        return {group["name"]: group for group in self.dump().get("groups", [])}

    def change_destination(self, name: str, **config: Any) -> None:
        """Somebody changes the destination of a group by hand."""
        group = self.get_groups()[name]["id"]
        self._call("PATCH", f"{self.url}/destinations/{group}", {"config": config, "run_setup_tests": False})

    def add_fault(self, text: str) -> None:
        """Let something go wrong."""
        self._call_control("POST", "/faults", {"faults": [text]})

    def clear_faults(self) -> None:
        """Nothing goes wrong any more."""
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
    """An empty account with this id. It ends with the block."""
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
