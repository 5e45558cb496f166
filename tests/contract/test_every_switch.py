"""Check that answers distinguish all settings of every switch.

`PROBES` has one probe per switch: it sends requests and returns the part of the answers that depends on the switch. A
new switch without a probe fails the first test.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from typing import Any, get_args

import pytest
from emulated_account import BIG_QUERY, LAKE, POSTGRES, SNOWFLAKE, EmulatedAccount
from known_endpoints import CERTIFICATE, CONNECTION, LINK

from reconciler.emulator.quota import parse_quota
from reconciler.emulator.setup_tests import SetupTest
from reconciler.emulator.switches import ECHO_PLACES, Behaviour

Probe = Callable[[EmulatedAccount], Any]

DATABRICKS = {"server_host_name": "acme.cloud.databricks.com", "cloud_provider": "AZURE"}
STAGED = {**SNOWFLAKE, "storage_account_key": "canary-4711"}
REDSHIFT = {"host": "db", "auth_type": "IAM", "cluster_id": "c-1", "cluster_region": "us-east-1"}
TUNNEL = {"networking_method": "SshTunnel"}
PRIVATE = {"networking_method": "PrivateLink", "private_link_id": "decent_dropsy"}


def probe_create(service: str, config: Any, *shown: str, **fields: Any) -> Probe:
    """Build a probe that creates a destination and returns its status and these keys (`config.` for config keys)."""

    def probe(account: EmulatedAccount) -> Any:
        answer = account.create_destination(service, config, **fields)
        return answer.status, _select_keys(answer.json, shown)

    return probe


def probe_patch(service: str, config: Any, body: Any, *shown: str, **fields: Any) -> Probe:
    """Build a probe that patches a new destination and returns its status and these keys."""

    def probe(account: EmulatedAccount) -> Any:
        identifier = account.must_create(service, config, **fields)
        answer = account.patch(f"/v1/destinations/{identifier}", {"run_setup_tests": False, **body})
        return answer.status, _select_keys(answer.json, shown)

    return probe


def _select_keys(document: Any, shown: tuple[str, ...]) -> Any:
    data = document.get("data", {})
    flat = {**data, **{f"config.{key}": value for key, value in data.get("config", {}).items()}}
    return {key: flat[key] for key in shown if key in flat} | {"code": document["code"]}


def _probe_clearing(account: EmulatedAccount) -> Any:
    left = []
    for value in (None, ""):
        identifier = account.must_create("snowflake", SNOWFLAKE, private_link_id="some_link")
        data = account.patch(f"/v1/destinations/{identifier}", {"private_link_id": value}).data
        left.append("private_link_id" in data)
    return left


def _probe_last_page(account: EmulatedAccount) -> Any:
    return account.get("/v1/groups").data


def _probe_order(account: EmulatedAccount) -> Any:
    made = [account.create_group(str(number)) for number in range(6)]
    return [made.index(each["id"]) for each in account.get("/v1/groups").data["items"]]


def _probe_public_key(account: EmulatedAccount) -> Any:
    return account.get(f"/v1/groups/{account.create_group()}/public-key").data["public_key"].endswith("\n")


def _probe_listed_flag(account: EmulatedAccount) -> Any:
    account.must_create("snowflake", SNOWFLAKE, daylight_saving_time_enabled=True)
    return account.get("/v1/destinations").data["items"][0]["daylight_saving_time_enabled"]


def _probe_test_answer(account: EmulatedAccount) -> Any:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    return sorted(account.post(f"/v1/destinations/{identifier}/test").data)


def _probe_key_kind(account: EmulatedAccount) -> Any:
    return sorted(account.get("/v1/account/info").data)


def _probe_hidden_groups(account: EmulatedAccount) -> Any:
    identifier = account.dashboard.add_group("theirs")
    return len(account.get("/v1/groups").data["items"]), account.get(f"/v1/groups/{identifier}").status


def _probe_limit(account: EmulatedAccount) -> Any:
    return account.get("/v1/groups?limit=0").status


def _probe_group_name(account: EmulatedAccount) -> Any:
    return account.post("/v1/groups", {"name": "my-group"}).status


def _probe_duplicate_name(account: EmulatedAccount) -> Any:
    return [account.post("/v1/groups", {"name": "same"}).status for _ in range(2)]


def _probe_second_destination(account: EmulatedAccount) -> Any:
    return account.create_destination(
        "snowflake", SNOWFLAKE, group_id=account.must_create("snowflake", SNOWFLAKE)
    ).status


def _probe_service_account(account: EmulatedAccount) -> Any:
    path = f"/v1/groups/{account.create_group()}/service-account"
    return account.get(path).data["service_account"].partition("@")[2]


def _probe_missing_user(account: EmulatedAccount) -> Any:
    return account.get("/v1/users/no_such").error


def _probe_duplicate_schema(account: EmulatedAccount) -> Any:
    body = {**CONNECTION, "group_id": account.create_group()}
    return [account.post("/v1/connections", body).status for _ in range(2)]


def _probe_group_deletion(account: EmulatedAccount) -> Any:
    return account.delete(f"/v1/groups/{account.must_create('snowflake', SNOWFLAKE)}").status


def _probe_platform_connection(account: EmulatedAccount) -> Any:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    return len(account.get(f"/v1/groups/{identifier}/connections").data["items"])


def _probe_offline_agent(account: EmulatedAccount) -> Any:
    created = account.post("/v1/proxy", {"display_name": "dmz", "group_region": "GCP_US_EAST4"})
    agent = account.dashboard.set_agent_online("dmz", False)
    assert agent == created.data["agent_id"]
    fields = {"proxy_agent_id": agent, "run_setup_tests": True}
    return account.create_destination("snowflake", SNOWFLAKE, **fields).data["setup_status"]


def _probe_warning(account: EmulatedAccount) -> Any:
    account.dashboard.script_setup_tests([SetupTest("Permission Test", "WARNING", "few permissions")])
    return account.create_destination("snowflake", SNOWFLAKE, run_setup_tests=True).data["setup_status"]


def _probe_retry_after(account: EmulatedAccount) -> Any:
    refused = [account.post("/v1/groups", {"name": "g"}) for _ in range(2)][-1]
    assert refused.status == 429
    written = refused.headers.get("Retry-After")
    return written and ("number" if written.isdigit() else "date" if "GMT" in written else "other")


def _probe_date(account: EmulatedAccount) -> Any:
    return account.get("/v1/groups").headers.get("Date")


def _probe_approval(account: EmulatedAccount) -> Any:
    path = f"/v1/destinations/{account.must_create('snowflake', SNOWFLAKE)}/certificates"
    owner = account.get("/v1/account/info").data["user_id"]
    first, second = (account.post(path, CERTIFICATE) for _ in range(2))
    return first.status, first.data["validated_by"] == owner, second.status == 409


def _probe_host_key(account: EmulatedAccount) -> Any:
    account.dashboard.present_host_key()
    config = {**POSTGRES, "tunnel_host": "bastion"}
    answer = account.create_destination("postgres_warehouse", config, run_setup_tests=True, **TUNNEL)
    return answer.data["setup_tests"][0]["details"]["hash"]


def _probe_link_state(account: EmulatedAccount) -> Any:
    account.post("/v1/private-links", LINK)
    return account.get("/v1/private-links").data["items"][0]["state"]


def _probe_link_name(account: EmulatedAccount) -> Any:
    return account.post("/v1/private-links", {**LINK, "name": "1st"}).status


def _probe_agent_after_patch(account: EmulatedAccount) -> Any:
    return probe_patch(
        "snowflake", SNOWFLAKE, {}, "hybrid_deployment_agent_id", hybrid_deployment_agent_id="agent"
    )(account)


def _probe_echo(account: EmulatedAccount) -> Any:
    created = account.create_destination("snowflake", SNOWFLAKE, run_setup_tests=True)
    refused = account.get("/v1/groups/no_such")
    answers = [created, refused, account.get("/v1/groups")]
    return [(answer.json, answer.headers.get("X-Echo")) for answer in answers]


PROBES: dict[str, Probe] = {
    "optional_ids": probe_create("snowflake", SNOWFLAKE, "private_link_id"),
    "unset_config": probe_create("big_query", BIG_QUERY, "config.bucket"),
    "empty_config": probe_create("snowflake", {**SNOWFLAKE, "role": ""}, "config.role"),
    "renamed_fields": probe_create("big_query", BIG_QUERY, "config.location", "config.data_set_location"),
    "region_alias": probe_create("snowflake", SNOWFLAKE, "region", region="US"),
    "last_page": _probe_last_page,
    "list_order": _probe_order,
    "public_key_ending": _probe_public_key,
    "listed_daylight_saving": _probe_listed_flag,
    "status_case": probe_create("snowflake", SNOWFLAKE, "setup_status"),
    "tests_not_run": probe_create("snowflake", SNOWFLAKE, "setup_tests"),
    "test_answer": _probe_test_answer,
    "created_code": probe_create("snowflake", SNOWFLAKE),
    "service_account_project": _probe_service_account,
    "unmarked_secrets": probe_create("snowflake", STAGED, "config.storage_account_key"),
    "key_kind": _probe_key_kind,
    "visible_groups": _probe_hidden_groups,
    "hidden_answer": _probe_hidden_groups,
    "limit_out_of_range": _probe_limit,
    "group_names": _probe_group_name,
    "duplicate_group_name": _probe_duplicate_name,
    "missing_group": probe_create("snowflake", SNOWFLAKE, group_id="no_such"),
    "second_destination": _probe_second_destination,
    "group_with_destination": _probe_group_deletion,
    "outdated_services": probe_create("adls", {}),
    "unknown_region": probe_create("snowflake", SNOWFLAKE, region="MARS_NORTH_1"),
    "unknown_config": probe_create("snowflake", {**SNOWFLAKE, "brand_new": 1}, "config.brand_new"),
    "missing_config": probe_create("snowflake", {key: SNOWFLAKE[key] for key in ("host", "auth", "user")}),
    "immutable_change": probe_patch(
        "managed_data_lake", LAKE, {"config": {"bucket": "other"}}, "config.bucket"
    ),
    "identity_change": probe_patch("snowflake", SNOWFLAKE, {"service": "big_query"}, "service"),
    "patch_without_time_zone": probe_patch("snowflake", SNOWFLAKE, {"region": "AWS_US_EAST_1"}),
    "unclearable_null": probe_patch("snowflake", SNOWFLAKE, {"config": {"port": None}}, "config.port"),
    "clearing_ids": _probe_clearing,
    "missing_user": _probe_missing_user,
    "duplicate_schema": _probe_duplicate_schema,
    "platform_connection": _probe_platform_connection,
    "warnings_count_as": _probe_warning,
    "retry_after": _probe_retry_after,
    "date_header": _probe_date,
    "date_skew": _probe_date,
    "approval_status": _probe_approval,
    "approver": _probe_approval,
    "repeated_approval": _probe_approval,
    "fingerprint_hash": _probe_host_key,
    "companion_references": probe_create("snowflake", SNOWFLAKE, private_link_id="no_such"),
    "private_link_seconds": _probe_link_state,
    "private_link_names": _probe_link_name,
    "offline_agent": _probe_offline_agent,
    "private_link_host": probe_create("databricks", DATABRICKS, "config.server_host_name", **PRIVATE),
    "cloud_provider": probe_create("databricks", DATABRICKS, "config.cloud_provider", **PRIVATE),
    "cluster_id_after_update": probe_patch("redshift", REDSHIFT, {}, "config.cluster_id"),
    "agent_id_after_update": _probe_agent_after_patch,
    "unchosen_networking": probe_create("snowflake", SNOWFLAKE, "networking_method"),
    "tunnel_networking": probe_create("postgres_warehouse", POSTGRES, "networking_method", **TUNNEL),
    "echo": _probe_echo,
    "echo_places": _probe_echo,
    "networking_and_connection_type": probe_create(
        "managed_data_lake", {**LAKE, "connection_type": "PrivateLink"}, "networking_method"
    ),
    "unkept_fields": probe_create("snowflake", {**SNOWFLAKE, "role": "LOADER"}, "config.role"),
    "status_after_tests": probe_create("snowflake", SNOWFLAKE, "setup_status", run_setup_tests=True),
}
SAMPLES: dict[str, tuple[Any, ...]] = {
    "private_link_seconds": (0.0, 60.0),
    "date_skew": (0.0, -90.0),
    "service_account_project": ("fivetran-production", "fivetran-staging"),
    "visible_groups": ("all", "mine_*"),
    "unkept_fields": ("none", "config.role", "config.role=PUBLIC"),
    "echo": ("off", "quoted"),
    "echo_places": ("all", *ECHO_PLACES, "names,keys"),
}
"""Sample values of switches that accept any number or text."""
REQUIRED_SWITCHES = {"hidden_answer": {"visible_groups": "mine_*"}, "echo_places": {"echo": "quoted"}}
"""Further switches that a probe requires."""
REQUIRED_QUOTAS = {"retry_after": "off,group=1"}
"""Quotas that a probe requires."""


def list_settings(name: str) -> tuple[Any, ...]:
    """List the values of a switch."""
    return get_args(Behaviour.model_fields[name].annotation) or SAMPLES[name]


def test_every_switch_has_a_probe() -> None:
    assert PROBES.keys() == Behaviour.model_fields.keys()


@pytest.mark.parametrize("name", sorted(PROBES))
def test_every_setting_changes_the_answers(name: str) -> None:
    seen: dict[Any, str] = {}
    for value in list_settings(name):
        switches = {**REQUIRED_SWITCHES.get(name, {}), name: value}
        account = EmulatedAccount(**switches, app={"quota": parse_quota(REQUIRED_QUOTAS.get(name, "off"))})
        seen[value] = json.dumps(PROBES[name](account), sort_keys=True)
        assert account.list_failures() == []
        account.emulator.close()
    assert len(seen) > 1
    for one, other in combinations(seen, 2):
        assert seen[one] != seen[other], f"`{one}` and `{other}` look the same: {seen[one]}"


@pytest.mark.parametrize("name", sorted(PROBES))
def test_the_default_is_one_of_the_settings(name: str) -> None:
    assert Behaviour.model_fields[name].default in list_settings(name)
