"""Diagnostics as SARIF 2.1.0, which code scanning and review tools read."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from reconciler import __version__
from reconciler.model.codes import EXPLANATIONS
from reconciler.model.diagnostic import Diagnostic, Severity, in_reading_order
from reconciler.report.explanation import first_sentence
from reconciler.report.neutral import one_line

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MOST_RESULTS = 5000
"""So many results of one run are kept by code scanning."""

_SEVERITIES = tuple(Severity)


def sarif_log(
    diagnostics: Iterable[Diagnostic], as_path: Callable[[str], str], *, elsewhere: str, exit_code: int
) -> dict[str, Any]:
    """A log with one run, errors first, at most 5,000 results.

    `as_path` turns the path of a span into one from the root of the repository; what has no place
    is reported at the top of the file `elsewhere`, since readers refuse results without one.
    """
    ordered = sorted(in_reading_order(diagnostics), key=lambda each: _SEVERITIES.index(each.severity))
    kept = ordered[:MOST_RESULTS]
    codes = sorted({each.code for each in kept})
    seen: Counter[str] = Counter()
    run = {
        "tool": {"driver": _driver(codes)},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(exit_code, left_out=len(ordered) - len(kept))],
        "results": [_result(each, codes, as_path, elsewhere, seen) for each in kept],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _driver(codes: list[str]) -> dict[str, Any]:
    return {
        "name": "reconciler",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(code) for code in codes],
    }


def _rule(code: str) -> dict[str, Any]:
    text = EXPLANATIONS[code]
    return {
        "id": code,
        "shortDescription": {"text": first_sentence(text)},
        "fullDescription": {"text": text},
        "help": {"text": text, "markdown": text},
    }


def _invocation(exit_code: int, left_out: int) -> dict[str, Any]:
    invocation: dict[str, Any] = {"executionSuccessful": exit_code == 0, "exitCode": exit_code}
    if left_out:
        message = {"text": f"{left_out:,} more findings are left out"}
        invocation["toolExecutionNotifications"] = [{"level": "warning", "message": message}]
    return invocation


def _result(
    diagnostic: Diagnostic,
    codes: list[str],
    as_path: Callable[[str], str],
    elsewhere: str,
    seen: Counter[str],
) -> dict[str, Any]:
    path = as_path(diagnostic.span.path if diagnostic.span else elsewhere)
    return {
        "ruleId": diagnostic.code,
        "ruleIndex": codes.index(diagnostic.code),
        "level": str(diagnostic.severity),
        "message": {"text": _message(diagnostic)},
        "locations": [
            {"physicalLocation": {"artifactLocation": _artifact(path), "region": _region(diagnostic)}}
        ],
        "partialFingerprints": {"primaryLocationLineHash": _fingerprint(diagnostic, path, seen)},
    }


def _message(diagnostic: Diagnostic) -> str:
    told = [diagnostic.message, *diagnostic.notes, *([diagnostic.help] if diagnostic.help else [])]
    return "\n".join(one_line(each) for each in told)


def _artifact(path: str) -> Mapping[str, str]:
    if PurePosixPath(path).is_absolute():
        return {"uri": f"file://{quote(path)}"}
    return {"uri": quote(path), "uriBaseId": "%SRCROOT%"}


def _region(diagnostic: Diagnostic) -> dict[str, int]:
    """Lines and columns count from 1 and the end is exclusive, as in a span."""
    span = diagnostic.span
    if span is None:
        return {"startLine": 1}
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _fingerprint(diagnostic: Diagnostic, path: str, seen: Counter[str]) -> str:
    """The same finding keeps its fingerprint when lines move: what it says and in which file, and the how
    manieth of its kind it is."""
    told = "\0".join([diagnostic.code, path, str(diagnostic.address or ""), diagnostic.message])
    digest = hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:16]
    seen[digest] += 1
    return f"{digest}:{seen[digest]}"
