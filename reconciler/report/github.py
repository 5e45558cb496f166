"""Diagnostics as annotations of GitHub Actions: the `::error …::` lines that its runner looks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from reconciler.model.diagnostic import Diagnostic, Severity, in_reading_order
from reconciler.report.neutral import neutral, one_line

PER_STEP = 10
"""So many errors, and so many warnings, are kept of one step; the runner drops the others silently."""
LONGEST = 4096
"""Characters of a message."""

AsPath = Callable[[str], str]


def github_annotations(diagnostics: Iterable[Diagnostic], as_path: AsPath) -> list[str]:
    """One line for each diagnostic, errors first. Where there are too many, the last one says how many are left out.

    `as_path` turns the path of a span into one from the root of the repository.
    """
    ordered = in_reading_order(diagnostics)
    kept: list[str] = []
    for severity in Severity:
        found = [each for each in ordered if each.severity is severity]
        shown = found if len(found) <= PER_STEP else found[: PER_STEP - 1]
        kept += [_annotation(each, as_path) for each in shown]
        if len(found) > len(shown):
            kept.append(f"::{severity}::{len(found) - len(shown):,} more; the log of this step has them all")
    return kept


def _annotation(diagnostic: Diagnostic, as_path: AsPath) -> str:
    span = diagnostic.span
    properties: dict[str, object] = {}
    if span is not None:
        properties = {"file": as_path(span.path), "line": span.line}
        # A column is refused for what spans several lines.
        properties |= {"col": span.column} if span.end_line == span.line else {"endLine": span.end_line}
    properties["title"] = diagnostic.code
    told = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{diagnostic.severity} {told}::{_data(_message(diagnostic))}"


def _message(diagnostic: Diagnostic) -> str:
    parts = [one_line(diagnostic.message)]
    parts += [one_line(diagnostic.label)] if diagnostic.label else []
    parts += [f"note: {one_line(note)}" for note in diagnostic.notes]
    parts += [f"help: {one_line(diagnostic.help)}"] if diagnostic.help else []
    text = "\n".join(parts)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _data(text: str) -> str:
    """Text after the second `::`. The runner takes back exactly these escapes."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(neutral(text)).replace(":", "%3A").replace(",", "%2C")
