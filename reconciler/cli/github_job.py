"""The files through which a step of GitHub Actions leaves a summary and outputs behind. Elsewhere there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.report.github_job import LARGEST_SUMMARY, output_lines
from reconciler.report.markdown import size

SUMMARY = "GITHUB_STEP_SUMMARY"
OUTPUT = "GITHUB_OUTPUT"

_LEAST = 1_000  # bytes: less has no room for a summary that says anything


def leave_summary(environ: Mapping[str, str], text: Callable[[int], str]) -> list[Diagnostic]:
    """Add the text for so many bytes to the summary of this step, if it has one. Answers what went wrong."""
    name = environ.get(SUMMARY)
    if not name:
        return []
    try:
        room = LARGEST_SUMMARY - _size(Path(name)) - len("\n\n")
        if room < _LEAST:
            return [_lost(SUMMARY, "it is full")]
        page = text(room)
        if size(page) > room:
            return [_lost(SUMMARY, "there is no room left for it")]
        _add(Path(name), f"{page}\n\n")
    except OSError as error:
        return [_lost(SUMMARY, error.strerror or str(error))]
    return []


def leave_outputs(environ: Mapping[str, str], outputs: Mapping[str, str]) -> list[Diagnostic]:
    """Set outputs of this step, if it can have some. Answers what went wrong."""
    name = environ.get(OUTPUT)
    if not name:
        return []
    try:
        _add(Path(name), output_lines(outputs))
    except OSError as error:
        return [_lost(OUTPUT, error.strerror or str(error))]
    return []


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _add(file: Path, text: str) -> None:
    with file.open("ab") as stream:
        stream.write(text.encode(errors="backslashreplace"))


def _lost(variable: str, why: str) -> Diagnostic:
    return Diagnostic(
        "job-file-unwritable",
        f"nothing was added to the file that `{variable}` names: {why}",
        severity=Severity.WARNING,
        help="the run itself is as it says; unset the variable where no such file is wanted",
    )
