"""Test the syntax of faults."""

from __future__ import annotations

import pytest

from reconciler.emulator.fault_kinds import FAULT_SPECS, PHASE_MEANINGS, FaultError, FaultKind, Phase
from reconciler.emulator.fault_text import parse_fault, parse_faults
from reconciler.emulator.faults import Fault, Faults


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "POST /v1/destinations #2 after-effect reset",
            Fault(
                FaultKind.RESET,
                method="POST",
                path="/v1/destinations",
                first=2,
                last=2,
                phase=Phase.AFTER_EFFECT,
            ),
        ),
        (
            "GET * every 10 status 503",
            Fault(FaultKind.STATUS, method="GET", every=10, argument="503", phase=Phase.BEFORE_EFFECT),
        ),
        (
            "* /v1/groups times 3 status 429 retry-after=7",
            Fault(FaultKind.STATUS, path="/v1/groups", times=3, argument="429", options={"retry-after": "7"}),
        ),
        ("get * #3.. hang 2.5", Fault(FaultKind.HANG, method="GET", first=3, argument="2.5")),
        (
            "POST * close effect-after=6",
            Fault(FaultKind.CLOSE, method="POST", phase=Phase.BEFORE_EFFECT, options={"effect-after": "6"}),
        ),
        ("* * #3..5 at-accept close", Fault(FaultKind.CLOSE, first=3, last=5, phase=Phase.AT_ACCEPT)),
        (
            '* * status 429 retry-after="Wed, 21 Oct 2026 07:28:00 GMT"',
            Fault(FaultKind.STATUS, argument="429", options={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        ),
    ],
)
def test_a_fault_is_parsed_and_rendered_as_the_same_text(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault
    assert parse_fault(str(fault)) == fault


@pytest.mark.parametrize("kind", FaultKind)
def test_every_kind_is_parsed_at_each_of_its_phases(kind: FaultKind) -> None:
    argument = "500" if kind is FaultKind.STATUS else ""
    for phase in FAULT_SPECS[kind].phases:
        fault = Fault(kind, phase=phase, argument=argument)
        assert parse_fault(str(fault)) == fault


def test_every_phase_has_a_meaning_and_a_kind() -> None:
    assert set(PHASE_MEANINGS) == set(Phase)
    assert {phase for traits in FAULT_SPECS.values() for phase in traits.phases} == set(Phase)


@pytest.mark.parametrize(
    ("text", "message", "advice"),
    [
        ("GET /v1/groups", "`GET /v1/groups` is no fault", "write `METHOD PATH"),
        ("FETCH * reset", "`FETCH` is no method", "known are `GET`"),
        ("PSOT * reset", "`PSOT` is no method", "did you mean `POST`?"),
        ("GET groups reset", "`groups` is no path", "such as `/v1/groups`"),
        ("GET * restet", "`restet` is neither a phase nor a kind", "did you mean `reset`?"),
        ("GET * aftereffect reset", "`aftereffect` is neither", "did you mean `after-effect`?"),
        ("GET * every status 503", "`every` needs a number after it", "write for example `every 3`"),
        ("GET * after-effect", "the fault has no kind", "known are"),
        ("GET * #0 reset", "counted from 1", "`#2..5`"),
        ("GET * #5..2 reset", "counted from 1", "`#2..5`"),
        ("GET * times 0 reset", "at least 1", "leave the fault out"),
        ("GET * status", "`status` needs a code", "`status 503`"),
        ("GET * status 42", "`status 42` is not possible", "from 200 to 599"),
        ("GET * status 503.5", "is not possible", "a whole number"),
        ("GET * reset 5", "takes no argument", "write `reset` alone"),
        ("GET * reset now=1", "has no option `now`", "it has `effect-after=`"),
        ("GET * stale now=1", "has no option `now`", "it has none"),
        ("POST * reset effect-after=soon", "`effect-after=soon` is not possible", "from 0 to 86400"),
        ("POST * truncate effect-after=6", "has no option `effect-after`", "it has none"),
        (
            "POST * after-effect reset effect-after=6",
            "needs a request without an effect",
            "after `before-effect`",
        ),
        ("GET * status 503 boddy=html", "has no option `boddy`", "`body=`"),
        ("GET * status 503 body=xml", "`body=xml` is not possible", "`html`"),
        ("GET * status 503 body=html 7", "`7` stands after the end", "write `METHOD"),
        ("GET * mid-body status 503", "`status` cannot happen `mid-body`", "`before-effect`"),
        ("GET * at-accept reset", "no method and no path", "write `* * at-accept"),
        ("GET * drip 5 seconds=long", "is not possible", "a number from 0 to 600"),
        ('GET * status 503 message="half', "quotation mark is not closed", "write `METHOD"),
    ],
)
def test_a_mistake_is_named_with_a_suggestion(text: str, message: str, advice: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse_fault(text)
    assert message in caught.value.message
    assert advice in caught.value.advice


def test_a_file_of_faults_has_comments_and_empty_lines() -> None:
    lines = ["# the first night", "", "GET * #2 reset", "  POST * close  "]
    assert [str(fault) for fault in parse_faults(lines)] == [
        "GET * #2 after-effect reset",
        "POST * after-effect close",
    ]


@pytest.mark.parametrize(
    ("pattern", "path", "concerned"),
    [
        ("*", "/v1/groups", True),
        ("/v1/groups", "/v1/groups", True),
        ("/v1/groups", "/v1/groups/a", False),
        ("/v1/groups/*", "/v1/groups/a", True),
        ("/v1/groups/*", "/v1/groups/a/connections", False),
        ("/v1/groups/<id>/connections", "/v1/groups/a/connections", True),
        ("/v1/destinations/**", "/v1/destinations/a/test", True),
        ("/v1/a.c", "/v1/abc", False),
    ],
)
def test_a_path_may_have_wildcard_segments(pattern: str, path: str, concerned: bool) -> None:
    assert Fault(FaultKind.RESET, path=pattern).matches("GET", path) is concerned


def find_triggered(text: str, calls: int) -> list[int]:
    faults = Faults([parse_fault(text)])
    return [number for number in range(1, calls + 1) if faults.trigger_at_request("GET", "/v1/groups", 0)]


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        ("", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("#2", [2]),
        ("#2..4", [2, 3, 4]),
        ("#8..", [8, 9]),
        ("every 4", [4, 8]),
        ("#3.. every 2", [4, 6, 8]),
        ("times 2", [1, 2]),
        ("every 3 times 2", [3, 6]),
    ],
)
def test_requests_are_selected_by_their_number(selection: str, numbers: list[int]) -> None:
    assert find_triggered(f"GET * {selection} reset", 9) == numbers


def test_requests_count_per_rule_and_the_first_matching_rule_wins() -> None:
    first, second = parse_fault("POST * #2 reset"), parse_fault("* /v1/groups #2.. close")
    faults = Faults([first, second])
    calls = [
        ("POST", "/v1/groups"),
        ("GET", "/v1/destinations"),
        ("POST", "/v1/groups"),
        ("GET", "/v1/groups"),
    ]
    assert [faults.trigger_at_request(method, path, 0) for method, path in calls] == [
        None,
        None,
        first,
        second,
    ]
    assert [(each.seen, each.triggered) for each in faults.active()] == [(2, 1), (3, 1)]


def test_a_stale_read_is_one_of_the_first_after_each_write() -> None:
    faults = Faults([parse_fault("GET * stale 2")])
    writes = [0, 1, 1, 1, 2, 2, 2]
    triggered = [faults.trigger_at_request("GET", "/v1/groups", number) is not None for number in writes]
    assert triggered == [False, True, True, False, True, True, False]
    assert faults.trigger_at_request("POST", "/v1/groups", 3) is None
