"""Render the end of a run of setup tests: the summary, JSON and JUnit."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any

from rich.text import Text

from reconciler.model.address import Address
from reconciler.model.diagnostic import select_errors
from reconciler.model.group_identity import IdentityPart
from reconciler.model.outcome import ApplyResult, Outcome, Status
from reconciler.report.apply import (
    MAX_OUTCOME_LINE_LENGTH,
    measure_addresses,
    render_outcomes,
    serialize_apply_result,
)
from reconciler.report.markdown import make_code_block, make_paragraph, truncate_page
from reconciler.report.style import BAD, GOOD, STRONG, WARN, format_count, format_duration, join_lines

_MAX_ADDRESSES = 5


class SetupTestStatus(StrEnum):
    """End of the setup tests of one destination, the worst first."""

    FAILED = "failed"
    AWAITING_APPROVAL = "awaiting approval"
    NO_RESULT = "without result"
    PASSED = "passed"


def classify_tests(outcome: Outcome) -> SetupTestStatus:
    """Classify the tests of one destination. A failed test counts as failed also if its spec accepts the failure."""
    if outcome.status is Status.AWAITING_APPROVAL:
        return SetupTestStatus.AWAITING_APPROVAL
    if outcome.status is not Status.DONE or outcome.checks is None:
        return SetupTestStatus.NO_RESULT
    has_failed = outcome.has_failed_tests or any(check.has_failed for check in outcome.checks)
    return SetupTestStatus.FAILED if has_failed else SetupTestStatus.PASSED


def count_tests(outcomes: Iterable[Outcome]) -> dict[SetupTestStatus, int]:
    """Count the destinations by the end of their tests."""
    statuses = [classify_tests(outcome) for outcome in outcomes]
    return {status: statuses.count(status) for status in SetupTestStatus}


def render_test_summary(
    applied: ApplyResult, left: Collection[Address], missing: Collection[Address]
) -> Text:
    """Render the last lines: counts, destinations without a test, and the next step.

    `left` are destinations that the budget or the deadline left out, `missing` are entries without a live destination.
    """
    has_destinations = bool(applied.outcomes or left)
    parts = [_render_counts(applied) if has_destinations else Text("No destination to test.")]
    if left:
        parts.append(Text(f"Left for another run: {_list_addresses(left)}.", WARN))
    if missing:
        parts.append(Text(f"Not created yet: {_list_addresses(missing)}.", WARN))
    advice = _suggest_next_step(applied, left, missing)
    return join_lines([*parts, Text(advice)] if advice else parts)


def _render_counts(applied: ApplyResult) -> Text:
    styles = {SetupTestStatus.PASSED: GOOD, SetupTestStatus.FAILED: BAD}
    line = Text.assemble(("Tested: ", STRONG))
    found = {status: number for status, number in count_tests(applied.outcomes).items() if number}
    for position, (status, number) in enumerate(reversed(found.items())):
        line.append(", " if position else "")
        line.append(f"{number:,} {status}", styles.get(status, WARN))
    usage = f"in {format_duration(applied.seconds)}, {format_count(applied.requests, 'request')}"
    repeated = f" ({applied.retry_count:,} repeated)" if applied.retry_count else ""
    return line.append(f"{'' if found else 'nothing'} {usage}{repeated}.")


def _list_addresses(addresses: Collection[Address]) -> str:
    shown = ", ".join(map(str, list(addresses)[:_MAX_ADDRESSES]))
    omitted = len(addresses) - _MAX_ADDRESSES
    return f"{format_count(len(addresses), 'destination')} ({shown}{f' and {omitted:,} more' if omitted > 0 else ''})"


def _suggest_next_step(applied: ApplyResult, left: Collection[Address], missing: Collection[Address]) -> str:
    counts = count_tests(applied.outcomes)
    candidates = (
        (
            counts[SetupTestStatus.NO_RESULT] or applied.interrupted,
            "Run test again for the destinations without a result.",
        ),
        (
            counts[SetupTestStatus.FAILED],
            "Fix the problems that the setup tests report, then run test again.",
        ),
        (
            counts[SetupTestStatus.AWAITING_APPROVAL],
            "Pin the certificates and host keys that you trust (`reconciler trust pin`), then apply.",
        ),
        (left, "Run test again: it begins with the destinations whose last result is the oldest."),
        (missing, "Run apply to create the missing destinations: it tests them."),
    )
    return next((advice for applies, advice in candidates if applies), "")


def serialize_test_run(
    applied: ApplyResult, left: Collection[Address], missing: Collection[Address]
) -> dict[str, Any]:
    """Serialize a run of setup tests as JSON objects, one outcome for each tested destination."""
    content = serialize_apply_result(applied)
    results = {str(outcome.address): classify_tests(outcome).value for outcome in applied.outcomes}
    counts = {
        status.value.replace(" ", "_"): number for status, number in count_tests(applied.outcomes).items()
    }
    return {
        "tests": [
            {"address": row["address"], "result": results[row["address"]].replace(" ", "_"), **_select(row)}
            for row in content["outcomes"]
        ],
        "counts": {**counts, "left": len(left), "missing": len(missing)},
        "left": [str(address) for address in left],
        "missing": [str(address) for address in missing],
        **{name: content[name] for name in ("problems", "interrupted", "requests", "repeated", "seconds")},
    }


def render_test_markdown(
    applied: ApplyResult,
    left: Collection[Address],
    missing: Collection[Address],
    limit: int,
    *,
    names_all: bool = False,
) -> str:
    """Render the result of each destination and the counts in at most `limit` bytes of UTF-8. Omitted lines are
    counted.

    Destinations whose tests were not started for one reason are one line, unless `names_all` is set.
    """
    width = measure_addresses(outcome.address for outcome in applied.outcomes)
    texts = render_outcomes(applied.outcomes, width, names_all=names_all)
    lines = "\n".join(text.plain for text in [*texts, Text(""), render_test_summary(applied, left, missing)])
    headline = "Not all setup tests have passed" if has_errors(applied) else "Setup tests"
    content = make_code_block(lines.split("\n"), max_line_length=MAX_OUTCOME_LINE_LENGTH)
    return truncate_page([make_paragraph(f"## {headline}"), content], limit)


def _select(row: dict[str, Any]) -> dict[str, Any]:
    names = ("id", "seconds", *IdentityPart, "setup_tests", "earlier_setup_tests", "diagnostics")
    return {str(name): row[name] for name in names if name in row}


def has_errors(applied: ApplyResult) -> bool:
    """Return whether a test that must pass has not passed, or a destination could not be tested."""
    return any(outcome.is_unsuccessful for outcome in applied.outcomes) or bool(
        select_errors(applied.problems)
    )
