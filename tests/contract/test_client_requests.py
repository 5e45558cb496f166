"""Check that the API documents every request of an apply, and of an apply that corrects drift."""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

import pytest
from certificate_chain import make_chain, make_host_key
from cli_harness import ROOT, EmulatedFivetran, Project
from in_process_harness import open_project
from postgres_destination import build_postgres
from request_shapes import check_request
from response_shapes import check_response
from secret_leak_detector import allow_values

REFERENCE = re.compile(r'(secret|value): *"?(env|file):([^}"\s#]+)')


@pytest.fixture
def demo_secrets(project: Project, server: EmulatedFivetran) -> dict[str, str]:
    """Copy the demo specs for the account of the server. Returns an environment with a value for each reference."""
    shutil.rmtree(project.folder / "specs")
    shutil.copytree(ROOT / "specs", project.folder / "specs")
    environ = {}
    for file in (project.folder / "specs").rglob("*.yaml"):
        text = re.sub(r"(?m)^account_id: \w+", f"account_id: {server.account_id}", file.read_text())
        for shown, kind, name in REFERENCE.findall(text):
            variable = re.sub(r"\W", "_", name).upper().strip("_")
            text = text.replace(f"{kind}:{name}", f"env:{variable}")
            environ[variable] = json.dumps({"private_key": variable})
            if shown == "value":  # plans show this value
                allow_values(environ[variable])
        file.write_text(text)
    return environ


def check_requests(server: EmulatedFivetran, since: int = 0) -> list[str]:
    """Check every request against the documentation. Returns the called endpoints."""
    services = {item["id"]: item["service"] for item in server.get("/destinations?limit=1000")["items"]}
    called = []
    for each in server.app.read_history(since)[:-1]:  # the last request is a request of this test
        service = services.get(each.path.split("/")[3]) if each.path.count("/") > 2 else None
        called.append(check_request(each, service))
        assert each.status < 400, each
    return called


def test_requests_of_an_apply_are_documented(
    project: Project, server: EmulatedFivetran, demo_secrets: dict[str, str]
) -> None:
    first = project.run_against(server, "apply", "--auto-approve", environ=demo_secrets)
    assert first.exit == 0, first.stdout + first.stderr
    called = check_requests(server)
    made = len(server.list_ids("destinations"))
    assert called.count("POST /v1/groups") >= made > 5
    assert called.count("POST /v1/destinations") == made
    assert "POST /v1/destinations/{id}/test" in called

    seen = server.app.read_history()[-1].sequence
    dashboard = server.app.dashboard
    for identifier in server.list_ids("destinations"):
        dashboard.change_destination(identifier, time_zone_offset="+9", daylight_saving_time_enabled=True)
    dashboard.rename_group(server.list_ids("groups")[0], "renamed_by_a_user")
    repaired = project.run_against(
        server,
        "apply",
        "--auto-approve",
        *("--allow", "changed_fraction=1", "--reason", "everything drifted"),
        environ=demo_secrets,
    )
    assert repaired.exit == 0, repaired.stdout + repaired.stderr
    called = check_requests(server, since=seen)
    assert called.count("PATCH /v1/groups/{id}") == 1
    assert called.count("PATCH /v1/destinations/{id}") == made
    assert "POST /v1/destinations" not in called


def test_answers_to_a_client_have_documented_shapes(
    project: Project, server: EmulatedFivetran, demo_secrets: dict[str, str]
) -> None:
    assert project.run_against(server, "apply", "--auto-approve", environ=demo_secrets).exit == 0
    reads = ["/account/info", "/groups?limit=1000", "/destinations?limit=1000"]
    reads += [f"/{kind}/{each}" for kind in ("groups", "destinations") for each in server.list_ids(kind)]
    for path in reads:
        document = {"code": "Success", "data": server.get(path)}
        check_response("GET", f"/v1{path.split('?')[0]}", 200, document)


def test_requests_about_approvals_are_documented() -> None:
    """Approve a certificate and a host key, then another certificate in place of the first."""
    server, _, root = make_chain("acme")
    with open_project() as project:
        project.secrets["PASSWORD"] = "correct-horse-battery"
        dashboard = project.app.dashboard
        dashboard.present_certificate(server.encoded, root.encoded, group_name="finance")
        dashboard.present_host_key(make_host_key(), group_name="finance")
        for certificate in (root, server):
            project.write_file("pin.pem", certificate.pem)
            project.declare({"finance": {"destination": build_pinned()}})
            project.apply()
        endpoints = [check_request(entry, "postgres_warehouse") for entry in project.history]
    for kind in ("certificates", "fingerprints"):
        assert f"GET /v1/destinations/{{id}}/{kind}" in endpoints
        assert f"POST /v1/destinations/{{id}}/{kind}" in endpoints
    [revocation] = [each for each in endpoints if each.startswith("DELETE")]
    assert revocation == "DELETE /v1/destinations/{id}/certificates/{hash}"


def build_pinned() -> dict[str, Any]:
    """Build a destination behind a tunnel, which pins a PEM file and a host key."""
    return {
        **build_postgres(
            {
                "tunnel_host": "bastion",
                "tunnel_port": 22,
                "tunnel_user": "fivetran",
                "connection_type": "SshTunnel",
                "always_encrypted": True,
            }
        ),
        "trust": {"certificates": [{"pem": "pin.pem"}], "fingerprints": [make_host_key()]},
    }
