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

from command_line import COMMAND, PATIENCE, environment

SEED = """\
version: 1
account: {{id: {id}, name: Acme}}
groups: []
"""


@dataclass
class Account:
    """A running account; `url` is what goes into FIVETRAN_API_URL. One serves many tests: `begin` makes it anew."""

    id: str
    url: str
    _first: int = 0

    def begin(self, content: Any = None) -> None:
        """Be as new, or as it was written down once."""
        empty = {"version": 1, "account": {"id": self.id, "name": "Acme"}, "groups": []}
        self._ask("POST", "/reset", content or empty)
        history = self._ask("GET", "/history")["history"]
        self._first = history[-1]["sequence"] if history else 0

    def written(self) -> Any:
        """All that is in it, as `begin` takes it."""
        return self._ask("GET", "/account?secrets=shown")

    @property
    def calls(self) -> list[str]:
        """The requests since the beginning."""
        history = self._ask("GET", f"/history?since={self._first}")["history"]
        return [f"{each['method']} {each['path']}" for each in history]

    @property
    def writes(self) -> list[str]:
        """Those of them that may have changed something."""
        return [call for call in self.calls if not call.startswith("GET ")]

    def groups(self) -> dict[str, dict[str, Any]]:
        """What is in the account, by the name of the group, secrets in clear."""
        return {each["name"]: each for each in self.written().get("groups", [])}

    def change(self, name: str, **config: Any) -> None:
        """Somebody changes the destination of a group by hand."""
        group = self.groups()[name]["id"]
        self._call("PATCH", f"{self.url}/destinations/{group}", {"config": config, "run_setup_tests": False})

    def fault(self, text: str) -> None:
        """Let something go wrong."""
        self._ask("POST", "/faults", {"faults": [text]})

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self._ask("DELETE", "/faults")

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        return self._call(method, f"{self.url.removesuffix('/v1')}/_emulator{path}", body)

    def _call(self, method: str, url: str, body: Any = None) -> Any:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json;version=2",
            "Authorization": "Basic c29tZWJvZHk6YnktaGFuZA==",
        }
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(url, data, headers, method=method), timeout=PATIENCE) as answer:
            return json.load(answer)


@contextmanager
def emulated(directory: Path, id: str) -> Iterator[Account]:
    """An empty account with this id. It ends with the block."""
    seed = directory / f"{id}.yaml"
    seed.write_text(SEED.format(id=id))
    with subprocess.Popen(
        [*COMMAND, "emulate", "--port", "0", "--seed", str(seed)],
        cwd=directory,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("export FIVETRAN_API_URL="), line
            yield Account(id, line.split("=", 1)[1].split()[0].strip())
        finally:
            process.kill()
