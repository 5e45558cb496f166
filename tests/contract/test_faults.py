"""Check faults without sockets: the answer, the account and the history."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from emulated_account import BASIC, JSON_TYPE, EmulatedAccount

from reconciler.emulator.connection_faults import BrokenConnectionError
from reconciler.emulator.fault_text import parse_fault


def add_faults(account: EmulatedAccount, *faults: str) -> None:
    account.emulator.faults.add(*map(parse_fault, faults))


def list_effect_verbs(account: EmulatedAccount) -> list[list[str]]:
    """List the verbs of the effects of each request."""
    return [[effect.verb for effect in each.effects] for each in account.emulator.read_history()]


@pytest.mark.parametrize("kind", ["reset", "close", "hang 3", "garbage", "tls-garbage"])
@pytest.mark.parametrize(("phase", "made"), [("before-effect", 0), ("after-effect", 1)])
def test_a_lost_answer_has_the_effect_of_its_phase(
    account: EmulatedAccount, kind: str, phase: str, made: int
) -> None:
    add_faults(account, f"POST /v1/groups #1 {phase} {kind}")
    with pytest.raises(BrokenConnectionError):
        account.post("/v1/groups", {"name": "lost"})
    assert len(account.get("/v1/groups").data["items"]) == made
    lost, after = account.emulator.read_history()
    assert lost.fault == f"POST /v1/groups #1 {phase} {kind}"
    assert [str(effect) for effect in lost.effects] == [
        f"created group {item['id']}" for item in account.get("/v1/groups").data["items"]
    ]
    assert (lost.status, lost.code) == ((201, "Success") if made else (0, ""))
    assert lost.body == {"name": "lost"}
    assert (after.fault, after.status) == ("", 200)


def test_an_unaccepted_connection_is_absent_from_the_history(account: EmulatedAccount) -> None:
    add_faults(account, "* * #2 at-accept reset")
    account.create_group()
    with pytest.raises(BrokenConnectionError):
        account.get("/v1/groups")
    assert account.get("/v1/groups").status == 200
    assert len(account.emulator.read_history()) == 2


def test_a_truncated_body_is_shorter_than_its_content_length(account: EmulatedAccount) -> None:
    add_faults(account, "GET /v1/groups #1 truncate", "GET /v1/groups #2 mid-headers reset")
    response = account.send_raw("GET", "/v1/groups", headers=BASIC)
    assert 0 < len(response.data) < int(response.headers["Content-Length"])
    with pytest.raises(BrokenConnectionError):
        account.get("/v1/groups")


def test_a_reset_after_the_answer_loses_nothing(account: EmulatedAccount) -> None:
    add_faults(account, "POST /v1/groups after-answer reset")
    assert account.post("/v1/groups", {"name": "here"}).status == 201
    assert account.emulator.read_history()[0].fault == "POST /v1/groups after-answer reset"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "AuthFailed"),
        (403, "Forbidden"),
        (404, "NotFound"),
        (409, "Conflict"),
        (429, "TooManyRequests"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailable"),
    ],
)
def test_a_status_fault_answers_with_the_matching_code(
    account: EmulatedAccount, status: int, code: str
) -> None:
    add_faults(account, f"POST * #1 status {status}", f"POST * #2 status {status} code=Odd message=odd")
    assert account.post("/v1/groups", {"name": "a"}).error == (status, code)
    answer = account.post("/v1/groups", {"name": "a"})
    assert (answer.error, answer.json["message"]) == ((status, "Odd"), "odd")
    assert list_effect_verbs(account) == [[], []]


def test_a_status_after_the_effect_hides_a_success(account: EmulatedAccount) -> None:
    add_faults(account, "POST * #1 after-effect status 500")
    assert account.post("/v1/groups", {"name": "a"}).status == 500
    assert list_effect_verbs(account) == [["created"]]
    assert account.emulator.read_history()[0].status == 500


@pytest.mark.parametrize("status", [502, 524])
def test_a_gateway_status_answers_with_an_html_page(account: EmulatedAccount, status: int) -> None:
    add_faults(account, f"GET * status {status}")
    response = account.send_raw("GET", "/v1/groups", headers=BASIC)
    assert (response.status_code, response.mimetype) == (status, "text/html")
    assert response.data.startswith(b"<html>")


@pytest.mark.parametrize(("body", "start"), [("empty", b""), ("text", b"Service"), ("html", b"<html>")])
def test_a_status_can_come_without_an_envelope(account: EmulatedAccount, body: str, start: bytes) -> None:
    add_faults(account, f"GET * status 503 body={body} retry-after=7")
    response = account.send_raw("GET", "/v1/groups", headers=BASIC)
    assert response.data.startswith(start)
    assert bool(response.data) is bool(start)
    assert response.headers["Retry-After"] == "7"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_names_another_location(account: EmulatedAccount, status: int) -> None:
    add_faults(account, f"GET * redirect {status} to=https://example.invalid/v1")
    response = account.send_raw("GET", "/v1/groups", headers=BASIC)
    assert (response.status_code, response.headers["Location"]) == (status, "https://example.invalid/v1")


def post_with_fault(account: EmulatedAccount, fault: str) -> tuple[int, bytes, Any]:
    add_faults(account, f"POST /v1/groups {fault}")
    response = account.send_raw(
        "POST", "/v1/groups", headers={**BASIC, **JSON_TYPE}, json={"name": "spoiled"}
    )
    assert list_effect_verbs(account) == [["created"]]
    return response.status_code, response.data, response.headers


def test_a_success_may_have_an_error_code(account: EmulatedAccount) -> None:
    status, body, _ = post_with_fault(account, "error-code Weird")
    assert status == 201
    assert json.loads(body)["code"] == "Weird"
    assert "data" not in json.loads(body)


def test_a_success_may_be_html_or_empty(account: EmulatedAccount) -> None:
    add_faults(account, "GET * #1 not-json", "GET * #2 empty-body")
    assert account.send_raw("GET", "/v1/groups", headers=BASIC).data.startswith(b"<html>")
    assert account.send_raw("GET", "/v1/groups", headers=BASIC).data == b""


def test_keys_may_be_duplicated_with_another_value(account: EmulatedAccount) -> None:
    _, body, _ = post_with_fault(account, "duplicate-keys")
    pairs: list[str] = []
    json.loads(body, object_pairs_hook=lambda found: pairs.extend(name for name, _ in found))
    assert pairs.count("id") == 2
    assert json.loads(body)["data"]["id"] != account.get("/v1/groups").data["items"][0]["id"]


def test_values_may_have_wrong_types(account: EmulatedAccount) -> None:
    _, body, _ = post_with_fault(account, "wrong-types")
    assert isinstance(json.loads(body)["data"]["id"], int)
    add_faults(account, "GET /v1/groups wrong-types")
    assert isinstance(account.get("/v1/groups").data["items"], dict)


def test_an_answer_may_have_the_id_of_another_object(account: EmulatedAccount) -> None:
    _, body, _ = post_with_fault(account, "other-id")
    data = json.loads(body)["data"]
    assert data["name"] == "spoiled"
    assert account.get(f"/v1/groups/{data['id']}").status == 404


def test_a_small_answer_may_decompress_to_a_large_one(account: EmulatedAccount) -> None:
    _, body, headers = post_with_fault(account, "gzip-bomb 3")
    assert headers["Content-Encoding"] == "gzip"
    assert len(body) < 20_000
    assert len(gzip.decompress(body)) > 3 * 2**20


def test_a_stale_read_shows_the_account_before_the_last_write(account: EmulatedAccount) -> None:
    first = account.create_group("first")
    second = account.create_group("second")
    add_faults(account, "GET * stale 2")
    assert [item["id"] for item in account.get("/v1/groups").data["items"]] == [first]
    assert account.get(f"/v1/groups/{second}").status == 404
    assert account.get(f"/v1/groups/{second}").status == 200
    account.patch(f"/v1/groups/{first}", {"name": "renamed"})
    assert account.get(f"/v1/groups/{first}").data["name"] == "first"
    account.delete(f"/v1/groups/{first}")
    assert [item["name"] for item in account.get("/v1/groups").data["items"]] == ["renamed", "second"]
    account.get("/v1/groups")
    assert [item["name"] for item in account.get("/v1/groups").data["items"]] == ["second"]


def test_a_stale_read_changes_nothing(account: EmulatedAccount) -> None:
    group = account.create_group()
    add_faults(account, "GET * stale 50")
    for _ in range(3):
        assert account.get(f"/v1/groups/{group}").status == 404
    account.emulator.faults.clear()
    assert account.get(f"/v1/groups/{group}").status == 200


def read_page(account: EmulatedAccount, fault: str, query: str = "") -> dict[str, Any]:
    account.emulator.faults.clear()
    add_faults(account, f"GET /v1/groups {fault}")
    data: dict[str, Any] = account.get(f"/v1/groups{query}").data
    return data


def test_pages_may_miss_repeat_loop_and_be_empty(account: EmulatedAccount) -> None:
    ids = [account.create_group(name) for name in "abc"]
    assert [item["id"] for item in read_page(account, "missing-item")["items"]] == ids[:2]
    assert [item["id"] for item in read_page(account, "item-twice")["items"]] == [*ids, ids[2]]
    assert read_page(account, "empty-list") == {"items": []}
    loop = read_page(account, "cursor-loop", "?limit=1")
    assert loop["items"][0]["id"] == ids[0]
    assert read_page(account, "cursor-loop", f"?limit=1&cursor={loop['next_cursor']}") == loop
    empty = read_page(account, "#1 empty-page", "?limit=2")
    assert empty["items"] == []
    onward = account.get(f"/v1/groups?limit=2&cursor={empty['next_cursor']}").data
    assert [item["id"] for item in onward["items"]] == ids[:2]


def test_a_list_fault_leaves_other_answers_unchanged(account: EmulatedAccount) -> None:
    group = account.create_group()
    add_faults(account, "GET * empty-list")
    assert account.get(f"/v1/groups/{group}").data["id"] == group
    assert account.get("/v1/groups/none").error == (404, "NotFound_Group")
    assert [each.fault for each in account.emulator.read_history()] == ["", "", ""]
