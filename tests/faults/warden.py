"""A Fivetran that holds one request at a chosen moment of it, until whoever has sent it is dead."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from command_line import PATIENCE
from faults.mortal import Names

from reconciler.emulator.app import Emulator
from reconciler.emulator.delivery import LINE
from reconciler.emulator.fault_kinds import EFFECT_AFTER, Kind, Phase
from reconciler.emulator.faults import Fault

LATE = 60.0
"""Seconds until an effect that comes later."""


class Held(StrEnum):
    """The moment of a request at which it is held."""

    BEFORE_EFFECT = "before its effect"
    LATE_EFFECT = "before its effect, which comes later"
    AFTER_EFFECT = "after its effect"
    MID_HEADERS = "in the middle of the headers"
    MID_BODY = "in the middle of the body"
    AFTER_ANSWER = "behind the answer"


_ON_THE_LINE = {
    Held.MID_HEADERS: Phase.MID_HEADERS,
    Held.MID_BODY: Phase.MID_BODY,
    Held.AFTER_ANSWER: Phase.AFTER_ANSWER,
}


@dataclass
class Warden:
    """Stands before an account. `reached` is set when the request that comes after `earlier` others of the same name
    is where it shall be held; it is let go once it is `released`, and nobody answers it any more. Behind an answer
    everything that comes next is held too, so that whoever got it does not come to its end."""

    app: Emulator
    names: Names
    call: str
    at: Held
    earlier: int = 0
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    calls: list[str] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if self.at is Held.AFTER_ANSWER and self.reached.is_set():
            self._hold()
            raise ConnectionAbortedError
        if environ["REQUEST_METHOD"] == "GET" or not self._is_meant(environ):
            return self.app(environ, start_response)
        if self.at in _ON_THE_LINE:
            path = environ["PATH_INFO"]
            fault = Fault(Kind.HANG, environ["REQUEST_METHOD"], path, _ON_THE_LINE[self.at], last=1)
            environ[LINE].wait = lambda seconds: self._hold()  # called when the bytes are out
            with self._turn:
                self.app.faults.add(fault)
                return self.app(environ, start_response)
        if self.at is Held.LATE_EFFECT:
            self._pass_on_later(environ, start_response)
        if self.at is Held.AFTER_EFFECT:
            self.app(environ, start_response)
        self._hold()
        raise ConnectionAbortedError

    def _pass_on_later(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> None:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        options = {EFFECT_AFTER: str(LATE)}
        with self._turn:
            self.app.faults.add(Fault(Kind.CLOSE, method, path, Phase.BEFORE_EFFECT, last=1, options=options))
            self.app(environ, start_response)

    def _is_meant(self, environ: dict[str, Any]) -> bool:
        content = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(content)
        body = json.loads(content) if content else None
        call = self.names.call(environ["REQUEST_METHOD"], environ["PATH_INFO"], body)
        with self._turn:
            self.calls.append(call)
            return call == self.call and self.calls.count(call) == self.earlier + 1

    def _hold(self) -> None:
        self.reached.set()
        assert self.released.wait(PATIENCE)
