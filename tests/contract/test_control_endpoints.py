"""`/_emulator/…`: looking into an emulator from outside, and changing how it behaves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from emulated_account import SNOWFLAKE, EmulatedAccount

HERE = {"Host": "127.0.0.1:8228"}


def control(
    account: EmulatedAccount, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any]:
    sent = None if body is None else json.dumps(body)
    answer = account.send_raw(
        method, f"/_emulator{path}", headers={**HERE, **headers}, data=sent, content_type="application/json"
    )
    return answer.status_code, answer.json


def test_the_history_tells_requests_and_effects_without_credentials(account: EmulatedAccount) -> None:
    group = account.create_group()
    account.get("/v1/groups")
    status, told = control(account, "GET", "/history")
    assert status == 200
    assert [(each["method"], each["path"], each["effects"]) for each in told["history"]] == [
        ("POST", "/v1/groups", [f"created group {group}"]),
        ("GET", "/v1/groups", []),
    ]
    assert [each["sequence"] for each in control(account, "GET", "/history?since=1")[1]["history"]] == [2]
    assert len(account.emulator.read_history()) == 2


def test_the_history_can_be_lines(account: EmulatedAccount) -> None:
    account.create_group()
    account.get("/v1/groups")
    text = account.send_raw("GET", "/_emulator/history?format=lines", headers=HERE).text
    assert [json.loads(line)["sequence"] for line in text.splitlines()] == [1, 2]


def test_secrets_are_stars_unless_asked_for(account: EmulatedAccount) -> None:
    account.must_create("snowflake", {**SNOWFLAKE, "password": "canary-1"})
    account.create_destination(
        "snowflake", {**SNOWFLAKE, "auth": "KEY_PAIR", "private_key": "canary-2", "passwrd": "canary-3"}
    )
    for path in ("/history", "/account"):
        hidden = account.send_raw("GET", f"/_emulator{path}", headers=HERE).text
        shown = account.send_raw("GET", f"/_emulator{path}?secrets=shown", headers=HERE).text
        assert "canary" not in hidden
        assert '"password": "******"' in hidden
        assert "canary-1" in shown
        assert SNOWFLAKE["host"] in hidden


def test_an_account_can_be_written_down_and_planted_elsewhere(
    account: EmulatedAccount, account_with: Any
) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    account.dashboard.add_connection(identifier, "github", "code")
    _, written = control(account, "GET", "/account?secrets=shown")
    other: EmulatedAccount = account_with()
    status, planted = control(other, "POST", "/reset?secrets=shown", written)
    assert (status, planted) == (200, written)
    assert (
        other.dashboard.get_destination(identifier).config
        == account.dashboard.get_destination(identifier).config
    )
    assert other.get("/v1/account/info").data["account_id"] == account.dashboard.identity.account_id


def test_faults_can_come_and_go(account: EmulatedAccount) -> None:
    status, told = control(account, "POST", "/faults", {"faults": ["GET /v1/groups #2 status 503"]})
    assert status == 200
    assert [account.get("/v1/groups").status for _ in range(3)] == [200, 503, 200]
    expected = {"fault": "GET /v1/groups #2 before-effect status 503", "seen": 3, "struck": 1}
    assert control(account, "GET", "/faults")[1] == {"faults": [expected]}
    assert control(account, "DELETE", "/faults") == (200, {"faults": []})
    status, told = control(account, "POST", "/faults", {"faults": ["GET * sttus 503"]})
    assert status == 400
    assert "did you mean `status`?" in told["error"]


def test_faults_can_be_posted_as_text(account: EmulatedAccount) -> None:
    answer = account.send_raw(
        "POST", "/_emulator/faults", headers=HERE, data="# one\nGET * status 500\n", content_type="text/plain"
    )
    assert answer.status_code == 200
    assert account.get("/v1/groups").status == 500


def test_switches_can_be_flipped_while_it_runs(account: EmulatedAccount) -> None:
    status, behaviour = control(account, "POST", "/behaviour", {"last_page": "null"})
    assert (status, behaviour["last_page"], behaviour["optional_ids"]) == (200, "null", "absent")
    assert account.get("/v1/groups").data == {"items": [], "next_cursor": None}
    for wrong, near in (({"last_pge": "null"}, "`last_page`"), ({"last_page": "nul"}, "`null`")):
        status, told = control(account, "POST", "/behaviour", wrong)
        assert status == 400
        assert f"did you mean {near}?" in told["error"]


def test_a_reset_makes_everything_new(account_with: Any) -> None:
    account: EmulatedAccount = account_with(created_code="Created")
    before = account.dashboard.identity
    account.create_group()
    control(account, "POST", "/faults", {"faults": ["GET * status 500"]})
    control(account, "POST", "/behaviour", {"created_code": "Success"})
    assert control(account, "POST", "/reset")[0] == 200
    assert account.emulator.read_history() == []
    assert account.get("/v1/groups").data["items"] == []
    assert account.post("/v1/groups", {"name": "new"}).json["code"] == "Created"
    assert account.dashboard.identity == before
    assert [each.sequence for each in account.emulator.read_history()] == [1, 2]


def test_a_seed_that_is_wrong_changes_nothing(account: EmulatedAccount) -> None:
    group = account.create_group()
    status, told = control(account, "POST", "/reset", {"version": 1, "groups": [{"nam": "x"}]})
    assert status == 400
    assert "groups.0.name" in told["error"]
    assert account.get(f"/v1/groups/{group}").status == 200


@pytest.mark.parametrize(
    ("path", "status"), [("", 200), ("/", 200), ("/nothing", 404), ("/history?since=x", 400)]
)
def test_the_index_says_what_there_is(account: EmulatedAccount, path: str, status: int) -> None:
    assert control(account, "GET", path)[0] == status


@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        ({"Host": "attacker.example"}, "127.0.0.1"),
        ({"Origin": "https://attacker.example"}, "127.0.0.1"),
        ({}, "192.0.2.7"),
    ],
)
def test_other_machines_and_web_pages_are_kept_out(
    account: EmulatedAccount, headers: dict[str, str], caller: str
) -> None:
    answer = account.send_raw(
        "GET", "/_emulator/history", headers={**HERE, **headers}, environ_overrides={"REMOTE_ADDR": caller}
    )
    assert answer.status_code == 403


def test_clients_of_fivetran_do_not_see_it(account: EmulatedAccount) -> None:
    assert account.get("/v1/_emulator/history").status == 404
