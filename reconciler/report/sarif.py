"""Diagnostics as SARIF 2.1.0, which code scanning and review tools read."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from reconciler import __version__
from reconciler.model.codes import EXPLANATIONS
from reconciler.model.diagnostic import Diagnostic, Severity, in_reading_order
from reconciler.model.policy import Judgement
from reconciler.report.diagnostics import identity
from reconciler.report.explanation import first_sentence
from reconciler.report.neutral import one_line

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MOST_RESULTS = 5000
"""So many results of one run are kept by code scanning."""

_SEVERITIES = tuple(Severity)


def sarif_log(
    diagnostics: Iterable[Diagnostic],
    as_path: Callable[[str], str],
    judgements: Iterable[Judgement] = (),
    *,
    elsewhere: str,
    exit_code: int,
) -> dict[str, Any]:
    """A log with one run, errors first, at most 5,000 results.

    `as_path` turns the path of a span into one from the root of the repository; what has no place
    is reported at the top of the file `elsewhere`, since readers refuse results without one. Findings of
    `judgements` count as of a rule of their own for each policy, so that readers can tell policies apart.
    """
    ordered = sorted(in_reading_order(diagnostics), key=lambda each: _SEVERITIES.index(each.severity))
    kept = ordered[:MOST_RESULTS]
    policies = {identity(found): each for each in judgements for found in each.findings}
    found = [_Found(each, policies.get(identity(each))) for each in kept]
    rules = {each.rule: each for each in found}
    ids = sorted(rules)
    indices = {id: index for index, id in enumerate(ids)}
    seen: Counter[str] = Counter()
    run = {
        "tool": {"driver": _driver(rules[id] for id in ids)},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(exit_code, left_out=len(ordered) - len(kept))],
        "results": [_result(each, indices, as_path, elsewhere, seen) for each in found],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


@dataclass(frozen=True, slots=True)
class _Found:
    """One finding, and the policy that it comes from, if it comes from one."""

    diagnostic: Diagnostic
    judgement: Judgement | None

    @property
    def rule(self) -> str:
        code = self.diagnostic.code
        return f"{code}/{self.judgement.policy}" if self.judgement is not None else code


def _driver(rules: Iterable[_Found]) -> dict[str, Any]:
    return {
        "name": "reconciler",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(each) for each in rules],
    }


def _rule(found: _Found) -> dict[str, Any]:
    text, judgement = EXPLANATIONS[found.diagnostic.code], found.judgement
    if judgement is None:
        short, about = first_sentence(text), {}
    else:
        why = one_line(judgement.because)
        short = why or f"The policy `{one_line(judgement.policy)}` of this project."
        text = f"{short}\n\n{text}"
        about = {"policy": judgement.policy, "rule": judgement.rule, "level": str(judgement.level)}
    return {
        "id": found.rule,
        "shortDescription": {"text": short},
        "fullDescription": {"text": text},
        "help": {"text": text, "markdown": text},
        **({"properties": about} if about else {}),
    }


def _invocation(exit_code: int, left_out: int) -> dict[str, Any]:
    invocation: dict[str, Any] = {"executionSuccessful": exit_code == 0, "exitCode": exit_code}
    if left_out:
        message = {"text": f"{left_out:,} more findings are left out"}
        invocation["toolExecutionNotifications"] = [{"level": "warning", "message": message}]
    return invocation


def _result(
    found: _Found,
    indices: Mapping[str, int],
    as_path: Callable[[str], str],
    elsewhere: str,
    seen: Counter[str],
) -> dict[str, Any]:
    diagnostic = found.diagnostic
    path = as_path(diagnostic.span.path if diagnostic.span else elsewhere)
    return {
        "ruleId": found.rule,
        "ruleIndex": indices[found.rule],
        "level": str(diagnostic.severity),
        "message": {"text": _message(found)},
        "locations": [
            {"physicalLocation": {"artifactLocation": _artifact(path), "region": _region(diagnostic)}}
        ],
        "partialFingerprints": {"primaryLocationLineHash": _fingerprint(diagnostic, path, seen)},
    }


def _message(found: _Found) -> str:
    diagnostic, judgement = found.diagnostic, found.judgement
    told = [diagnostic.message, *diagnostic.notes]
    if judgement is not None and judgement.because and not _stands_in(judgement.because, told):
        told.append(f"because {judgement.because}")
    told += [diagnostic.help] if diagnostic.help else []
    return "\n".join(one_line(each) for each in told)


def _stands_in(reason: str, told: Iterable[str]) -> bool:
    return any(reason in each for each in told)


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
