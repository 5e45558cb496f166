"""How an answer leaves, where a fault strikes the connection and not the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from reconciler.emulator.fault_kinds import Kind, Phase
from reconciler.emulator.faults import Fault
from reconciler.emulator.outgoing import Outgoing

LINE = "reconciler.emulator.line"
"""Key of the WSGI environ under which a server that can break connections offers its `Line`."""

GARBAGE = b"\x00\xff\x13this is no HTTP\x00\xfe\r\n\r\n" * 4
TLS_GARBAGE = b"\x15\x03\x03\x00\x02\x02\x50\x17\x03\x03\x40\x00" + bytes(range(256))
DRIP_SECONDS = 60.0


class HungUpError(Exception):
    """No answer, or no whole one: in a process without sockets this stands for a broken connection."""


class Line(Protocol):
    """The connection below a request."""

    def wait(self, seconds: float) -> None:
        """Let real time pass; returns early when the server stops."""

    def break_off(self, fault: Fault) -> None:
        """Deliver the answer of this request as the fault says."""


@dataclass(frozen=True, slots=True)
class Break:
    """The bytes of an answer up to where its connection breaks."""

    sent: bytes
    kind: Kind
    seconds: float = 0.0
    rate: float = 0.0
    slow_from: int = 0


def broken(fault: Fault, head: bytes, body: bytes) -> Break:
    """What of an answer goes out, and what happens then."""
    if fault.kind in (Kind.GARBAGE, Kind.TLS_GARBAGE):
        return Break(GARBAGE if fault.kind is Kind.GARBAGE else TLS_GARBAGE, fault.kind)
    whole = head + body
    if fault.kind is Kind.DRIP:
        seconds = float(fault.options.get("seconds", DRIP_SECONDS))
        slow_from = len(head) if fault.phase is Phase.MID_BODY else 0
        sent = whole[: slow_from + int(seconds * fault.number)]
        kind = Kind.DRIP if sent == whole else Kind.CLOSE
        return Break(sent, kind, rate=fault.number, slow_from=slow_from)
    match fault.phase:
        case Phase.MID_HEADERS:
            sent = head[: len(head) // 2]
        case Phase.MID_BODY:
            sent = head + body[: len(body) // 2]
        case Phase.AFTER_ANSWER:
            sent = whole
        case _:
            sent = b""
    kind = Kind.CLOSE if fault.kind is Kind.TRUNCATE else fault.kind
    return Break(sent, kind, seconds=fault.number if fault.kind is Kind.HANG else 0.0)


def without_a_socket(fault: Fault, answer: Outgoing, wait: Callable[[float], None]) -> bytes:
    """The body that still arrives where there is no connection to break. Raises HungUpError where the
    fault leaves no whole headers."""
    heading = len(answer.status_line) + sum(
        len(name) + len(value) + 4 for name, value in answer.header_lines()
    )
    breaking = broken(fault, bytes(heading), answer.body)
    if breaking.rate:
        wait((len(breaking.sent) - breaking.slow_from) / breaking.rate)
    wait(breaking.seconds)
    arrived = len(breaking.sent) - heading
    if breaking.kind in (Kind.GARBAGE, Kind.TLS_GARBAGE) or arrived < 0:
        raise HungUpError(str(fault))
    return answer.body[:arrived]
