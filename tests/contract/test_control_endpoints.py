"""Check the control endpoints `/_emulator/…`, which inspect and configure an emulator over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from control_requests import LOCAL_HOST, control, send_control
from emulated_account import POSTGRES, SNOWFLAKE, EmulatedAccount

from reconciler.emulator.control.handler import ENDPOINTS
from reconciler.workspace.documents import read_document

ALL_ENDPOINTS = [(endpoint.method, endpoint.path) for endpoint in ENDPOINTS]
WITH_BODY = [pair for pair in ALL_ENDPOINTS if pair[0] in {"POST", "PATCH"} and pair[1] != "/behaviour"]
WITH_QUERY = [pair for pair in ALL_ENDPOINTS if pair[0] == "DELETE" and pair[1] != "/faults"]


@pytest.fixture
def account_with_reader(account_with: Any) -> Iterator[EmulatedAccount]:
    """Create an account that reads YAML, as `reconciler emulate` serves it."""
    account = EmulatedAccount(app={"read_document": read_document})
    yield account
    assert account.list_failures() == []
    account.emulator.close()


def test_the_history_lists_requests_and_effects_without_credentials(account: EmulatedAccount) -> None:
    group = account.create_group()
    account.get("/v1/groups")
    status, document = send_control(account, "GET", "/history")
    assert status == 200
    assert [(each["method"], each["path"], each["effects"]) for each in document["history"]] == [
        ("POST", "/v1/groups", [f"created group {group}"]),
        ("GET", "/v1/groups", []),
    ]
    assert [each["sequence"] for each in send_control(account, "GET", "/history?since=1")[1]["history"]] == [
        2
    ]
    assert len(account.emulator.read_history()) == 2


def test_the_history_can_be_read_as_json_lines(account: EmulatedAccount) -> None:
    account.create_group()
    account.get("/v1/groups")
    text = account.send_raw("GET", "/_emulator/history?format=lines", headers=LOCAL_HOST).text
    assert [json.loads(line)["sequence"] for line in text.splitlines()] == [1, 2]


def test_secrets_are_masked_unless_requested(account: EmulatedAccount) -> None:
    account.must_create("snowflake", {**SNOWFLAKE, "password": "canary-1"})
    account.create_destination(
        "snowflake", {**SNOWFLAKE, "auth": "KEY_PAIR", "private_key": "canary-2", "passwrd": "canary-3"}
    )
    for path in ("/history", "/account"):
        hidden = account.send_raw("GET", f"/_emulator{path}", headers=LOCAL_HOST).text
        shown = account.send_raw("GET", f"/_emulator{path}?secrets=shown", headers=LOCAL_HOST).text
        assert "canary" not in hidden
        assert '"password": "******"' in hidden
        assert "canary-1" in shown
        assert SNOWFLAKE["host"] in hidden


def test_a_dumped_account_can_be_loaded_into_another_emulator(
    account: EmulatedAccount, account_with: Any
) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    account.dashboard.add_connection(identifier, "github", "code")
    _, dumped = send_control(account, "GET", "/account?secrets=shown")
    other: EmulatedAccount = account_with()
    status, loaded = send_control(other, "POST", "/reset?secrets=shown", dumped)
    assert (status, loaded) == (200, dumped)
    assert (
        other.dashboard.get_destination(identifier).config
        == account.dashboard.get_destination(identifier).config
    )
    assert other.get("/v1/account/info").data["account_id"] == account.dashboard.identity.account_id


def test_faults_can_be_added_and_cleared(account: EmulatedAccount) -> None:
    status, document = send_control(account, "POST", "/faults", {"faults": ["GET /v1/groups #2 status 503"]})
    assert status == 200
    assert [account.get("/v1/groups").status for _ in range(3)] == [200, 503, 200]
    expected = {"fault": "GET /v1/groups #2 before-effect status 503", "seen": 3, "struck": 1}
    assert send_control(account, "GET", "/faults")[1] == {"faults": [expected]}
    assert send_control(account, "DELETE", "/faults") == (200, {"faults": []})
    status, document = send_control(account, "POST", "/faults", {"faults": ["GET * sttus 503"]})
    assert status == 400
    assert "did you mean `status`?" in document["error"]


def test_faults_can_be_posted_as_text(account: EmulatedAccount) -> None:
    answer = account.send_raw(
        "POST",
        "/_emulator/faults",
        headers=LOCAL_HOST,
        data="# one\nGET * status 500\n",
        content_type="text/plain",
    )
    assert answer.status_code == 200
    assert account.get("/v1/groups").status == 500


def test_switches_can_be_changed_at_runtime(account: EmulatedAccount) -> None:
    status, behaviour = send_control(account, "POST", "/behaviour", {"last_page": "null"})
    assert (status, behaviour["last_page"], behaviour["optional_ids"]) == (200, "null", "absent")
    assert account.get("/v1/groups").data == {"items": [], "next_cursor": None}
    for wrong, near in (({"last_pge": "null"}, "`last_page`"), ({"last_page": "nul"}, "`null`")):
        status, document = send_control(account, "POST", "/behaviour", wrong)
        assert status == 400
        assert f"did you mean {near}?" in document["error"]


def test_a_reset_restores_the_initial_emulator(account_with: Any) -> None:
    account: EmulatedAccount = account_with(created_code="Created")
    before = account.dashboard.identity
    account.create_group()
    send_control(account, "POST", "/faults", {"faults": ["GET * status 500"]})
    send_control(account, "POST", "/behaviour", {"created_code": "Success"})
    assert send_control(account, "POST", "/reset")[0] == 200
    assert account.emulator.read_history() == []
    assert account.get("/v1/groups").data["items"] == []
    assert account.post("/v1/groups", {"name": "new"}).json["code"] == "Created"
    assert account.dashboard.identity == before
    assert [each.sequence for each in account.emulator.read_history()] == [1, 2]


def test_an_invalid_seed_changes_nothing(account: EmulatedAccount) -> None:
    group = account.create_group()
    status, document = send_control(account, "POST", "/reset", {"version": 1, "groups": [{"nam": "x"}]})
    assert status == 400
    assert "groups.0.name" in document["error"]
    assert account.get(f"/v1/groups/{group}").status == 200


@pytest.mark.parametrize(
    ("path", "status"), [("", 200), ("/", 200), ("/nothing", 404), ("/history?since=x", 400)]
)
def test_control_paths_answer_with_their_status(account: EmulatedAccount, path: str, status: int) -> None:
    assert send_control(account, "GET", path)[0] == status


@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        ({"Host": "attacker.example"}, "127.0.0.1"),
        ({"Origin": "https://attacker.example"}, "127.0.0.1"),
        ({}, "192.0.2.7"),
    ],
)
def test_requests_of_other_hosts_and_origins_are_refused(
    account: EmulatedAccount, headers: dict[str, str], caller: str
) -> None:
    answer = account.send_raw(
        "GET",
        "/_emulator/history",
        headers={**LOCAL_HOST, **headers},
        environ_overrides={"REMOTE_ADDR": caller},
    )
    assert answer.status_code == 403


def test_the_index_describes_every_endpoint(account: EmulatedAccount) -> None:
    listed = control(account, "GET", "")["endpoints"]
    assert list(listed) == [f"{method} /_emulator{path}" for method, path in ALL_ENDPOINTS]
    assert all(listed.values())


def test_a_wrong_path_or_method_names_the_right_one(account: EmulatedAccount) -> None:
    status, document = send_control(account, "GET", "/histroy")
    assert (status, "did you mean `/_emulator/history`?" in document["error"]) == (404, True)
    status, document = send_control(account, "PUT", "/groups")
    assert (status, document["error"]) == (405, "`/_emulator/groups` takes POST, PATCH, DELETE, not PUT")


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize(("method", "path"), ALL_ENDPOINTS)
def test_every_endpoint_refuses_other_origins(account: EmulatedAccount, method: str, path: str) -> None:
    group = account.create_group()
    status, _ = send_control(account, method, path, {}, Origin="https://attacker.example")
    assert status == 403
    assert account.get(f"/v1/groups/{group}").status == 200


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize(("method", "path"), WITH_BODY)
def test_a_wrong_key_is_one_error_with_its_place(
    account_with_reader: EmulatedAccount, method: str, path: str
) -> None:
    for body, place in (({"nonsense": "canary-9"}, "1:2"), ("# a comment\nnonsense: canary-9\n", "2:1")):
        status, document = send_control(account_with_reader, method, path, body)
        assert status == 400
        assert f"body:{place}: `nonsense` is not a key of the file; known here are `" in document["error"]
        assert "canary" not in document["error"]


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize(("method", "path"), WITH_QUERY)
def test_a_wrong_parameter_is_one_error(account: EmulatedAccount, method: str, path: str) -> None:
    status, document = send_control(account, method, f"{path}?nonsense=1")
    assert status == 400
    assert "`nonsense` is not known here; known are `" in document["error"] or "is wrong" in document["error"]


@pytest.mark.sampled(every=9)
@pytest.mark.parametrize("body", ["{", "[1, 2", "[]", "a: [", "\x00", "{}}", "[" * 100_000, "- 1"])
@pytest.mark.parametrize("path", ["/reset", "/network", "/faults", "/behaviour"])
@pytest.mark.parametrize("has_reader", [False, True])
def test_a_malformed_body_is_one_error(
    account: EmulatedAccount, account_with_reader: EmulatedAccount, path: str, body: str, has_reader: bool
) -> None:
    chosen = account_with_reader if has_reader else account
    group = chosen.create_group()
    status, document = send_control(chosen, "POST", path, body)
    assert (status, list(document)) == (400, ["error"])
    assert document["error"]
    assert chosen.get(f"/v1/groups/{group}").status == 200


def test_a_reset_takes_yaml(account_with_reader: EmulatedAccount) -> None:
    account = account_with_reader
    seed = "version: 1\n# one group\ngroups:\n  - {name: sales, id: decent_dropsy}\n"
    assert control(account, "POST", "/reset", seed)["groups"][0]["name"] == "sales"
    assert account.get("/v1/groups/decent_dropsy").data["name"] == "sales"
    status, document = send_control(account, "POST", "/reset", "version: 1\ngroups:\n  - {nam: x}\n")
    assert status == 400
    assert "body:3:6: `nam` is not a key of `groups.0`; did you mean `name`?" in document["error"]
    assert account.get("/v1/groups/decent_dropsy").status == 200


def test_a_reset_takes_escapes_that_yaml_does_not_have(account_with_reader: EmulatedAccount) -> None:
    seed = json.dumps({"version": 1, "groups": [{"name": "sales \N{ROCKET}"}]})
    assert "\\ud83d" in seed
    listed = control(account_with_reader, "POST", "/reset", seed)
    assert listed["groups"][0]["name"] == "sales \N{ROCKET}"


def test_a_dump_has_the_scenario(account: EmulatedAccount, account_with: Any) -> None:
    account.must_create("postgres_warehouse", POSTGRES)
    control(account, "POST", "/network", {"group": "analytics", "certificate": "generated"})
    control(account, "POST", "/network", {"host_key": "trusted", "setup_test_seconds": 3})
    script = {
        "runs": ["passing", [{"title": "Login", "status": "FAILED", "details": {"user": "x"}, "seconds": 2}]],
        "finally_always": [{"title": "Login", "status": "WARNING"}],
    }
    control(account, "POST", "/setup-tests", {"group": "analytics", **script})
    control(account, "POST", "/private-links", {"link": "pl", "seconds": 5, "state": "FAIL"})
    dumped = control(account, "GET", "/account?secrets=shown")
    assert dumped["network"][1] == {"host_key": "trusted", "setup_test_seconds": 3.0}
    assert dumped["setup_tests"] == [{"group": "analytics", **script}]
    assert dumped["private_link_work"] == [{"link": "pl", "seconds": 5.0, "state": "FAIL"}]
    other: EmulatedAccount = account_with()
    assert control(other, "POST", "/reset?secrets=shown", dumped) == dumped


def test_control_endpoints_are_absent_from_the_api(account: EmulatedAccount) -> None:
    assert account.get("/v1/_emulator/history").status == 404
