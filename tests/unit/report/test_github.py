"""Test GitHub annotations: escaped for the runner, within its limits."""

from __future__ import annotations

import pytest

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.source import Span
from reconciler.report.github import MAX_MESSAGE_LENGTH, MAX_PER_STEP, render_github_annotations

SPAN = Span("specs/a.yaml", 3, 5, 3, 9)


def keep_path(path: str) -> str:
    return path


def unescape(line: str) -> str:
    """Return the message as the runner reads it."""
    data = line.split("::", 2)[2]
    return data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def test_a_finding_is_one_line_with_its_span() -> None:
    found = Diagnostic("unknown-field", "no `databse`", SPAN, notes=("a fact",), help="write it right")
    assert render_github_annotations([found], keep_path) == [
        "::error file=specs/a.yaml,line=3,col=5,title=unknown-field"
        "::no `databse`%0Anote: a fact%0Ahelp: write it right"
    ]


def test_a_finding_without_span_has_no_file() -> None:
    assert render_github_annotations([Diagnostic("unreachable", "gone")], keep_path) == [
        "::error title=unreachable::gone"
    ]


def test_a_span_of_several_lines_has_no_column() -> None:
    [line] = render_github_annotations(
        [Diagnostic("wrong-shape", "no", Span("a.yaml", 1, 2, 4, 1))], keep_path
    )
    assert line.startswith("::error file=a.yaml,line=1,endLine=4,title=")


def test_no_path_or_message_can_end_the_command() -> None:
    span = Span("a,b:c%\n::error::x.yaml", 1, 1, 1, 2)
    [line] = render_github_annotations(
        [Diagnostic("wrong-shape", "100%\n::warning::\rgotcha", span)], keep_path
    )
    assert "\n" not in line
    assert "\r" not in line
    properties = line.removeprefix("::error ").split("::")[0]
    assert properties.startswith("file=a%2Cb%3Ac%25")
    assert unescape(line).startswith("100% ::warning:: gotcha")


def test_paths_are_relative_to_the_repository_root() -> None:
    [line] = render_github_annotations([Diagnostic("wrong-shape", "no", SPAN)], lambda path: f"infra/{path}")
    assert "file=infra/specs/a.yaml," in line


@pytest.mark.parametrize(
    ("length", "kept"),
    [
        (MAX_MESSAGE_LENGTH - 1, MAX_MESSAGE_LENGTH - 1),
        (MAX_MESSAGE_LENGTH, MAX_MESSAGE_LENGTH),
        (MAX_MESSAGE_LENGTH + 1, MAX_MESSAGE_LENGTH),
    ],
)
def test_a_message_is_cut_at_the_limit_of_the_runner(length: int, kept: int) -> None:
    [line] = render_github_annotations([Diagnostic("wrong-shape", "%" * length)], keep_path)
    assert len(unescape(line)) == kept
    assert unescape(line).endswith("…") is (length > kept)


def make_findings(number: int, severity: Severity) -> list[Diagnostic]:
    return [
        Diagnostic("wrong-shape", f"finding {each}", Span("a.yaml", each + 1, 1, each + 1, 2), severity)
        for each in range(number)
    ]


@pytest.mark.parametrize(
    ("number", "left_out"), [(MAX_PER_STEP - 1, 0), (MAX_PER_STEP, 0), (MAX_PER_STEP + 1, 2)]
)
def test_at_most_ten_findings_per_severity_are_rendered_and_the_last_counts_the_rest(
    number: int, left_out: int
) -> None:
    lines = render_github_annotations(
        [*make_findings(number, Severity.WARNING), *make_findings(number, Severity.ERROR)], keep_path
    )
    for severity in ("error", "warning"):
        mine = [line for line in lines if line.startswith(f"::{severity}")]
        assert len(mine) == min(number, MAX_PER_STEP)
        assert (" more; " in mine[-1]) is (left_out > 0)
        assert mine[-1].startswith(f"::{severity}::{left_out} more; ") or not left_out
    assert lines[0].startswith("::error ")
