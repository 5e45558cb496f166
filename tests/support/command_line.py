"""Run the real `reconciler` process, with pipes or at a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from documented_exits import check_exit_code
from secret_leak_detector import get_detector

COMMAND = [sys.executable, "-m", "reconciler"]
PROCESS_TIMEOUT = 60  # seconds until a hanging process is killed
_CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PASSED_VARIABLES = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "SYSTEMROOT")


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """Exit code and output of a process."""

    code: int
    out: str
    err: str


def build_environment(**variables: str) -> dict[str, str]:
    """Build an environment without credentials and without settings of the user who runs the tests."""
    get_detector().add_environment(variables)
    passed = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
    return {**passed, "PYTHONIOENCODING": "utf-8", "TERM": "xterm", **variables}


def run(
    *arguments: str, directory: Path, stdin: str = "", stdout_file: Path | None = None, **environ: str
) -> ProcessResult:
    """Run with pipes, as a CI job would. With `stdout_file` standard output goes to that file."""
    get_detector().add_folder(directory)
    with ExitStack() as files:
        out = files.enter_context(stdout_file.open("wb")) if stdout_file else subprocess.PIPE
        completed = subprocess.run(
            [*COMMAND, *arguments],
            cwd=directory,
            env=build_environment(**environ),
            input=stdin.encode(),
            stdout=out,
            stderr=subprocess.PIPE,
            timeout=PROCESS_TIMEOUT,
            check=False,
        )
    finished = ProcessResult(
        completed.returncode, (completed.stdout or b"").decode(), completed.stderr.decode()
    )
    for name, text in (("stdout", finished.out), ("stderr", finished.err)):
        get_detector().add_artefact(f"{name} of `{' '.join(arguments)}`", text)
    if finished.code >= 0:  # else a signal has killed it
        check_exit_code(arguments, finished.code)
    return finished


class TerminalProcess:
    """Process whose three streams are one terminal, of `columns` cells if they are known."""

    def __init__(
        self,
        *arguments: str,
        directory: Path,
        command: Sequence[str] = COMMAND,
        columns: int = 0,
        **environ: str,
    ) -> None:
        get_detector().add_folder(directory)
        self._master_fd, slave_fd = pty.openpty()
        if columns:
            self.resize(columns)
        self._process = subprocess.Popen(
            [*command, *arguments],
            cwd=directory,
            env=build_environment(**environ),
            stdin=slave_fd,
            stdout=slave_fd,
            stderr=slave_fd,
            start_new_session=True,
        )
        os.close(slave_fd)
        self.output = ""

    @property
    def text(self) -> str:
        """Return the shown text, without colours and cursor movements."""
        return _CONTROL_SEQUENCE.sub("", self.output)

    def __enter__(self) -> TerminalProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(PROCESS_TIMEOUT)
        os.close(self._master_fd)
        get_detector().add_artefact("the terminal", self.output)

    def wait_for(self, text: str) -> None:
        """Read until `text` has been shown."""
        while text not in self.output:
            assert self._read(), f"ended without showing {text!r}:\n{self.output}"

    def type(self, text: str) -> None:
        """Type a text."""
        os.write(self._master_fd, text.encode())

    def resize(self, columns: int) -> None:
        """Change the width of the terminal."""
        termios.tcsetwinsize(self._master_fd, (50, columns))

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        self._process.send_signal(number)

    def wait_for_exit(self) -> int:
        """Read to the end and return the exit code."""
        while self._read():
            pass
        return self._process.wait(PROCESS_TIMEOUT)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master_fd], [], [], PROCESS_TIMEOUT)
        assert ready, f"nothing more was shown:\n{self.output}"
        try:
            chunk = os.read(self._master_fd, 65536)
        except OSError:  # Linux raises this once the other side is closed
            return False
        self.output += chunk.decode(errors="replace")
        return bool(chunk)
