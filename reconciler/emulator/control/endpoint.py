"""Define the endpoints of the control, and what they work on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request

from reconciler.emulator.account import Account
from reconciler.emulator.dashboard import Dashboard
from reconciler.emulator.faults import Fault, Faults
from reconciler.emulator.history import History
from reconciler.emulator.late_requests import LateRequests
from reconciler.emulator.quota import Quota
from reconciler.emulator.scenario import StartScenario
from reconciler.emulator.switches import Behaviour

SHOW_SECRETS = "shown"


class ControlError(Exception):
    """Error of a control request: status and message of the response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class InitialState:
    """Switches, faults and scenario of the emulator at its start. A reset restores them."""

    behaviour: Behaviour
    faults: tuple[Fault, ...]
    scenario: StartScenario


@dataclass(frozen=True, slots=True)
class ControlledEmulator:
    """The parts of an emulator that its control reads and changes."""

    account: Account
    dashboard: Dashboard
    history: History
    faults: Faults
    quota: Quota
    late_requests: LateRequests
    initial: InitialState
    read_document: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint. `does` is its description in the index."""

    method: str
    path: str
    does: str
    handler: Callable[[ControlledEmulator, Request], Any]


def shows_secrets(request: Request) -> bool:
    """Return whether the query asks for secrets in clear."""
    return request.args.get("secrets") == SHOW_SECRETS
