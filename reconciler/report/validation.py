"""Render the result of a validation as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reconciler.model.diagnostic import Diagnostic, IgnoredWarning
from reconciler.model.policy import PolicyResult
from reconciler.report.diagnostics import serialize_diagnostics
from reconciler.report.ignored_warnings import serialize_ignored
from reconciler.report.plan_json import serialize_policy_results
from reconciler.report.style import format_count


def render_validation(groups: int, destinations: int, files: int) -> str:
    """Render the counts: `Valid: 3 groups, 2 destinations in 4 files.`"""
    objects = f"{format_count(groups, 'group')}, {format_count(destinations, 'destination')}"
    return f"Valid: {objects} in {format_count(files, 'file')}."


def serialize_validation(
    groups: int,
    destinations: int,
    files: int,
    warnings: Iterable[Diagnostic],
    policy_results: Iterable[PolicyResult] = (),
    *,
    ignored: Sequence[IgnoredWarning] = (),
) -> dict[str, Any]:
    """Serialize the counts as JSON objects, all warnings as `diagnostics`, the ignored warnings, and the results of
    policies."""
    return {
        "diagnostics": serialize_diagnostics(warnings),
        **serialize_ignored(ignored),
        "policies": serialize_policy_results(policy_results),
        "groups": groups,
        "destinations": destinations,
        "files": files,
    }


def render_ignored(warnings: int) -> str:
    """Render the number of warnings that the project ignores."""
    return (
        f"{format_count(warnings, 'warning')} ignored, as the project file says; `--format json` lists them."
    )


def render_other_findings(findings: int) -> str:
    """Render the number of findings in files that the user did not name."""
    return f"{format_count(findings, 'finding')} in other files not shown."
