"""Check the page `/_emulator/`: its content, its forms, and the requests that it refuses."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from emulated_account import BASIC, BIG_QUERY, LAKE, POSTGRES, SNOWFLAKE, EmulatedAccount
from html_forms import HtmlPage
from long_runs import small_and_large
from secret_leak_detector import get_detector
from werkzeug.test import TestResponse

from reconciler.catalogue.load import load_service, load_service_names
from reconciler.catalogue.model import FieldType
from reconciler.emulator.connection_faults import BrokenConnectionError
from reconciler.emulator.fault_text import parse_faults
from reconciler.emulator.seed import Seed
from reconciler.emulator.setup_tests import SetupTest

HOST = "127.0.0.1:8228"


def request_page(
    account: EmulatedAccount, path: str = "/", method: str = "GET", **options: Any
) -> TestResponse:
    headers = {"Host": HOST, **options.pop("headers", {})}
    response = account.send_raw(method, f"/_emulator{path}", headers=headers, **options)
    get_detector().add_artefact(f"{method} {path}", response.text)
    return response


def read_page(account: EmulatedAccount, path: str = "/") -> HtmlPage:
    response = request_page(account, path)
    assert (response.status_code, response.content_type) == (200, "text/html;charset=UTF-8")
    return HtmlPage(response.text)


def submit(
    account: EmulatedAccount, action: str, changes: dict[str, str] | None = None, /, **identity: str
) -> TestResponse:
    """Submit the form of the page with this identity, with some inputs changed."""
    form = read_page(account).find_form(action, **identity)
    values = {**form.values, **(changes or {})}
    return request_page(account, form.action.removeprefix("/_emulator"), "POST", data=values)


def follow(account: EmulatedAccount, response: TestResponse) -> HtmlPage:
    """Follow the redirect after a change."""
    assert response.status_code == 303, response.text
    assert response.location.startswith("/_emulator/?")
    return read_page(account, response.location.removeprefix("/_emulator"))


def find_messages(page: HtmlPage) -> list[str]:
    """List the roles of the shown messages: `status` after a change, `alert` for a refusal."""
    return [each["role"] for tag, each in page.tags if each.get("id") == "message"]


def add_tunnelled(account: EmulatedAccount, **fields: Any) -> str:
    """Add a destination behind an SSH tunnel."""
    config = {**POSTGRES, "tunnel_host": "bastion.acme.example", "tunnel_port": 22, "tunnel_user": "fivetran"}
    return account.must_create("postgres_warehouse", config, networking_method="SshTunnel", **fields)


# Content


def test_the_page_shows_a_destination_with_its_config_and_tests(account: EmulatedAccount) -> None:
    group = account.create_group("analytics")
    account.dashboard.script_setup_tests(
        [SetupTest("Host Connection"), SetupTest("Validate Permissions", "WARNING", "no CREATE SCHEMA")]
    )
    account.create_destination(
        "snowflake",
        SNOWFLAKE,
        group_id=group,
        region="AWS_EU_CENTRAL_1",
        time_zone_offset="-5",
        run_setup_tests=True,
    )
    text = read_page(account).text
    assert f"{account.dashboard.identity.account_name} {account.dashboard.identity.account_id}" in text
    assert f"analytics {group} Snowflake AWS_EU_CENTRAL_1 connected" in text
    assert "Networking Directly" in text
    assert "Time zone UTC-5" in text
    for setting in ("host acme.snowflakecomputing.com", "port 443", "database FIVETRAN", "password ******"):
        assert setting in text
    assert "passed Host Connection warning Validate Permissions: no CREATE SCHEMA Last run 20" in text


def test_setup_tests_of_a_new_destination_belong_to_it_alone(account: EmulatedAccount) -> None:
    group = account.must_create("snowflake", SNOWFLAKE, run_setup_tests=True)
    assert "passed Host Connection" in read_page(account).text
    account.delete(f"/v1/destinations/{group}")
    account.create_destination("snowflake", SNOWFLAKE, group_id=group)
    assert "No setup tests have run." in read_page(account).text


def test_an_empty_account_explains_itself(account: EmulatedAccount) -> None:
    text = read_page(account).text
    for sentence in (
        "No certificate and no fingerprint waits for approval.",
        "The account has no groups yet.",
        "No request so far.",
        "No fault is active.",
        "All switches have their defaults.",
    ):
        assert sentence in text


def test_a_group_without_destination_can_be_renamed_and_deleted_only(account: EmulatedAccount) -> None:
    group = account.create_group("empty")
    page = read_page(account)
    assert f"empty {group} no destination" in page.text
    assert [form.action for form in page.forms] == [
        "/_emulator/page/rename-group#message",
        "/_emulator/page/delete-group#message",
    ]


def test_waiting_servers_are_shown_with_name_validity_and_hash(account: EmulatedAccount) -> None:
    group = add_tunnelled(account, group_id=account.create_group("finance"))
    key = account.dashboard.present_host_key(destination=group)
    server, issuer = account.dashboard.present_certificate(destination=group)
    text = read_page(account).text
    assert f"finance {group} Fingerprint: bastion host key {key} Approve" in text
    assert re.search(
        rf"Certificate: CN=db-\w+\.acme\.example, O=\"Acme, Inc\.\", C=US {re.escape(server)} "
        "Valid from 2020-01-01 to 2049-12-31 Approve",
        text,
    )
    assert f'Certificate: CN=Acme Private Root, O="Acme, Inc.", C=US {issuer} ' in text
    assert "incomplete waits for approval" in text
    assert "Waiting for approval 3 " in text
    assert "One approved certificate of the chain is enough." in text


def test_a_text_that_is_no_certificate_waits_too(account: EmulatedAccount) -> None:
    group = account.must_create("snowflake", SNOWFLAKE)
    account.dashboard.present_certificate("no certificate", destination=group)
    page = read_page(account)
    assert "Waiting for approval 1 " in page.text
    assert "Certificate: Not a certificate" in page.text
    assert "Valid from" not in page.text
    assert "One approved certificate" not in page.text


def test_a_fingerprint_waits_only_at_a_destination_with_a_tunnel(account: EmulatedAccount) -> None:
    account.must_create("snowflake", SNOWFLAKE)
    account.dashboard.present_host_key()
    assert "No certificate and no fingerprint waits for approval." in read_page(account).text


def test_connections_and_users_are_listed(account: EmulatedAccount) -> None:
    group = account.create_group("sales")
    connection = account.dashboard.add_connection(group, "salesforce", "crm", paused=True)
    account.dashboard.add_user("grace@acme.example", names=("Grace", "Hopper"), active=False)
    text = read_page(account).text
    assert f"crm {connection} salesforce incomplete paused" in text
    assert "Grace Hopper grace@acme.example no account role, inactive" in text


def test_requests_are_listed_newest_first_with_effects_faults_and_bodies(account: EmulatedAccount) -> None:
    group = account.must_create("snowflake", {**SNOWFLAKE, "password": "canary of a create"})
    get_detector().add_secret("the password", "canary of a create")
    account.emulator.faults.add(
        *parse_faults(["GET /v1/destinations status 503", "GET /v1/users before-effect reset"])
    )
    account.get("/v1/destinations?limit=7")
    account.get("/v1/groups/none")
    with pytest.raises(BrokenConnectionError):
        account.get("/v1/users")
    response = request_page(account, "/page/requests")
    assert re.findall(r'data-sequence="(\d+)"', response.text) == ["5", "4", "3", "2", "1"]
    text = HtmlPage(response.text).text
    assert re.search(r"5 \d\d:\d\d:\d\d GET /v1/users no answer fault Time", text)
    assert re.search(r"4 \d\d:\d\d:\d\d GET /v1/groups/none 404 NotFound_Group Time", text)
    assert re.search(r"3 \d\d:\d\d:\d\d GET /v1/destinations 503 fault Time .* Query limit=7 Accept", text)
    assert f"POST /v1/destinations 201 created destination {group} " in text
    assert "Fault GET /v1/destinations before-effect status 503" in text
    assert '"password": "******"' in text
    assert '"database": "FIVETRAN"' in text


def test_a_reader_of_requests_gets_nothing_twice(account: EmulatedAccount) -> None:
    for _ in range(60):
        account.get("/v1/groups")
    response = request_page(account, "/page/requests?known=59")
    assert re.findall(r'data-sequence="(\d+)"', response.text) == [
        str(number) for number in range(60, 10, -1)
    ]
    assert "The newest 50 of 60 requests." in response.text
    assert request_page(account, "/page/requests?known=60").text == ""


def test_only_changed_switches_are_shown(account_with: Callable[..., EmulatedAccount]) -> None:
    account = account_with(last_page="null", date_skew=2.5)
    account.emulator.faults.add(*parse_faults(["GET /v1/groups #2 status 503"]))
    account.get("/v1/groups")
    text = read_page(account).text
    assert "last_page=null default: missing. next_cursor on the last page." in text
    assert "date_skew=2.5 default: 0.0." in text
    assert "created_code" not in text
    assert "GET /v1/groups #2 before-effect status 503 struck 0 of 1 requests" in text


def test_a_hundred_groups_fill_one_page_and_all_waiting_servers_are_shown(account: EmulatedAccount) -> None:
    for number in range(205):
        account.dashboard.add_group(f"group {number}", f"id_{number}")
    account.create_destination("snowflake", SNOWFLAKE, group_id="id_204")
    account.dashboard.present_certificate(destination="id_204")

    def list_shown(page: HtmlPage) -> list[str]:
        return [form.values["group"] for form in page.forms if "rename" in form.action]

    assert list_shown(read_page(account, "/?from=nonsense")) == [f"id_{number}" for number in range(100)]
    assert list_shown(read_page(account, "/?open=id_201")) == [f"id_{number}" for number in range(200, 205)]
    assert list_shown(read_page(account, "/?from=300")) == [f"id_{number}" for number in range(200, 205)]
    page = read_page(account, "/?from=100")
    assert list_shown(page) == [f"id_{number}" for number in range(100, 200)]
    assert "Groups 101 to 200 of 205 Previous groups Next groups" in page.text
    links = {each["href"] for each in page.list_attributes("a")}
    assert {"/_emulator/?from=0#groups", "/_emulator/?from=200#groups"} <= links
    assert [form.values["group"] for form in page.forms if "approve" in form.action] == ["id_204", "id_204"]


def _list_waiting(account: EmulatedAccount, group: str) -> list[str]:
    forms = read_page(account).forms
    return [
        form.values["hash"] for form in forms if "approve" in form.action and form.values["group"] == group
    ]


@pytest.mark.parametrize(
    ("query", "refreshes"), [("", []), ("?live=5", ["5; url=/_emulator/?live=5"]), ("?live=x", [])]
)
def test_the_page_reloads_only_by_choice(account: EmulatedAccount, query: str, refreshes: list[str]) -> None:
    page = read_page(account, f"/{query}")
    assert [each["content"] for each in page.list_attributes("meta") if "http-equiv" in each] == refreshes


# Changes


def test_a_certificate_is_approved_and_revoked(account: EmulatedAccount) -> None:
    group = account.must_create("snowflake", SNOWFLAKE)
    server, issuer = account.dashboard.present_certificate(destination=group)
    page = follow(account, submit(account, "approve", kind="certificate", hash=server))
    assert f"Approved the certificate {server}." in page.text
    # One approved certificate of the chain is enough, as in a setup test.
    assert "No certificate and no fingerprint waits for approval." in page.text
    [approval] = account.get(f"/v1/destinations/{group}/certificates").data["items"]
    assert (approval["hash"], approval["validated_by"]) == (server, "Cotton Kayak")
    assert account.post(f"/v1/destinations/{group}/test").data["setup_status"] == "connected"
    page = follow(account, submit(account, "revoke", kind="certificate", hash=server))
    assert f"Revoked the certificate {server}." in page.text
    assert account.get(f"/v1/destinations/{group}/certificates").data["items"] == []
    assert _list_waiting(account, group) == [server, issuer]


@pytest.mark.parametrize("form", ["sha256", "md5", "opaque"])
def test_a_fingerprint_is_approved_and_revoked(account_with: Callable[..., Any], form: str) -> None:
    account = account_with(fingerprint_hash=form)
    group = add_tunnelled(account)
    key = account.dashboard.present_host_key(destination=group)
    (test, *_) = account.post(f"/v1/destinations/{group}/test").data["setup_tests"]
    assert test["details"]["hash"] == key
    page = follow(account, submit(account, "approve", kind="fingerprint", hash=key))
    assert f"Approved servers Fingerprint {key} Approved 20" in page.text
    [approval] = account.get(f"/v1/destinations/{group}/fingerprints").data["items"]
    assert approval["hash"] == key
    assert _list_waiting(account, group) == []
    assert account.post(f"/v1/destinations/{group}/test").data["setup_status"] == "connected"
    follow(account, submit(account, "revoke", kind="fingerprint", hash=key))
    assert account.get(f"/v1/destinations/{group}/fingerprints").data["items"] == []
    assert _list_waiting(account, group) == [key]


@pytest.mark.parametrize("form", ["sha256", "md5", "opaque"])
def test_a_key_approved_under_another_hash_still_waits(account_with: Callable[..., Any], form: str) -> None:
    account = account_with(fingerprint_hash=form)
    group = add_tunnelled(account)
    key = account.dashboard.present_host_key(destination=group)
    body = {"hash": "hash-of-a-client", "public_key": "ssh-rsa AAAA"}
    account.post(f"/v1/destinations/{group}/fingerprints", body)
    assert "Approved servers Fingerprint hash-of-a-client Approved 20" in read_page(account).text
    assert _list_waiting(account, group) == [key]


def test_a_group_is_renamed(account: EmulatedAccount) -> None:
    group = account.create_group("old")
    page = follow(account, submit(account, "rename-group", {"name": "new & better"}, group=group))
    assert "Renamed the group to new & better." in page.text
    assert account.get(f"/v1/groups/{group}").data["name"] == "new & better"


def test_the_settings_of_a_destination_are_changed(account: EmulatedAccount) -> None:
    group = account.must_create("snowflake", SNOWFLAKE)
    changes = {
        "region": "AWS_US_EAST_1",
        "config.port": "8443",
        "config.host": "other.snowflakecomputing.com",
        "config.password": "battery staple",
        "other_name": "role",
        "other_value": "LOADER",
    }
    page = follow(account, submit(account, "change-destination", changes, group=group))
    assert "Changed region, host, port, password, role." in page.text
    get_detector().add_secret("the new password", "battery staple")
    destination = account.dashboard.get_destination(group)
    assert destination.region == "AWS_US_EAST_1"
    assert destination.config == {
        **SNOWFLAKE,
        "port": 8443,
        "host": "other.snowflakecomputing.com",
        "password": "battery staple",
        "role": "LOADER",
    }


@pytest.mark.parametrize(
    ("service", "config", "changes", "expected"),
    [
        ("snowflake", {**SNOWFLAKE, "role": "R"}, {"config.role": ""}, {"role": None}),
        (
            "snowflake",
            {**SNOWFLAKE, "is_private_key_encrypted": False},
            {"config.is_private_key_encrypted": "true"},
            {"is_private_key_encrypted": True},
        ),
        (
            "confluent_cloud_wh",
            {"bootstrap_servers": ["a:1"]},
            {"config.bootstrap_servers": "b:2\r\n\r\nc:3 \r\n"},
            {"bootstrap_servers": ["b:2", "c:3"]},
        ),
        # An empty input of a secret leaves the secret alone.
        (
            "snowflake",
            SNOWFLAKE,
            {"config.auth": "KEY_PAIR", "config.password": ""},
            {"auth": "KEY_PAIR", "password": "correct horse"},
        ),
    ],
)
def test_texts_become_values_of_their_fields(
    account: EmulatedAccount, service: str, config: Any, changes: dict[str, str], expected: dict[str, Any]
) -> None:
    group = account.must_create(service, config)
    follow(account, submit(account, "change-destination", changes, group=group))
    stored = account.dashboard.get_destination(group).config
    assert {name: stored.get(name) for name in expected} == expected


def test_a_form_that_is_left_alone_changes_nothing(account: EmulatedAccount) -> None:
    texts = [
        "\n leading",
        "line\r\nbreak",
        "bidi \u202e",
        "nul \0",
        "surrogate \ud800",
        "\"<&>'",
        "  spaces ",
    ]
    groups = []
    for name in (
        "snowflake",
        "managed_data_lake",
        "big_query",
        "databricks",
        "redshift",
        "confluent_cloud_wh",
    ):
        service = load_service(name)
        assert service is not None
        values: dict[str, Any] = {}
        for number, field in enumerate(service.fields.values()):
            values[field.name] = {
                FieldType.INTEGER: number,
                FieldType.BOOLEAN: number % 2 == 0,
                FieldType.STRINGS: texts[:1] + texts[3:],
                FieldType.OBJECT: {"key": texts},
            }.get(field.type, texts[number % len(texts)])
        group = account.create_group(name)
        account.dashboard.add_destination(group, name, config=values, region="unknown \u202e region")
        groups.append((group, account.dashboard.get_destination(group)))
    page = read_page(account)
    for group, before in groups:
        form = page.find_form("change-destination", group=group)
        assert len(form.values) > 6
        response = request_page(account, "/page/change-destination", "POST", data=form.values)
        assert response.status_code == 303
        assert account.dashboard.get_destination(group) == before
    assert "Nothing has changed." in follow(account, response).text


def test_immutable_and_read_only_fields_are_not_offered(account: EmulatedAccount) -> None:
    group = account.must_create("managed_data_lake", LAKE)
    form = read_page(account).find_form("change-destination", group=group)
    assert "config.bucket" not in form.values
    assert {"bucket", "external_id", "public_key"}.isdisjoint(form.choices["other_name"])
    assert "bucket acme-lake" in read_page(account).text


def test_objects_are_deleted(account: EmulatedAccount) -> None:
    group = account.must_create("snowflake", SNOWFLAKE)
    connection = account.dashboard.add_connection(group, "github", "code")
    page = follow(account, submit(account, "delete-connection", connection=connection))
    assert f"Deleted the connection {connection}." in page.text
    page = follow(account, submit(account, "delete-destination", group=group))
    assert "Deleted the destination." in page.text
    page = follow(account, submit(account, "delete-group", group=group))
    assert f"Deleted the group {group}." in page.text
    assert account.get("/v1/groups").data["items"] == []


def test_a_message_is_shown_once_and_cannot_be_forged(account: EmulatedAccount) -> None:
    group = account.create_group("old")
    response = submit(account, "rename-group", {"name": "new"}, group=group)
    assert find_messages(follow(account, response)) == ["status"]
    assert find_messages(follow(account, response)) == []
    assert find_messages(read_page(account, "/?notice=forged&open=x")) == []


def test_neither_page_nor_changes_are_in_the_history_or_hit_by_faults(account: EmulatedAccount) -> None:
    group = account.must_create("snowflake", SNOWFLAKE)
    account.emulator.faults.add(*parse_faults(["* * status 503", "* * reset"]))
    before = len(account.emulator.read_history())
    follow(account, submit(account, "rename-group", {"name": "new"}, group=group))
    follow(account, submit(account, "delete-destination", group=group))
    account.emulator.faults.clear()
    assert len(account.emulator.read_history()) == before
    account.create_group("next")
    # The effects of the page must not appear as effects of the next request.
    assert [effect.verb for effect in account.emulator.read_history()[-1].effects] == ["created"]


# Refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"region": "MOON_1"}, "there is no region `MOON_1`"),
        ({"region": ""}, "`region` cannot be empty"),
        ({"config.port": "80a"}, "port must be a whole number"),
        ({"config.auth": "MAGIC"}, "auth must be one of PASSWORD, KEY_PAIR"),
        (
            {"other_name": "is_private_key_encrypted", "other_value": "perhaps"},
            "is_private_key_encrypted must be one of true, false",
        ),
    ],
)
def test_a_refused_change_keeps_the_submitted_texts(
    account: EmulatedAccount, changes: dict[str, str], message: str
) -> None:
    group = account.must_create("snowflake", SNOWFLAKE)
    before = account.dashboard.get_destination(group)
    sent = {"config.database": "OTHER", "config.password": "battery staple", **changes}
    get_detector().add_secret("the sent password", "battery staple")
    response = submit(account, "change-destination", sent, group=group)
    assert response.status_code == 422
    page = HtmlPage(response.text)
    assert f"Refused: {message}" in page.text
    assert find_messages(page) == ["alert"]
    kept = page.find_form("change-destination", group=group).values
    shown = {name: kept[name] for name in sent if name != "config.auth"}
    assert shown == {
        name: "" if name == "config.password" else text for name, text in sent.items() if name in shown
    }
    assert account.dashboard.get_destination(group) == before


def test_a_value_needs_its_field(account: EmulatedAccount) -> None:
    group = account.must_create("snowflake", SNOWFLAKE)
    get_detector().add_secret("a value that may be a secret", "battery staple")
    response = submit(account, "change-destination", {"other_value": "battery staple"}, group=group)
    assert "Refused: Choose the field that gets the new value" in HtmlPage(response.text).text


def test_an_object_must_be_json(account: EmulatedAccount) -> None:
    group = account.create_group("lake")
    account.dashboard.add_destination(group, "snowflake", config={"host": {"a": 1}})
    for text in ("{", "[1]", "[" * 100_000):
        response = submit(account, "change-destination", {"config.host": text}, group=group)
        assert "Refused: host must be a JSON object" in HtmlPage(response.text).text


def test_a_refused_rename_keeps_the_name(account_with: Callable[..., EmulatedAccount]) -> None:
    account = account_with(group_names="identifier")
    group = account.create_group("old")
    for name, message in (("", "Field 'name' is required"), ("a b", "Group name 'a b' is invalid")):
        response = submit(account, "rename-group", {"name": name}, group=group)
        assert response.status_code == 422
        assert f"Refused: {message}" in HtmlPage(response.text).text
        assert HtmlPage(response.text).find_form("rename-group").values["name"] == name
    assert account.get(f"/v1/groups/{group}").data["name"] == "old"


def test_deletions_have_the_checks_of_the_api(account: EmulatedAccount) -> None:
    group = account.must_create("snowflake", SNOWFLAKE)
    response = submit(account, "delete-group", group=group)
    assert (response.status_code, "Refused: Group has a destination" in response.text) == (422, True)
    account.dashboard.add_connection(group, "github", "code")
    response = submit(account, "delete-destination", group=group)
    assert (response.status_code, "Refused: Destination has connections" in response.text) == (422, True)
    assert account.get(f"/v1/destinations/{group}").status == 200


def test_a_form_of_a_vanished_object_is_refused(account: EmulatedAccount) -> None:
    group = account.must_create("snowflake", SNOWFLAKE)
    connection = account.dashboard.add_connection(group, "github", "code")
    server, _ = account.dashboard.present_certificate(destination=group)
    # The first form wins: of two certificates, that of the server.
    forms = {form.action: form.values for form in reversed(read_page(account).forms)}
    account.dashboard.present_certificate(destination=group)
    account.delete(f"/v1/connections/{connection}")
    _check_refusals(
        account,
        forms,
        {
            "approve": f"there is no waiting certificate `{server}`",
            "delete-connection": f"Cannot find entity 'Connection' with id '{connection}'",
        },
    )
    account.delete(f"/v1/destinations/{group}")
    missing = f"Cannot find entity 'Destination' with id '{group}'"
    _check_refusals(
        account, forms, dict.fromkeys(("change-destination", "delete-destination", "approve"), missing)
    )
    account.delete(f"/v1/groups/{group}")
    _check_refusals(
        account,
        forms,
        {
            "rename-group": f"Cannot find entity 'Group' with id '{group}'",
            "delete-group": f"Cannot find entity 'Group' with id '{group}'",
            "change-destination": missing,
        },
    )


def _check_refusals(account: EmulatedAccount, forms: dict[str, Any], expected: dict[str, str]) -> None:
    """Check that each form is refused with one message that names the vanished object."""
    for name, message in expected.items():
        values = forms[f"/_emulator/page/{name}#message"]
        response = request_page(account, f"/page/{name}", "POST", data=values)
        page = HtmlPage(response.text)
        assert response.status_code == 422
        assert find_messages(page) == ["alert"]
        assert f"Refused: {message}" in page.text


def test_an_incomplete_form_is_refused(account: EmulatedAccount) -> None:
    token = _read_token(account)
    for action in ("approve", "revoke", "rename-group", "change-destination", "delete-connection"):
        response = request_page(account, f"/page/{action}", "POST", data={"token": token, "kind": "group"})
        assert (response.status_code, "This form is incomplete." in response.text) == (400, True)


def _read_token(account: EmulatedAccount) -> str:
    account.create_group("for the token")
    return read_page(account).forms[0].values["token"]


@pytest.mark.parametrize(
    ("headers", "token", "status"),
    [
        ({}, None, 303),
        ({"Origin": f"http://{HOST}"}, None, 303),
        ({}, "", 403),
        ({}, "wrong", 403),
        ({"Origin": f"http://{HOST}"}, "wrong", 403),
        ({"Origin": "http://127.0.0.1:9999"}, None, 403),
        ({"Origin": f"https://{HOST}"}, None, 403),
        ({"Origin": "https://attacker.example"}, None, 403),
        ({"Origin": "null"}, None, 403),
        ({"Host": "attacker.example"}, None, 403),
        ({"Host": "127.0.0.1.attacker.example:8228"}, None, 403),
        ({"Host": ""}, None, 403),
    ],
)
def test_a_form_needs_the_token_and_the_own_origin(
    account: EmulatedAccount, headers: dict[str, str], token: str | None, status: int
) -> None:
    group = account.create_group("old")
    values = read_page(account).find_form("rename-group", group=group).values
    sent = {**values, "name": "new", **({} if token is None else {"token": token})}
    response = request_page(account, "/page/rename-group", "POST", data=sent, headers=headers)
    assert response.status_code == status
    assert account.get(f"/v1/groups/{group}").data["name"] == ("new" if status == 303 else "old")


@pytest.mark.parametrize("path", ["/", "/page/requests", "/page/page.js", "/page/nothing"])
@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        ({"Host": "attacker.example"}, "127.0.0.1"),
        ({"Origin": "https://attacker.example"}, "127.0.0.1"),
        ({}, "192.0.2.7"),
    ],
)
def test_readers_elsewhere_are_refused(
    account: EmulatedAccount, path: str, headers: dict[str, str], caller: str
) -> None:
    account.create_group("hidden name")
    response = request_page(account, path, headers=headers, environ_overrides={"REMOTE_ADDR": caller})
    assert response.status_code == 403
    assert "hidden name" not in response.text


@pytest.mark.parametrize("host", ["localhost:8228", "[::1]:8228", "127.0.0.1", "127.8.8.8:1"])
def test_every_name_of_this_machine_is_accepted(account: EmulatedAccount, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert request_page(account, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("GET", "/page/nothing", 404, None),
        ("GET", "/page/rename-group", 405, "POST"),
        ("PUT", "/page/rename-group", 405, "POST"),
        ("POST", "/", 405, "GET, HEAD"),
        ("DELETE", "/page/requests", 405, "GET, HEAD"),
        ("POST", "/page/page.css", 405, "GET, HEAD"),
    ],
)
def test_other_addresses_and_methods_get_an_error_page(
    account: EmulatedAccount, method: str, path: str, status: int, allowed: str | None
) -> None:
    response = request_page(account, path, method)
    assert (response.status_code, response.headers.get("Allow")) == (status, allowed)
    assert HtmlPage(response.text).list_attributes("a") == [{"href": "/_emulator/"}]


def test_browsers_are_led_to_the_page_and_programs_get_json(account: EmulatedAccount) -> None:
    response = request_page(account, "", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (response.status_code, response.location) == (303, "/_emulator/")
    assert "endpoints" in request_page(account, "", headers={"Accept": "*/*"}).json
    assert request_page(account, "/", "HEAD").data == b""


# Safety


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/page/requests"),
        ("GET", "/page/page.js"),
        ("GET", "/page/x"),
        ("POST", "/page/approve"),
    ],
)
def test_every_response_forbids_foreign_content_frames_and_caches(
    account: EmulatedAccount, method: str, path: str
) -> None:
    headers = request_page(account, path, method).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert {policy[name] for name in policy.keys() - {"default-src", "frame-ancestors", "base-uri"}} == {
        "'self'"
    }
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in headers


def test_the_page_has_no_inline_code_and_loads_from_itself_only(account: EmulatedAccount) -> None:
    account.must_create("snowflake", SNOWFLAKE)
    page = read_page(account)
    loaded = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in {"src", "href", "action"} and not value.startswith("#")
    ]
    assert [address for address in loaded if not address.startswith("/_emulator/")] == []
    assert [
        name for _, attributes in page.tags for name in attributes if name == "style" or name.startswith("on")
    ] == []
    assert {each.get("src") for each in page.list_attributes("script")} == {"/_emulator/page/page.js"}
    assert page.list_attributes("style") == []
    assets = [address for address in loaded if "/page/page." in address or "icon" in address]
    assert len(assets) == 3
    for address in assets:
        assert request_page(account, address.removeprefix("/_emulator")).status_code == 200


HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> \u202etxt\u2066 \x1b[2J\0 {{ 7 * 7 }} \u200b"
)


def test_hostile_texts_are_inert(account_with: Callable[..., EmulatedAccount]) -> None:
    account = account_with(echo=HOSTILE)
    group = account.dashboard.add_group(HOSTILE, HOSTILE.replace("\0", ""))  # browsers replace NUL
    account.dashboard.add_destination(group, HOSTILE, region=HOSTILE, config={HOSTILE: {HOSTILE: HOSTILE}})
    account.dashboard.add_connection(group, HOSTILE, HOSTILE)
    account.dashboard.add_user(HOSTILE, names=(HOSTILE, HOSTILE), role=HOSTILE)
    account.dashboard.present_certificate(HOSTILE)
    account.emulator.load_seed(Seed.model_validate({"version": 1, "account": {"id": "x", "name": HOSTILE}}))
    account.dashboard.script_setup_tests([SetupTest(HOSTILE, "FAILED", HOSTILE)])
    account.send_raw("POST", "/v1/groups", headers=BASIC, json={"name": HOSTILE, HOSTILE: [HOSTILE]})
    account.send_raw("POST", f"/v1/destinations/{group}/test", headers=BASIC, json={})
    account.send_raw("GET", "/v1/groups", query_string={HOSTILE: HOSTILE}, headers={**BASIC, "Accept": "<b>"})
    responses = [
        request_page(account),
        request_page(account, "/?open=%3Cscript%3E&notice=%3Cscript%3E&live=%3Cscript%3E"),
        submit(account, "rename-group", {"name": ""}, group=group),
        submit(account, "change-destination", {"region": HOSTILE}, group=group),
        request_page(account, "/page/%3Cscript%3E"),
    ]
    for response in responses:
        page = HtmlPage(response.text)
        assert [
            each for each in page.list_attributes("script") if each.get("src") != "/_emulator/page/page.js"
        ] == []
        assert page.list_attributes("img") == []
        assert "49" not in re.findall(r"\b49\b", page.text)
        # Inputs keep a text as it is; everywhere else these characters are escapes.
        outside = re.sub(r'value="[^"]*"|<textarea.*?</textarea>', "", response.text, flags=re.DOTALL)
        assert [char for char in outside if not char.isprintable() and char != "\n"] == []
    assert "\\u202etxt\\u2066 \\x1b[2J\\x00" in responses[0].text


def test_a_hostile_group_is_changed_by_its_form(account: EmulatedAccount) -> None:
    identifier = "id <&> \"' \u202e ?#/%"
    account.dashboard.add_group("old", identifier)
    page = follow(
        account, submit(account, "rename-group", {"name": HOSTILE.replace("\0", "")}, group=identifier)
    )
    assert find_messages(page) == ["status"]
    assert account.dashboard.find_group_ids(HOSTILE.replace("\0", "")) == [identifier]


@small_and_large("every", 5, 1)
def test_no_secret_of_any_service_is_on_the_page(account: EmulatedAccount, every: int) -> None:
    """Every field of every service is set: secrets, fields that no service has, and objects with secrets inside."""
    groups = []
    for number, name in enumerate(sorted(load_service_names())[::every]):
        service = load_service(name)
        assert service is not None
        config: dict[str, Any] = {"passwrd": f"misspelled-secret-{number}"}
        for field in service.fields.values():
            if field.sensitive:
                config[field.name] = f"canary-{name}-{field.name}"
        config["catalog"] = {"client_secret": f"nested-secret-{number}", "name": "plain"}
        groups.append(
            {
                "name": name,
                "destination": {
                    "service": name,
                    "config": config,
                    "external_secrets_keys_config": {"key": f"manager-secret-{number}"},
                },
            }
        )
        for secret in _list_texts([config, f"manager-secret-{number}"]):
            if secret != "plain":
                get_detector().add_secret(name, secret)
    assert len(get_detector().secrets) > 2 * len(groups)
    seed = {"version": 1, "groups": groups}
    account.emulator.load_seed(Seed.model_validate(seed))
    for group in groups:
        account.create_destination(group["name"], group["destination"]["config"])
    get_detector().add_secret("a query", "secret-of-a-query")
    account.get("/v1/groups?password=secret-of-a-query&limit=5")
    page = read_page(account)
    assert "password=******&limit=5" in page.text
    for form in page.forms:
        if "change-destination" in form.action:
            values = {**form.values, "region": "nowhere", "config.passwrd": "misspelled-secret-new"}
            request_page(account, "/page/change-destination", "POST", data=values)
            break
    get_detector().add_secret("a refused form", "misspelled-secret-new")


def _list_texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _list_texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _list_texts(each)]
    return [str(value)]


def test_a_big_query_key_is_a_secret_and_its_renamed_field_can_be_changed(account: EmulatedAccount) -> None:
    key = '{"type": "service_account", "private_key": "canary of a key"}'
    group = account.must_create("big_query", {**BIG_QUERY, "secret_key": key})
    get_detector().add_secret("the key", key)
    form = read_page(account).find_form("change-destination", group=group)
    assert (form.types["config.secret_key"], form.values["config.secret_key"]) == ("password", "")
    assert form.values["config.project_id"] == "acme-prod"


@pytest.mark.long
def test_an_emulator_without_readers_never_loads_the_templates() -> None:
    program = (
        "import sys; from datetime import UTC, datetime; from werkzeug.test import Client;"
        "from reconciler.emulator.app import create_app;"
        "client = Client(create_app(clock=lambda: datetime.now(UTC)));"
        "client.get('/v1/groups'); client.get('/_emulator'); before = 'jinja2' in sys.modules;"
        "client.get('/_emulator/'); assert (before, 'jinja2' in sys.modules) == (False, True)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
