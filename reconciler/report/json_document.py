"""Render JSON documents. Stdout is one document, also if the run fails."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from reconciler import __version__
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.policy import PolicyResult
from reconciler.report.apply import serialize_apply_result
from reconciler.report.assertions import serialize_assertions
from reconciler.report.diagnostics import serialize_diagnostics
from reconciler.report.drift import serialize_drift
from reconciler.report.plan_json import serialize_plan
from reconciler.report.renderer import (
    ApplyReport,
    DocumentRenderer,
    DriftReport,
    ExitStatus,
    Parts,
    PlanReport,
    SetupTestReport,
    ValidationReport,
    make_verbatim,
)
from reconciler.report.setup_test_run import serialize_test_run
from reconciler.report.validation import serialize_validation

FORMAT = 1
_BLOCK_LENGTH = 1024 * 1024
_ENCODER = json.JSONEncoder(indent=2, default=str)


def build_document(code: int, reason: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Build a document: format version, tool, content, and the exit code with its reason in one word."""
    return {
        "format": FORMAT,
        "tool": {"name": "reconciler", "version": __version__},
        **content,
        "exit": {"code": code, "reason": reason},
    }


def build_failure_document(code: int, reason: str, diagnostics: Iterable[Diagnostic]) -> dict[str, Any]:
    """Build the document of a run that could not do its work."""
    return build_document(code, reason, {"diagnostics": serialize_diagnostics(diagnostics)})


def dump_document(document: Mapping[str, Any]) -> str:
    """Write a document as one text. See `iterate_blocks`."""
    return "\n".join(iterate_blocks(document))


def iterate_blocks(document: Mapping[str, Any]) -> Iterator[str]:
    """Write a document as ASCII, so that no terminal and no CI runner interprets a sequence in it. Yields blocks of
    whole lines: the text of a large plan needs more memory than the plan.

    Values of types that JSON lacks are written as their text.
    """
    block: list[str] = []
    length = 0
    for piece in _ENCODER.iterencode(document):
        # Line ends inside strings are escaped, so one that stands in a piece ends a line of the document.
        end, is_end, start = piece.partition("\n") if length >= _BLOCK_LENGTH else (piece, "", "")
        block.append(end)
        length += len(piece)
        if is_end:
            yield _escape_commands("".join(block))
            block, length = [start], len(start)
    yield _escape_commands("".join(block))


def render_document(document: Mapping[str, Any]) -> Parts:
    """Render a document block by block."""
    return map(make_verbatim, iterate_blocks(document))


def _escape_commands(text: str) -> str:
    """Escape `##[x]`, which in a log is a command for some runners; `#` occurs only inside strings."""
    return text.replace("##", "\\u0023\\u0023")


class JsonRenderer(DocumentRenderer):
    """Renderer of every report as one JSON document."""

    def document(self, exit_code: ExitStatus, content: Mapping[str, Any]) -> Parts:
        """Render a result with the common frame."""
        return render_document(build_document(int(exit_code), exit_code.reason, content))

    def plan(self, report: PlanReport) -> Parts:
        """Render a plan, and facts about its file below `saved` if there is a file."""
        saved = {} if report.saved is None else {"saved": report.saved}
        return self.document(report.exit, {**saved, **serialize_plan(report.plan)})

    def drift(self, report: DriftReport) -> Parts:
        """Render the drift of a plan."""
        return self.document(report.exit, serialize_drift(report.plan))

    def validation(self, report: ValidationReport) -> Parts:
        """Render checked specs with all findings."""
        content = serialize_validation(
            report.groups,
            report.destinations,
            report.files,
            report.findings,
            report.policy_results,
            ignored=report.ignored,
        )
        return self.document(report.exit, content)

    def applied(self, report: ApplyReport) -> Parts:
        """Render the plan, and the result of each change below `applied`; null if the run changed nothing. Values that
        the operator asserts stand below `asserted`."""
        applied = None if report.applied is None else serialize_apply_result(report.applied)
        content: dict[str, Any] = {"plan": serialize_plan(report.plan), "applied": applied}
        if report.asserted:
            content["asserted"] = serialize_assertions(report.asserted, report.unrecorded)
        return self.document(report.exit, content)

    def tested(self, report: SetupTestReport) -> Parts:
        """Render the result of each destination."""
        return self.document(report.exit, serialize_test_run(report.applied, report.left, report.missing))

    def failure(
        self,
        exit_code: ExitStatus,
        diagnostics: Collection[Diagnostic],
        policy_results: Collection[PolicyResult] = (),
    ) -> Parts:
        """Render the diagnostics alone."""
        return render_document(build_failure_document(int(exit_code), exit_code.reason, diagnostics))
