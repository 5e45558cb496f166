"""A rehearsed approval: apply waits, a person approves in the served account, and apply ends."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from background_process import BackgroundProcess
from cli_harness import Project
from command_line import PROCESS_TIMEOUT
from emulated_account import BASIC

ACCOUNT = "version: 1\naccount: {id: intently_yarn, name: Acme}\n"
PROJECT = "version: 1\naccount_id: intently_yarn\nspecs: ['groups/*.yaml']\n"
SALES = """\
  sales:
    destination:
      service: postgres_warehouse
      time_zone_offset: "+1"
      config: {host: db.acme.example, port: 5432, user: loader, database: warehouse, connection_type: Directly,
               password: {secret: "env:SALES_PASSWORD"}}
"""


def call(url: str, method: str, body: Any = None) -> Any:
    headers = {**BASIC, "Content-Type": "application/json"}
    request = Request(url, None if body is None else json.dumps(body).encode(), headers, method=method)
    with urlopen(request, timeout=PROCESS_TIMEOUT) as response:
        return json.load(response)


def approve_in_dashboard(url: str) -> None:
    call(f"{url.removesuffix('/v1')}/_emulator/approvals", "POST", {"group": "sales"})


def approve_over_api(url: str) -> None:
    (group,) = call(f"{url}/groups", "GET")["data"]["items"]
    destination = f"{url}/destinations/{group['id']}"
    (failed, *_) = call(f"{destination}/test", "POST", {})["data"]["setup_tests"]
    server = failed["details"][0]
    call(f"{destination}/certificates", "POST", {name: server[name] for name in ("hash", "encoded_cert")})


@pytest.mark.sampled(every=2)
@pytest.mark.parametrize("approve", [approve_in_dashboard, approve_over_api])
def test_apply_waits_for_an_approval_and_then_ends(project: Project, approve: Any) -> None:
    project.write("account.yaml", ACCOUNT)
    project.write("specs/reconciler.yaml", PROJECT)
    project.write_groups(SALES)
    arguments = ("emulate", "--port", "0", "--seed", "account.yaml", "--certificate", "sales")
    with BackgroundProcess(*arguments, directory=project.folder) as emulator:
        emulator.wait_for("FIVETRAN_APISECRET=")
        url = re.findall(r"http://127\.0\.0\.1:\d+/v1", emulator.output("out"))[0]
        environ = {
            "FIVETRAN_API_URL": url,
            "FIVETRAN_APIKEY": "demo",
            "FIVETRAN_APISECRET": "demo",
            "SALES_PASSWORD": "canary-of-sales",
        }
        apply = ("apply", "--auto-approve", "--no-color")
        first = project.run(*apply, environ=environ)
        assert first.exit == 7
        assert "waits for the approval of a certificate" in first.stderr + first.stdout
        again = project.run(*apply, environ=environ)
        assert again.exit == 7
        approve(url)
        last = project.run(*apply, environ=environ)
        assert last.exit == 0, last.stderr
        assert "setup tests  4 passed" in last.stdout
        assert project.run("plan", "--detailed-exitcode", environ=environ).exit == 0


def test_certificates_of_files_are_presented_and_wrong_files_refused(
    project: Project, tmp_path: Path
) -> None:
    from reconciler.emulator.key_material import generate_chain

    certificate, _ = generate_chain("a file")
    project.write("db.pem", f"-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n")
    project.write("key.pem", "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n")
    listed = project.run(
        "emulate",
        "--certificate",
        "sales=db.pem",
        "--setup-test",
        "*: Login FAILED x",
        "--list",
        "--format",
        "json",
    )
    assert listed.document["network"] == [{"group": "sales", "certificate": [certificate]}]
    assert listed.document["setup_tests"] == [
        {"finally_always": [{"title": "Login", "status": "FAILED", "message": "x"}]}
    ]
    wrong = project.run(
        "emulate",
        "--certificate",
        "sales=key.pem",
        "--host-key",
        "*=db.pem",
        "--host-key",
        "a=no.pem",
        "--list",
    )
    assert (wrong.exit, wrong.stdout) == (1, "")
    assert (
        "error[invalid-server-identity]: `key.pem` cannot be presented: the text holds a private key"
        in wrong.stderr
    )
    assert (
        "error[invalid-server-identity]: `db.pem` cannot be presented: the text is no public key"
        in wrong.stderr
    )
    assert "error[file-unreadable]: cannot read `no.pem`" in wrong.stderr
    assert "--> key.pem:1:1" in wrong.stderr
    assert "Y2FuYXJ5" not in wrong.stderr
