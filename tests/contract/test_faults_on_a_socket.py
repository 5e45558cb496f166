"""Check connection faults byte by byte on a real socket."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest
from emulated_account import EmulatedAccount

from reconciler.emulator.connection_faults import GARBAGE, TLS_GARBAGE
from reconciler.emulator.fault_text import parse_fault
from reconciler.emulator.serve import serve_in_thread

HEADERS = "Host: 127.0.0.1\r\nAuthorization: Basic a2V5OnNlY3JldA==\r\n"
GET = f"GET /v1/groups HTTP/1.1\r\n{HEADERS}\r\n".encode()
BODY = b'{"name":"lost"}'
POST = (
    f"POST /v1/groups HTTP/1.1\r\n{HEADERS}Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
).encode() + BODY


@contextmanager
def open_connection(account: EmulatedAccount, *faults: str) -> Iterator[socket.socket]:
    account.emulator.faults.add(*map(parse_fault, faults))
    with (
        serve_in_thread(account.emulator) as url,
        socket.create_connection(("127.0.0.1", urlsplit(url).port or 0)) as sock,
    ):
        sock.settimeout(10)
        yield sock


def receive_all(sock: socket.socket) -> tuple[bytes, bool]:
    """Receive all bytes until the end. Returns them and whether the connection was reset."""
    found = b""
    try:
        while more := sock.recv(65536):
            found += more
    except ConnectionResetError:
        return found, True
    return found, False


def receive_answer(sock: socket.socket) -> bytes:
    """Receive the body of one answer, and check that no bytes follow it."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += sock.recv(65536)
    head, _, body = found.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length")
    )
    while len(body) < length:
        body += sock.recv(65536)
    assert len(body) == length
    return body


def count_effects(account: EmulatedAccount) -> int:
    return sum(len(each.effects) for each in account.emulator.read_history())


@pytest.mark.parametrize(("kind", "reset"), [("reset", True), ("close", False), ("hang 0.01", False)])
@pytest.mark.parametrize(("phase", "effects"), [("before-effect", 0), ("after-effect", 1)])
def test_a_lost_answer_has_the_effect_of_its_phase(
    account: EmulatedAccount, kind: str, reset: bool, phase: str, effects: int
) -> None:
    with open_connection(account, f"POST * {phase} {kind}") as sock:
        sock.sendall(POST)
        assert receive_all(sock) == (b"", reset)
    assert count_effects(account) == effects
    assert [each.fault for each in account.emulator.read_history()] == [f"POST * {phase} {kind}"]


@pytest.mark.parametrize(("kind", "reset"), [("reset", True), ("close", False)])
def test_headers_and_bodies_may_be_truncated(account: EmulatedAccount, kind: str, reset: bool) -> None:
    with open_connection(account, f"POST * #1 mid-headers {kind}", f"POST * #2 mid-body {kind}") as sock:
        address = sock.getpeername()
        sock.sendall(POST)
        found, was_reset = receive_all(sock)
        assert found.startswith(b"HTTP/1.1 201 ")
        assert b"\r\n\r\n" not in found
        assert was_reset is reset
        with socket.create_connection(address, timeout=10) as second:
            second.sendall(POST)
            found, was_reset = receive_all(second)
    head, _, body = found.partition(b"\r\n\r\n")
    assert b"Content-Length: " in head
    assert body
    with pytest.raises(ValueError):
        json.loads(body)
    assert was_reset is reset
    assert count_effects(account) == 2


def test_a_connection_may_be_reset_after_a_complete_answer(account: EmulatedAccount) -> None:
    with open_connection(account, "POST * after-answer reset") as sock:
        sock.sendall(POST)
        assert json.loads(receive_answer(sock))["code"] == "Success"
        assert receive_all(sock) == (b"", True)


@pytest.mark.parametrize(("kind", "bytes_sent"), [("garbage", GARBAGE), ("tls-garbage", TLS_GARBAGE)])
@pytest.mark.parametrize("phase", ["at-accept", "after-effect"])
def test_an_answer_may_be_invalid_http(
    account: EmulatedAccount, kind: str, bytes_sent: bytes, phase: str
) -> None:
    with open_connection(account, f"* * {phase} {kind}") as sock:
        if phase != "at-accept":
            sock.sendall(GET)
        assert receive_all(sock) == (bytes_sent, False)


def test_a_connection_may_be_reset_on_accept(account: EmulatedAccount) -> None:
    with open_connection(account, "* * #2 at-accept reset") as sock:
        sock.sendall(GET)
        receive_answer(sock)
        # The reset may come before `create_connection` returns.
        with (
            suppress(ConnectionResetError),
            socket.create_connection(sock.getpeername(), timeout=10) as second,
        ):
            assert receive_all(second) == (b"", True)
        sock.sendall(GET)
        receive_answer(sock)
    assert len(account.emulator.read_history()) == 2


@pytest.mark.parametrize("phase", ["mid-headers", "mid-body"])
def test_an_answer_may_drip(account: EmulatedAccount, phase: str) -> None:
    with open_connection(account, f"GET * {phase} drip 2000") as sock:
        began = time.monotonic()
        sock.sendall(GET)
        found, _ = receive_all(sock)
        slow = len(found) - (found.index(b"\r\n\r\n") + 4 if phase == "mid-body" else 0)
        assert time.monotonic() - began > (slow - 200) / 2000
    assert json.loads(found.partition(b"\r\n\r\n")[2])["code"] == "Success"


def test_a_drip_ends_after_its_seconds(account: EmulatedAccount) -> None:
    with open_connection(account, "GET * mid-headers drip 100 seconds=0.1") as sock:
        sock.sendall(GET)
        assert receive_all(sock) == (b"HTTP/1.1 2", False)


def test_a_server_shutdown_ends_hanging_requests(account: EmulatedAccount) -> None:
    with open_connection(account, "GET * hang 600") as sock:
        sock.sendall(GET)
        while not account.emulator.read_history():
            time.sleep(0.01)
    assert account.emulator.read_history()[0].fault == "GET * after-effect hang 600"


def test_a_connection_serves_many_consecutive_requests(account: EmulatedAccount) -> None:
    with open_connection(account) as sock:
        for number in range(1, 6):
            sock.sendall(POST if number % 2 else GET)
            assert json.loads(receive_answer(sock))["code"] == "Success"
        sock.sendall(GET + POST + GET)  # pipelined
        found = b""
        while found.count(b"HTTP/1.1 ") < 3 or not found.endswith(b"}"):
            found += sock.recv(65536)
    assert len(account.emulator.read_history()) == 8


def test_a_refused_unread_body_is_not_parsed_as_a_request(account: EmulatedAccount) -> None:
    huge = 20 * 2**20
    head = f"POST /v1/groups HTTP/1.1\r\n{HEADERS}Content-Type: application/json\r\nContent-Length: {huge}\r\n\r\n"
    with open_connection(account) as sock:
        sock.sendall(head.encode() + b" " * huge)
        found, _ = receive_all(sock)
    assert found.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in found
    assert [each.status for each in account.emulator.read_history()] == [413]


def test_an_incomplete_body_is_no_request(account: EmulatedAccount) -> None:
    with open_connection(account) as sock:
        sock.sendall(POST[:-5])
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == (b"", False)
    assert account.emulator.read_history() == []
