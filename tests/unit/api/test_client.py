"""Test the API client against an app with scripted responses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from scripted_server import build_envelope

from reconciler.api.client import Client
from reconciler.api.errors import InvalidRequestError, InvalidResponseError, NotFound
from reconciler.api.transport import Transport
from reconciler.api.wsgi_adapter import WsgiAdapter
from reconciler.model.value import Secret
from reconciler.runtime.clock import SystemClock

DESTINATION = {
    "id": "g1",
    "group_id": "g1",
    "service": "snowflake",
    "setup_status": "connected",
    "config": {},
}


class ScriptedApp:
    """Record each request and give scripted responses in turn; the last response repeats."""

    def __init__(self, *responses: Any, status: str = "200 OK") -> None:
        self.responses = list(responses)
        self.status = status
        self.requests: list[tuple[str, str, str, Any]] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        content = environ["wsgi.input"].read()
        target = environ["PATH_INFO"] + ("?" + environ["QUERY_STRING"] if environ["QUERY_STRING"] else "")
        sent = json.loads(content) if content else None
        self.requests.append((environ["REQUEST_METHOD"], target, environ["HTTP_ACCEPT"], sent))
        response = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        start(self.status, [("Content-Type", "application/json")])
        return [response if isinstance(response, bytes) else build_envelope(response)]


def make_client(app: ScriptedApp) -> Client:
    transport = Transport(
        "https://sandbox.invalid/v1",
        (Secret("key"), Secret("secret")),
        clock=SystemClock(),
        environ={},
        adapter=WsgiAdapter(app),
    )
    return Client(transport)


PLAIN = "application/json"
VERSION_2 = "application/json;version=2"


def test_every_call_has_its_method_path_version_and_body() -> None:
    identity = {"public_key": "ssh-rsa AAAA", "service_account": "g@example.com"}
    app = ScriptedApp(DESTINATION | identity | {"name": "n", "items": [], "account_id": "a"})
    caller = make_client(app)
    caller.get_account()
    caller.get_group("g1")
    caller.create_group("n")
    caller.rename_group("g1", "m")
    caller.delete_group("g1")
    caller.get_destination("g1")
    caller.create_destination({"group_id": "g1", "config": {"password": Secret("p")}})
    caller.update_destination("g1", {"region": "AWS_US_EAST_1"})
    caller.delete_destination("g1")
    caller.test_destination("g1")
    caller.test_destination("g1", trust_certificates=True)
    caller.test_destination("g1", trust_fingerprints=True)
    caller.list_group_connections("g1")
    caller.get_public_key("g1")
    caller.get_service_account("g1")
    assert app.requests == [
        ("GET", "/v1/account/info", PLAIN, None),
        ("GET", "/v1/groups/g1", PLAIN, None),
        ("POST", "/v1/groups", PLAIN, {"name": "n"}),
        ("PATCH", "/v1/groups/g1", PLAIN, {"name": "m"}),
        ("DELETE", "/v1/groups/g1", PLAIN, None),
        ("GET", "/v1/destinations/g1", VERSION_2, None),
        ("POST", "/v1/destinations", VERSION_2, {"group_id": "g1", "config": {"password": "p"}}),
        ("PATCH", "/v1/destinations/g1", VERSION_2, {"region": "AWS_US_EAST_1"}),
        ("DELETE", "/v1/destinations/g1", PLAIN, None),
        ("POST", "/v1/destinations/g1/test", VERSION_2, {}),
        ("POST", "/v1/destinations/g1/test", VERSION_2, {"trust_certificates": True}),
        ("POST", "/v1/destinations/g1/test", VERSION_2, {"trust_fingerprints": True}),
        ("GET", "/v1/groups/g1/connections?limit=1000", PLAIN, None),
        ("GET", "/v1/groups/g1/public-key", PLAIN, None),
        ("GET", "/v1/groups/g1/service-account", PLAIN, None),
    ]


def test_deletes_need_no_data() -> None:
    make_client(ScriptedApp(build_envelope(message="Group with id 'g1' has been deleted"))).delete_group("g1")


def make_group(number: int) -> dict[str, Any]:
    return {"id": f"g{number}", "name": f"n{number}", "created_at": "2018-12-20T11:59:35.089589Z"}


@pytest.mark.parametrize("end", [{}, {"next_cursor": None}, {"next_cursor": ""}])
def test_lists_follow_cursors_to_the_end(end: dict[str, Any]) -> None:
    app = ScriptedApp({"items": [make_group(1)], "next_cursor": "a b"}, {"items": [make_group(2)]} | end)
    assert [each.name for each in make_client(app).list_groups()] == ["n1", "n2"]
    assert [target for _, target, _, _ in app.requests] == [
        "/v1/groups?limit=1000",
        "/v1/groups?limit=1000&cursor=a+b",
    ]


def test_an_empty_page_with_a_cursor_is_not_the_end() -> None:
    pages = [{"items": [], "next_cursor": "x"}, {"items": [make_group(1)]}]
    assert len(make_client(ScriptedApp(*pages)).list_groups()) == 1


def test_an_item_on_two_pages_is_listed_once() -> None:
    pages = [
        {"items": [make_group(1), make_group(2)], "next_cursor": "x"},
        {"items": [make_group(2), make_group(3)]},
    ]
    assert [each.id for each in make_client(ScriptedApp(*pages)).list_groups()] == ["g1", "g2", "g3"]


@pytest.mark.parametrize("cursors", [["a", "a"], ["a", "b", "a"]])
def test_a_cursor_loop_is_an_error(cursors: list[str]) -> None:
    app = ScriptedApp(*({"items": [make_group(1)], "next_cursor": cursor} for cursor in cursors))
    with pytest.raises(InvalidResponseError, match="never ends"):
        make_client(app).list_groups()
    assert len(app.requests) == len(cursors)


def test_an_endless_list_with_new_cursors_is_an_error() -> None:
    app = ScriptedApp(*({"items": [], "next_cursor": str(number)} for number in range(1_100)))
    with pytest.raises(InvalidResponseError, match="never ends"):
        make_client(app).list_destinations()


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"items": None},
        {"items": {}},
        {"items": [{}]},
        {"items": [{"id": None}]},
        {"items": [{"id": ""}]},
        {"items": [{"id": "../account"}]},
        {"items": [{"id": "g1\n"}]},
        {"items": [{"id": 7}]},
        {"items": [{"id": "g1", "name": {}}]},
        {"items": ["g1"]},
        {"items": [], "next_cursor": 5},
        [],
        None,
    ],
    ids=repr,
)
def test_a_list_with_wrong_types_is_invalid(data: Any) -> None:
    with pytest.raises(InvalidResponseError):
        make_client(ScriptedApp(data)).list_groups()


@pytest.mark.parametrize(
    "id_", ["", "a/b", "..", "a b", "g1?x=1", "g1#", "ü", "g1\n", "%2e", "x" * 300], ids=ascii
)
def test_an_invalid_id_is_never_put_into_a_path(id_: str) -> None:
    app = ScriptedApp(DESTINATION)
    caller = make_client(app)
    calls: list[Callable[[], object]] = [
        lambda: caller.get_group(id_),
        lambda: caller.rename_group(id_, "n"),
        lambda: caller.delete_group(id_),
        lambda: caller.list_group_connections(id_),
        lambda: caller.get_destination(id_),
        lambda: caller.update_destination(id_, {}),
        lambda: caller.delete_destination(id_),
        lambda: caller.test_destination(id_),
    ]
    for call in calls:
        with pytest.raises(InvalidRequestError):
            call()
    assert app.requests == []


def test_a_response_about_another_object_is_invalid() -> None:
    caller = make_client(ScriptedApp(DESTINATION | {"id": "other", "group_id": "other"}))
    calls: list[Callable[[], object]] = [
        lambda: caller.get_group("g1"),
        lambda: caller.rename_group("g1", "n"),
        lambda: caller.get_destination("g1"),
        lambda: caller.update_destination("g1", {}),
        lambda: caller.create_destination({"group_id": "g1"}),
        lambda: caller.test_destination("g1"),
    ]
    for call in calls:
        with pytest.raises(InvalidResponseError, match="`other`"):
            call()


def test_a_missing_object_raises_not_found() -> None:
    app = ScriptedApp(build_envelope(code="NotFound_Group", message="Cannot find it"), status="404 Not Found")
    with pytest.raises(NotFound) as caught:
        make_client(app).get_group("g1")
    assert str(caught.value) == "GET /v1/groups/g1: 404 NotFound_Group: Cannot find it"


def test_a_destination_keeps_every_field_of_the_response() -> None:
    config = {"host": None, "port": "443", "password": "******", "nested": {"a": [1]}}
    response = DESTINATION | {"config": config, "brand_new": {"x": 1}, "raw": "odd", "region": None}
    destination = make_client(ScriptedApp(response)).get_destination("g1")
    assert destination.config == config
    assert destination.raw == response


@pytest.mark.parametrize(
    "absent", [{}, {"config": None, "setup_tests": None, "setup_status": None, "group_id": None}]
)
def test_null_counts_as_absent(absent: dict[str, Any]) -> None:
    destination = make_client(ScriptedApp({"id": "g1", "service": "big_query"} | absent)).get_destination(
        "g1"
    )
    assert (destination.config, destination.setup_tests, destination.setup_status) == ({}, (), "")
    assert destination.group_id == "g1"


@pytest.mark.parametrize("details", [None, "text", ["a", {"hash": "h"}], {"hash": "h"}, 7])
def test_r10_details_of_setup_tests_may_have_any_shape(details: Any) -> None:
    tests = [{"title": "Validate Certificate", "status": "FAILED", "message": None, "details": details}, {}]
    run = make_client(ScriptedApp({"setup_status": "incomplete", "setup_tests": tests})).test_destination(
        "g1"
    )
    assert run.setup_status == "incomplete"
    assert [test.details for test in run.setup_tests] == [details, None]
    assert run.setup_tests[0].message == ""


def test_a_setup_test_run_reads_only_status_and_tests() -> None:
    run = make_client(
        ScriptedApp({"id": "g1", "config": 5, "service": None, "setup_tests": []})
    ).test_destination("g1")
    assert run.setup_tests == ()


def test_an_invalid_response_is_reported_by_path_and_never_by_value() -> None:
    response = DESTINATION | {"config": "canary-value"}
    with pytest.raises(InvalidResponseError) as caught:
        make_client(ScriptedApp(response)).get_destination("g1")
    assert "`config`" in caught.value.message
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_connection_has_its_service_and_schema() -> None:
    item = {"id": "c1", "service": "fivetran_log", "schema": "fivetran_metadata", "status": {}}
    found = make_client(ScriptedApp({"items": [item]})).list_group_connections("g1")
    assert [(each.service, each.schema_name) for each in found] == [("fivetran_log", "fivetran_metadata")]


def test_get_account_reads_id_and_name() -> None:
    app = make_client(ScriptedApp({"account_id": "intently_yarn", "account_name": None})).get_account()
    assert (app.account_id, app.account_name) == ("intently_yarn", "")


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_public_key_has_no_line_end(ending: str) -> None:
    key = "ssh-rsa " + "A" * 2700 + "== a user's key"
    answer = ScriptedApp({"public_key": key + ending})
    assert make_client(answer).get_public_key("g1").public_key == key


@pytest.mark.parametrize(
    "text", [None, 7, "", " \n", "ssh-rsa A\nssh-rsa B", "ssh-rsa A\x1b[2J", "ssh-rsa \u202eA", "k" * 5000]
)
def test_a_text_that_cannot_be_copied_is_refused_and_not_quoted(text: Any) -> None:
    client = make_client(ScriptedApp({"public_key": text, "service_account": text}))
    for call, name in (
        (client.get_public_key, "public_key"),
        (client.get_service_account, "service_account"),
    ):
        with pytest.raises(InvalidResponseError, match=name) as caught:
            call("g1")
        assert "ssh-rsa" not in str(caught.value) and "kkkk" not in str(caught.value)
