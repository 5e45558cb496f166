"""A Fivetran that keeps every write waiting until somebody opens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from command_line import PATIENCE
from harness import Fivetran

from reconciler.emulator.serve import serving


def is_write(method: str, path: str) -> bool:
    """Whether a request may change something."""
    return method != "GET"


@dataclass
class Gate:
    """Stands before an account. `reached` is set when the first request that it `holds` waits: any write, unless
    something else is said."""

    app: Any
    holds: Callable[[str, str], bool] = is_write
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)
    _arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if self.holds(environ["REQUEST_METHOD"], environ["PATH_INFO"]):
            self.reached.set()
            self._arrived.release()
            assert self.opened.wait(PATIENCE)
        answer: Iterable[bytes] = self.app(environ, start_response)
        return answer

    def await_arrivals(self, number: int) -> None:
        """Wait until so many further requests were held."""
        for _ in range(number):
            assert self._arrived.acquire(timeout=PATIENCE)


@contextmanager
def gated(
    server: Fivetran, holds: Callable[[str, str], bool] = is_write, *, is_open: bool = False
) -> Iterator[tuple[Gate, str]]:
    """A gate before the account of `server`, with its address. It is open at the end, or from the beginning: then it
    only tells what arrives."""
    gate = Gate(server.app, holds)
    if is_open:
        gate.opened.set()
    with serving(gate) as url:
        yield gate, url
        gate.opened.set()
