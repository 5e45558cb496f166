"""Run a program that prints a secret, within the time of one look-up. Needs a POSIX system."""

from __future__ import annotations

import atexit
import os
import selectors
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from reconciler.secrets.base import StoreContext

MAX_BYTES = 1024 * 1024
_CHUNK_SIZE = 64 * 1024


class ProgramFailed(Exception):  # noqa: N818 - a problem of the environment, not a bug
    """A program gives no output. `reason` goes on a sentence about it and holds none of its output."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ProgramTimeout(ProgramFailed):
    """A program took longer than a look-up may take."""


@dataclass(frozen=True, slots=True)
class ProgramOutput:
    """Exit code and output of a program. Both outputs may hold secrets; `errors` is cut off after 1 MiB."""

    code: int
    data: bytes = field(repr=False)
    errors: bytes = field(repr=False)


class _RunningPrograms:
    """Programs that run now. The threads that wait for them end with this process, the programs do not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        atexit.register(self.kill_all)

    def add(self, process: subprocess.Popen[bytes]) -> None:
        """Add a program that was started."""
        with self._lock:
            self._processes.add(process)

    def remove(self, process: subprocess.Popen[bytes]) -> None:
        """Remove a program that has ended."""
        with self._lock:
            self._processes.discard(process)

    def kill_all(self) -> None:
        """Kill the programs of a run that was stopped."""
        with self._lock:
            for process in self._processes:
                _kill_group(process)


_RUNNING = _RunningPrograms()


def find_program(name: str, context: StoreContext) -> str | None:
    """Find a program by its name or path; None if it is not installed. Relative paths start in the project."""
    if os.sep in name:
        return str(context.directory / name)
    return shutil.which(name, path=context.environ.get("PATH", os.defpath))


def run_program(argv: Sequence[str], context: StoreContext, *, keeps_errors: bool = False) -> ProgramOutput:
    """Run a program in the project's folder, with the environment of the context and no input.

    With `keeps_errors` its error output is read too, for a program that ends its output last. The program has its own
    process group, which is killed as a whole if it prints too much or takes too long, or if this process ends. Raises
    ProgramFailed for that, and for a program that cannot be started.
    """
    try:
        process = subprocess.Popen(
            argv,
            cwd=context.directory,
            env=dict(context.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if keeps_errors else subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "its arguments cannot be used").lower()
        raise ProgramFailed(f"cannot be started: {reason}") from None
    with process:
        _RUNNING.add(process)
        try:
            return _wait(process, context)
        except BaseException:
            _kill_group(process)
            raise
        finally:
            _RUNNING.remove(process)


def _wait(process: subprocess.Popen[bytes], context: StoreContext) -> ProgramOutput:
    ends_at = context.clock.monotonic() + context.timeout
    try:
        data, errors = _read(process, lambda: ends_at - context.clock.monotonic())
        code = process.wait(max(0.0, ends_at - context.clock.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired):
        raise ProgramTimeout(f"took longer than {context.timeout:g} s") from None
    if len(data) > MAX_BYTES:
        raise ProgramFailed(f"printed more than {MAX_BYTES // 1024} KiB")
    return ProgramOutput(code, data, errors)


def _read(process: subprocess.Popen[bytes], get_remaining: Callable[[], float]) -> tuple[bytes, bytes]:
    """Read standard output until its end or until it exceeds the limit, and what standard error has until then. Raises
    TimeoutError.

    The end of standard error is not waited for: a program may leave a helper running that keeps it open.
    """
    data, errors = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        for stream, kept in ((process.stdout, data), (process.stderr, errors)):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, kept)
        while len(data) <= MAX_BYTES:
            seconds = get_remaining()
            if seconds <= 0 or not (ready := selector.select(seconds)):
                raise TimeoutError
            for key, _ in sorted(ready, key=lambda each: each[0].data is data):
                chunk = os.read(key.fd, _CHUNK_SIZE)
                if chunk:
                    key.data.extend(chunk[: max(0, MAX_BYTES + 1 - len(key.data))])
                elif key.data is data:
                    return bytes(data), bytes(errors)
                else:
                    selector.unregister(key.fileobj)
    _kill_group(process)
    return bytes(data), bytes(errors)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a program with every process of its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
