"""Check each field of the documented request and answer of "create a destination"."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from cli_harness import ROOT, EmulatedFivetran, Project, build_credentials
from secret_leak_detector import allow_values

from reconciler.api import responses
from reconciler.api.client import Client
from reconciler.api.transport import Transport
from reconciler.model.value import Secret
from reconciler.runtime.clock import SystemClock

REQUEST_FIELDS = {
    "group_id",
    "service",
    "region",
    "time_zone_offset",
    "trust_certificates",
    "trust_fingerprints",
    "run_setup_tests",
    "daylight_saving_time_enabled",
    "local_processing_agent_id",
    "hybrid_deployment_agent_id",
    "private_link_id",
    "networking_method",
    "config",
}
CONFIG_FIELDS = {
    "tenant_id": str,
    "auth_type": str,
    "storage_account_name": str,
    "connection_type": str,
    "catalog": str,
    "should_maintain_tables_in_databricks": bool,
    "http_path": str,
    "oauth2_secret": str,
    "snapshot_retention_period": str,
    "server_host_name": str,
    "client_id": str,
    "prefix_path": str,
    "container_name": str,
    "port": int,
    "databricks_connection_type": str,
    "secret_value": str,
    "oauth2_client_id": str,
    "personal_access_token": str,
}
RESPONSE_FIELDS = {
    "id",
    "service",
    "region",
    "networking_method",
    "setup_status",
    "daylight_saving_time_enabled",
    "group_id",
    "time_zone_offset",
    "local_processing_agent_id",
    "private_link_id",
    "hybrid_deployment_agent_id",
    "config",
}
SECRETS = {"secret_value", "oauth2_secret", "personal_access_token"}

REFERENCES = {
    "LAKE_ARCHIVE_SECRET": "first-secret",
    "LAKE_ARCHIVE_OAUTH_CLIENT": "an-oauth-client",
    "LAKE_ARCHIVE_OAUTH_SECRET": "second-secret",
    "LAKE_ARCHIVE_TOKEN": "third-secret",
}


@pytest.fixture
def apply_adls_entry(project: Project, server: EmulatedFivetran) -> EmulatedFivetran:
    """Apply the `adls` entry of the demo over HTTP."""
    folder = project.folder / "specs" / "groups"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "specs" / "groups" / "lake.yaml", folder)
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n"
        'defaults: {destination: {time_zone_offset: "0"}}\n',
    )
    allow_values(
        REFERENCES["LAKE_ARCHIVE_OAUTH_CLIENT"]
    )  # a plain value, which the spec refers to by `{value: …}`
    allow_values(REFERENCES["LAKE_ARCHIVE_OAUTH_CLIENT"])  # plans show this `{value: …}` of the spec
    result = project.run_against(server, "apply", "--auto-approve", environ=REFERENCES)
    assert result.exit == 0, result.stdout + result.stderr
    return server


def test_the_request_carries_every_documented_field(apply_adls_entry: EmulatedFivetran) -> None:
    body = _adls_request(apply_adls_entry)
    assert set(body) == REQUEST_FIELDS
    assert {field: type(value) for field, value in body["config"].items()} == CONFIG_FIELDS
    assert {field: body["config"][field] for field in SECRETS} == {
        "secret_value": "first-secret",
        "oauth2_secret": "second-secret",
        "personal_access_token": "third-secret",
    }
    assert (body["trust_certificates"], body["trust_fingerprints"], body["run_setup_tests"]) == (
        True,
        True,
        False,
    )
    assert body["time_zone_offset"] == "+3"


def test_the_answer_is_parsed_with_every_documented_field(apply_adls_entry: EmulatedFivetran) -> None:
    group_id = _adls_request(apply_adls_entry)["group_id"]
    destination = responses.Destination.model_validate(apply_adls_entry.get(f"/destinations/{group_id}"))
    # Only the answers of create and test have `setup_tests`.
    assert set(destination.raw) >= RESPONSE_FIELDS
    assert destination.id == destination.group_id == group_id
    assert destination.setup_status == "connected"
    assert set(destination.config) == set(CONFIG_FIELDS)
    assert {destination.config[field] for field in SECRETS} == {"******"}


def _adls_request(server: EmulatedFivetran) -> dict[str, Any]:
    [body] = [each for each in server.list_bodies("POST", "/v1/destinations") if each["service"] == "adls"]
    return body


AGENT = {"hybrid_deployment_agent_id", "local_processing_agent_id"}
TEST_FIELDS = {"title", "status", "message"}


@pytest.mark.parametrize("hybrid", [False, True])
def test_the_answer_to_the_documented_request_is_parsed_completely(
    apply_adls_entry: EmulatedFivetran, hybrid: bool
) -> None:
    documented = _adls_request(apply_adls_entry)
    body = {key: value for key, value in documented.items() if hybrid or key not in AGENT}
    environ = build_credentials(apply_adls_entry.url)
    key, secret = Secret(environ["FIVETRAN_APIKEY"]), Secret(environ["FIVETRAN_APISECRET"])
    with Transport(apply_adls_entry.url, (key, secret), clock=SystemClock(), environ={}) as transport:
        client = Client(transport)
        group = client.create_group("another_group")
        answer = client.create_destination({**body, "group_id": group.id, "run_setup_tests": True})

    expected = RESPONSE_FIELDS | {"setup_tests"}
    assert set(answer.raw) >= (expected if hybrid else expected - AGENT)
    assert (answer.id, answer.group_id, answer.service) == (group.id, group.id, "adls")
    assert answer.setup_status == "connected"
    assert [set(test.model_dump(exclude_none=True)) for test in answer.setup_tests] == [TEST_FIELDS] * 2
    for field in set(answer.raw) - {"config", "setup_tests", "id", "group_id", "setup_status", "external_id"}:
        assert answer.raw[field] == body[field], field
    for field, kind in CONFIG_FIELDS.items():
        shown = answer.config[field]
        assert shown == ("******" if field in SECRETS else body["config"][field]), field
        assert isinstance(shown, kind), field
