"""Check the rules for every request: order of checks, envelopes and headers."""

from __future__ import annotations

import pytest
from emulated_account import BASIC, JSON_TYPE, SNOWFLAKE, EmulatedAccount
from werkzeug.test import Client

from reconciler.emulator.app import create_app

NO_JSON = {"Content-Type": "text/plain"}
HTML = {"Accept": "text/html"}
DEEP = "[" * 5_000 + "]" * 5_000


def send_and_get_status(
    account: EmulatedAccount, method: str, path: str, headers: dict[str, str], data: str = ""
) -> int:
    response = account.send_raw(method, path, headers=headers, data=data)
    assert response.is_json
    assert set(response.json) == {"code", "message"}
    return response.status_code


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Basic", "Basic !", "Basic a2V5", "Bearer abc", "Basic OnNlY3JldA==", "Basic \xff"],
)
def test_a_request_without_basic_credentials_is_401(
    account: EmulatedAccount, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    response = account.send_raw("GET", "/v1/groups", headers=headers)
    assert response.status_code == 401
    assert response.json == {"code": "AuthFailed", "message": "Invalid authorization credentials"}


def test_unexpected_credentials_are_401() -> None:
    clock = EmulatedAccount().clock
    client = Client(create_app(credentials=("key", "secret"), clock=clock))
    assert client.get("/v1/account/info", headers=BASIC).status_code == 200
    wrong = client.get("/v1/account/info", headers={"Authorization": "Basic a2V5Ondyb25n"})
    assert (wrong.status_code, wrong.json["code"]) == (401, "AuthFailed")


@pytest.mark.parametrize(
    ("request_line", "headers", "expected"),
    [
        ("POST /v1/nowhere", {**NO_JSON, **HTML}, 401),
        ("POST /v1/nowhere", {**BASIC, **NO_JSON, **HTML}, 415),
        ("POST /v1/nowhere", {**BASIC, **JSON_TYPE, **HTML}, 406),
        ("POST /v1/nowhere", {**BASIC, **JSON_TYPE}, 404),
        ("POST /v1/groups/x", {**BASIC, **JSON_TYPE}, 405),
        ("POST /v1/groups", {**BASIC, **JSON_TYPE}, 400),
    ],
)
def test_checks_have_a_fixed_order(
    account: EmulatedAccount, request_line: str, headers: dict[str, str], expected: int
) -> None:
    method, path = request_line.split()
    assert send_and_get_status(account, method, path, headers, "{") == expected


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"]
)
def test_every_json_content_type_is_accepted(account: EmulatedAccount, content_type: str) -> None:
    response = account.send_raw(
        "POST", "/v1/groups", headers={**BASIC, "Content-Type": content_type}, data='{"name":"a"}'
    )
    assert response.status_code == 201


@pytest.mark.parametrize(
    "content_type", ["", "text/json", "application/x-www-form-urlencoded", "application/jsonp"]
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_other_content_types_are_refused(account: EmulatedAccount, method: str, content_type: str) -> None:
    headers = {**BASIC, "Content-Type": content_type}
    assert send_and_get_status(account, method, "/v1/groups/x", headers, '{"name":"a"}') == 415


@pytest.mark.parametrize("headers", [BASIC, {**BASIC, **JSON_TYPE}])
def test_an_empty_body_needs_no_content_type(account: EmulatedAccount, headers: dict[str, str]) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    for method, path, expected in (
        ("POST", f"/v1/destinations/{identifier}/test", 200),
        ("PATCH", f"/v1/destinations/{identifier}", 200),
        ("POST", "/v1/groups", 400),
    ):
        assert account.send_raw(method, path, headers=headers).status_code == expected
    other = {**BASIC, **NO_JSON}
    assert account.send_raw("POST", f"/v1/destinations/{identifier}/test", headers=other).status_code == 415


def test_reads_and_deletions_need_no_content_type(account: EmulatedAccount) -> None:
    identifier = account.create_group()
    assert account.send_raw("GET", f"/v1/groups/{identifier}", headers=BASIC).status_code == 200
    assert account.send_raw("DELETE", f"/v1/groups/{identifier}", headers=BASIC).status_code == 200


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "*/*",
        "application/*",
        "application/json",
        "application/json;version=2",
        "application/json; version=2",
        "text/html, application/json;q=0.9",
    ],
)
def test_json_is_an_acceptable_answer(account: EmulatedAccount, accept: str | None) -> None:
    headers = BASIC if accept is None else {**BASIC, "Accept": accept}
    assert account.send_raw("GET", "/v1/groups", headers=headers).status_code == 200


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "application/json;version=two", "json"])
def test_other_accepted_types_are_406(account: EmulatedAccount, accept: str) -> None:
    assert send_and_get_status(account, "GET", "/v1/groups", {**BASIC, "Accept": accept}) == 406


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v2/groups",
        "/v1/group",
        "/v1/groups/",
        "//v1/groups",
        "/v1/groups/a/b",
        "/v1/%00",
    ],
)
def test_an_unknown_path_is_404(account: EmulatedAccount, path: str) -> None:
    assert send_and_get_status(account, "GET", path, BASIC) == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/groups", "GET, POST"),
        ("PUT", "/v1/groups/x", "DELETE, GET, PATCH"),
        ("OPTIONS", "/v1/groups", "GET, POST"),
        ("GET", "/v1/destinations/x/test", "POST"),
        ("BREW", "/v1/account/info", "GET"),
    ],
)
def test_an_unsupported_method_is_405(account: EmulatedAccount, method: str, path: str, allowed: str) -> None:
    response = account.send_raw(method, path, headers={**BASIC, **JSON_TYPE})
    assert (response.status_code, response.json["code"]) == (405, "MethodNotAllowed")
    assert response.headers["Allow"] == allowed


