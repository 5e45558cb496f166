"""Check destinations with references to existing and missing agents, links and managers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from emulated_account import SNOWFLAKE, EmulatedAccount

Make = Callable[..., EmulatedAccount]
MISSING = {
    "hybrid_deployment_agent_id": "NotFound_RemoteExecutionAgent",
    "local_processing_agent_id": "NotFound_RemoteExecutionAgent",
    "private_link_id": "NotFound_PrivateLink",
    "proxy_agent_id": "NotFound",
    "external_secrets_manager_id": "NotFound",
}


@pytest.mark.parametrize("name", MISSING)
def test_references_to_missing_objects_may_be_accepted(account_with: Make, name: str) -> None:
    account = account_with(companion_references="unchecked")
    assert account.create_destination("snowflake", SNOWFLAKE, **{name: "no_such"}).status == 201


@pytest.mark.parametrize(("name", "code"), MISSING.items())
def test_references_to_missing_objects_may_be_404(account_with: Make, name: str, code: str) -> None:
    account = account_with(companion_references="checked")
    assert account.create_destination("snowflake", SNOWFLAKE, **{name: "no_such"}).error == (404, code)
    identifier = account.must_create("snowflake", SNOWFLAKE)
    path = f"/v1/destinations/{identifier}"
    assert account.patch(path, {name: "no_such", "region": "AWS_US_EAST_1"}).error == (404, code)
    assert account.get(path).data["region"] == "GCP_US_EAST4"
    assert account.patch(path, {name: ""}).status == 200


def test_references_to_existing_objects_are_accepted(account_with: Make) -> None:
    account = account_with(companion_references="checked")
    agent = {
        "display_name": "a",
        "env_type": "DOCKER",
        "accept_terms": True,
        "group_id": account.create_group(),
    }
    link = {"name": "l", "region": "AWS_US_EAST_1", "service": "SNOWFLAKE_AWS"}
    fields = {
        "hybrid_deployment_agent_id": account.post("/v1/hybrid-deployment-agents", agent).data["id"],
        "private_link_id": account.post("/v1/private-links", link).data["id"],
        "proxy_agent_id": account.post(
            "/v1/proxy", {"display_name": "p", "group_region": "GCP_US_EAST4"}
        ).data["agent_id"],
        "external_secrets_manager_id": account.post(
            "/v1/external-secrets-managers", {"type": "HASHICORP_VAULT", "name": "v", "config": {}}
        ).data["id"],
    }
    assert account.create_destination("snowflake", SNOWFLAKE, **fields).status == 201


def test_an_unchanged_reference_is_not_checked(account_with: Make) -> None:
    account = account_with(companion_references="checked")
    group = account.create_group()
    account.dashboard.add_destination(group, "snowflake", proxy_agent_id="gone")
    assert account.patch(f"/v1/destinations/{group}", {"region": "AWS_US_EAST_1"}).status == 200
