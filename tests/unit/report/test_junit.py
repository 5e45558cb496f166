"""Test findings as JUnit XML: well-formed with any text, with consistent counts."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from report_values import (
    CHANGED_DESTINATION,
    NEW_DESTINATION,
    NEW_GROUP,
    build_plan,
    destination_address,
    make_span,
)

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.policy import EnforcementLevel, PolicyResult, PolicyStatus
from reconciler.report.junit import render_failure_junit, render_plan_junit, render_validation_junit

ERROR = Diagnostic(
    "unknown-field",
    "no `databse`",
    make_span("a.yaml", 3),
    help="write it right",
    address=destination_address("a"),
)
WARNING = Diagnostic(
    "legacy-service", "old", make_span("a.yaml", 4), Severity.WARNING, address=destination_address("a")
)
VIOLATION = Diagnostic(
    "limit-exceeded", "not there", make_span("a.yaml", 5), address=destination_address("a")
)
ENTRIES = {"group.a": "a.yaml", "destination.a": "a.yaml", "group.b": "b.yaml"}
COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}
IN_A_CASE = {"failure", "error", "skipped", "system-out"}


def parse_report(text: str) -> ElementTree.Element:
    """Parse a document that GitLab and Jenkins accept."""
    assert text.isascii()
    root = ElementTree.fromstring(text)
    assert root.tag == "testsuites"
    for suite in root:
        assert suite.tag == "testsuite"
        assert suite.get("name")
        named = [(case.get("classname"), case.get("name")) for case in suite]
        assert len({*named}) == len(named)
        for case in suite:
            assert case.tag == "testcase"
            assert case.get("name")
            assert case.get("classname")
            assert {child.tag for child in case} <= IN_A_CASE
            assert sum(child.tag != "system-out" for child in case) <= 1
            for failure in case.findall("failure"):
                assert failure.get("message")
                assert failure.get("type")
                assert failure.text
    for element in (root, *root):
        cases = list(element.iter("testcase"))
        assert element.get("tests") == str(len(cases))
        for attribute, tag in COUNTED.items():
            assert element.get(attribute) == str(sum(case.find(tag) is not None for case in cases))
        assert re.fullmatch(r"\d+(\.\d+)?", element.get("time", ""))
    return root


def find_case(root: ElementTree.Element, name: str) -> ElementTree.Element:
    [found] = [each for each in root.iter("testcase") if each.get("name") == name]
    return found


def list_texts(element: ElementTree.Element) -> dict[str, str]:
    return {child.tag: child.text or "" for child in element}


def test_every_entry_is_a_test_of_its_file() -> None:
    root = parse_report(render_validation_junit(ENTRIES, [], [], "p.yaml"))
    assert [(each.get("name"), each.get("classname")) for each in root.iter("testcase")] == [*ENTRIES.items()]
    assert root.get("failures") == "0"


def test_all_errors_of_an_entry_are_one_failure_and_a_warning_is_none() -> None:
    again = replace(ERROR, message="no `rol`", span=make_span("a.yaml", 9))
    root = parse_report(render_validation_junit(ENTRIES, [WARNING, ERROR, again], [], "p.yaml"))
    found = find_case(root, "destination.a")
    assert found.find("failure").get("message") == "2 errors"  # type: ignore[union-attr]
    assert found.find("failure").get("type") == "unknown-field"  # type: ignore[union-attr]
    assert (
        "error[unknown-field]: no `databse`\n  --> a.yaml:3:1\n  = help: write it right"
        in list_texts(found)["failure"]
    )
    assert "no `rol`" in list_texts(found)["failure"]
    assert "warning[legacy-service]: old" in list_texts(found)["system-out"]
    assert root.get("failures") == "1"


def test_a_single_error_is_the_message_of_the_failure() -> None:
    root = parse_report(render_validation_junit(ENTRIES, [ERROR], [], "p.yaml"))
    assert find_case(root, "destination.a").find("failure").get("message") == "no `databse`"  # type: ignore[union-attr]


def test_an_error_outside_of_entries_is_a_test_of_its_file_or_of_the_project() -> None:
    syntax = Diagnostic("yaml-syntax", "no colon", make_span("c.yaml", 1))
    nowhere = Diagnostic("unreachable", "gone")
    root = parse_report(render_failure_junit([syntax, nowhere], "p.yaml"))
    assert [(each.get("name"), each.get("classname")) for each in root.iter("testcase")] == [
        ("c.yaml", "c.yaml"),
        ("p.yaml", "p.yaml"),
    ]


def test_each_policy_is_a_test() -> None:
    judgements = [
        PolicyResult("passes", "r", EnforcementLevel.HARD, PolicyStatus.PASSED),
        PolicyResult("refuses", "r", EnforcementLevel.HARD, PolicyStatus.VIOLATED, (VIOLATION,)),
        PolicyResult(
            "breaks", "r", EnforcementLevel.SOFT, PolicyStatus.FAILED, (replace(VIOLATION, message="broken"),)
        ),
        PolicyResult(
            "warns",
            "r",
            EnforcementLevel.ADVISORY,
            PolicyStatus.VIOLATED,
            (replace(VIOLATION, severity=Severity.WARNING),),
        ),
        PolicyResult("waived", "r", EnforcementLevel.SOFT, PolicyStatus.OVERRIDDEN, (VIOLATION,)),
    ]
    noted = replace(VIOLATION, notes=("the policies are those of main",))
    root = parse_report(render_validation_junit(ENTRIES, [noted], judgements, "p.yaml"))
    assert [(each.get("name"), each.get("tests")) for each in root] == [("validate", "3"), ("policies", "5")]
    found = {each.policy: set(list_texts(find_case(root, each.policy))) for each in judgements}
    assert found == {
        "passes": set(),
        "refuses": {"failure"},
        "breaks": {"failure"},
        "warns": {"system-out"},
        "waived": {"skipped", "system-out"},
    }
    assert find_case(root, "waived").find("skipped").get("message") == "overridden for this run"  # type: ignore[union-attr]
    assert set(list_texts(find_case(root, "destination.a"))) == set()  # reported once, with its policy


def test_a_plan_has_a_test_for_each_change_that_fails_if_the_change_is_refused() -> None:
    refusal = Diagnostic("protected", "is protected", address=CHANGED_DESTINATION.address)
    limit = Diagnostic("limit-exceeded", "too many")
    plan = replace(build_plan(NEW_GROUP, NEW_DESTINATION, CHANGED_DESTINATION), blockers=(refusal, limit))
    root = parse_report(render_plan_junit(plan, "p.yaml"))
    assert set(list_texts(find_case(root, "destination.analytics_prod"))) == {"failure"}
    assert find_case(root, "destination.analytics_prod").get("classname") == "specs/groups/analytics.yaml"
    assert set(list_texts(find_case(root, "p.yaml"))) == {"failure"}
    assert set(list_texts(find_case(root, "group.finance_prod"))) == set()
    assert root.get("tests") == "4"


def test_an_empty_report_has_one_test() -> None:
    assert parse_report(render_validation_junit({}, [], [], "p.yaml")).get("tests") == "1"


@given(st.text(), st.text(), st.text())
def test_a_report_with_any_text_is_well_formed(message: str, path: str, name: str) -> None:
    finding = Diagnostic(
        "unknown-field", message, replace(make_span("x", 1), path=path), notes=(message,), help=name
    )
    judgement = PolicyResult(
        name or "p",
        "r",
        EnforcementLevel.HARD,
        PolicyStatus.VIOLATED,
        (replace(finding, code="limit-exceeded"),),
    )
    text = render_validation_junit({"group.a": path}, [finding], [judgement], "p.yaml")
    assert ElementTree.fromstring(text).get("failures") == "2"
    assert "##[" not in text
