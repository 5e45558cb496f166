"""JSON documents. Stdout is one document, also if the run fails."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler import __version__
from reconciler.model.diagnostic import Diagnostic
from reconciler.report.diagnostics import serialize_diagnostics

FORMAT = 1


def build_document(code: int, reason: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """A document: format version, tool, content, and the exit code with its reason in one word."""
    return {
        "format": FORMAT,
        "tool": {"name": "reconciler", "version": __version__},
        **content,
        "exit": {"code": code, "reason": reason},
    }


def build_failure_document(code: int, reason: str, diagnostics: Iterable[Diagnostic]) -> dict[str, Any]:
    """The document of a run that could not do what was asked."""
    return build_document(code, reason, {"diagnostics": serialize_diagnostics(diagnostics)})


def dump_document(document: Mapping[str, Any]) -> str:
    """The document as ASCII, so that no terminal and no CI runner finds anything to act on.

    Values of types that JSON lacks are written as their text.
    """
    text = json.dumps(document, indent=2, default=str)
    # S-44: `##[x]` in a log is a command for some runners; `#` occurs only inside strings.
    return text.replace("##", "\\u0023\\u0023")
