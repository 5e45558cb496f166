"""Test that a seed describes an account, and that a dump is a seed of the same account."""

from __future__ import annotations

from typing import Any

import pytest
from emulated_account import SNOWFLAKE, EmulatedAccount
from known_endpoints import AGENT, CONNECTION, INVITED, LINK, MANAGER, PROXY
from pydantic import ValidationError

from reconciler.emulator.scenario import Scenario
from reconciler.emulator.seed import (
    Seed,
    SeedCertificate,
    SeedConnection,
    SeedFingerprint,
    SeedGroup,
    SeedHybridAgent,
    SeedMember,
    SeedOwner,
    SeedPrivateLink,
    SeedProxyAgent,
    SeedSecretsManager,
    SeedUser,
)

MOMENT = "2026-01-02T03:04:05.678901Z"
CONNECTION_OF_SEED = {"id": "iodize_impressive", "service": "postgres", "schema": "shop"}
EVERYTHING: dict[str, Any] = {
    "version": 1,
    "account": {"id": "intently_yarn", "name": "Acme"},
    "owner": {
        "id": "patient_gardener",
        "email": "grace@acme.example",
        "given_name": "Grace",
        "family_name": "Hopper",
        "phone": "+1234567890",
        "picture": "https://acme.example/grace.png",
        "role": "Account Analyst",
        "logged_in_at": "2026-01-03T00:00:00.000000Z",
        "created_at": MOMENT,
    },
    "users": [
        {
            "id": "quiet_reader",
            "email": "alan@acme.example",
            "given_name": "Alan",
            "family_name": "Turing",
            "role": "Account Reviewer",
            "active": False,
            "verified": False,
            "logged_in_at": MOMENT,
            "created_at": MOMENT,
        },
        {
            "id": "late_guest",
            "phone": "+4912",
            "picture": "https://acme.example/ada.png",
            "email": "ada@acme.example",
            "invited": True,
            "created_at": MOMENT,
        },
    ],
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
            "connections": [
                {
                    "id": "iodize_impressive",
                    "service": "postgres",
                    "schema": "shop",
                    "setup_state": "broken",
                    "paused": True,
                    "config": {"host": "db.acme.example", "password": "canary"},
                    "created_at": MOMENT,
                },
                {
                    "id": "concerning_batch",
                    "service": "fivetran_log",
                    "schema": "fivetran_metadata",
                    "created_at": MOMENT,
                },
            ],
            "users": [{"email": "ada@acme.example", "role": "Destination Reviewer"}],
            "certificates": [
                {
                    "name": "CN=db.acme.example",
                    "hash": "c2FsZXM=",
                    "sha1": "ab" * 20,
                    "sha256": "cd" * 32,
                    "public_key": "Sun RSA public key, 2048 bits",
                    "validated_date": MOMENT,
                }
            ],
            "fingerprints": [
                {"hash": "aG9zdA==", "public_key": "ssh-rsa AAAA", "validated_date": MOMENT},
            ],
        },
        {"id": "bare_willow", "name": "bare", "created_at": MOMENT},
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
            "online": True,
        }
    ],
    "proxy_agents": [
        {
            "id": "amber_gate",
            "display_name": "gate",
            "region": "AWS_EU_WEST_1",
            "registered_at": MOMENT,
            "online": False,
        }
    ],
    "secrets_managers": [
        {
            "id": "sealed_chest",
            "type": "HASHICORP_VAULT",
            "name": "vault",
            "config": {"vault_token": "canary"},
            "is_hybrid_deployment": True,
            "created_at": MOMENT,
            "updated_at": MOMENT,
        }
    ],
}


def load(seed: dict[str, Any]) -> EmulatedAccount:
    """Load a seed into a new account."""
    account = EmulatedAccount()
    account.emulator.load_seed(Seed.model_validate(seed))
    return account


def list_members_of_groups(account: EmulatedAccount) -> dict[str, list[tuple[str, str]]]:
    """List email and role of the users of every group."""
    groups = account.get("/v1/groups").data["items"]
    return {
        group["name"]: [
            (user["email"], user["role"])
            for user in account.get(f"/v1/groups/{group['id']}/users").data["items"]
        ]
        for group in groups
    }


def test_a_dump_of_a_seed_is_the_seed() -> None:
    assert load(EVERYTHING).emulator.dump(show_secrets=True) == EVERYTHING


