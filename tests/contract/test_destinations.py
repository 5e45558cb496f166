"""Check create, read, list and delete of destinations against the documented behaviour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from emulated_account import BIG_QUERY, LAKE, POSTGRES, SNOWFLAKE, EmulatedAccount

from reconciler.catalogue.load import load_service, load_service_names
from reconciler.catalogue.model import ServiceStage

Make = Callable[..., EmulatedAccount]
BASE = {
    "id",
    "service",
    "region",
    "group_id",
    "time_zone_offset",
    "setup_status",
    "daylight_saving_time_enabled",
    "networking_method",
}
OPTIONAL = {
    "private_link_id",
    "local_processing_agent_id",
    "hybrid_deployment_agent_id",
    "proxy_agent_id",
    "external_secrets_manager_id",
}


def check_refused(account: EmulatedAccount, message: str | None = None, **body: Any) -> None:
    """Check that a valid body with these changes is answered 400 without effect."""
    group = account.create_group()
    good = {"group_id": group, "service": "snowflake", "time_zone_offset": "0", "config": SNOWFLAKE}
    answer = account.post("/v1/destinations", {**good, **body})
    assert answer.error == (400, "InvalidInput"), answer
    assert message is None or answer.json["message"] == message
    assert account.get("/v1/destinations").data["items"] == []


def test_a_new_destination_has_the_id_of_its_group(account: EmulatedAccount) -> None:
    group = account.create_group()
    answer = account.post(
        "/v1/destinations",
        {
            "group_id": group,
            "service": "snowflake",
            "region": "AWS_EU_WEST_1",
            "time_zone_offset": "-5",
            "daylight_saving_time_enabled": True,
            "run_setup_tests": False,
            "networking_method": "Directly",
            "config": SNOWFLAKE,
        },
    )
    assert (answer.status, answer.json["code"]) == (201, "Success")
    assert answer.json["message"] == "Destination has been created"
    assert answer.data["id"] == answer.data["group_id"] == group
    assert {key: answer.data[key] for key in BASE - {"id", "group_id"}} == {
        "service": "snowflake",
        "region": "AWS_EU_WEST_1",
        "time_zone_offset": "-5",
        "setup_status": "incomplete",
        "daylight_saving_time_enabled": True,
        "networking_method": "Directly",
    }
    assert answer.data["config"] == {
        **SNOWFLAKE,
        "port": "443",
        "password": "******",
        "is_private_key_encrypted": False,
        "connection_type": "Directly",
    }


def test_absent_fields_get_their_documented_defaults(account: EmulatedAccount) -> None:
    data = account.create_destination("snowflake", SNOWFLAKE).data
    assert data["region"] == "GCP_US_EAST4"
    assert data["networking_method"] == "Directly"
    assert data["daylight_saving_time_enabled"] is False


def test_a_read_answers_like_the_create(account: EmulatedAccount) -> None:
    created = account.create_destination("snowflake", SNOWFLAKE)
    answer = account.get(f"/v1/destinations/{created.data['id']}")
    assert answer.status == 200
    assert answer.json["message"] == "Destination details retrieved successfully"
    assert answer.data == created.data


def test_parameters_of_a_test_run_are_never_returned(account: EmulatedAccount) -> None:
    flags = {"trust_certificates": True, "trust_fingerprints": True, "run_setup_tests": True}
    created = account.create_destination("snowflake", SNOWFLAKE, **flags)
    read = account.get(f"/v1/destinations/{created.data['id']}")
    assert not flags.keys() & created.data.keys()
    assert not flags.keys() & read.data.keys()
    assert "setup_tests" in created.data
    assert "setup_tests" not in read.data


def test_the_list_has_neither_config_nor_setup_tests(account: EmulatedAccount) -> None:
    ids = [account.must_create("snowflake", SNOWFLAKE, run_setup_tests=True) for _ in range(2)]
    answer = account.get("/v1/destinations")
    assert answer.json["message"] == "Destinations list retrieved successfully"
    assert [item["id"] for item in answer.data["items"]] == ids
    assert set(answer.data["items"][0]) == BASE


def test_absent_ids_are_absent_keys_or_nulls(account_with: Make) -> None:
    absent, null = account_with(), account_with(optional_ids="null")
    assert set(absent.create_destination("snowflake", SNOWFLAKE).data) == BASE | {"config"}
    answer = null.create_destination("snowflake", SNOWFLAKE)
    assert set(answer.data) == BASE | OPTIONAL | {"config"}
    assert {answer.data[key] for key in OPTIONAL} == {None}
    assert set(null.get("/v1/destinations").data["items"][0]) == BASE | OPTIONAL


def test_set_ids_are_answered(account: EmulatedAccount) -> None:
    links = {"private_link_id": "pl_1", "proxy_agent_id": "px_1", "external_secrets_manager_id": "esm_1"}
    data = account.create_destination("snowflake", SNOWFLAKE, networking_method="PrivateLink", **links).data
    assert {key: data[key] for key in links} == links
    assert data["networking_method"] == "PrivateLink"


@pytest.mark.parametrize("name", ["hybrid_deployment_agent_id", "local_processing_agent_id"])
def test_a_hybrid_destination_has_no_region_until_one_is_sent(account: EmulatedAccount, name: str) -> None:
    data = account.create_destination("snowflake", SNOWFLAKE, **{name: "agent_1"}).data
    assert data["hybrid_deployment_agent_id"] == data["local_processing_agent_id"] == "agent_1"
    path = f"/v1/destinations/{data['id']}"
    patched = account.patch(path, {"time_zone_offset": "+1"}).data
    listed = account.get("/v1/destinations").data["items"][0]
    assert not any("region" in shown for shown in (data, patched, listed, account.get(path).data))
    patched = account.patch(path, {"region": "AWS_US_EAST_1"}).data
    listed = account.get("/v1/destinations").data["items"][0]
    shown = [each["region"] for each in (patched, listed, account.get(path).data)]
    assert shown == ["AWS_US_EAST_1"] * 3


@pytest.mark.parametrize("region", ["AWS_US_EAST_1", "GCP_US_EAST4"])
def test_a_hybrid_destination_keeps_the_sent_region(account: EmulatedAccount, region: str) -> None:
    agent = {"hybrid_deployment_agent_id": "agent_1"}
    data = account.create_destination("snowflake", SNOWFLAKE, region=region, **agent).data
    path = f"/v1/destinations/{data['id']}"
    patched = account.patch(path, {"hybrid_deployment_agent_id": "agent_2"}).data
    listed = account.get("/v1/destinations").data["items"][0]
    assert [each["region"] for each in (data, patched, listed, account.get(path).data)] == [region] * 4


def test_a_networking_method_may_be_unset(account_with: Make) -> None:
    absent, null = account_with(), account_with(optional_ids="null")
    for account in (absent, null):
        account.dashboard.add_destination(account.create_group(), "snowflake", networking_method=None)
    assert "networking_method" not in absent.get("/v1/destinations").data["items"][0]
    assert null.get("/v1/destinations").data["items"][0]["networking_method"] is None


def test_an_outdated_service_is_accepted_or_refused(account_with: Make) -> None:
    legacy = {
        name
        for name in load_service_names()
        if (load_service(name) or BASE).stage is not ServiceStage.CURRENT
    }  # type: ignore[union-attr]
    assert legacy >= {"adls", "new_s3_datalake", "panoply", "periscope_warehouse"}
    for name in legacy:
        assert account_with().create_destination(name, {}).status == 201
        answer = account_with(outdated_services="refused").create_destination(name, {})
        assert (*answer.error, answer.json["message"]) == (
            400,
            "InvalidInput",
            f"Unsupported service '{name}'",
        )
    assert account_with(outdated_services="refused").create_destination("snowflake", SNOWFLAKE).status == 201


@pytest.mark.parametrize("service", load_service_names())
def test_every_service_of_the_catalogue_can_be_created_and_read(
    account: EmulatedAccount, service: str
) -> None:
    created = account.create_destination(service, {})
    assert created.status == 201
    assert account.get(f"/v1/destinations/{created.data['id']}").data == created.data
    assert account.post(f"/v1/destinations/{created.data['id']}/test").data["setup_tests"]


@pytest.mark.parametrize("service", ["snowflakes", "SNOWFLAKE", "../services/snowflake", "ü", "a/b"])
def test_an_unknown_service_is_named_in_the_refusal(account: EmulatedAccount, service: str) -> None:
    check_refused(account, f"Unsupported service '{service}'", service=service)


@pytest.mark.parametrize("field", ["group_id", "service", "time_zone_offset"])
@pytest.mark.parametrize("value", [None, "", "absent"])
def test_a_required_field_is_named_in_the_refusal(
    account: EmulatedAccount, field: str, value: str | None
) -> None:
    body: dict[str, Any] = {
        "group_id": account.create_group(),
        "service": "snowflake",
        "time_zone_offset": "0",
        field: value,
    }
    if value == "absent":
        del body[field]
    answer = account.post("/v1/destinations", body)
    assert (*answer.error, answer.json["message"]) == (400, "InvalidInput", f"Field '{field}' is required")


@pytest.mark.parametrize("offset", ["1", "+0", "-12", "+13", "+5.5", "UTC", 3, True, ["0"]])
def test_an_unknown_offset_is_refused(account: EmulatedAccount, offset: object) -> None:
    check_refused(account, time_zone_offset=offset)


@pytest.mark.parametrize(
    ("sent", "answered"), [("0", "0"), ("+10", "+10"), ("-11", "-11"), (-5, "-5"), (0, "0")]
)
def test_an_offset_is_echoed_as_text(account: EmulatedAccount, sent: object, answered: str) -> None:
    assert (
        account.create_destination("snowflake", SNOWFLAKE, time_zone_offset=sent).data["time_zone_offset"]
        == answered
    )


def test_an_empty_region_is_refused(account: EmulatedAccount) -> None:
    check_refused(account, "region cannot be empty", region="")


def test_an_unknown_region_is_refused_or_accepted(account_with: Make) -> None:
    check_refused(account_with(), region="MARS_NORTH_1")
    account = account_with(unknown_region="accepted")
    assert (
        account.create_destination("snowflake", SNOWFLAKE, region="MARS_NORTH_1").data["region"]
        == "MARS_NORTH_1"
    )


def test_a_region_of_proxy_agents_is_accepted(account: EmulatedAccount) -> None:
    assert (
        account.create_destination("snowflake", SNOWFLAKE, region="AWS_EU_NORTH_1").data["region"]
        == "AWS_EU_NORTH_1"
    )


def test_a_former_region_name_is_expanded_or_echoed(account_with: Make) -> None:
    assert (
        account_with().create_destination("snowflake", SNOWFLAKE, region="US").data["region"]
        == "GCP_US_EAST4"
    )
    assert account_with().create_destination("snowflake", SNOWFLAKE, region="APAC").data["region"] == "APAC"
    echoing = account_with(region_alias="echoed")
    assert echoing.create_destination("snowflake", SNOWFLAKE, region="US").data["region"] == "US"


@pytest.mark.parametrize("method", ["SSHTunnel", "PRIVATE_LINK", "directly", 1])
def test_networking_methods_are_case_sensitive(account: EmulatedAccount, method: object) -> None:
    check_refused(account, networking_method=method)


@pytest.mark.parametrize(
    "flag", ["trust_certificates", "trust_fingerprints", "run_setup_tests", "daylight_saving_time_enabled"]
)
@pytest.mark.parametrize("value", ["yes", "", 1, [], {}])
def test_a_flag_is_a_boolean(account: EmulatedAccount, flag: str, value: object) -> None:
    check_refused(account, **{flag: value})


@pytest.mark.parametrize(
    ("value", "expected"), [("True", True), ("true", True), ("FALSE", False), (None, False)]
)
def test_a_flag_may_be_text(account: EmulatedAccount, value: object, expected: bool) -> None:
    data = account.create_destination("snowflake", SNOWFLAKE, daylight_saving_time_enabled=value).data
    assert data["daylight_saving_time_enabled"] is expected
    run = account.create_destination("snowflake", SNOWFLAKE, run_setup_tests="False").data
    assert "setup_tests" not in run


def test_unknown_fields_beside_the_config_are_ignored(account: EmulatedAccount) -> None:
    data = account.create_destination(
        "snowflake", SNOWFLAKE, colour="red", setup_status="connected", id="mine"
    ).data
    assert data["setup_status"] == "incomplete"
    assert not {"colour", "mine"} & set(data)


@pytest.mark.parametrize(
    ("service", "config"),
    [
        ("snowflake", "text"),
        ("snowflake", []),
        ("snowflake", {"port": "https"}),
        ("snowflake", {"port": True}),
        ("snowflake", {"port": 443.5}),
        ("snowflake", {"port": 2**31}),
        ("snowflake", {"host": 7}),
        ("snowflake", {"host": ["a"]}),
        ("snowflake", {"is_private_key_encrypted": "yes"}),
        ("snowflake", {"is_private_key_encrypted": 1}),
        ("snowflake", {"auth": "password"}),
        ("snowflake", {"auth": "PRIVATE_KEY"}),
        ("snowflake", {"gcs_service_account_credentials": "text"}),
        ("postgres_rds_warehouse", {"connection_type": "SSHTunnel"}),
        ("managed_data_lake", {"connection_type": "PRIVATE_LINK"}),
        ("confluent_cloud_wh", {"bootstrap_servers": "one,two"}),
        ("confluent_cloud_wh", {"bootstrap_servers": ["one", 2]}),
    ],
)
def test_an_unreadable_config_is_refused_without_detail(
    account: EmulatedAccount, service: str, config: object
) -> None:
    check_refused(account, "Invalid 'config' object", service=service, config=config)


@pytest.mark.parametrize(
    ("service", "config"),
    [
        ("snowflake", {"auth": "PASSWORD", "private_key": "-----BEGIN"}),
        ("snowflake", {"auth": "KEY_PAIR", "password": "p"}),
        ("snowflake", {"auth": "PASSWORD", "password": "p", "private_key": "-----BEGIN"}),
        ("snowflake", {"password": "p", "private_key": "-----BEGIN"}),
        ("redshift", {"auth_type": "IAM", "password": "p"}),
        ("redshift", {"role_arn": "arn:aws:iam::1:role/x"}),
    ],
)
def test_credentials_of_another_method_are_refused(
    account: EmulatedAccount, service: str, config: object
) -> None:
    check_refused(account, service=service, config=config)


@pytest.mark.parametrize(
    ("service", "config"),
    [
        ("snowflake", {"password": "p"}),
        ("snowflake", {"private_key": "-----BEGIN"}),
        ("snowflake", {"auth": "KEY_PAIR", "private_key": "-----BEGIN", "passphrase": "p"}),
        ("redshift", {"password": "p"}),
        ("redshift", {"auth_type": "IAM", "role_arn": "arn:aws:iam::1:role/x"}),
    ],
)
def test_credentials_of_one_method_are_accepted(
    account: EmulatedAccount, service: str, config: object
) -> None:
    assert account.create_destination(service, config).status == 201


def test_a_missing_config_field_is_accepted_or_refused(account_with: Make) -> None:
    assert account_with().create_destination("snowflake", {"auth": "PASSWORD"}).status == 201
    strict = account_with(missing_config="refused")
    missing = {name: value for name, value in SNOWFLAKE.items() if name != "password"}
    answer = strict.create_destination("snowflake", missing)
    assert (*answer.error, answer.json["message"]) == (
        400,
        "InvalidInput",
        "Field 'config.password' is required",
    )
    assert strict.create_destination("snowflake", SNOWFLAKE).status == 201


def test_unknown_config_is_echoed_dropped_or_refused(account_with: Make) -> None:
    config = {**SNOWFLAKE, "brand_new": {"a": [1]}, "brand_new_token": "t"}
    answered = account_with().create_destination("snowflake", config).data["config"]
    assert (answered["brand_new"], answered["brand_new_token"]) == ({"a": [1]}, "******")
    dropped = account_with(unknown_config="dropped").create_destination("snowflake", config).data["config"]
    assert not {"brand_new", "brand_new_token"} & dropped.keys()
    refusal = account_with(unknown_config="refused").create_destination("snowflake", config)
    assert (*refusal.error, refusal.json["message"]) == (400, "InvalidInput", "Invalid 'config' object")


def test_a_partner_service_accepts_any_config_and_masks_secret_names(account_with: Make) -> None:
    account = account_with(unknown_config="refused")
    config = {"database": "md:acme", "motherduck_token": "t", "threads": 4}
    answered = account.create_destination("motherduck", config).data["config"]
    assert answered == {"database": "md:acme", "motherduck_token": "******", "threads": 4}


def test_a_missing_group_is_404_with_either_code(account_with: Make) -> None:
    body = {"group_id": "no_such", "service": "snowflake", "time_zone_offset": "0", "config": SNOWFLAKE}
    own_code = account_with(missing_group="group-code").post("/v1/destinations", body)
    assert own_code.error == (404, "NotFound_Group")
    documented = account_with().post("/v1/destinations", body)
    assert documented.error == (404, "NotFound")
    assert documented.json["message"] == "Destination with id no_such not found"


@pytest.mark.parametrize(
    ("switch", "error"), [("conflict", (409, "Conflict")), ("bad-request", (400, "InvalidInput"))]
)
def test_a_group_has_one_destination(account_with: Make, switch: str, error: tuple[int, str]) -> None:
    account = account_with(second_destination=switch)
    first = account.create_destination("snowflake", SNOWFLAKE).data
    body = {"group_id": first["id"], "service": "big_query", "time_zone_offset": "0", "config": BIG_QUERY}
    answer = account.post("/v1/destinations", body)
    assert answer.error == error
    assert "already exists" in answer.json["message"]
    assert account.get(f"/v1/destinations/{first['id']}").data == first


@pytest.mark.parametrize(
    ("method", "suffix"), [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test")]
)
def test_a_missing_destination_is_404_with_its_own_code(
    account: EmulatedAccount, method: str, suffix: str
) -> None:
    group_without = account.create_group()
    answer = account.send(method, f"/v1/destinations/{group_without}{suffix}", {})
    assert answer.error == (404, "NotFound_Destination")
    assert answer.json["message"] == f"Cannot find entity 'Destination' with id '{group_without}'"


def test_deleting_a_destination_leaves_its_group(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE, run_setup_tests=True)
    answer = account.delete(f"/v1/destinations/{identifier}")
    assert answer.status == 200
    assert answer.json == {
        "code": "Success",
        "message": f"Destination with id '{identifier}' has been deleted",
    }
    assert account.get(f"/v1/groups/{identifier}").status == 200
    body = {"group_id": identifier, "service": "big_query", "time_zone_offset": "0", "run_setup_tests": False}
    again = account.post("/v1/destinations", body)
    assert (again.status, again.data["id"], again.data["setup_status"]) == (201, identifier, "incomplete")


def test_a_destination_with_connections_cannot_be_deleted(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    account.dashboard.add_connection(identifier, "salesforce", "crm")
    assert account.delete(f"/v1/destinations/{identifier}").error == (409, "Conflict")
    assert account.get(f"/v1/destinations/{identifier}").status == 200


def test_fivetran_may_add_its_platform_connection(account_with: Make) -> None:
    account = account_with(platform_connection="created")
    identifier = account.must_create("snowflake", SNOWFLAKE)
    (connection,) = account.get(f"/v1/groups/{identifier}/connections").data["items"]
    assert connection["schema"] == "fivetran_metadata"
    assert account.delete(f"/v1/destinations/{identifier}").error == (409, "Conflict")
    without = account_with()
    assert (
        without.get(f"/v1/groups/{without.must_create('snowflake', SNOWFLAKE)}/connections").data["items"]
        == []
    )


def test_the_code_of_a_201_may_be_created(account_with: Make) -> None:
    account = account_with(created_code="Created")
    assert account.post("/v1/groups", {"name": "a"}).json["code"] == "Created"
    assert account.create_destination("snowflake", SNOWFLAKE).json["code"] == "Created"
    assert account.get("/v1/groups").json["code"] == "Success"


def test_the_list_may_show_false_for_daylight_saving(account_with: Make) -> None:
    for switch, listed in (("true-to-state", True), ("always-false", False)):
        account = account_with(listed_daylight_saving=switch)
        identifier = account.must_create("snowflake", SNOWFLAKE, daylight_saving_time_enabled=True)
        assert account.get("/v1/destinations").data["items"][0]["daylight_saving_time_enabled"] is listed
        assert account.get(f"/v1/destinations/{identifier}").data["daylight_saving_time_enabled"] is True


def test_a_service_outside_the_catalogue_can_be_read_and_patched(account: EmulatedAccount) -> None:
    identifier = account.dashboard.add_group("new")
    account.dashboard.add_destination(identifier, "quantum_db", config={"qubits": 7, "api_token": "t"})
    path = f"/v1/destinations/{identifier}"
    assert account.get(path).data["config"] == {"qubits": 7, "api_token": "******"}
    patched = account.patch(path, {"config": {"qubits": 8, "host": "h", "api_token": None}})
    assert patched.data["config"] == {"qubits": 8, "host": "h"}


@pytest.mark.parametrize(
    ("service", "config"),
    [
        ("snowflake", SNOWFLAKE),
        ("managed_data_lake", LAKE),
        ("postgres_warehouse", POSTGRES),
        ("big_query", BIG_QUERY),
    ],
)
def test_a_refused_request_has_no_effect(account: EmulatedAccount, service: str, config: Any) -> None:
    identifier = account.must_create(service, config)
    before = account.get(f"/v1/destinations/{identifier}").data
    bad = {
        "region": "AWS_US_EAST_1",
        "config": {"port": "https", "connection_type": "Nowhere", "location": 1},
    }
    answer = account.patch(f"/v1/destinations/{identifier}", {**bad, "time_zone_offset": "99"})
    assert answer.status == 400
    assert account.get(f"/v1/destinations/{identifier}").data == before
