"""Visit the page of an emulated account with a browser."""

from __future__ import annotations

import json
import urllib.request
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from cli_harness import KEY, SECRET, EmulatedFivetran

from reconciler.emulator.setup_tests import SetupTest
from reconciler.emulator.store import Kind

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

_BASIC = "Basic " + b64encode(f"{KEY}:{SECRET}".encode()).decode()


class PageVisit:
    """Visit of the page. Errors in the console, and requests to other sites, fail the test at its end."""

    def __init__(self, browser: Browser, server: EmulatedFivetran) -> None:
        self._browser = browser
        self._origin = server.url.removesuffix("/v1")
        self._contexts: list[BrowserContext] = []
        self._problems: list[str] = []
        self.expects_errors = False

    def open(self, path: str = "/_emulator/", **options: Any) -> Page:
        """Open the page in a new context; `options` are options of the context, such as `color_scheme`."""
        context = self._browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        self._contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: self._note(message.type in {"error", "warning"}, message.text))
        page.on("pageerror", lambda error: self._note(True, str(error)))
        page.on("request", lambda request: self._note(not request.url.startswith(self._origin), request.url))
        page.goto(self._origin + path)
        return page

    def _note(self, is_problem: bool, text: str) -> None:
        # A refused form is a response 422, which the console repeats.
        if is_problem and "status of 422" not in text:
            self._problems.append(text)

    def close(self) -> None:
        """Close all pages, and check that there were no problems."""
        for context in self._contexts:
            context.close()
        assert self.expects_errors or self._problems == []


def expect(part: Page | Locator) -> Any:
    """Expect something of a part of a page, and wait for it."""
    # Imported here: the tests are collected in installations without playwright too.
    from playwright.sync_api import expect as expect_soon

    return expect_soon(part)


def send(server: EmulatedFivetran, method: str, path: str, body: Any = None) -> Any:
    """Send a request of the API as any client would. Returns the data of the response."""
    headers = {
        "Authorization": _BASIC,
        "Content-Type": "application/json",
        "Accept": "application/json;version=2",
    }
    request = urllib.request.Request(
        server.url + path, None if body is None else json.dumps(body).encode(), headers, method=method
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response).get("data")


def add_snowflake(server: EmulatedFivetran, name: str, **fields: Any) -> str:
    """Create a group with a Snowflake destination through the API. Returns the id."""
    group = send(server, "POST", "/groups", {"name": name})["id"]
    config = {
        "host": "acme-prod.eu-central-1.privatelink.snowflakecomputing.com",
        "port": 443,
        "database": "ANALYTICS",
        "auth": "PASSWORD",
        "user": "LOADER",
        "password": "correct horse",
        "is_private_key_encrypted": False,
    }
    body = {"group_id": group, "service": "snowflake", "time_zone_offset": "0", "config": config, **fields}
    send(server, "POST", "/destinations", body)
    return str(group)


def fill_account(server: EmulatedFivetran) -> None:
    """Fill an account so that every part of the page has content."""
    dashboard = server.app.dashboard
    dashboard.script_setup_tests(
        [
            SetupTest("Host Connection"),
            SetupTest("Permissions", "WARNING", "x" * 200),
            SetupTest("Sync", "FAILED"),
        ]
    )
    first = add_snowflake(server, "analytics")
    second = add_snowflake(server, "a_very_long_name_without_any_space_" * 4, networking_method="SshTunnel")
    third = add_snowflake(server, "<script>alert(1)</script> \u202e")
    send(server, "POST", "/groups", {"name": "empty"})
    dashboard.present_certificate()
    dashboard.present_host_key(destination=second)
    dashboard.approve(Kind.CERTIFICATE, third, dashboard.present_certificate(destination=third)[0])
    dashboard.add_connection(first, "salesforce", "crm_with_a_very_long_schema_name_" * 3, paused=True)
    dashboard.add_user("grace.hopper.with.a.long.address@analytics.acme.example", active=False)
    server.app.behaviour = server.app.behaviour.model_copy(update={"last_page": "null"})
    send(server, "GET", "/groups?limit=1000")
