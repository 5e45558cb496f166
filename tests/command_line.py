"""Running the real `reconciler` process, with pipes or at a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from canaries import watch

COMMAND = [sys.executable, "-m", "reconciler"]
PATIENCE = 60  # seconds until a process that hangs is given up
_CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SURROUNDINGS = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "SYSTEMROOT")


@dataclass(frozen=True, slots=True)
class Finished:
    """How a process ended and what it wrote."""

    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """Surroundings without credentials and without settings of whoever runs the tests."""
    watch().environment(more)
    kept = {name: os.environ[name] for name in _SURROUNDINGS if name in os.environ}
    return {**kept, "PYTHONIOENCODING": "utf-8", "TERM": "xterm", **more}


def run(
    *arguments: str, directory: Path, given: str = "", onto: Path | None = None, **environ: str
) -> Finished:
    """Run with pipes, as a CI job would. With `onto` stdout goes to that file."""
    watch().folder(directory)
    with ExitStack() as files:
        out = files.enter_context(onto.open("wb")) if onto else subprocess.PIPE
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=directory,
            env=environment(**environ),
            input=given.encode(),
            stdout=out,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    finished = Finished(done.returncode, (done.stdout or b"").decode(), done.stderr.decode())
    for name, text in (("stdout", finished.out), ("stderr", finished.err)):
        watch().artefact(f"{name} of `{' '.join(arguments)}`", text)
    return finished


class AtTerminal:
    """A process whose three streams are one terminal."""

    def __init__(
        self, *arguments: str, directory: Path, command: Sequence[str] = COMMAND, **environ: str
    ) -> None:
        watch().folder(directory)
        self._terminal, inside = pty.openpty()
        self._process = subprocess.Popen(
            [*command, *arguments],
            cwd=directory,
            env=environment(**environ),
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
        )
        os.close(inside)
        self.seen = ""

    @property
    def text(self) -> str:
        """What was shown, without colours and movements of the cursor."""
        return _CONTROL_SEQUENCE.sub("", self.seen)

    def __enter__(self) -> AtTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        os.close(self._terminal)
        watch().artefact("the terminal", self.seen)

    def wait_for(self, text: str) -> None:
        """Read until `text` has been shown."""
        while text not in self.seen:
            assert self._read(), f"ended without showing {text!r}:\n{self.seen}"

    def type(self, text: str) -> None:
        """What a person types."""
        os.write(self._terminal, text.encode())

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        self._process.send_signal(number)

    def end(self) -> int:
        """Read to the end and return the exit code."""
        while self._read():
            pass
        return self._process.wait(PATIENCE)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], PATIENCE)
        assert ready, f"nothing more was shown:\n{self.seen}"
        try:
            some = os.read(self._terminal, 65536)
        except OSError:  # what Linux answers once the other side is closed
            return False
        self.seen += some.decode(errors="replace")
        return bool(some)
