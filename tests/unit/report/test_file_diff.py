"""Differences of files: unified diffs without values that must not be shown, and without control characters."""

from __future__ import annotations

from reconciler.report.file_diff import mask_whole_lines, render_file_diff

BEFORE = "version: 1\ngroups:\n  a:\n    token: hidden-token\n  b: {}\n"


def test_a_new_file_is_all_additions() -> None:
    assert render_file_diff("a.yaml", None, "one\ntwo\n", {}).plain.splitlines() == [
        "--- /dev/null",
        "+++ a.yaml",
        "@@ -0,0 +1,2 @@",
        "+one",
        "+two",
    ]


def test_a_change_has_the_lines_around_it_without_hidden_values() -> None:
    text = render_file_diff("a.yaml", BEFORE, BEFORE + "  c: {}\n", mask_whole_lines(BEFORE, {4})).plain
    assert "+  c: {}" in text.splitlines()
    assert "     ••••••••" in text.splitlines()
    assert "hidden-token" not in text


def test_marks_and_line_ends_are_no_difference_and_control_characters_are_escaped() -> None:
    before = "\ufeff" + BEFORE.replace("\n", "\r\n")
    text = render_file_diff("a.yaml", before, before + "  d: \x1b[2J\r\n", {}).plain
    assert [line for line in text.splitlines() if line.startswith(("+", "-"))][2:] == ["+  d: \\x1b[2J"]


def test_an_equal_file_has_no_difference() -> None:
    assert render_file_diff("a.yaml", BEFORE, BEFORE, {}).plain == ""
