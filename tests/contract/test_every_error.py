"""Check that every known error is answered as documented and has no effect."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from emulated_account import EmulatedAccount
from known_endpoints import fill_placeholders, prepare_account
from known_errors import ERRORS, KnownError
from response_shapes import check_response

from reconciler.emulator.fault_text import parse_faults
from reconciler.emulator.quota import parse_quota
from reconciler.emulator.switches import Behaviour

Make = Callable[..., EmulatedAccount]


@pytest.mark.sampled(every=6)
@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_an_error_is_answered_as_documented(account_with: Make, error: KnownError) -> None:
    account = account_with(**error.given, app={"quota": parse_quota(error.quota)})
    names = prepare_account(account)
    for method, path, body in error.setup_requests:
        account.send(method, fill_placeholders(path, names), fill_placeholders(body, names))
    before = read_lists(account)
    path = fill_placeholders(error.path, names)
    account.emulator.faults.add(*parse_faults([error.fault]))
    answer = account.send(error.method, path, fill_placeholders(error.body, names), error.headers)
    assert answer.status == error.status, answer
    if error.code is not None:
        assert answer.json["code"] == error.code
    if error.message is not None:
        assert answer.json["message"] == fill_placeholders(error.message, names)
    check_response(error.method, path, answer.status, answer.json)
    account.emulator.faults.clear()
    assert read_lists(account) == before


def test_errors_name_existing_switches() -> None:
    switches = {each.switch for each in ERRORS} | {name for each in ERRORS for name in each.given}
    assert switches - {""} <= Behaviour.model_fields.keys()


def test_all_documented_statuses_are_covered() -> None:
    assert {each.status for each in ERRORS} == {400, 401, 403, 404, 405, 406, 409, 415, 429, 500}


def read_lists(account: EmulatedAccount) -> list[object]:
    """Read all lists of the account."""
    lists = ("groups", "destinations", "connections", "users", "teams", "webhooks")
    lists += ("hybrid-deployment-agents", "proxy", "private-links")
    return [account.get(f"/v1/{each}?limit=1000").json for each in lists]
