"""Render diagnostics as SARIF 2.1.0, for code scanning and review tools."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from reconciler import __version__
from reconciler.model.diagnostic import Diagnostic, Severity, sort_diagnostics
from reconciler.model.policy import PolicyResult
from reconciler.model.sanitize import to_one_line
from reconciler.report.diagnostics import identify_finding
from reconciler.report.explanation import extract_first_sentence
from reconciler.report.json_document import render_document
from reconciler.report.read_coverage import render_coverage
from reconciler.report.renderer import (
    DocumentRenderer,
    DriftReport,
    ExitStatus,
    Parts,
    PlanReport,
    ValidationReport,
)

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MAX_RESULTS = 5000
"""Number of results that code scanning keeps of one run."""

_SEVERITIES = tuple(Severity)


def build_sarif_log(
    diagnostics: Iterable[Diagnostic],
    to_repo_path: Callable[[str], str],
    policy_results: Iterable[PolicyResult] = (),
    *,
    default_file: str,
    exit_code: int,
    notes: Iterable[str] = (),
) -> dict[str, Any]:
    """Build a log with one run, errors first, at most 5,000 results.

    `to_repo_path` turns the path of a span into a path from the root of the repository. A finding without a place
    stands at the top of the file `default_file`, since readers refuse results without a place. Each of `policy_results`
    gets a rule of its own, so that readers can distinguish policies. `notes` are remarks about the whole run.
    """
    ordered = sorted(
        sort_diagnostics(diagnostics), key=lambda diagnostic: _SEVERITIES.index(diagnostic.severity)
    )
    kept = ordered[:MAX_RESULTS]
    policies = {
        identify_finding(diagnostic): policy_result
        for policy_result in policy_results
        for diagnostic in policy_result.findings
    }
    findings = [_SarifFinding(diagnostic, policies.get(identify_finding(diagnostic))) for diagnostic in kept]
    rules = {finding.rule_id: finding for finding in findings}
    ids = sorted(rules)
    indices = {id: index for index, id in enumerate(ids)}
    seen: Counter[str] = Counter()
    run = {
        "tool": {"driver": _build_driver(rules[id] for id in ids)},
        "columnKind": "unicodeCodePoints",
        "invocations": [_build_invocation(exit_code, notes, omitted=len(ordered) - len(kept))],
        "results": [
            _build_result(finding, indices, to_repo_path, default_file, seen) for finding in findings
        ],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


@dataclass(frozen=True, slots=True)
class _SarifFinding:
    """A finding with its policy, None for a finding of the program."""

    diagnostic: Diagnostic
    policy_result: PolicyResult | None

    @property
    def rule_id(self) -> str:
        code = self.diagnostic.code
        return f"{code}/{self.policy_result.policy}" if self.policy_result is not None else code


def _build_driver(findings: Iterable[_SarifFinding]) -> dict[str, Any]:
    return {
        "name": "reconciler",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_build_rule(finding) for finding in findings],
    }


def _build_rule(finding: _SarifFinding) -> dict[str, Any]:
    text, policy_result = finding.diagnostic.code_facts.text, finding.policy_result
    if policy_result is None:
        short, properties = extract_first_sentence(text), {}
    else:
        reason = to_one_line(policy_result.because)
        short = reason or f"The policy `{to_one_line(policy_result.policy)}` of this project."
        text = f"{short}\n\n{text}"
        properties = {
            "policy": policy_result.policy,
            "rule": policy_result.rule,
            "level": str(policy_result.level),
        }
    return {
        "id": finding.rule_id,
        "shortDescription": {"text": short},
        "fullDescription": {"text": text},
        "help": {"text": text, "markdown": text},
        **({"properties": properties} if properties else {}),
    }


def _build_invocation(exit_code: int, notes: Iterable[str], omitted: int) -> dict[str, Any]:
    invocation: dict[str, Any] = {"executionSuccessful": exit_code == 0, "exitCode": exit_code}
    notifications = [("note", note) for note in notes]
    notifications += [("warning", f"{omitted:,} more findings are left out")] if omitted else []
    if notifications:
        invocation["toolExecutionNotifications"] = [
            {"level": level, "message": {"text": text}} for level, text in notifications
        ]
    return invocation


def _build_result(
    finding: _SarifFinding,
    indices: Mapping[str, int],
    to_repo_path: Callable[[str], str],
    default_file: str,
    seen: Counter[str],
) -> dict[str, Any]:
    diagnostic = finding.diagnostic
    path = to_repo_path(diagnostic.span.path if diagnostic.span else default_file)
    return {
        "ruleId": finding.rule_id,
        "ruleIndex": indices[finding.rule_id],
        "level": str(diagnostic.severity),
        "message": {"text": _build_message(finding)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": _build_artifact(path),
                    "region": _build_region(diagnostic),
                }
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": _compute_fingerprint(diagnostic, path, seen)},
    }


def _build_message(finding: _SarifFinding) -> str:
    diagnostic, policy_result = finding.diagnostic, finding.policy_result
    parts = [diagnostic.message, *diagnostic.notes]
    if (
        policy_result is not None
        and policy_result.because
        and not _is_mentioned(policy_result.because, parts)
    ):
        parts.append(f"because {policy_result.because}")
    parts += [diagnostic.help] if diagnostic.help else []
    return "\n".join(to_one_line(part) for part in parts)


def _is_mentioned(reason: str, texts: Iterable[str]) -> bool:
    return any(reason in text for text in texts)


def _build_artifact(path: str) -> Mapping[str, str]:
    if PurePosixPath(path).is_absolute():
        return {"uri": f"file://{quote(path)}"}
    return {"uri": quote(path), "uriBaseId": "%SRCROOT%"}


def _build_region(diagnostic: Diagnostic) -> dict[str, int]:
    """Build a region. Lines and columns count from 1 and the end is exclusive, as in a span."""
    span = diagnostic.span
    if span is None:
        return {"startLine": 1}
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _compute_fingerprint(diagnostic: Diagnostic, path: str, seen: Counter[str]) -> str:
    """Compute a fingerprint from code, file, address and message, and from the number of equal findings before. Lines
    are left out: a finding that only moves must not count as new."""
    key = "\0".join([diagnostic.code, path, str(diagnostic.address or ""), diagnostic.message])
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:16]
    seen[digest] += 1
    return f"{digest}:{seen[digest]}"


class SarifRenderer(DocumentRenderer):
    """Renderer of findings as a SARIF log. SARIF has no form for the changes of a plan."""

    def plan(self, report: PlanReport) -> Parts:
        """Render warnings and blockers of a plan."""
        plan = report.plan
        return self.failure(report.exit, (*plan.warnings, *plan.blockers), plan.judgements)

    def drift(self, report: DriftReport) -> Parts:
        """Render warnings of a plan, and findings about the entries that it omits; as a note, how much was read."""
        coverage = report.plan.coverage
        notes = [line.plain for line in render_coverage(coverage)] if coverage is not None else []
        findings = (*report.plan.warnings, *report.plan.omissions)
        return self._render_log(report.exit, findings, notes=notes)

    def validation(self, report: ValidationReport) -> Parts:
        """Render all findings."""
        return self.failure(report.exit, report.findings, report.policy_results)

    def failure(
        self,
        exit_code: ExitStatus,
        diagnostics: Collection[Diagnostic],
        policy_results: Collection[PolicyResult] = (),
    ) -> Parts:
        """Render the log of these findings. The exit code distinguishes a failure from a run with findings."""
        return self._render_log(exit_code, diagnostics, policy_results)

    def _render_log(
        self,
        exit_code: ExitStatus,
        diagnostics: Collection[Diagnostic],
        policy_results: Collection[PolicyResult] = (),
        notes: Iterable[str] = (),
    ) -> Parts:
        log = build_sarif_log(
            diagnostics,
            self.run.to_repo_path,
            policy_results,
            default_file=self.run.project_file,
            exit_code=int(exit_code),
            notes=notes,
        )
        return render_document(log)
