"""Write the summary and the outputs of a step of GitHub Actions. Outside of GitHub nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.report.github import MAX_SUMMARY_BYTES, render_outputs
from reconciler.report.markdown import count_bytes

SUMMARY = "GITHUB_STEP_SUMMARY"
OUTPUT = "GITHUB_OUTPUT"

_MIN_ROOM = 1_000  # bytes: a smaller summary could not say anything


def write_github_summary(
    environ: Mapping[str, str], render: Callable[[int], str], redact: Callable[[str], str] = str
) -> list[Diagnostic]:
    """Add a text to the summary of this step. `render` gets the maximal number of bytes. Returns warnings.

    Outside of GitHub Actions there is no summary, and nothing is written. `redact` removes secrets from the text.
    """
    name = environ.get(SUMMARY)
    if not name:
        return []
    try:
        room = MAX_SUMMARY_BYTES - _get_size(Path(name)) - len("\n\n")
        if room < _MIN_ROOM:
            return [_describe_failure(SUMMARY, "it is full")]
        page = redact(render(room))
        if count_bytes(page) > room:
            return [_describe_failure(SUMMARY, "there is no room left for it")]
        _append(Path(name), f"{page}\n\n")
    except OSError as error:
        return [_describe_failure(SUMMARY, error.strerror or str(error))]
    return []


def write_github_outputs(environ: Mapping[str, str], outputs: Mapping[str, str]) -> list[Diagnostic]:
    """Set the outputs of this step. Outside of GitHub Actions nothing is written. Returns warnings."""
    name = environ.get(OUTPUT)
    if not name:
        return []
    try:
        _append(Path(name), render_outputs(outputs))
    except OSError as error:
        return [_describe_failure(OUTPUT, error.strerror or str(error))]
    return []


def _get_size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _append(file: Path, text: str) -> None:
    with file.open("ab") as stream:
        stream.write(text.encode(errors="backslashreplace"))


def _describe_failure(variable: str, reason: str) -> Diagnostic:
    return Diagnostic(
        "job-file-unwritable",
        f"nothing was added to the file that `{variable}` names: {reason}",
        severity=Severity.WARNING,
        help="the run itself is not affected; unset the variable if no such file is wanted",
    )
