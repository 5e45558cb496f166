"""Check requests that are answered at once and take effect later, and the date of answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from emulated_account import BASIC, JSON_TYPE, SNOWFLAKE, EmulatedAccount
from fake_clock import START, FakeClock
from werkzeug.test import Client

from reconciler.emulator.connection_faults import BrokenConnectionError
from reconciler.emulator.fault_text import parse_fault
from reconciler.emulator.serve import serve_in_thread

SECONDS = 6


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def account(clock: FakeClock) -> Iterator[EmulatedAccount]:
    """Create an account with a group and a destination, on a stopped clock."""
    account = EmulatedAccount(app={"clock": clock})
    account.must_create("snowflake", SNOWFLAKE)
    yield account
    assert account.list_failures() == []
    account.emulator.close()


def send_with_fault(account: EmulatedAccount, fault: str, method: str, path: str, body: Any) -> int:
    """Send a request with a fault. Returns the status of the answer, or 0 if the connection breaks."""
    account.emulator.faults.add(parse_fault(fault))
    with suppress(BrokenConnectionError):
        return account.send_raw(method, path, headers={**BASIC, **JSON_TYPE}, json=body).status_code
    return 0


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("before-effect close", 0),
        ("before-effect reset", 0),
        ("before-effect hang 1", 0),
        ("before-effect garbage", 0),
        ("before-effect tls-garbage", 0),
        ("before-effect status 500", 500),
        ("status 503 retry-after=1", 503),
        ("status 524", 524),
        ("redirect", 302),
        ("close", 0),  # with a late effect, the phase is before the effect
    ],
)
def test_a_request_is_answered_at_once_and_takes_effect_later(
    account: EmulatedAccount, clock: FakeClock, fault: str, status: int
) -> None:
    text = f"POST /v1/groups #1 {fault} effect-after={SECONDS}"
    assert send_with_fault(account, text, "POST", "/v1/groups", {"name": "late"}) == status
    clock.advance(SECONDS - 1)
    assert account.dashboard.find_group_ids("late") == []
    assert len(account.get("/v1/groups").data["items"]) == 1
    clock.advance(2)
    account.get("/v1/account/info")
    clock.advance(100)
    [late] = [each for each in account.get("/v1/groups").data["items"] if each["name"] == "late"]
    asked, effect = [each for each in account.emulator.read_history() if each.body == {"name": "late"}]
    assert (asked.at, asked.effects, asked.effect_of) == ("2026-03-01T12:00:00.000000Z", (), 0)
    assert (effect.at, effect.effect_of) == ("2026-03-01T12:00:06.000000Z", asked.sequence)
    assert late["created_at"] == effect.at, "the time of the effect does not depend on the time of the read"
    assert [str(each) for each in effect.effects] == [f"created group {late['id']}"]
    assert (effect.status, effect.fault) == (201, str(parse_fault(text)))


READS: dict[str, Callable[[EmulatedAccount], Any]] = {
    "history": lambda account: account.emulator.read_history(),
    "account": lambda account: account.emulator.dump(),
    "dashboard": lambda account: account.emulator.dashboard.find_group_ids("late"),
    "control": lambda account: Client(account.emulator).get("/_emulator/account"),
    "request": lambda account: account.get("/v1/groups"),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_every_kind_of_read_applies_due_effects(
    account: EmulatedAccount, clock: FakeClock, read: Callable[[EmulatedAccount], Any]
) -> None:
    send_with_fault(
        account, f"POST /v1/groups close effect-after={SECONDS}", "POST", "/v1/groups", {"name": "late"}
    )
    clock.advance(SECONDS)
    read(account)
    assert account.dashboard.find_group_ids("late"), "the read did not apply the effect"


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "test"])
def test_every_write_may_take_effect_late(account: EmulatedAccount, clock: FakeClock, method: str) -> None:
    [id] = [each["id"] for each in account.get("/v1/groups").data["items"]]
    path, body, effect = {
        "POST": ("/v1/groups", {"name": "late"}, "created group"),
        "PATCH": (f"/v1/destinations/{id}", {"config": {"user": "OTHER"}}, "updated destination"),
        "DELETE": (f"/v1/destinations/{id}", None, "deleted destination"),
        "test": (f"/v1/destinations/{id}/test", {}, "tested destination"),
    }[method]
    verb = "POST" if method == "test" else method
    assert (
        send_with_fault(account, f"{verb} {path} status 500 effect-after={SECONDS}", verb, path, body) == 500
    )
    clock.advance(SECONDS)
    late_entry = account.emulator.read_history()[-1]
    assert any(str(each).startswith(effect) for each in late_entry.effects), late_entry


def test_a_late_request_applies_to_the_current_account(account: EmulatedAccount, clock: FakeClock) -> None:
    [id] = [each["id"] for each in account.get("/v1/groups").data["items"]]
    send_with_fault(
        account, f"PATCH * close effect-after={SECONDS}", "PATCH", f"/v1/groups/{id}", {"name": "late"}
    )
    account.delete(f"/v1/destinations/{id}")
    account.delete(f"/v1/groups/{id}")
    clock.advance(SECONDS)
    effect = account.emulator.read_history()[-1]
    assert (effect.status, effect.code, effect.effects) == (404, "NotFound_Group", ())


def test_late_effects_are_ordered_by_time(account: EmulatedAccount, clock: FakeClock) -> None:
    for seconds, name in ((9, "third"), (3, "first"), (6, "second")):
        account.emulator.faults.clear()
        send_with_fault(account, f"POST * close effect-after={seconds}", "POST", "/v1/groups", {"name": name})
    clock.advance(60)
    names = [each.body["name"] for each in account.emulator.read_history() if each.effect_of]
    assert names == ["first", "second", "third"]


def test_reads_are_never_late_and_a_reset_drops_pending_effects(
    account: EmulatedAccount, clock: FakeClock
) -> None:
    send_with_fault(account, f"GET * close effect-after={SECONDS}", "GET", "/v1/groups", None)
    account.emulator.faults.clear()
    send_with_fault(account, f"POST * close effect-after={SECONDS}", "POST", "/v1/groups", {"name": "late"})
    assert Client(account.emulator).post("/_emulator/reset").status_code == 200
    clock.advance(SECONDS)
    assert account.emulator.read_history() == []


def test_a_late_effect_on_a_socket_breaks_the_connection_at_once(
    account: EmulatedAccount, clock: FakeClock
) -> None:
    account.emulator.faults.add(parse_fault(f"POST * reset effect-after={SECONDS}"))
    content = b'{"name":"late"}'
    head = (
        "POST /v1/groups HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic a2V5OnNlY3JldA==\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with serve_in_thread(account.emulator) as url:
        address = ("127.0.0.1", urlsplit(url).port or 0)
        with socket.create_connection(address, timeout=10) as line:
            line.sendall(head.encode() + content)
            with pytest.raises(ConnectionResetError):
                line.recv(1)
        assert account.emulator.dashboard.find_group_ids("late") == []
        clock.advance(SECONDS)
        threads = [
            threading.Thread(target=account.emulator.dashboard.find_group_ids, args=("late",))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(account.emulator.dashboard.find_group_ids("late")) == 1


@pytest.mark.parametrize("transport", ["in process", "on a socket"])
def test_an_answer_has_the_date_of_the_server(
    account: EmulatedAccount, clock: FakeClock, transport: str
) -> None:
    def read_date(path: str = "/v1/groups") -> str | None:
        if transport == "in process":
            return account.send_raw("GET", path, headers=BASIC).headers.get("Date")
        with (
            serve_in_thread(account.emulator) as url,
            socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10) as line,
        ):
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: line.recv(65536), b"")).decode()
        dates = [each[6:] for each in answer.split("\r\n\r\n")[0].split("\r\n") if each.startswith("Date: ")]
        assert len(dates) <= 1
        return dates[0] if dates else None

    clock.advance(0.9)
    assert parsedate_to_datetime(read_date() or "") == START
    assert parsedate_to_datetime(read_date("/v1/nowhere") or "") == START, "refusals have the date too"
    account.emulator.faults.add(parse_fault("GET /v1/groups status 503"))
    assert parsedate_to_datetime(read_date() or "") == START
    account.emulator.faults.clear()
    behaviour = account.emulator.behaviour
    account.emulator.behaviour = behaviour.model_copy(update={"date_skew": -90.0})
    assert parsedate_to_datetime(read_date() or "") == START - timedelta(seconds=90)
    account.emulator.behaviour = behaviour.model_copy(update={"date_header": "missing"})
    assert read_date() is None
