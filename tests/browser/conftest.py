"""Drive a browser at the page of an emulated account. Runs only with `-m browser`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from cli_harness import EmulatedFivetran
from page_visits import PageVisit, fill_account

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@pytest.hookimpl(tryfirst=True)  # ahead of the selection by `-m`
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if "/tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start a browser for all tests of this process."""
    if find_spec("playwright") is None:
        pytest.fail("playwright is not installed: `pip install '.[browser]'`", pytrace=False)
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        pytest.fail("no chromium is on PATH: `apt-get install chromium`", pytrace=False)
    # Root has no sandbox of its own; the tests open only pages of this machine.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=arguments)
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser, server: EmulatedFivetran) -> Iterator[PageVisit]:
    """Visit the page of an emulated account, and check that the browser finds no fault with it."""
    visited = PageVisit(browser, server)
    yield visited
    visited.close()


@pytest.fixture
def full_account(server: EmulatedFivetran) -> EmulatedFivetran:
    """Fill the account: every part of the page has content, some of it long and hostile."""
    fill_account(server)
    return server
