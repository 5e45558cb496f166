"""Run the real `reconciler` in the background, for tests that act on the running process."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from command_line import COMMAND, PROCESS_TIMEOUT, ProcessResult, build_environment
from secret_leak_detector import get_detector


class BackgroundProcess:
    """Process with pipes, as in a CI job. As a context manager it ends with its test."""

    def __init__(
        self,
        *arguments: str,
        directory: Path,
        command: Sequence[str] = COMMAND,
        **environ: str,
    ) -> None:
        get_detector().add_folder(directory)
        self._command_line = " ".join(arguments)
        self._signalled = time.monotonic()
        self.seconds_since_signal = 0.0
        self._process = subprocess.Popen(
            [*command, *arguments],
            cwd=directory,
            env=build_environment(**environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._output = {"out": b"", "err": b""}
        self._open_streams = len(self._output)
        self._output_changed = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("out", self._process.stdout), ("err", self._process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """Return the id of the process."""
        return self._process.pid

    def __enter__(self) -> BackgroundProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._collect()

    def signal(self, number: int) -> None:
        """Send a signal. `seconds_since_signal` counts from the signal to the end of the process."""
        self._signalled = time.monotonic()
        self._process.send_signal(number)

    def wait_for(self, text: str) -> None:
        """Wait until `text` was printed, on either stream."""
        expected = text.encode()
        with self._output_changed:
            self._output_changed.wait_for(
                lambda: self._has_printed(expected) or not self._open_streams, PROCESS_TIMEOUT
            )
            assert self._has_printed(expected), f"never said {text!r}: {self._output}"

    def output(self, stream: str) -> str:
        """Return the output so far of `out` or `err`."""
        return self._output[stream].decode()

    def wait_for_exit(self) -> ProcessResult:
        """Wait for the end. Returns exit code and output."""
        self._process.wait(PROCESS_TIMEOUT)
        self.seconds_since_signal = time.monotonic() - self._signalled
        return self._collect()

    def _has_printed(self, text: bytes) -> bool:
        return any(text in output for output in self._output.values())

    def _collect(self) -> ProcessResult:
        code = self._process.wait(PROCESS_TIMEOUT)
        for reader in self._readers:
            reader.join(PROCESS_TIMEOUT)
        finished = ProcessResult(code, self._output["out"].decode(), self._output["err"].decode())
        for name, text in (("stdout", finished.out), ("stderr", finished.err)):
            get_detector().add_artefact(f"{name} of `{self._command_line}`", text)
        return finished

    def _read(self, name: str, stream: IO[bytes] | None) -> None:
        assert stream is not None
        with stream:
            while chunk := stream.read1(65536):  # type: ignore[attr-defined]
                with self._output_changed:
                    self._output[name] += chunk
                    self._output_changed.notify_all()
        with self._output_changed:
            self._open_streams -= 1
            self._output_changed.notify_all()