def test_the_dumped_seed_says_everything_that_a_seed_can_say() -> None:
    group = EVERYTHING["groups"][0]
    said = {
        SeedOwner: [EVERYTHING["owner"]],
        SeedUser: EVERYTHING["users"],
        SeedGroup: EVERYTHING["groups"],
        SeedConnection: group["connections"],
        SeedMember: group["users"],
        SeedCertificate: group["certificates"],
        SeedFingerprint: group["fingerprints"],
        SeedPrivateLink: EVERYTHING["private_links"],
        SeedHybridAgent: EVERYTHING["hybrid_agents"],
        SeedProxyAgent: EVERYTHING["proxy_agents"],
        SeedSecretsManager: EVERYTHING["secrets_managers"],
    }
    unsaid = {
        (model.__name__, key)
        for model, items in said.items()
        for key in {field.alias or name for name, field in model.model_fields.items()}.difference(*items)
    }
    # The flags of the owner are the flags of other users.
    assert unsaid == {("SeedOwner", key) for key in ("active", "invited", "verified")}
    no_content = {*Scenario.model_fields, "snapshot"}
    assert Seed.model_fields.keys() - EVERYTHING.keys() == no_content


def test_a_dump_masks_secrets_of_connections_and_destinations() -> None:
    assert "canary" not in str(load(EVERYTHING).emulator.dump())


def test_the_owner_of_a_seed_has_the_key() -> None:
    account = load(EVERYTHING)
    assert account.get("/v1/account/info").data["user_id"] == "patient_gardener"
    owner = account.get("/v1/users").data["items"][0]
    assert {name: owner[name] for name in EVERYTHING["owner"]} == EVERYTHING["owner"]
    assert account.get("/v1/connections/iodize_impressive").data["connected_by"] == "patient_gardener"
    assert len(account.get("/v1/users").data["items"]) == 3  # the generated owner is gone
    assert list_members_of_groups(account) == {
        "finance_prod": [
            ("grace@acme.example", "Account Administrator"),
            ("alan@acme.example", ""),
            ("ada@acme.example", "Destination Reviewer"),
        ],
        "bare": [("grace@acme.example", "Account Administrator"), ("alan@acme.example", "")],
    }


def test_an_owner_needs_little_more_than_an_id() -> None:
    account = load({"version": 1, "owner": {"id": "solo", "email": "solo@acme.example"}})
    (owner,) = account.get("/v1/users").data["items"]
    assert (owner["role"], owner["verified"], owner["invited"]) == ("Account Administrator", True, False)
    assert owner["logged_in_at"] == owner["created_at"]


def test_an_invited_user_has_not_logged_in() -> None:
    users = {user["id"]: user for user in load(EVERYTHING).get("/v1/users").data["items"]}
    assert users["late_guest"]["logged_in_at"] is None
    assert users["quiet_reader"]["logged_in_at"] == MOMENT


def test_an_account_made_over_the_api_survives_a_dump() -> None:
    account = EmulatedAccount(private_link_seconds=0)
    group = account.must_create("snowflake", SNOWFLAKE, setup_status="connected")
    for path, body in (
        ("/v1/connections", {**CONNECTION, "group_id": group, "paused": True}),
        ("/v1/users", INVITED),
        (f"/v1/groups/{group}/users", {"email": INVITED["email"], "role": "Destination Reviewer"}),
        ("/v1/private-links", LINK),
        ("/v1/hybrid-deployment-agents", {**AGENT, "group_id": group}),
        ("/v1/proxy", PROXY),
        ("/v1/external-secrets-managers", MANAGER),
    ):
        assert account.post(path, body).status in {200, 201}, path
    dump = account.emulator.dump(show_secrets=True)
    copy = load(dump)
    assert copy.emulator.dump(show_secrets=True) == dump
    for path in (
        "/v1/account/info",
        "/v1/groups",
        f"/v1/destinations/{group}",
        "/v1/connections",
        "/v1/users",
        f"/v1/groups/{group}/users",
        "/v1/private-links",
        "/v1/proxy",
        "/v1/external-secrets-managers",
    ):
        assert copy.get(path).json == account.get(path).json, path


