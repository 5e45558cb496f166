"""Check that every known endpoint answers with its known status, code, message, keys and types."""

from __future__ import annotations

import pytest
from emulated_account import EmulatedAccount
from known_endpoints import ENDPOINTS, Endpoint, fill_placeholders, prepare_account
from response_shapes import ENDPOINT_SHAPES

from reconciler.emulator.switches import Behaviour


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_an_endpoint_answers_as_documented(account: EmulatedAccount, endpoint: Endpoint) -> None:
    names = prepare_account(account)
    path = fill_placeholders(endpoint.path, names)
    answer = account.send(endpoint.method, path, fill_placeholders(endpoint.body, names))
    assert (answer.status, answer.json["code"]) == (endpoint.status, "Success"), answer
    if endpoint.message is not None:
        assert answer.json["message"].rstrip(".") == fill_placeholders(endpoint.message, names).rstrip(".")
    if endpoint.keys is not None:
        shown = answer.data["items"] if endpoint.paged else [answer.data]
        assert shown or endpoint.may_be_empty
        assert all(set(each) >= endpoint.keys for each in shown), answer


@pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if each.paged], ids=str)
def test_a_list_is_paged(account: EmulatedAccount, endpoint: Endpoint) -> None:
    path = fill_placeholders(endpoint.path, prepare_account(account))
    whole = account.get(f"{path}?limit=1000").data
    assert "next_cursor" not in whole
    items, cursor = [], ""
    while cursor is not None:
        page = account.get(f"{path}?limit=1{cursor and '&cursor=' + cursor}").data
        items += page["items"]
        cursor = page.get("next_cursor")
    assert items == whole["items"]
    for wrong in ("limit=0", "limit=1001", "limit=x", "cursor=?"):
        assert account.get(f"{path}?{wrong}").error == (400, "InvalidInput")


def test_every_known_path_has_a_shape_and_a_request() -> None:
    names = dict.fromkeys(list_placeholder_names(), "x")
    requests = {(each.method, fill_placeholders(each.path, names)) for each in ENDPOINTS}
    unrequested = [
        known.path
        for known in ENDPOINT_SHAPES
        if not any(known.matches(method, path) for method, path in requests)
    ]
    assert unrequested == ["/v1/groups/{id}/connectors"]  # the former name of `connections`
    shapeless = [
        (method, path)
        for method, path in requests
        if not any(k.matches(method, path) for k in ENDPOINT_SHAPES)
    ]
    assert shapeless == []


def test_endpoints_name_existing_switches() -> None:
    assert {each.switch for each in ENDPOINTS} - {""} <= Behaviour.model_fields.keys()


def list_placeholder_names() -> set[str]:
    """List the placeholders of all paths."""
    return {word.split("}")[0] for each in ENDPOINTS for word in each.path.split("{")[1:]}
