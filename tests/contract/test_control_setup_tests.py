"""Check control of setup tests: scripted results run by run, and their durations."""

from __future__ import annotations

from typing import Any

import pytest
from control_requests import control, send_control
from emulated_account import SNOWFLAKE, EmulatedAccount

FAILED = {"title": "Permission Test", "status": "FAILED", "message": "no rights"}
WARNED = {"title": "Permission Test", "status": "WARNING", "message": "few rights"}


def run_tests(account: EmulatedAccount, identifier: str) -> list[tuple[str, str]]:
    tests = account.post(f"/v1/destinations/{identifier}/test").data["setup_tests"]
    return [(test["title"], test["status"]) for test in tests]


def has_passed(run: list[tuple[str, str]]) -> bool:
    return {status for _, status in run} == {"PASSED"}


def test_runs_are_scripted_one_by_one(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    control(account, "POST", "/setup-tests", {"group": "analytics", "runs": ["passing", [FAILED], "passing"]})
    runs = [run_tests(account, identifier) for _ in range(4)]
    assert [has_passed(run) for run in runs] == [True, False, True, True]
    assert runs[1] == [("Permission Test", "FAILED")]


def test_a_last_run_repeats_for_ever(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    body = {"group": "analytics", "runs": [[FAILED]], "finally_always": [WARNED]}
    control(account, "POST", "/setup-tests", body)
    runs = [run_tests(account, identifier) for _ in range(3)]
    assert runs == [[("Permission Test", status)] for status in ("FAILED", "WARNING", "WARNING")]
    left = control(account, "GET", "/setup-tests")["setup_tests"]
    assert left == [{"group": "analytics", "finally_always": [WARNED]}]
    assert control(account, "DELETE", "/setup-tests?group=analytics") == {"setup_tests": []}
    assert has_passed(run_tests(account, identifier))


@pytest.mark.parametrize("details", ["text", ["a", 1], {"a": {"b": [None]}}, {}, [], None, 0, False])
def test_details_have_any_shape(account: EmulatedAccount, details: Any) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    control(account, "POST", "/setup-tests", {"runs": [[{**FAILED, "details": details}]]})
    (test,) = account.post(f"/v1/destinations/{identifier}/test").data["setup_tests"]
    assert test == (FAILED if details is None else {**FAILED, "details": details})


def test_a_script_concerns_its_destination_only(account: EmulatedAccount) -> None:
    one = account.must_create("snowflake", SNOWFLAKE)
    other = account.must_create("snowflake", SNOWFLAKE, group_id=account.create_group("other"))
    answer = control(account, "POST", "/setup-tests", {"destination": one, "finally_always": [FAILED]})
    assert answer["selected_destinations"] == [one]
    assert not has_passed(run_tests(account, one))
    assert has_passed(run_tests(account, other))


def test_a_run_takes_the_time_of_its_tests_and_of_the_network() -> None:
    waits: list[float] = []
    account = EmulatedAccount(app={"wait": waits.append})
    identifier = account.must_create("snowflake", SNOWFLAKE)
    waits.clear()
    slow = [{**FAILED, "seconds": 2}, {"title": "Login", "seconds": 0.5}]
    control(account, "POST", "/setup-tests", {"runs": [slow]})
    control(account, "POST", "/network", {"group": "analytics", "setup_test_seconds": 10})
    for _ in range(2):
        run_tests(account, identifier)
    assert waits == [12.5, 10.0]
    account.emulator.close()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"runs": [[{"titel": "x"}]]}, "runs.0.0"),
        ({"runs": [[{"title": "x", "status": "BROKEN"}]]}, "runs.0.0.status"),
        ({"runs": [[{"title": ""}]]}, "runs.0.0.title"),
        ({"runs": ["failing"]}, "runs.0"),
        ({"runs": [[{"title": "x", "seconds": 1e9}]]}, "runs.0.0.seconds"),
        ({"run": []}, "did you mean `runs`?"),
        ({"destination": "xyz", "runs": []}, "there is no destination `xyz`"),
    ],
)
def test_a_wrong_script_is_refused(account: EmulatedAccount, body: Any, message: str) -> None:
    status, document = send_control(account, "POST", "/setup-tests", body)
    assert status in (400, 404)
    assert message in document["error"]
    assert control(account, "GET", "/setup-tests") == {"setup_tests": []}
