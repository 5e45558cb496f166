"""What an apply did, as a page of a job's summary."""

from __future__ import annotations

from reconciler.model.outcome import Applied
from reconciler.report.apply_text import address_width, result, summary
from reconciler.report.markdown import cut_page, fenced, paragraph


def applied_markdown(applied: Applied, limit: int) -> str:
    """How each change ended, then the counts, in at most `limit` bytes; what does not fit is counted."""
    outcomes = applied.outcomes
    wrong = applied.interrupted or any(outcome.went_wrong for outcome in outcomes)
    width = address_width(outcome.address for outcome in outcomes)
    told = [*(result(outcome, width).plain for outcome in outcomes), "", summary(applied).plain]
    lines = [line for text in told for line in text.split("\n")]
    headline = "Not everything was applied" if wrong or applied.problems else "Applied"
    return cut_page([paragraph(f"## {headline}"), fenced(lines)], limit)
