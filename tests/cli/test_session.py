"""Ends of a command: each has an exit code, and no secret leaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.cli.context import CommandContext, SourceLines, make_settings, run_command
from reconciler.cli.exit import ExitCode
from reconciler.cli.output import OutputOptions
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.source import Span


def run_work(form: str, work: Callable[[CommandContext], ExitCode]) -> ExitCode:
    settings = make_settings(Path("specs/reconciler.yaml"), sandbox=True)
    return run_command(settings, OutputOptions(no_color=True), form, work)


def raise_bug(session: CommandContext) -> ExitCode:
    raise ValueError("hunter2")


def raise_chained_bug(session: CommandContext) -> ExitCode:
    try:
        return raise_bug(session)
    except ValueError as error:
        raise RuntimeError("also hunter2") from error


def raise_interrupt(session: CommandContext) -> ExitCode:
    raise KeyboardInterrupt


def raise_errors(session: CommandContext) -> ExitCode:
    raise ReconcilerError(
        [
            Diagnostic("replace-refused", "no", span=Span("spec.yaml", 2, 3, 2, 6)),
            Diagnostic("replace-refused", "never"),
        ]
    )


@pytest.mark.parametrize("work", [raise_bug, raise_chained_bug])
def test_a_bug_reports_its_location_without_its_message(
    work: Callable[[CommandContext], ExitCode], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_work("text", work) is ExitCode.BUG
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "this is a bug in reconciler" in printed.err
    assert f"in {work.__name__}" in printed.err
    assert "hunter2" not in printed.err.replace('ValueError("hunter2")', "").replace(
        'RuntimeError("also hunter2")', ""
    ), "only the source of this test names it"


def test_an_interrupt_has_its_own_exit_code(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_work("text", raise_interrupt) is ExitCode.INTERRUPTED
    assert capfd.readouterr().err == "Interrupted before anything was changed.\n"


@pytest.mark.parametrize(
    ("work", "code"),
    [(raise_bug, ExitCode.BUG), (raise_interrupt, ExitCode.INTERRUPTED), (raise_errors, ExitCode.REFUSED)],
)
def test_every_end_with_json_is_one_document(
    work: Callable[[CommandContext], ExitCode], code: ExitCode, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_work("json", work) is code
    data = json.loads(capfd.readouterr().out)
    assert data["exit"] == {"code": int(code), "reason": code.reason}
    wanted = {raise_bug: "bug", raise_interrupt: "interrupted", raise_errors: "replace-refused"}[work]
    assert {each["code"] for each in data["diagnostics"]} == {wanted}
    assert "hunter2" not in str(data)


def test_text_diagnostics_are_written_with_excerpts_to_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.yaml").write_bytes(b"a: 1\r\n  bad: 2\r\n")
    assert run_work("text", raise_errors) is ExitCode.REFUSED
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == (
        "error[replace-refused]: no\n"
        "  --> spec.yaml:2:3\n"
        "   |\n"
        " 2 |   bad: 2\n"
        "   |   ^^^\n"
        "\n"
        "error[replace-refused]: never\n"
        "\n"
        "2 errors\n"
    )


def test_concise_diagnostics_have_one_line_each(capfd: pytest.CaptureFixture[str]) -> None:
    run_work("concise", raise_errors)
    assert capfd.readouterr().err == (
        "spec.yaml:2:3: error[replace-refused]: no\nerror[replace-refused]: never\n"
    )


@pytest.mark.parametrize("line", [0, 3, 10**9])
def test_a_missing_line_has_no_excerpt(line: int, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("one\ntwo")
    lines = SourceLines(tmp_path)
    assert lines("a.yaml", 2) == "two"
    assert lines("a.yaml", line) is None
    assert lines("missing.yaml", 1) is None
    assert lines(".", 1) is None
    assert lines("nul\0", 1) is None
