"""Check when setup tests run, their answers and their effect on the status."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from emulated_account import LAKE, POSTGRES, SNOWFLAKE, EmulatedAccount

from reconciler.emulator.setup_tests import SetupTest

Make = Callable[..., EmulatedAccount]
PASSED = (SetupTest("Host Connection"),)
FAILED = (SetupTest("Host Connection", "FAILED", "Host Connection error"),)
WARNED = (SetupTest("Permission Test", "WARNING", "cannot create schemas"),)


def test_tests_run_on_creation_unless_declined(account: EmulatedAccount) -> None:
    data = account.create_destination("snowflake", SNOWFLAKE, run_setup_tests=None).data
    assert data["setup_status"] == "connected"
    assert data["setup_tests"] == [
        {"title": "Host Connection", "status": "PASSED", "message": ""},
        {"title": "Database Connection", "status": "PASSED", "message": ""},
        {"title": "Permission Test", "status": "PASSED", "message": ""},
    ]
    declined = account.create_destination("snowflake", SNOWFLAKE, run_setup_tests=False).data
    assert declined["setup_status"] == "incomplete"


def test_tests_run_on_a_patch_unless_declined(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    declined = account.patch(f"/v1/destinations/{identifier}", {"run_setup_tests": "false"}).data
    assert declined["setup_status"] == "incomplete"
    run = account.patch(f"/v1/destinations/{identifier}", {}).data
    assert run["setup_status"] == "connected"
    assert run["setup_tests"]


def test_declined_tests_leave_no_key_or_an_empty_list(account_with: Make) -> None:
    assert "setup_tests" not in account_with().create_destination("snowflake", SNOWFLAKE).data
    account = account_with(tests_not_run="empty")
    created = account.create_destination("snowflake", SNOWFLAKE).data
    assert created["setup_tests"] == []
    assert "setup_tests" not in account.get(f"/v1/destinations/{created['id']}").data


@pytest.mark.parametrize("body", [None, {}, {"trust_certificates": True, "trust_fingerprints": "True"}])
def test_a_test_run_answers_the_destination_with_its_tests(
    account_with: Make, body: dict[str, object] | None
) -> None:
    account = account_with(test_answer="full")
    identifier = account.must_create("snowflake", SNOWFLAKE)
    answer = account.post(f"/v1/destinations/{identifier}/test", body)
    assert (answer.status, answer.json["code"]) == (200, "Success")
    assert answer.json["message"] == "Setup tests have been completed"
    assert answer.data["setup_status"] == "connected"
    read = account.get(f"/v1/destinations/{identifier}").data
    assert {**read, "setup_tests": answer.data["setup_tests"]} == answer.data


def test_a_test_run_needs_no_body(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    headers = {"Authorization": "Basic YTpi", "Content-Type": "application/json"}
    assert account.send_raw("POST", f"/v1/destinations/{identifier}/test", headers=headers).status_code == 200


def test_flags_of_a_test_run_are_checked(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    answer = account.post(f"/v1/destinations/{identifier}/test", {"trust_certificates": "perhaps"})
    assert answer.error == (400, "InvalidInput")


def test_a_test_answer_may_be_partial(account_with: Make) -> None:
    account = account_with(test_answer="partial", optional_ids="null")
    config = {**POSTGRES, "connection_type": "PrivateLink"}
    identifier = account.must_create(
        "postgres_warehouse",
        config,
        networking_method="PrivateLink",
        private_link_id="pl",
        proxy_agent_id="px",
    )
    data = account.post(f"/v1/destinations/{identifier}/test").data
    assert not {"networking_method", "private_link_id", "proxy_agent_id", "hybrid_deployment_agent_id"} & set(
        data
    )
    assert data["config"]["connection_type"] == "Directly"
    assert account.get(f"/v1/destinations/{identifier}").data["config"]["connection_type"] == "PrivateLink"


def test_a_create_succeeds_if_every_test_fails(account: EmulatedAccount) -> None:
    list_titles = ("Host Connection", "Database Connection", "Permission Test")
    account.dashboard.script_setup_tests(
        [SetupTest(title, "FAILED", f"{title} error") for title in list_titles]
    )
    answer = account.create_destination("snowflake", SNOWFLAKE, run_setup_tests=True)
    assert (answer.status, answer.json["code"]) == (201, "Success")
    assert answer.data["setup_status"] == "incomplete"
    assert [test["status"] for test in answer.data["setup_tests"]] == ["FAILED"] * 3
    assert answer.data["setup_tests"][0]["message"] == "Host Connection error"


def test_the_status_goes_from_incomplete_to_connected_to_broken_and_back(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    account.dashboard.script_setup_tests(FAILED, PASSED, FAILED, FAILED, PASSED, destination=identifier)
    path = f"/v1/destinations/{identifier}"
    statuses = [account.post(f"{path}/test").data["setup_status"] for _ in range(5)]
    assert statuses == ["incomplete", "connected", "broken", "broken", "connected"]
    assert account.get(path).data["setup_status"] == "connected"
    assert account.get("/v1/destinations").data["items"][0]["setup_status"] == "connected"


def test_an_untested_patch_keeps_the_status(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE, run_setup_tests=True)
    answer = account.patch(
        f"/v1/destinations/{identifier}", {"config": {"port": 1}, "run_setup_tests": False}
    )
    assert answer.data["setup_status"] == "connected"


@pytest.mark.parametrize("status", ["FAILED", "JOB_FAILED"])
def test_any_kind_of_failure_leaves_a_destination_incomplete(account: EmulatedAccount, status: str) -> None:
    account.dashboard.script_setup_tests((*PASSED, SetupTest("Permission Test", status)))
    assert (
        account.create_destination("snowflake", SNOWFLAKE, run_setup_tests=True).data["setup_status"]
        == "incomplete"
    )


def test_a_skipped_test_does_not_count_as_failed(account: EmulatedAccount) -> None:
    account.dashboard.script_setup_tests((SetupTest("Permission Test", "SKIPPED"),))
    assert (
        account.create_destination("snowflake", SNOWFLAKE, run_setup_tests=True).data["setup_status"]
        == "connected"
    )


@pytest.mark.parametrize(("switch", "status"), [("passed", "connected"), ("failed", "incomplete")])
def test_a_warning_counts_as_passed_or_failed(account_with: Make, switch: str, status: str) -> None:
    account = account_with(warnings_count_as=switch)
    account.dashboard.script_setup_tests(WARNED)
    assert (
        account.create_destination("snowflake", SNOWFLAKE, run_setup_tests=True).data["setup_status"]
        == status
    )


def test_a_script_may_wait_for_a_named_group(account: EmulatedAccount) -> None:
    account.dashboard.script_setup_tests(group_name="unlucky", finally_always=FAILED)
    for name, status in (("lucky", "connected"), ("unlucky", "incomplete")):
        group = account.create_group(name)
        body = {"group_id": group, "service": "snowflake", "time_zone_offset": "0", "config": SNOWFLAKE}
        assert account.post("/v1/destinations", body).data["setup_status"] == status
        assert account.post(f"/v1/destinations/{group}/test").data["setup_status"] == status


def test_the_script_of_a_destination_precedes_the_general_script(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    account.dashboard.script_setup_tests(finally_always=PASSED)
    account.dashboard.script_setup_tests(FAILED, destination=identifier)
    statuses = [account.post(f"/v1/destinations/{identifier}/test").data["setup_status"] for _ in range(2)]
    assert statuses == ["incomplete", "connected"]


@pytest.mark.parametrize("details", [[{"hash": "h"}], {"hash": "h", "type": "ssh-rsa"}, "a text"])
def test_details_have_any_shape_or_are_absent(account: EmulatedAccount, details: object) -> None:
    tests = (
        SetupTest("Validate Certificate", "FAILED", "No trust anchors", details),
        SetupTest("Host Connection"),
    )
    account.dashboard.script_setup_tests(tests)
    with_details, without = account.create_destination("snowflake", SNOWFLAKE, run_setup_tests=True).data[
        "setup_tests"
    ]
    assert with_details["details"] == details
    assert "details" not in without


def test_titles_depend_on_the_kind_of_service(account: EmulatedAccount) -> None:
    def list_titles(service: str, config: object, **fields: object) -> list[str]:
        data = account.create_destination(service, config, run_setup_tests=True, **fields).data
        return [test["title"] for test in data["setup_tests"]]

    assert list_titles("managed_data_lake", LAKE) == [
        "Input fields validation test",
        "AWS Read and write access test",
        "Fivetran Catalog Access Test",
    ]
    for service, config, storage in (
        ("managed_data_lake", {"storage_provider": "ADLS"}, "Azure"),
        ("managed_data_lake", {"storage_provider": "GCS"}, "GCP"),
        ("databricks_via_managed_data_lake", {}, "AWS"),
        ("new_s3_datalake", {}, "AWS"),
        ("adls", {}, "Azure"),
        ("onelake", {}, "Azure"),
    ):
        assert list_titles(service, config)[1] == f"{storage} Read and write access test", service
    assert "Fivetran Catalog Access Test" not in list_titles("adls", {})
    tunnelled = list_titles("postgres_warehouse", POSTGRES, networking_method="SshTunnel")
    assert tunnelled[0] == "Connecting to SSH tunnel"
    assert list_titles("big_query", {}) != list_titles("snowflake", SNOWFLAKE)
    assert list_titles("motherduck", {})