def test_head_is_405_without_a_body(account: EmulatedAccount) -> None:
    response = account.send_raw("HEAD", "/v1/groups", headers=BASIC)
    assert (response.status_code, response.data) == (405, b"")


@pytest.mark.parametrize(
    "data",
    [
        "{",
        "nonsense",
        '{"name": NaN}',
        '{"name": 1e999}',
        '{"name": Infinity}',
        '{"name":' + "9" * 5_000 + "}",
        b'{"name":"\xff"}',
        b'\xef\xbb\xbf{"name":"a"}',
        '"a string"',
        "[]",
        "7",
        DEEP,
        '{"name":' + DEEP + "}",
        '{"a":' * 200 + "1" + "}" * 200,
    ],
)
def test_a_body_other_than_a_json_object_is_400(account: EmulatedAccount, data: str | bytes) -> None:
    response = account.send_raw("POST", "/v1/groups", headers={**BASIC, **JSON_TYPE}, data=data)
    assert (response.status_code, response.json["code"]) == (400, "InvalidInput")


def test_an_oversized_body_is_413(account: EmulatedAccount) -> None:
    data = b'{"name":"' + b"x" * (16 * 1024 * 1024) + b'"}'
    assert send_and_get_status(account, "POST", "/v1/groups", {**BASIC, **JSON_TYPE}, data) == 413


def test_lone_surrogates_do_not_break_an_answer(account: EmulatedAccount) -> None:
    response = account.send_raw(
        "POST", "/v1/groups", headers={**BASIC, **JSON_TYPE}, data=r'{"name":"a\ud800\u0000ü"}'
    )
    assert response.json["data"]["name"] == "a?\0ü"
    assert "ü" in response.get_data(as_text=True)
    listed = account.get("/v1/groups").data["items"]
    assert [group["name"] for group in listed] == ["a?\0ü"]


@pytest.mark.parametrize(
    "path", ["/v1/groups/%FF", "/v1/groups/%00", "/v1/groups/a'b", "/v1/groups/%F0%9F%A6%A6"]
)
def test_ids_may_have_any_characters(account: EmulatedAccount, path: str) -> None:
    assert account.get(path).error == (404, "NotFound_Group")


def test_every_answer_has_the_request_budget(account: EmulatedAccount) -> None:
    first = account.get("/v1/groups").headers
    second = account.send_raw("GET", "/v1/groups").headers
    assert (first["X-Rate-Limit"], first["X-Rate-Limit-Remaining"]) == ("20000", "19999")
    assert (second["X-Rate-Limit"], second["X-Rate-Limit-Remaining"]) == ("20000", "19998")


def test_every_answer_has_a_unique_request_id(account: EmulatedAccount) -> None:
    ids = [account.get("/v1/groups").headers["X-Request-Id"] for _ in range(3)]
    assert len(set(ids)) == 3


def test_account_info_names_account_and_user(account: EmulatedAccount) -> None:
    answer = account.get("/v1/account/info")
    assert answer.status == 200
    assert answer.json["code"] == "Success"
    assert answer.json["message"] == "Account information retrieved successfully"
    assert set(answer.data) == {"account_id", "account_name", "user_id"}
    assert all(answer.data.values())
