"""Deliver responses under faults that break the connection and not the response."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from reconciler.emulator.fault_kinds import FaultKind, Phase
from reconciler.emulator.faults import Fault
from reconciler.emulator.http_response import HttpResponse

CLIENT_SOCKET_KEY = "reconciler.emulator.line"
"""Key of the WSGI environ under which a server that can break connections offers its `ClientSocket`."""

GARBAGE = b"\x00\xff\x13this is no HTTP\x00\xfe\r\n\r\n" * 4
TLS_GARBAGE = b"\x15\x03\x03\x00\x02\x02\x50\x17\x03\x03\x40\x00" + bytes(range(256))
DRIP_SECONDS = 60.0


class BrokenConnectionError(Exception):
    """Substitute for a broken connection in a process without sockets: the response is missing or cut off."""


class ClientSocket(Protocol):
    """Connection of a request on a socket."""

    def wait(self, seconds: float) -> None:
        """Wait in real time. Returns early if the server stops."""

    def break_off(self, fault: Fault) -> None:
        """Deliver the response of this request as the fault demands."""


@dataclass(frozen=True, slots=True)
class BrokenDelivery:
    """Delivered bytes of a response, and the end of the connection.

    `seconds` is the pause before the end, `rate` the bytes per second behind `drip_start`, 0 for all at once.
    """

    data: bytes
    kind: FaultKind
    seconds: float = 0.0
    rate: float = 0.0
    drip_start: int = 0


def break_delivery(fault: Fault, head: bytes, body: bytes) -> BrokenDelivery:
    """Compute the delivered bytes of a response under a fault, and the end of the connection."""
    if fault.kind in (FaultKind.GARBAGE, FaultKind.TLS_GARBAGE):
        return BrokenDelivery(GARBAGE if fault.kind is FaultKind.GARBAGE else TLS_GARBAGE, fault.kind)
    message = head + body
    if fault.kind is FaultKind.DRIP:
        seconds = float(fault.options.get("seconds", DRIP_SECONDS))
        # A drip of the body sends the headers at once.
        drip_start = len(head) if fault.phase is Phase.MID_BODY else 0
        data = message[: drip_start + int(seconds * fault.number)]
        # A drip that is cut off ends with a closed connection.
        kind = FaultKind.DRIP if data == message else FaultKind.CLOSE
        return BrokenDelivery(data, kind, rate=fault.number, drip_start=drip_start)
    match fault.phase:
        case Phase.MID_HEADERS:
            data = head[: len(head) // 2]
        case Phase.MID_BODY:
            data = head + body[: len(body) // 2]
        case Phase.AFTER_ANSWER:
            data = message
        case _:
            data = b""
    kind = FaultKind.CLOSE if fault.kind is FaultKind.TRUNCATE else fault.kind
    return BrokenDelivery(data, kind, seconds=fault.number if fault.kind is FaultKind.HANG else 0.0)


def leaves_headers(fault: Fault) -> bool:
    """Return whether complete headers of the response arrive under a fault, at once or slowly."""
    if fault.kind in (FaultKind.GARBAGE, FaultKind.TLS_GARBAGE):
        return False
    return fault.kind is FaultKind.DRIP or fault.phase in (Phase.MID_BODY, Phase.AFTER_ANSWER)


def deliver_in_process(fault: Fault, response: HttpResponse, wait: Callable[[float], None]) -> bytes:
    """Compute the delivered body in a process without sockets.

    Raises BrokenConnectionError if the fault leaves no complete headers.
    """
    head_size = len(response.status_line) + sum(
        len(name) + len(value) + 4 for name, value in response.build_headers()
    )
    delivery = break_delivery(fault, bytes(head_size), response.body)
    if delivery.rate:
        wait((len(delivery.data) - delivery.drip_start) / delivery.rate)
    wait(delivery.seconds)
    arrived_size = len(delivery.data) - head_size
    if delivery.kind in (FaultKind.GARBAGE, FaultKind.TLS_GARBAGE) or arrived_size < 0:
        raise BrokenConnectionError(str(fault))
    return response.body[:arrived_size]
