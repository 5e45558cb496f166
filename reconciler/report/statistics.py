"""Render the number of findings of each code, for projects with many of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from reconciler.model.diagnostic import Diagnostic, sort_diagnostics
from reconciler.report.diagnostics import format_severity_counts
from reconciler.report.style import SEVERITY_STYLES, StyledText, join_lines


def render_statistics(diagnostics: Collection[Diagnostic]) -> StyledText:
    """Render `12  warning[CODE]` for each code, the most frequent first, and the count of all."""
    findings = sort_diagnostics(diagnostics)
    counts = Counter((finding.severity, finding.code) for finding in findings)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    width = max((len(f"{number:,}") for number in counts.values()), default=0)
    lines = [
        StyledText.assemble(f"{number:>{width},}  ", (f"{severity}[{code}]", SEVERITY_STYLES[severity]))
        for (severity, code), number in ordered
    ]
    return join_lines([*lines, StyledText(), StyledText(format_severity_counts(findings))])
