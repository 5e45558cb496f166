"""Fixtures that many tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_harness import EmulatedFivetran, Project, serve_fivetran
from hypothesis import settings
from secret_leak_detector import detect_leaks

# A busy machine makes one example slow, and says nothing about the product.
settings.register_profile("without deadlines", deadline=None)
settings.load_profile("without deadlines")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in the background lets them ignore Ctrl-C, and every process that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One worker more than there are cores: many tests wait for processes, sockets and locks."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True)
def no_secret_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """S-40: no secret that a test gives to the product is in anything that the product makes of it."""
    with detect_leaks(_list_captured_sections(request.node)):
        yield


def _list_captured_sections(item: pytest.Item) -> Iterator[tuple[str, str]]:
    """What pytest caught of the test until now: streams and logs."""
    for when, name, text in item._report_sections:
        yield f"captured {name} of the {when}", text


@pytest.fixture
def server() -> Iterator[EmulatedFivetran]:
    """A Fivetran with an empty account."""
    with serve_fivetran() as emulated:
        yield emulated


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Project:
    """An empty project folder."""
    return Project(tmp_path, monkeypatch, capfd)
