"""Test that a seed describes an account, and that a dump is a seed of the same account."""

from __future__ import annotations

from typing import Any

import pytest
from emulated_account import EmulatedAccount
from pydantic import ValidationError

from reconciler.emulator.seed import Seed

MOMENT = "2026-01-02T03:04:05.678901Z"
EVERYTHING: dict[str, Any] = {
    "version": 1,
    "account": {"id": "intently_yarn", "name": "Acme"},
    "groups": [
        {
            "id": "decent_dropsy",
            "name": "finance_prod",
            "created_at": MOMENT,
            "destination": {
                "service": "snowflake",
                "region": "AWS_US_EAST_1",
                "time_zone_offset": "-5",
                "setup_status": "connected",
                "private_link_id": "quiet_bridge",
                "config": {"host": "acme.snowflakecomputing.com", "password": "canary"},
            },
        },
    ],
    "private_links": [
        {
            "id": "quiet_bridge",
            "name": "0_bridge",
            "region": "AWS_US_EAST_1",
            "service": "SNOWFLAKE_AWS",
            "config": {"connection_service_name": "com.amazonaws.vpce.us-east-1.vpce-svc-1"},
            "state": "FAIL",
            "created_at": MOMENT,
        }
    ],
    "hybrid_agents": [
        {
            "id": "brisk_lantern",
            "display_name": "agent in the basement",
            "group_id": "decent_dropsy",
            "deployment_type": "PODMAN",
            "registered_at": MOMENT,
        }
    ],
    "proxy_agents": [
        {"id": "amber_gate", "display_name": "gate", "region": "AWS_EU_WEST_1", "registered_at": MOMENT}
    ],
}


def load(seed: dict[str, Any]) -> EmulatedAccount:
    """Load a seed into a new account."""
    account = EmulatedAccount()
    account.emulator.load_seed(Seed.model_validate(seed))
    return account


def test_a_dump_of_a_seed_is_the_seed() -> None:
    assert load(EVERYTHING).emulator.dump(show_secrets=True) == EVERYTHING


def test_links_and_agents_of_a_seed_answer_to_the_api() -> None:
    account = load(EVERYTHING)
    link = account.get("/v1/private-links/quiet_bridge").data
    assert (link["name"], link["state"], link["cloud_provider"]) == ("0_bridge", "FAIL", "AWS")
    agent = account.get("/v1/hybrid-deployment-agents/brisk_lantern").data
    assert (agent["group_id"], agent["deployment_type"]) == ("decent_dropsy", "PODMAN")
    assert account.get("/v1/proxy/amber_gate").data["display_name"] == "gate"
    assert account.get("/v1/destinations/decent_dropsy").data["private_link_id"] == "quiet_bridge"


def test_a_link_in_creation_is_ready_later() -> None:
    account = load({"version": 1, "private_links": [{**EVERYTHING["private_links"][0], "state": "CREATING"}]})
    assert account.get("/v1/private-links/quiet_bridge").data["state"] == "CREATING"
    account.emulator.dashboard.finish_private_link("quiet_bridge")
    assert account.emulator.dump()["private_links"][0]["state"] == "OK"


@pytest.mark.parametrize("kind", ["groups", "private_links", "hybrid_agents", "proxy_agents"])
def test_an_id_cannot_be_given_twice(kind: str) -> None:
    with pytest.raises(ValidationError, match=f"two {kind.replace('_', ' ')} have the id"):
        Seed.model_validate({**EVERYTHING, kind: EVERYTHING[kind] * 2})


def test_an_agent_needs_its_group() -> None:
    with pytest.raises(ValidationError, match="no group has the id `decent_dropsy` of a hybrid agent"):
        Seed.model_validate({**EVERYTHING, "groups": []})
