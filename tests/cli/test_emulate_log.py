"""Lines that `emulate` prints about requests."""

from __future__ import annotations

import re
import signal
import socket
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from background_process import BackgroundProcess
from command_line import COMMAND, PROCESS_TIMEOUT, TerminalProcess, run

pytestmark = pytest.mark.sampled(every=6, tests=6)

CALL = """\
import os, urllib.request, urllib.error
try:
    urllib.request.urlopen(os.environ["FIVETRAN_API_URL"] + "/groups?limit=2&api_key=canary")
except urllib.error.HTTPError as error:
    print(error.code)
"""
LINE = r"\d\d:\d\d:\d\d  GET     401 +\d+ ms  /v1/groups\?limit=2&api_key=\*{6}"


def find_url(text: str) -> str:
    return re.findall(r"http://127\.0\.0\.1:\d+/v1", text)[0]


def get_status(url: str) -> int:
    """Send a request without credentials. Returns the status."""
    try:
        with urlopen(url, timeout=PROCESS_TIMEOUT) as response:
            return int(response.status)
    except HTTPError as error:
        error.close()
        return error.code


def send_raw(url: str, request: bytes) -> bytes:
    port = int(url.split(":")[2].split("/", maxsplit=1)[0])
    with socket.create_connection(("127.0.0.1", port), PROCESS_TIMEOUT) as connection:
        connection.sendall(request)
        try:
            return connection.recv(1 << 16)
        except ConnectionResetError:
            return b""


def test_each_request_is_a_line_and_faults_are_noted(tmp_path: Path) -> None:
    options = ("--fault", "GET /v1/reset before-effect reset", "--fault", "GET /v1/hang hang 0.1")
    with BackgroundProcess("emulate", "--port", "0", *options, directory=tmp_path) as emulator:
        emulator.wait_for("FIVETRAN_APISECRET=")
        url = find_url(emulator.output("out"))
        assert get_status(f"{url}/groups?limit=2&api_key=canary") == 401
        for path in ("reset", "hang"):
            assert send_raw(url, f"GET /v1/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()) == b""
        assert b"401" in send_raw(url, b"GET /v1/%1b%5d0;pwned%07%0a HTTP/1.1\r\nHost: localhost\r\n\r\n")
        emulator.wait_for("pwned")
        emulator.signal(signal.SIGINT)
        ended = emulator.wait_for_exit()
    assert ended.code == 0
    lines = ended.err[ended.err.index("\n\n") :].splitlines()[2:6]
    assert re.fullmatch(LINE, lines[0])
    assert lines[1].endswith("/v1/reset  no response  (GET /v1/reset before-effect reset)")
    assert lines[2].endswith("/v1/hang  no response  (GET /v1/hang after-effect hang 0.1)")
    assert lines[3].endswith(r"/v1/\x1b]0;pwned\x07\n")
    assert "canary" not in ended.err


def test_quiet_prints_no_line(tmp_path: Path) -> None:
    with BackgroundProcess("emulate", "--port", "0", "--quiet", directory=tmp_path) as emulator:
        emulator.wait_for("FIVETRAN_APISECRET=")
        assert get_status(f"{find_url(emulator.output('out'))}/groups") == 401
        emulator.signal(signal.SIGINT)
        assert "/v1/groups" not in emulator.wait_for_exit().err


@pytest.mark.parametrize("verbose", [True, False])
def test_a_command_gets_lines_only_on_request(tmp_path: Path, verbose: bool) -> None:
    (tmp_path / "call.py").write_text(CALL)
    options = ["--verbose"] if verbose else []
    done = run("emulate", *options, "--", sys.executable, "call.py", directory=tmp_path)
    assert (done.code, done.out) == (0, "401\n")
    assert bool(re.fullmatch(f"{LINE}\n", done.err)) is verbose
    assert bool(done.err) is verbose


def test_quiet_and_verbose_exclude_each_other(tmp_path: Path) -> None:
    done = run("emulate", "--quiet", "--verbose", "--list", directory=tmp_path)
    assert done.code == 64
    assert "`--quiet` and `--verbose` exclude each other" in done.err


def test_the_status_is_coloured_on_a_terminal(tmp_path: Path) -> None:
    with TerminalProcess("emulate", "--port", "0", directory=tmp_path) as emulator:
        emulator.wait_for("FIVETRAN_APISECRET=")
        assert get_status(f"{find_url(emulator.text)}/groups") == 401
        emulator.wait_for("/v1/groups")
        assert "\x1b[33m401" in emulator.output
    with TerminalProcess("emulate", "--port", "0", directory=tmp_path, NO_COLOR="1") as emulator:
        emulator.wait_for("FIVETRAN_APISECRET=")
        assert get_status(f"{find_url(emulator.text)}/groups") == 401
        emulator.wait_for("/v1/groups")
        assert "\x1b[33m" not in emulator.output


@pytest.mark.parametrize("redirection", ["2>&-", "2> >(head -1)", "2>/dev/full"])
def test_lost_lines_do_not_stop_the_server(tmp_path: Path, redirection: str) -> None:
    line = f"exec {' '.join(COMMAND)} emulate --port 0 {redirection}"
    with BackgroundProcess(directory=tmp_path, command=("bash", "-c", line)) as emulator:
        emulator.wait_for("FIVETRAN_APISECRET=")
        url = find_url(emulator.output("out"))
        assert [get_status(f"{url}/groups") for _ in range(5)] == [401] * 5
