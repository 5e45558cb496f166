from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from cli_harness import ROOT
from command_line import COMMAND, PROCESS_TIMEOUT, build_environment, run

pytestmark = pytest.mark.sampled(every=6, tests=3)


@contextmanager
def run_emulator(directory: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run an emulator; yield the process and its printed settings."""
    process = subprocess.Popen(
        [*COMMAND, "emulate", "--port", "0", *arguments],
        cwd=directory,
        env=build_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    printed = [process.stdout.readline(), process.stdout.readline()]
    assert all(line.startswith("export ") for line in printed), printed
    pairs = [word.split("=", 1) for line in printed for word in line.split()[1:]]
    try:
        yield process, dict(pairs)
    finally:
        process.kill()
        process.communicate()


def request_account(settings: dict[str, str], key: str, secret: str) -> int:
    basic = base64.b64encode(f"{key}:{secret}".encode()).decode()
    url = f"{settings['FIVETRAN_API_URL']}/account/info"
    request = Request(url, headers={"Authorization": f"Basic {basic}"})
    try:
        with urlopen(request, timeout=PROCESS_TIMEOUT) as answer:
            assert json.load(answer)["code"] == "Success"
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code


def test_emulate_prints_working_settings_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    with run_emulator(tmp_path) as (process, settings):
        assert settings["FIVETRAN_API_URL"].startswith("http://127.0.0.1:")
        assert request_account(settings, settings["FIVETRAN_APIKEY"], settings["FIVETRAN_APISECRET"]) == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PROCESS_TIMEOUT)
    assert process.returncode == 0
    assert out == ""
    page = settings["FIVETRAN_API_URL"].removesuffix("/v1") + "/_emulator/"
    assert f"\nDashboard: {page}\n" in err
    assert err.endswith("Ended.\n")
    assert "Traceback" not in err


def test_emulate_accepts_the_given_credentials_only(tmp_path: Path) -> None:
    with run_emulator(tmp_path, "--apikey", "one", "--apisecret", "two") as (_, settings):
        assert settings["FIVETRAN_APIKEY"] == "one"
        assert request_account(settings, "one", "two") == 200
        assert request_account(settings, "one", "three") == 401


def test_a_port_in_use_is_one_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("emulate", "--port", str(port), directory=tmp_path)
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith(f"error[port-unavailable]: cannot listen on port {port}: ")
    assert done.err.endswith("\n1 error\n")


@pytest.mark.parametrize("database", ["missing/folder/account.db", "text.db"])
def test_an_unusable_database_is_one_error(database: str, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, but a text that is long enough to look at " * 20)
    done = run("emulate", "--port", "0", "--db", database, directory=tmp_path)
    assert done.code == 1
    assert done.err.startswith("error[sandbox-unusable]: ")
    assert f"cannot be kept in {database}: " in done.err


def test_a_missing_extra_is_reported_with_the_install_command(tmp_path: Path) -> None:
    blocked = tmp_path / "werkzeug.py"
    blocked.write_text("raise ModuleNotFoundError('blocked', name='werkzeug')")
    done = run("emulate", "--port", "0", directory=tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert done.code == 1
    assert "error[sandbox-not-installed]" in done.err
    assert "`pip install '.[sandbox]'` in a clone" in done.err
