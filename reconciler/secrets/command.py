"""`command:NAME` and `command:NAME#member`: values that a program prints.

Specs only choose among the commands that the project file names; they never hold a command line.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from reconciler.model.nearest import did_you_mean
from reconciler.model.value import Reference
from reconciler.secrets.base import SecretUnavailable, Surroundings, text_of

MAX_BYTES = 1024 * 1024
_UNSHOWN = "what it wrote to its error output is not shown, as that may hold secrets"


def flaw(reference: Reference, names: Collection[str]) -> tuple[str, str] | None:
    """What is wrong with a reference to one of the commands `names`, and what to do."""
    if reference.locator in names:
        return None
    known = ", ".join(f"`{name}`" for name in sorted(names))
    advice = did_you_mean(reference.locator, names) or (
        f"the project file names {known}"
        if known
        else "name it in the project file below `secrets.commands:`"
    )
    return "the project file names no such command", advice


class Commands:
    """Runs named commands, each an argument list that no shell ever sees.

    A command gets the environment that is handed in, no input, and a process group of its own, which is
    ended as a whole when the command fails, prints too much or takes too long. Needs a POSIX system.
    """

    def __init__(self, commands: Mapping[str, Sequence[str]], surroundings: Surroundings) -> None:
        """`commands` are argument lists by name. Relative programs start in the project's directory,
        and so does every command."""
        self._commands = commands
        self._surroundings = surroundings

    def read(self, reference: Reference) -> str:
        """All that a command prints, without the last line end.

        Raises SecretUnavailable where it is not named, cannot be started, fails, takes longer than the
        timeout, or prints more than 1 MiB or something other than UTF-8.
        """
        argv = self._commands.get(reference.locator)
        if argv is None:
            raise SecretUnavailable(reference, "the project file names no such command")
        try:
            process = subprocess.Popen(
                [self._program(reference, argv[0]), *argv[1:]],
                cwd=self._surroundings.directory,
                env=dict(self._surroundings.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            told = (getattr(error, "strerror", None) or "its arguments cannot be used").lower()
            raise SecretUnavailable(reference, f"the command cannot be started: {told}") from None
        with process:
            try:
                data = self._output(process, reference)
            except BaseException:
                _end(process)
                raise
        return text_of(data, reference)

    def _program(self, reference: Reference, name: str) -> str:
        if os.sep in name:
            return str(self._surroundings.directory / name)
        found = shutil.which(name, path=self._surroundings.environ.get("PATH", os.defpath))
        if found is None:
            raise SecretUnavailable(reference, f"the program `{name}` of the command is not installed")
        return found

    def _output(self, process: subprocess.Popen[bytes], reference: Reference) -> bytes:
        clock = self._surroundings.clock
        ends_at = clock.monotonic() + self._surroundings.timeout
        try:
            data = _read(process, lambda: ends_at - clock.monotonic())
            code = process.wait(max(0.0, ends_at - clock.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            seconds = f"{self._surroundings.timeout:g} s"
            raise SecretUnavailable(reference, f"the command took longer than {seconds}") from None
        if len(data) > MAX_BYTES:
            raise SecretUnavailable(reference, f"the command printed more than {MAX_BYTES // 1024} KiB")
        if code < 0:
            raise SecretUnavailable(reference, f"the command was ended by signal {-code}; {_UNSHOWN}")
        if code:
            raise SecretUnavailable(reference, f"the command ended with exit code {code}; {_UNSHOWN}")
        return data


def _read(process: subprocess.Popen[bytes], left: Callable[[], float]) -> bytes:
    """Standard output until it ends, or a little more than allowed. Raises TimeoutError."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    data = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(data) <= MAX_BYTES:
            seconds = left()
            if seconds <= 0 or not selector.select(seconds):
                raise TimeoutError
            chunk = os.read(process.stdout.fileno(), 64 * 1024)
            if not chunk:
                return bytes(data)
            data += chunk
    _end(process)
    return bytes(data)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command with everything that it started and left in its process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
