"""Test scenarios in text form."""

from __future__ import annotations

import pytest

from reconciler.emulator.scenario_text import (
    ScenarioError,
    parse_duration,
    parse_identity,
    parse_setup_test,
    parse_setup_tests,
)
from reconciler.emulator.setup_tests import SetupTest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sales: Login FAILED", ("sales", SetupTest("Login", "FAILED"))),
        (
            "sales: Permission Test FAILED no rights on: ORDERS",
            ("sales", SetupTest("Permission Test", "FAILED", "no rights on: ORDERS")),
        ),
        ("*: Login  JOB_FAILED  a  b", ("*", SetupTest("Login", "JOB_FAILED", "a b"))),
        ("a:b: Login WARNING", ("a:b", SetupTest("Login", "WARNING"))),
        ("sales: FAILED Login WARNING", ("sales", SetupTest("FAILED Login", "WARNING"))),
    ],
)
def test_a_setup_test_is_parsed(text: str, expected: tuple[str, SetupTest]) -> None:
    assert parse_setup_test(text) == expected


@pytest.mark.parametrize(
    ("text", "message", "advice"),
    [
        ("Login FAILED", "`Login FAILED` names no group", "for example `sales: "),
        (": Login FAILED", "`: Login FAILED` names no group", "for example `sales: "),
        ("sales: Login FAILD", "no title with a status", "did you mean `FAILED` instead of `FAILD`?"),
        ("sales: Login failed", "no title with a status", "did you mean `FAILED` instead of `failed`?"),
        ("sales: FAILED", "no title with a status", "write `GROUP: TITLE STATUS [MESSAGE]`"),
        ("sales: x y", "no title with a status", "`JOB_FAILED`"),
    ],
)
def test_a_wrong_setup_test_is_explained(text: str, message: str, advice: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        parse_setup_test(text)
    assert message in raised.value.message
    assert advice in raised.value.advice


def test_tests_of_a_group_make_one_run_for_ever() -> None:
    scripts = parse_setup_tests(["a: One FAILED", "*: Three WARNING", "a: Two PASSED"])
    assert [(script.group, script.runs) for script in scripts] == [("a", ()), (None, ())]
    assert [[test.title for test in script.finally_always or ()] for script in scripts] == [
        ["One", "Two"],
        ["Three"],
    ]


def test_an_identity_has_a_group_and_perhaps_a_file() -> None:
    assert parse_identity("sales") == ("sales", "")
    assert parse_identity("*=certs/db=1.pem") == ("*", "certs/db=1.pem")
    for wrong in ("", "=file", "sales=", "--list", "--port=1"):
        with pytest.raises(ScenarioError, match="write `GROUP` or `GROUP=FILE`"):
            parse_identity(wrong)


def test_a_duration_has_a_group_and_seconds() -> None:
    sales, others = parse_duration("sales=2.5"), parse_duration("*=0")
    assert (sales.group, sales.setup_test_seconds) == ("sales", 2.5)
    assert (others.group, others.setup_test_seconds) == (None, 0)
    for wrong in ("", "sales", "=3", "sales=", "sales=fast", "sales=-1", "sales=nan", "sales=3601"):
        with pytest.raises(ScenarioError, match=r"write `GROUP=SECONDS`.* 3,600 seconds at most"):
            parse_duration(wrong)
