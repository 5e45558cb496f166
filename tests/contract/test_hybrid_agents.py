"""Check `/v1/hybrid-deployment-agents`."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from emulated_account import SNOWFLAKE, EmulatedAccount

AGENTS = "/v1/hybrid-deployment-agents"


def _build_body(account: EmulatedAccount, **changes: Any) -> dict[str, Any]:
    body = {
        "group_id": account.create_group(),
        "display_name": "on site",
        "env_type": "DOCKER",
        "accept_terms": True,
    }
    return {**body, **changes}


def _create_agent(account: EmulatedAccount, **changes: Any) -> str:
    return str(account.post(AGENTS, _build_body(account, **changes)).data["id"])


def test_a_new_agent_is_answered_with_its_secrets(account: EmulatedAccount) -> None:
    answer = account.post(AGENTS, _build_body(account))
    assert (answer.status, answer.json["message"]) == (201, "Hybrid deployment agent has been created")
    assert answer.data["deployment_type"] == "DOCKER"
    assert answer.data["created_by"] == account.dashboard.identity.user_id
    assert answer.data["files"].keys() == {"config_json", "auth_json", "docker_compose_yaml"}
    assert answer.data["token"] in json.loads(b64decode(answer.data["files"]["config_json"]))["token"]
    assert "usage" not in answer.data


def test_secrets_are_never_shown_again(account: EmulatedAccount) -> None:
    agent = _create_agent(account)
    for shown in (account.get(f"{AGENTS}/{agent}").data, account.get(AGENTS).data["items"][0]):
        assert not {"files", "token"} & set(shown)
        assert shown["usage"] == []


def test_secrets_can_be_regenerated(account: EmulatedAccount) -> None:
    created = account.post(AGENTS, _build_body(account)).data
    path = f"{AGENTS}/{created['id']}"
    again = account.patch(f"{path}/re-auth", {"auth_type": "MANUAL"})
    assert again.json["message"] == "Hybrid deployment agent re-authentication successful"
    assert again.data["display_name"] == "on site"
    reset = account.post(f"{path}/reset-credentials")
    assert reset.json["message"] == f"Successfully reset credentials the agent with id = {created['id']}"
    assert reset.data.keys() == {"files", "token"}
    assert len({each["token"] for each in (created, again.data, reset.data)}) == 3


def test_a_deleted_agent_is_404(account: EmulatedAccount) -> None:
    agent = _create_agent(account)
    answer = account.delete(f"{AGENTS}/{agent}")
    assert answer.json == {
        "code": "Success",
        "message": f"Hybrid deployment agent with id = {agent} has been deleted.",
    }
    assert account.get(f"{AGENTS}/{agent}").error == (404, "NotFound_RemoteExecutionAgent")


def test_agents_can_be_listed_by_group(account: EmulatedAccount) -> None:
    group = account.create_group()
    first, second = _create_agent(account, group_id=group), _create_agent(account)
    assert [each["id"] for each in account.get(f"{AGENTS}?groupId={group}").data["items"]] == [first]
    assert [each["id"] for each in account.get(AGENTS).data["items"]] == [first, second]


def test_usage_lists_the_destinations_of_the_agent(account: EmulatedAccount) -> None:
    agent = _create_agent(account)
    destination = account.must_create("snowflake", SNOWFLAKE, hybrid_deployment_agent_id=agent)
    connection = account.dashboard.add_connection(
        destination, "postgres", "shop", hybrid_deployment_agent_id=agent
    )
    usage = [
        {"connection_id": connection, "schema": "shop", "service": "postgres"},
        {"connection_id": destination, "schema": None, "service": "snowflake"},
    ]
    assert account.get(f"{AGENTS}/{agent}").data["usage"] == usage
    assert account.get(AGENTS).data["items"][0]["usage"] == usage
    account.patch(f"/v1/destinations/{destination}", {"hybrid_deployment_agent_id": ""})
    assert account.get(f"{AGENTS}/{agent}").data["usage"] == usage[:1]


@pytest.mark.parametrize(
    "changes",
    [
        {"display_name": None},
        {"env_type": None},
        {"env_type": "docker"},
        {"accept_terms": None},
        {"accept_terms": False},
        {"auth_type": "SOMEHOW"},
    ],
)
def test_an_agent_with_an_invalid_body_is_refused(account: EmulatedAccount, changes: dict[str, Any]) -> None:
    assert account.post(AGENTS, _build_body(account, **changes)).error == (400, "InvalidInput")
    assert account.get(AGENTS).data["items"] == []


def test_the_group_of_an_agent_must_exist(account: EmulatedAccount) -> None:
    assert account.post(AGENTS, _build_body(account, group_id="no_such")).error == (404, "NotFound_Group")


def test_agents_are_deleted_with_their_group(account: EmulatedAccount) -> None:
    group = account.create_group()
    agent = _create_agent(account, group_id=group)
    account.delete(f"/v1/groups/{group}")
    assert account.get(f"{AGENTS}/{agent}").status == 404
