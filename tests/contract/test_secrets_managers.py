"""Check `/v1/external-secrets-managers`."""

from __future__ import annotations

from typing import Any

import pytest
from emulated_account import SNOWFLAKE, EmulatedAccount

MANAGERS = "/v1/external-secrets-managers"
BODY = {
    "type": "AZURE_KEY_VAULT",
    "name": "vault",
    "config": {"vault_url": "https://acme.vault.example", "client_secret": "canary"},
}


def _create_manager(account: EmulatedAccount) -> str:
    return str(account.post(MANAGERS, BODY).data["id"])


def test_a_manager_is_created_read_and_listed(account: EmulatedAccount) -> None:
    answer = account.post(MANAGERS, BODY)
    assert (answer.status, answer.json["message"]) == (201, "External Secrets Manager has been created")
    assert (answer.data["type"], answer.data["is_hybrid_deployment"]) == ("AZURE_KEY_VAULT", False)
    shown = account.get(f"{MANAGERS}/{answer.data['id']}")
    assert (shown.data, shown.json["message"]) == (answer.data, "Operation performed successfully")
    assert account.get(MANAGERS).data["items"] == [answer.data]


def test_secrets_of_a_manager_are_masked(account: EmulatedAccount) -> None:
    config = account.get(f"{MANAGERS}/{_create_manager(account)}").data["config"]
    assert config == {"vault_url": "https://acme.vault.example", "client_secret": "******"}


def test_a_change_merges_into_the_config(account: EmulatedAccount) -> None:
    manager = _create_manager(account)
    answer = account.patch(f"{MANAGERS}/{manager}", {"config": {"vault_url": "https://other.example"}})
    assert answer.json["message"] == "Resource updated successfully"
    assert answer.data["config"] == {"vault_url": "https://other.example", "client_secret": "******"}
    assert answer.data["updated_at"] > answer.data["created_at"]


def test_a_manager_in_use_cannot_be_deleted(account: EmulatedAccount) -> None:
    manager = _create_manager(account)
    destination = account.must_create("snowflake", SNOWFLAKE, external_secrets_manager_id=manager)
    for schema in ("a", "b"):
        account.dashboard.add_connection(destination, "postgres", schema, external_secrets_manager_id=manager)
    refused = account.delete(f"{MANAGERS}/{manager}")
    assert refused.error == (400, "BadRequest")
    assert refused.json["message"] == (
        f"Failed to delete External Secrets Manager with '{manager}' id, because it is used by "
        "2 connection(s) and 1 destination(s)."
    )


def test_an_unused_manager_can_be_deleted(account: EmulatedAccount) -> None:
    manager = _create_manager(account)
    answer = account.delete(f"{MANAGERS}/{manager}")
    assert answer.json["message"] == f"External Secrets Manager '{manager}' has been deleted."
    gone = account.get(f"{MANAGERS}/{manager}")
    assert gone.error == (404, "NotFound")
    assert gone.json["message"] == f"External Secrets Manager with '{manager}' id is not found."


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": None}, "ESM type is required."),
        ({"name": ""}, "ESM name is required."),
        ({"config": None}, "ESM config is required."),
        ({"type": "SHOEBOX"}, "ESM type is not supported."),
        ({"config": "x"}, "ESM config is invalid."),
    ],
)
def test_a_manager_with_an_invalid_body_is_refused(
    account: EmulatedAccount, changes: dict[str, Any], message: str
) -> None:
    answer = account.post(MANAGERS, {**BODY, **changes})
    assert answer.error == (400, "BadRequest")
    assert answer.json["message"] == message


def test_a_change_requires_a_config(account: EmulatedAccount) -> None:
    assert account.patch(f"{MANAGERS}/{_create_manager(account)}", {}).error == (400, "BadRequest")
