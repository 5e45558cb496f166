"""The requests of the guide to the emulator work, in the order of the page."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from cli_harness import ROOT
from command_line import PROCESS_TIMEOUT
from emulated_account import BASIC
from fake_clock import TickingClock

from reconciler.emulator.app import create_app
from reconciler.emulator.scenario import Scenario
from reconciler.emulator.serve import serve_in_thread
from reconciler.workspace.documents import read_document

GUIDE = ROOT / "reconciler" / "guides" / "emulator.md"
SEED = """\
version: 1
groups:
  - name: sales
    destination: {service: postgres_warehouse, config: {host: db, port: 5432}}
network: [{group: sales, certificate: generated}]
"""


@dataclass(frozen=True)
class DocumentedRequest:
    """A request of the guide, below the title of its section."""

    section: str
    method: str
    path: str
    body: str | None


def parse_requests() -> Iterator[DocumentedRequest]:
    """Parse all calls of `curl` on the page. Raises an error for an option that is not known here."""
    section = ""
    for line in GUIDE.read_text().splitlines():
        section = line.removeprefix("### ") if line.startswith("### ") else section
        if not line.startswith("curl "):
            continue
        words = shlex.split(line)[1:]
        options = dict(zip(words[:-1:2], words[1:-1:2], strict=True))
        assert set(options) <= {"-X", "-d", "--data-binary"}, line
        host, _, path = words[-1].partition("/")
        assert host == "localhost:8228", line
        body = options.get("-d") or options.get("--data-binary")
        yield DocumentedRequest(section, options.get("-X", "GET"), f"/{path}", body)


REQUESTS = list(parse_requests())


def send(url: str, request: DocumentedRequest, folder: Path) -> tuple[int, str]:
    body = request.body
    if body is not None and body.startswith("@"):
        body = (folder / body[1:]).read_text()
    # The type that curl declares by default.
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    sent = Request(
        f"{url}{request.path}", body and body.encode(), headers if body else {}, method=request.method
    )
    try:
        with urlopen(sent, timeout=PROCESS_TIMEOUT) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def add_companions(url: str) -> None:
    """Add the private link and the agent that the guide names."""
    link = {"name": "pl_sales", "region": "AWS_US_EAST_1", "service": "SNOWFLAKE_AWS", "config": {}}
    agent = {"display_name": "dmz", "group_region": "GCP_US_EAST4"}
    for path, body in (("private-links", link), ("proxy", agent)):
        headers = {**BASIC, "Content-Type": "application/json"}
        request = Request(f"{url}/{path}", json.dumps(body).encode(), headers)
        with urlopen(request, timeout=PROCESS_TIMEOUT) as response:
            assert response.status == 201


def test_every_documented_request_succeeds(tmp_path: Path) -> None:
    (tmp_path / "account.yaml").write_text(SEED)
    app = create_app(clock=TickingClock(), read_document=read_document)
    results: list[tuple[str, int, str]] = []
    with serve_in_thread(app) as url:
        base = url.removesuffix("/v1")
        for request in REQUESTS:
            status, text = send(base, request, tmp_path)
            results.append((f"{request.method} {request.path}", status, text))
            if request.path == "/_emulator/reset":
                add_companions(url)
    assert [result for result in results if result[1] != 200] == []
    assert app.dashboard.find_group_ids("sales_emea")
    assert not app.dashboard.find_group_ids("hackathon")
    assert app.behaviour.last_page == "missing"  # the reset came after the change
    app.close()


def test_every_task_has_requests() -> None:
    titles = re.findall(r"^### (.*)$", GUIDE.read_text(), re.MULTILINE)
    assert len(titles) >= 6
    assert [title for title in titles if title not in {request.section for request in REQUESTS}] == []


def test_the_documented_scenario_is_valid() -> None:
    blocks = re.findall(r"^```yml\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    (scenario,) = [read_document(block, Scenario) for block in blocks]
    assert len(scenario.network) == 2
    assert scenario.setup_tests[0].runs[0] is None
    assert scenario.private_link_work[0].state == "FAIL"


@pytest.mark.parametrize("path", ["/_emulator/approvals", "/_emulator/network", "/_emulator/faults"])
def test_requests_are_found(path: str) -> None:
    assert any(request.path.startswith(path) for request in REQUESTS)
