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


@dataclass
class Gate:
    """Stands before an account. `reached` is set when the first write waits."""

    app: Any
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "GET":
            self.reached.set()
            assert self.opened.wait(PATIENCE)
        answer: Iterable[bytes] = self.app(environ, start_response)
        return answer


@contextmanager
def gated(server: Fivetran) -> Iterator[tuple[Gate, str]]:
    """A gate before the account of `server`, with its address. It is open at the end."""
    gate = Gate(server.app)
    with serving(gate) as url:
        yield gate, url
        gate.opened.set()