def test_objects_of_a_seed_that_destinations_refer_to_answer_to_the_api() -> None:
    account = load(EVERYTHING)
    link = account.get("/v1/private-links/quiet_bridge").data
    assert (link["name"], link["state"], link["cloud_provider"]) == ("0_bridge", "FAIL", "AWS")
    agent = account.get("/v1/hybrid-deployment-agents/brisk_lantern").data
    assert (agent["group_id"], agent["deployment_type"]) == ("decent_dropsy", "PODMAN")
    assert account.get("/v1/proxy/amber_gate").data["display_name"] == "gate"
    manager = account.get("/v1/external-secrets-managers/sealed_chest").data
    assert (manager["name"], manager["type"], manager["created_at"]) == ("vault", "HASHICORP_VAULT", MOMENT)
    assert account.get("/v1/destinations/decent_dropsy").data["private_link_id"] == "quiet_bridge"


def test_a_link_in_creation_is_ready_later() -> None:
    account = load({"version": 1, "private_links": [{**EVERYTHING["private_links"][0], "state": "CREATING"}]})
    assert account.get("/v1/private-links/quiet_bridge").data["state"] == "CREATING"
    account.emulator.dashboard.finish_private_link("quiet_bridge")
    assert account.get("/v1/private-links/quiet_bridge").data["state"] == "OK"
    assert "state" not in account.emulator.dump()["private_links"][0]  # the default


@pytest.mark.parametrize(
    "kind", ["users", "groups", "private_links", "hybrid_agents", "proxy_agents", "secrets_managers"]
)
def test_an_id_cannot_be_given_twice(kind: str) -> None:
    with pytest.raises(ValidationError, match=f"two {kind.replace('_', ' ')} have the id"):
        Seed.model_validate({**EVERYTHING, kind: EVERYTHING[kind] * 2})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"owner": {**EVERYTHING["owner"], "id": "quiet_reader"}}, "two users have the id `quiet_reader`"),
        (
            {"owner": {**EVERYTHING["owner"], "email": "ALAN@acme.example"}},
            "two users have the email `alan@acme.example`",
        ),
        (
            {"groups": [{"name": name, "connections": [CONNECTION_OF_SEED]} for name in ("a", "b")]},
            "two connections have the id `iodize_impressive`",
        ),
    ],
)
def test_users_and_connections_are_unique_in_the_account(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Seed.model_validate({**EVERYTHING, "hybrid_agents": [], **changes})


def test_an_agent_needs_its_group() -> None:
    with pytest.raises(ValidationError, match="no group has the id `decent_dropsy` of a hybrid agent"):
        Seed.model_validate({**EVERYTHING, "groups": []})


@pytest.mark.parametrize("kind", ["users", "groups", "private_links", "proxy_agents", "secrets_managers"])
def test_an_account_with_any_object_has_content(kind: str) -> None:
    assert not load({"version": 1, "owner": EVERYTHING["owner"]}).emulator.has_content
    assert load({"version": 1, kind: EVERYTHING[kind]}).emulator.has_content


def test_agents_of_a_seed_are_online_or_offline_as_described() -> None:
    account = load(EVERYTHING)
    [hybrid_agent] = account.get("/v1/hybrid-deployment-agents").data["items"]
    [proxy_agent] = account.get("/v1/proxy").data["items"]
    assert (hybrid_agent["online"], hybrid_agent["version"]) == (True, "1.0.0")
    assert (proxy_agent["status"], proxy_agent["version"]) == ("NOT_CONNECTED", "1.0.0")


def test_approvals_of_a_seed_answer_to_the_api() -> None:
    account, group = load(EVERYTHING), EVERYTHING["groups"][0]
    for name in ("certificates", "fingerprints"):
        (approval,) = account.get(f"/v1/destinations/decent_dropsy/{name}").data["items"]
        (declared,) = group[name]
        assert {key: approval[key] for key in declared} == declared


def test_an_unreadable_destination_of_a_snapshot_is_listed_and_answers_403() -> None:
    account = load(
        {**EVERYTHING, "snapshot": {"taken_at": MOMENT, "connections": True, "unreadable": ["decent_dropsy"]}}
    )
    assert account.get("/v1/destinations/decent_dropsy").error == (403, "Forbidden")
    assert [item["id"] for item in account.get("/v1/destinations").data["items"]] == ["decent_dropsy"]


def test_a_region_that_was_not_sent_survives_a_dump() -> None:
    account = EmulatedAccount()
    group = account.must_create("snowflake", SNOWFLAKE, hybrid_deployment_agent_id="agent_one")
    assert "region" not in account.get(f"/v1/destinations/{group}").data
    copy = load(account.emulator.dump(show_secrets=True))
    assert "region" not in copy.get(f"/v1/destinations/{group}").data
