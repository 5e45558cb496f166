"""Test the combination of alike diagnostics: when, with which names, places and advice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.diagnostic import Diagnostic, FindingGroup, Severity
from reconciler.model.source import Span
from reconciler.report.alike_findings import combine_alike
from reconciler.report.diagnostics import render_full


def build_finding(number: int, advice: str = "look at them", *, lists_places: bool = False) -> Diagnostic:
    return Diagnostic(
        "not-connected",
        f"d{number} is broken",
        Span("a.yaml", number, 1, number, 2),
        Severity.WARNING,
        help=f"look at d{number}",
        group=FindingGroup("destination", "are broken", f"d{number}", advice, lists_places),
    )


@pytest.mark.parametrize(("number", "shown"), [(1, 1), (3, 3), (4, 1)])
def test_more_than_three_alike_diagnostics_are_combined(number: int, shown: int) -> None:
    assert len(combine_alike(map(build_finding, range(1, number + 1)))) == shown


def test_a_combined_diagnostic_has_names_and_stands_at_the_first_place() -> None:
    [combined] = combine_alike(map(build_finding, range(1, 6)))
    assert combined.message == "5 destinations are broken: d1, d2, d3 and 2 more; `--verbose` names all"
    assert (combined.span, combined.help) == (build_finding(1).span, "look at them")


def test_a_combined_diagnostic_can_list_every_place() -> None:
    [combined] = combine_alike(build_finding(number, lists_places=True) for number in range(1, 6))
    assert combined.message == "5 destinations are broken"
    assert combined.notes == tuple(f"a.yaml:{number}:1: d{number}" for number in range(1, 6))


def test_different_advices_are_left_to_the_single_diagnostics() -> None:
    [combined] = combine_alike(build_finding(number, f"advice {number % 2}") for number in range(1, 6))
    assert combined.help == "`--verbose` has the advice for each"


def test_other_severities_and_diagnostics_without_a_group_stay_apart() -> None:
    findings = [build_finding(number) for number in range(1, 5)]
    others = [
        replace(findings[0], severity=Severity.ERROR),
        *(replace(each, group=None) for each in findings),
    ]
    assert combine_alike([*findings, *others])[1:] == others


def test_the_counts_include_every_combined_diagnostic() -> None:
    text = render_full(map(build_finding, range(1, 6)), lambda path, line: None).plain
    assert text.count("warning[not-connected]") == 1
    assert text.endswith("\n5 warnings")
