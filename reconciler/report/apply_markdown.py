"""What an apply did, as a page of a job's summary."""

from __future__ import annotations

from reconciler.model.outcome import ApplyResult
from reconciler.report.apply_text import measure_addresses, render_outcome, render_summary
from reconciler.report.markdown import make_code_block, make_paragraph, truncate_page


def render_apply_markdown(applied: ApplyResult, limit: int) -> str:
    """How each change ended, then the counts, in at most `limit` bytes; what does not fit is counted."""
    outcomes = applied.outcomes
    is_incomplete = applied.interrupted or any(outcome.is_unsuccessful for outcome in outcomes)
    width = measure_addresses(outcome.address for outcome in outcomes)
    texts = [
        *(render_outcome(outcome, width).plain for outcome in outcomes),
        "",
        render_summary(applied).plain,
    ]
    lines = [line for text in texts for line in text.split("\n")]
    headline = "Not everything was applied" if is_incomplete or applied.problems else "Applied"
    return truncate_page([make_paragraph(f"## {headline}"), make_code_block(lines)], limit)
