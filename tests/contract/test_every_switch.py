"""Every setting of every switch can be told from the others by somebody who only sees answers.

`PROBES` has one probe per switch: requests, and what of their answers depends on it. A new switch fails the first
test until it has one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from typing import Any, get_args

import pytest
from emulated_account import BIG_QUERY, LAKE, POSTGRES, SNOWFLAKE, EmulatedAccount
from known_endpoints import CERTIFICATE, LINK

from reconciler.emulator.quota import parse_quota
from reconciler.emulator.setup_tests import SetupTest
from reconciler.emulator.switches import Behaviour

Probe = Callable[[EmulatedAccount], Any]

DATABRICKS = {"server_host_name": "acme.cloud.databricks.com", "cloud_provider": "AZURE"}
REDSHIFT = {"host": "db", "auth_type": "IAM", "cluster_id": "c-1", "cluster_region": "us-east-1"}
TUNNEL = {"networking_method": "SshTunnel"}
PRIVATE = {"networking_method": "PrivateLink", "private_link_id": "decent_dropsy"}


def created(service: str, config: Any, *shown: str, **fields: Any) -> Probe:
    """Create a destination; the status, and what is shown of `shown` keys, in `config` after a dot."""

    def probe(account: EmulatedAccount) -> Any:
        answer = account.create_destination(service, config, **fields)
        return answer.status, _picked(answer.json, shown)

    return probe


def patched(service: str, config: Any, body: Any, *shown: str, **fields: Any) -> Probe:
    """The same for a patch of a new destination."""

    def probe(account: EmulatedAccount) -> Any:
        identifier = account.must_create(service, config, **fields)
        answer = account.patch(f"/v1/destinations/{identifier}", {"run_setup_tests": False, **body})
        return answer.status, _picked(answer.json, shown)

    return probe


def _picked(document: Any, shown: tuple[str, ...]) -> Any:
    data = document.get("data", {})
    flat = {**data, **{f"config.{key}": value for key, value in data.get("config", {}).items()}}
    return {key: flat[key] for key in shown if key in flat} | {"code": document["code"]}


def _clearing(account: EmulatedAccount) -> Any:
    left = []
    for value in (None, ""):
        identifier = account.must_create("snowflake", SNOWFLAKE, private_link_id="some_link")
        data = account.patch(f"/v1/destinations/{identifier}", {"private_link_id": value}).data
        left.append("private_link_id" in data)
    return left


def _last_page(account: EmulatedAccount) -> Any:
    return account.get("/v1/groups").data


def _order(account: EmulatedAccount) -> Any:
    made = [account.create_group(str(number)) for number in range(6)]
    return [made.index(each["id"]) for each in account.get("/v1/groups").data["items"]]


def _public_key(account: EmulatedAccount) -> Any:
    return account.get(f"/v1/groups/{account.create_group()}/public-key").data["public_key"].endswith("\n")


def _listed_flag(account: EmulatedAccount) -> Any:
    account.must_create("snowflake", SNOWFLAKE, daylight_saving_time_enabled=True)
    return account.get("/v1/destinations").data["items"][0]["daylight_saving_time_enabled"]


def _test_answer(account: EmulatedAccount) -> Any:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    return sorted(account.post(f"/v1/destinations/{identifier}/test").data)


def _key_kind(account: EmulatedAccount) -> Any:
    return sorted(account.get("/v1/account/info").data)


def _hidden(account: EmulatedAccount) -> Any:
    identifier = account.dashboard.add_group("theirs")
    return len(account.get("/v1/groups").data["items"]), account.get(f"/v1/groups/{identifier}").status


def _limit(account: EmulatedAccount) -> Any:
    return account.get("/v1/groups?limit=0").status


def _names(account: EmulatedAccount) -> Any:
    return account.post("/v1/groups", {"name": "my-group"}).status


def _twice(account: EmulatedAccount) -> Any:
    return [account.post("/v1/groups", {"name": "same"}).status for _ in range(2)]


def _second(account: EmulatedAccount) -> Any:
    return account.create_destination(
        "snowflake", SNOWFLAKE, group_id=account.must_create("snowflake", SNOWFLAKE)
    ).status


def _group_with_destination(account: EmulatedAccount) -> Any:
    return account.delete(f"/v1/groups/{account.must_create('snowflake', SNOWFLAKE)}").status


def _platform_connection(account: EmulatedAccount) -> Any:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    return len(account.get(f"/v1/groups/{identifier}/connections").data["items"])


def _warning(account: EmulatedAccount) -> Any:
    account.dashboard.script_setup_tests([SetupTest("Permission Test", "WARNING", "few permissions")])
    return account.create_destination("snowflake", SNOWFLAKE, run_setup_tests=True).data["setup_status"]


def _retry_after(account: EmulatedAccount) -> Any:
    refused = [account.post("/v1/groups", {"name": "g"}) for _ in range(2)][-1]
    assert refused.status == 429
    written = refused.headers.get("Retry-After")
    return written and ("number" if written.isdigit() else "date" if "GMT" in written else "other")


def _date(account: EmulatedAccount) -> Any:
    return account.get("/v1/groups").headers.get("Date")


def _approval(account: EmulatedAccount) -> Any:
    path = f"/v1/destinations/{account.must_create('snowflake', SNOWFLAKE)}/certificates"
    owner = account.get("/v1/account/info").data["user_id"]
    first, second = (account.post(path, CERTIFICATE) for _ in range(2))
    return first.status, first.data["validated_by"] == owner, second.status == 409


def _link_state(account: EmulatedAccount) -> Any:
    account.post("/v1/private-links", LINK)
    return account.get("/v1/private-links").data["items"][0]["state"]


def _agent_after_patch(account: EmulatedAccount) -> Any:
    return patched(
        "snowflake", SNOWFLAKE, {}, "hybrid_deployment_agent_id", hybrid_deployment_agent_id="agent"
    )(account)


PROBES: dict[str, Probe] = {
    "optional_ids": created("snowflake", SNOWFLAKE, "private_link_id"),
    "unset_config": created("big_query", BIG_QUERY, "config.bucket"),
    "empty_config": created("snowflake", {**SNOWFLAKE, "role": ""}, "config.role"),
    "renamed_fields": created("big_query", BIG_QUERY, "config.location", "config.data_set_location"),
    "region_alias": created("snowflake", SNOWFLAKE, "region", region="US"),
    "last_page": _last_page,
    "list_order": _order,
    "public_key_ending": _public_key,
    "listed_daylight_saving": _listed_flag,
    "tests_not_run": created("snowflake", SNOWFLAKE, "setup_tests"),
    "test_answer": _test_answer,
    "created_code": created("snowflake", SNOWFLAKE),
    "key_kind": _key_kind,
    "visible_groups": _hidden,
    "hidden_answer": _hidden,
    "limit_out_of_range": _limit,
    "group_names": _names,
    "duplicate_group_name": _twice,
    "missing_group": created("snowflake", SNOWFLAKE, group_id="no_such"),
    "second_destination": _second,
    "group_with_destination": _group_with_destination,
    "outdated_services": created("adls", {}),
    "unknown_region": created("snowflake", SNOWFLAKE, region="MARS_NORTH_1"),
    "unknown_config": created("snowflake", {**SNOWFLAKE, "brand_new": 1}, "config.brand_new"),
    "missing_config": created("snowflake", {key: SNOWFLAKE[key] for key in ("host", "auth", "user")}),
    "immutable_change": patched("managed_data_lake", LAKE, {"config": {"bucket": "other"}}, "config.bucket"),
    "identity_change": patched("snowflake", SNOWFLAKE, {"service": "big_query"}, "service"),
    "unclearable_null": patched("snowflake", SNOWFLAKE, {"config": {"port": None}}, "config.port"),
    "clearing_ids": _clearing,
    "platform_connection": _platform_connection,
    "warnings_count_as": _warning,
    "retry_after": _retry_after,
    "date_header": _date,
    "date_skew": _date,
    "approval_status": _approval,
    "approver": _approval,
    "repeated_approval": _approval,
    "companion_references": created("snowflake", SNOWFLAKE, private_link_id="no_such"),
    "private_link_seconds": _link_state,
    "private_link_host": created("databricks", DATABRICKS, "config.server_host_name", **PRIVATE),
    "cloud_provider": created("databricks", DATABRICKS, "config.cloud_provider"),
    "cluster_id_after_update": patched("redshift", REDSHIFT, {}, "config.cluster_id"),
    "agent_id_after_update": _agent_after_patch,
    "unchosen_networking": created("snowflake", SNOWFLAKE, "networking_method"),
    "tunnel_networking": created("postgres_warehouse", POSTGRES, "networking_method", **TUNNEL),
    "networking_and_connection_type": created(
        "managed_data_lake", {**LAKE, "connection_type": "PrivateLink"}, "networking_method"
    ),
}
SAMPLES: dict[str, tuple[Any, ...]] = {
    "private_link_seconds": (0.0, 60.0),
    "date_skew": (0.0, -90.0),
    "visible_groups": ("all", "mine_*"),
}
"""Two values for switches that take any number, or a text of some form."""
GIVEN = {"hidden_answer": {"visible_groups": "mine_*"}}
"""Other switches that a probe needs."""
QUOTAS = {"retry_after": "off,group=1"}
"""Limits that a probe needs."""


def settings_of(name: str) -> tuple[Any, ...]:
    """The values of a switch."""
    return get_args(Behaviour.model_fields[name].annotation) or SAMPLES[name]


def test_every_switch_has_a_probe() -> None:
    assert PROBES.keys() == Behaviour.model_fields.keys()


@pytest.mark.parametrize("name", sorted(PROBES))
def test_every_setting_shows(name: str) -> None:
    seen: dict[Any, str] = {}
    for value in settings_of(name):
        switches = {**GIVEN.get(name, {}), name: value}
        account = EmulatedAccount(**switches, app={"quota": parse_quota(QUOTAS.get(name, "off"))})
        seen[value] = json.dumps(PROBES[name](account), sort_keys=True)
        assert account.list_failures() == []
        account.emulator.close()
    assert len(seen) > 1
    for one, other in combinations(seen, 2):
        assert seen[one] != seen[other], f"`{one}` and `{other}` look the same: {seen[one]}"


@pytest.mark.parametrize("name", sorted(PROBES))
def test_the_default_is_one_of_the_settings(name: str) -> None:
    assert Behaviour.model_fields[name].default in settings_of(name)
