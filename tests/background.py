"""The real `reconciler` in the background, for tests that do something to it while it runs."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from canaries import watch
from command_line import COMMAND, PATIENCE, Finished, environment


class Background:
    """A process with pipes, as a CI job has it. Use it as a context manager: it does not outlive its test."""

    def __init__(
        self,
        *arguments: str,
        directory: Path,
        command: Sequence[str] = COMMAND,
        **environ: str,
    ) -> None:
        watch().folder(directory)
        self._what = " ".join(arguments)
        self._signalled = time.monotonic()
        self.seconds_since_signal = 0.0
        self._process = subprocess.Popen(
            [*command, *arguments],
            cwd=directory,
            env=environment(**environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._texts = {"out": b"", "err": b""}
        self._open = len(self._texts)
        self._news = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("out", self._process.stdout), ("err", self._process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def __enter__(self) -> Background:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._collect()

    def signal(self, number: int) -> None:
        """Send a signal. `seconds_since_signal` are those from here to the end."""
        self._signalled = time.monotonic()
        self._process.send_signal(number)

    def wait_for(self, text: str) -> None:
        """Wait until `text` was printed, on either stream."""
        seen = text.encode()
        with self._news:
            self._news.wait_for(lambda: self._said(seen) or not self._open, PATIENCE)
            assert self._said(seen), f"never said {text!r}: {self._texts}"

    def end(self) -> Finished:
        """Wait for the end: how it ended and what it wrote."""
        self._process.wait(PATIENCE)
        self.seconds_since_signal = time.monotonic() - self._signalled
        return self._collect()

    def _said(self, text: bytes) -> bool:
        return any(text in each for each in self._texts.values())

    def _collect(self) -> Finished:
        code = self._process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        finished = Finished(code, self._texts["out"].decode(), self._texts["err"].decode())
        for name, text in (("stdout", finished.out), ("stderr", finished.err)):
            watch().artefact(f"{name} of `{self._what}`", text)
        return finished

    def _read(self, name: str, stream: IO[bytes] | None) -> None:
        assert stream is not None
        with stream:
            while some := stream.read1(65536):  # type: ignore[attr-defined]
                with self._news:
                    self._texts[name] += some
                    self._news.notify_all()
        with self._news:
            self._open -= 1
            self._news.notify_all()
