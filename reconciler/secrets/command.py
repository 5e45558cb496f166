"""Read `command:NAME` and `command:NAME#member` from the output of commands.

Specs choose among the commands of the project file; they never hold a command line.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from reconciler.model.suggestions import did_you_mean
from reconciler.model.value import Reference
from reconciler.secrets.base import SecretUnavailable, StoreContext, decode_text

MAX_BYTES = 1024 * 1024
COMMAND_SCHEME = "command"
_STDERR_NOTE = "its error output is not shown, since it may hold secrets"


def validate_reference(reference: Reference, names: Collection[str]) -> tuple[str, str] | None:
    """Validate a reference to one of the commands `names`. Returns problem and advice; None if valid."""
    if reference.locator in names:
        return None
    known_names = ", ".join(f"`{name}`" for name in sorted(names))
    advice = did_you_mean(reference.locator, names) or (
        f"the project file names {known_names}"
        if known_names
        else "name it in the project file below `secrets.commands:`"
    )
    return "the project file names no such command", advice


class Commands:
    """Store of named commands, each an argument list that never passes through a shell.

    A command gets the given environment, no input, and its own process group, which is killed as a whole if
    the command fails, prints too much or takes too long. Needs a POSIX system.
    """

    def __init__(self, commands: Mapping[str, Sequence[str]], context: StoreContext) -> None:
        """Create a store of `commands`, argument lists by name.

        Every command runs in the project's directory. Relative paths of programs start there too.
        """
        self._commands = commands
        self._context = context

    def read(self, reference: Reference) -> str:
        """Read the whole output of a command, without the last line end.

        Raises SecretUnavailable if the command is unknown, cannot be started, fails, takes longer than the
        timeout, or prints more than 1 MiB or bytes that are not UTF-8.
        """
        argv = self._commands.get(reference.locator)
        if argv is None:
            raise SecretUnavailable(reference, "the project file names no such command")
        try:
            process = subprocess.Popen(
                [self._find_program(reference, argv[0]), *argv[1:]],
                cwd=self._context.directory,
                env=dict(self._context.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = (getattr(error, "strerror", None) or "its arguments cannot be used").lower()
            raise SecretUnavailable(reference, f"the command cannot be started: {reason}") from None
        with process:
            try:
                data = self._read_output(process, reference)
            except BaseException:
                _kill_group(process)
                raise
        return decode_text(data, reference)

    def _find_program(self, reference: Reference, name: str) -> str:
        if os.sep in name:
            return str(self._context.directory / name)
        path = shutil.which(name, path=self._context.environ.get("PATH", os.defpath))
        if path is None:
            raise SecretUnavailable(reference, f"the program `{name}` of the command is not installed")
        return path

    def _read_output(self, process: subprocess.Popen[bytes], reference: Reference) -> bytes:
        clock = self._context.clock
        ends_at = clock.monotonic() + self._context.timeout
        try:
            data = _read(process, lambda: ends_at - clock.monotonic())
            code = process.wait(max(0.0, ends_at - clock.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            seconds = f"{self._context.timeout:g} s"
            raise SecretUnavailable(reference, f"the command took longer than {seconds}") from None
        if len(data) > MAX_BYTES:
            raise SecretUnavailable(reference, f"the command printed more than {MAX_BYTES // 1024} KiB")
        if code < 0:
            raise SecretUnavailable(reference, f"the command was ended by signal {-code}; {_STDERR_NOTE}")
        if code:
            raise SecretUnavailable(reference, f"the command ended with exit code {code}; {_STDERR_NOTE}")
        return data


def _read(process: subprocess.Popen[bytes], get_remaining: Callable[[], float]) -> bytes:
    """Read standard output until its end or until it exceeds the limit. Raises TimeoutError."""
    assert process.stdout is not None  # noqa: S101 - for the type checker: PIPE was given
    data = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(data) <= MAX_BYTES:
            seconds = get_remaining()
            if seconds <= 0 or not selector.select(seconds):
                raise TimeoutError
            chunk = os.read(process.stdout.fileno(), 64 * 1024)
            if not chunk:
                return bytes(data)
            data += chunk
    _kill_group(process)
    return bytes(data)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a command with every process of its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
