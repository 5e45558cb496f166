"""Check the emulator behind a real socket."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from emulated_account import BASIC, JSON_TYPE, EmulatedAccount

from reconciler.emulator.serve import NotLoopbackError, serve, serve_in_thread


def send_request(method: str, url: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    asked = Request(url, data=data, method=method, headers={**BASIC, **headers})
    try:
        with urlopen(asked, timeout=10) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_group_is_made_and_read_over_http(account: EmulatedAccount) -> None:
    with serve_in_thread(account.emulator) as url:
        status, made = send_request("POST", f"{url}/groups", {"name": "over http"}, **JSON_TYPE)
        assert (status, made["code"]) == (201, "Success")
        assert send_request("GET", f"{url}/groups/{made['data']['id']}") == (
            200,
            {"code": "Success", "message": "Group details retrieved successfully", "data": made["data"]},
        )
        assert send_request("GET", f"{url}/groups/none")[0] == 404
        assert send_request("POST", f"{url}/groups", {"name": "x"})[0] == 415


def test_threads_never_see_a_partial_effect(account: EmulatedAccount) -> None:
    with serve_in_thread(account.emulator) as url, ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda number: send_request(
                    "POST", f"{url}/groups", {"name": f"group {number}"}, **JSON_TYPE
                ),
                range(80),
            )
        )
    assert {status for status, _ in answers} == {201}
    assert len({answer["data"]["id"] for _, answer in answers}) == 80
    assert [exchange.sequence for exchange in account.emulator.read_history()] == list(range(1, 81))
    assert all(len(exchange.effects) == 1 for exchange in account.emulator.read_history())


@pytest.mark.parametrize(
    "sent", [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n"]
)
def test_an_invalid_http_request_gets_an_envelope(account: EmulatedAccount, sent: bytes) -> None:
    with (
        serve_in_thread(account.emulator) as url,
        socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10) as connection,
    ):
        connection.sendall(sent)
        with connection.makefile("rb") as stream:
            answer = stream.read()
    _, _, body = answer.rpartition(b"\r\n\r\n")
    assert set(json.loads(body or answer)) == {"code", "message"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_the_server_listens_on_loopback_only(account: EmulatedAccount, host: str) -> None:
    with pytest.raises(NotLoopbackError), serve_in_thread(account.emulator, host=host):
        pass


def test_a_port_in_use_raises_an_os_error(account: EmulatedAccount) -> None:
    with serve_in_thread(account.emulator) as url:
        port = urlsplit(url).port or 0
        with pytest.raises(OSError, match="in use"):
            serve(account.emulator, port=port, on_ready=lambda _: pytest.fail("on_ready was called"))


def test_the_server_reports_its_address_when_it_is_ready(account: EmulatedAccount) -> None:
    urls: list[str] = []
    ready = threading.Event()

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    options = {"port": 0, "on_ready": on_ready}
    threading.Thread(target=serve, args=(account.emulator,), kwargs=options, daemon=True).start()
    assert ready.wait(10)
    assert send_request("GET", f"{urls[0]}/account/info")[0] == 200


def test_nothing_is_printed(account: EmulatedAccount, capfd: pytest.CaptureFixture[str]) -> None:
    with serve_in_thread(account.emulator) as url:
        send_request("GET", f"{url}/groups")
        send_request("GET", f"{url}/nowhere")
    assert capfd.readouterr() == ("", "")
