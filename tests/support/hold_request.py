"""Hold one request to an emulated account at a chosen moment, until its sender is killed."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from command_line import PROCESS_TIMEOUT
from killable_run import CallNames

from reconciler.emulator.app import Emulator
from reconciler.emulator.connection_faults import CLIENT_SOCKET_KEY
from reconciler.emulator.fault_kinds import EFFECT_AFTER, FaultKind, Phase
from reconciler.emulator.faults import Fault

EFFECT_DELAY = 60.0
"""Seconds until a late effect."""


class HoldPoint(StrEnum):
    """Moment at which a request is held."""

    BEFORE_EFFECT = "before its effect"
    LATE_EFFECT = "before its late effect"
    AFTER_EFFECT = "after its effect"
    MID_HEADERS = "within the headers"
    MID_BODY = "within the body"
    AFTER_ANSWER = "after the answer"


_CONNECTION_PHASES = {
    HoldPoint.MID_HEADERS: Phase.MID_HEADERS,
    HoldPoint.MID_BODY: Phase.MID_BODY,
    HoldPoint.AFTER_ANSWER: Phase.AFTER_ANSWER,
}


@dataclass
class RequestHolder:
    """Application before an account. `reached` is set when the request after `earlier` requests of the same name
    arrives at the hold point; it continues once `released` is set, and its answer is lost. After an answer all later
    requests are held too, so that the client that got the answer cannot finish."""

    app: Emulator
    names: CallNames
    call: str
    hold_point: HoldPoint
    earlier: int = 0
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    calls: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if self.hold_point is HoldPoint.AFTER_ANSWER and self.reached.is_set():
            self._hold()
            raise ConnectionAbortedError
        if environ["REQUEST_METHOD"] == "GET" or not self._is_target(environ):
            return self.app(environ, start_response)
        if self.hold_point in _CONNECTION_PHASES:
            path = environ["PATH_INFO"]
            fault = Fault(
                FaultKind.HANG, environ["REQUEST_METHOD"], path, _CONNECTION_PHASES[self.hold_point], last=1
            )
            environ[CLIENT_SOCKET_KEY].wait = lambda seconds: self._hold()  # called after the bytes are sent
            with self._lock:
                self.app.faults.add(fault)
                return self.app(environ, start_response)
        if self.hold_point is HoldPoint.LATE_EFFECT:
            self._forward_with_delay(environ, start_response)
        if self.hold_point is HoldPoint.AFTER_EFFECT:
            self.app(environ, start_response)
        self._hold()
        raise ConnectionAbortedError

    def _forward_with_delay(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> None:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        options = {EFFECT_AFTER: str(EFFECT_DELAY)}
        with self._lock:
            self.app.faults.add(
                Fault(FaultKind.CLOSE, method, path, Phase.BEFORE_EFFECT, last=1, options=options)
            )
            self.app(environ, start_response)

    def _is_target(self, environ: dict[str, Any]) -> bool:
        content = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(content)
        body = json.loads(content) if content else None
        call = self.names.name_request(environ["REQUEST_METHOD"], environ["PATH_INFO"], body)
        with self._lock:
            self.calls.append(call)
            return call == self.call and self.calls.count(call) == self.earlier + 1

    def _hold(self) -> None:
        self.reached.set()
        assert self.released.wait(PROCESS_TIMEOUT)
