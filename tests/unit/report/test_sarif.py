"""Test SARIF 2.1.0 against its schema and its readers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.model.codes import load_explanations
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.source import Span
from reconciler.report.json_document import dump_document
from reconciler.report.sarif import MAX_RESULTS, build_sarif_log

MESSAGE = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
REGION = {
    "type": "object",
    "required": ["startLine"],
    "properties": {
        name: {"type": "integer", "minimum": 1}
        for name in ("startLine", "startColumn", "endLine", "endColumn")
    },
    "additionalProperties": False,
}
RESULT = {
    "type": "object",
    "required": ["ruleId", "level", "message", "locations", "partialFingerprints"],
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": MESSAGE,
        "locations": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "physicalLocation": {
                        "type": "object",
                        "required": ["artifactLocation"],
                        "properties": {
                            "artifactLocation": {
                                "type": "object",
                                "required": ["uri"],
                                "properties": {
                                    "uri": {"type": "string", "pattern": "^[!-~]+$"},
                                    "uriBaseId": {"type": "string"},
                                },
                                "additionalProperties": False,
                            },
                            "region": REGION,
                        },
                        "additionalProperties": False,
                    }
                },
                "additionalProperties": False,
            },
        },
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "additionalProperties": False,
}
DRIVER = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "version": {"type": "string"},
        "semanticVersion": {"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
        "rules": {
            "type": "array",
            "uniqueItems": True,
            "items": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string"},
                    "shortDescription": MESSAGE,
                    "fullDescription": MESSAGE,
                    "help": {
                        **MESSAGE,
                        "properties": {**MESSAGE["properties"], "markdown": {"type": "string"}},
                    },  # type: ignore[dict-item]
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
LOG = Draft202012Validator(
    {
        "type": "object",
        "required": ["version", "runs"],
        "properties": {
            "$schema": {"type": "string", "format": "uri"},
            "version": {"const": "2.1.0"},
            "runs": {
                "type": "array",
                "maxItems": 20,
                "items": {
                    "type": "object",
                    "required": ["tool"],
                    "properties": {
                        "tool": {"type": "object", "required": ["driver"], "properties": {"driver": DRIVER}},
                        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                        "invocations": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["executionSuccessful"],
                                "properties": {
                                    "executionSuccessful": {"type": "boolean"},
                                    "exitCode": {"type": "integer"},
                                    "toolExecutionNotifications": {
                                        "type": "array",
                                        "items": {"type": "object", "required": ["message"]},
                                    },
                                },
                                "additionalProperties": False,
                            },
                        },
                        "results": {"type": "array", "maxItems": MAX_RESULTS, "items": RESULT},
                    },
                    "additionalProperties": False,
                },
            },
        },
        "additionalProperties": False,
    }
)


def build_run(*diagnostics: Diagnostic) -> Any:
    log = build_sarif_log(diagnostics, lambda path: path, default_file="specs/reconciler.yaml", exit_code=1)
    LOG.validate(json.loads(dump_document(log)))
    return log["runs"][0]


def make_finding(
    line: int, message: str = "no", code: str = "wrong-shape", severity: Severity = Severity.ERROR
) -> Diagnostic:
    return Diagnostic(code, message, Span("specs/a.yaml", line, 2, line, 4), severity, help="do this")


def test_a_result_has_location_rule_and_text() -> None:
    run = build_run(make_finding(7, code="unknown-field"), make_finding(3))
    [first, second] = run["results"]
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "specs/a.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 3, "startColumn": 2, "endLine": 3, "endColumn": 4},
    }
    assert first["message"]["text"] == "no\ndo this"
    rules = run["tool"]["driver"]["rules"]
    for result in (first, second):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert rules[0]["help"]["text"] == load_explanations()[rules[0]["id"]]


def test_a_run_without_findings_has_no_results() -> None:
    assert build_run()["results"] == []


def test_errors_come_before_warnings() -> None:
    levels = [
        each["level"]
        for each in build_run(make_finding(1, severity=Severity.WARNING), make_finding(2))["results"]
    ]
    assert levels == ["error", "warning"]


def test_a_finding_without_span_is_located_at_the_project_file() -> None:
    [result] = build_run(Diagnostic("unreachable", "gone"))["results"]
    location = result["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "specs/reconciler.yaml"
    assert location["region"] == {"startLine": 1}


@pytest.mark.parametrize(
    ("path", "uri"),
    [("my specs/ü#1.yaml", "my%20specs/%C3%BC%231.yaml"), ("/else/a b.yaml", "file:///else/a%20b.yaml")],
)
def test_paths_are_uris(path: str, uri: str) -> None:
    [result] = build_run(Diagnostic("wrong-shape", "no", Span(path, 1, 1, 1, 2)))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def list_fingerprints(*diagnostics: Diagnostic) -> list[str]:
    return [
        each["partialFingerprints"]["primaryLocationLineHash"] for each in build_run(*diagnostics)["results"]
    ]


def test_a_fingerprint_survives_moved_lines_and_differs_for_twins() -> None:
    assert list_fingerprints(make_finding(3)) == list_fingerprints(make_finding(30))
    assert len(set(list_fingerprints(make_finding(3), make_finding(5)))) == 2
    assert list_fingerprints(make_finding(3)) != list_fingerprints(make_finding(3, "other"))


@pytest.mark.long
def test_results_beyond_the_limit_drop_warnings_first_with_a_notification() -> None:
    found = [
        make_finding(line, f"finding {line}", severity=Severity.WARNING) for line in range(1, MAX_RESULTS + 1)
    ]
    run = build_run(*found, make_finding(MAX_RESULTS + 2))
    assert len(run["results"]) == MAX_RESULTS
    assert run["results"][0]["level"] == "error"
    [notification] = run["invocations"][0]["toolExecutionNotifications"]
    assert notification["message"]["text"] == "1 more findings are left out"
    assert "toolExecutionNotifications" not in build_run(*found)["invocations"][0]
