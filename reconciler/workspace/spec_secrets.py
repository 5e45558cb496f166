"""Find the secrets that specs hold as hidden literals, and the public texts of the specs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from reconciler.model.redaction import Redactor
from reconciler.model.source import Span
from reconciler.model.value import Reference, Structure
from reconciler.workspace.specs import Specs

_LINE_END = re.compile(r"\r\n|\r|\n")


def add_spec_secrets(redactor: Redactor, specs: Specs, directory: Path) -> None:
    """Add the hidden literals of specs to a redactor, and all other text of the files as public text."""
    for desired in specs.destinations if specs.hidden else ():
        for path, span in desired.spans.items():
            if span in specs.hidden and not isinstance(desired.fields.get(path), Reference | Structure):
                redactor.add(desired.fields.get(path))
    redactor.add_public(partial(_read_public_texts, specs, directory))


def _read_public_texts(specs: Specs, directory: Path) -> Iterator[str]:
    """Read the spec files of a project without their hidden values. A file that is gone has no text."""
    hidden: dict[str, list[Span]] = {}
    for span in specs.hidden:
        hidden.setdefault(span.path, []).append(span)
    for name in specs.files:
        try:
            text = (directory / name).read_text("utf-8-sig", errors="replace")
        except (OSError, ValueError):
            continue
        yield _blank_spans(text, hidden.get(name, ()))
    yield from (variable.text for variable in specs.public_variables)


def _blank_spans(text: str, spans: Iterable[Span]) -> str:
    """Remove the text of spans. Whole lines go if a span has several lines."""
    lines = _LINE_END.split(text)
    # Backwards, so that the columns of the other spans of a line stay right.
    for span in sorted(spans, key=lambda span: (span.line, span.column), reverse=True):
        line = lines[span.line - 1]
        rest = line[span.end_column - 1 :] if span.end_line == span.line else ""
        lines[span.line - 1] = line[: span.column - 1] + rest
        for number in range(span.line, min(span.end_line, len(lines))):
            lines[number] = ""
    return "\n".join(lines)
