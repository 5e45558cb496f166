"""Serve an emulated account with every write blocked until the test releases the server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cli_harness import EmulatedFivetran
from command_line import PROCESS_TIMEOUT

from reconciler.emulator.serve import serve_in_thread


def is_write(method: str, path: str) -> bool:
    """Return whether a request may change the account."""
    return method != "GET"


@dataclass
class BlockingServer:
    """Application before an account. `reached` is set when the first blocked request waits: any write, unless
    `should_block` says otherwise."""

    app: Any
    should_block: Callable[[str, str], bool] = is_write
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    _arrivals: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if self.should_block(environ["REQUEST_METHOD"], environ["PATH_INFO"]):
            self.reached.set()
            self._arrivals.release()
            assert self.released.wait(PROCESS_TIMEOUT)
        response: Iterable[bytes] = self.app(environ, start_response)
        return response

    def await_arrivals(self, number: int) -> None:
        """Wait until this number of further requests arrived and were blocked."""
        for _ in range(number):
            assert self._arrivals.acquire(timeout=PROCESS_TIMEOUT)


@contextmanager
def serve_blocking(
    server: EmulatedFivetran,
    should_block: Callable[[str, str], bool] = is_write,
    *,
    is_released: bool = False,
) -> Iterator[tuple[BlockingServer, str]]:
    """Serve a blocking server before the account of `server`, with its address. The block is released at the end, or
    from the beginning: then the server only counts arrivals."""
    blocking = BlockingServer(server.app, should_block)
    if is_released:
        blocking.released.set()
    with serve_in_thread(blocking) as url:
        yield blocking, url
        blocking.released.set()
