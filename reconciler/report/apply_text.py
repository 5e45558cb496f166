"""What an apply did, line by line while it happens and summed up at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rich.text import Text

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.instant import utc
from reconciler.model.outcome import Applied, Check, CheckStatus, Outcome, Status
from reconciler.model.plan import Action
from reconciler.report.diagnostics import headline, remarks
from reconciler.report.live_objects import connection_texts, name_text
from reconciler.report.neutral import neutral, one_line
from reconciler.report.style import (
    ACTION_STYLES,
    BAD,
    GOOD,
    LINK,
    QUIET,
    STATUS_STYLES,
    STRONG,
    SYMBOLS,
    WARN,
    counted,
    lines,
    seconds,
)

_DONE = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.VERIFY: "tested",
    Action.REPLACE: "replaced",
    Action.DELETE: "deleted",
    Action.ADOPT: "adopted",
    Action.FORGET: "forgotten",
    Action.NO_OP: "unchanged",
}
_NOT_DONE = {
    Status.FAILED: "failed",
    Status.SKIPPED: "skipped",
    Status.HELD: "held back",
    Status.CANCELLED: "cancelled",
    Status.UNKNOWN: "unknown",
}
_WRITTEN = frozenset({Status.DONE, Status.AWAITING_APPROVAL})
_UNTRIED = frozenset({Status.SKIPPED, Status.HELD, Status.CANCELLED})
_WORD_WIDTH = max(map(len, [*_DONE.values(), *_NOT_DONE.values()]))
_CHECK_WORDS: dict[str, str] = {
    CheckStatus.PASSED: "passed",
    CheckStatus.WARNING: "warning",
    CheckStatus.SKIPPED: "skipped",
    CheckStatus.FAILED: "failed",
    CheckStatus.JOB_FAILED: "could not run",
}
_ID_WIDTH = 20
_LONGEST_MESSAGE = 600
_ADDRESSES_SHOWN = 5


def address_width(addresses: Iterable[Address]) -> int:
    """The column width that result lines need to stand in line."""
    return max((len(str(address)) for address in addresses), default=0)


def result(outcome: Outcome, width: int) -> Text:
    """One change that came to its end: the line, its setup tests, and what went wrong."""
    word = _NOT_DONE.get(outcome.status) or _DONE[outcome.action]
    line = Text.assemble(
        ("  " + SYMBOLS[outcome.action], ACTION_STYLES[outcome.action]),
        f" {outcome.address!s:<{width}}  ",
        (f"{word:<{_WORD_WIDTH}}", STATUS_STYLES[outcome.status]),
    )
    if outcome.status in _UNTRIED:
        return _untried(line, outcome)
    line.append(f"  {neutral(outcome.id or ''):<{_ID_WIDTH}}  ")
    line.append(seconds(outcome.seconds), QUIET)
    if outcome.status is Status.AWAITING_APPROVAL:
        line.append(", awaiting approval", STATUS_STYLES[outcome.status])
    if outcome.found:
        line.append(", found after its answer was lost", WARN)
    if outcome.live is not None:
        line.append(f", {name_text(outcome.live)}")
    parts = [line]
    parts += [
        Text(f"      deleted first: connection {each}") for each in connection_texts(outcome.deleted_first)
    ]
    for number, checks in enumerate(outcome.earlier_checks, start=1):
        parts += _tests(checks, f"setup tests, run {number}")
    if outcome.checks:
        parts += _tests(outcome.checks, "setup tests, again" if outcome.earlier_checks else "setup tests")
    for diagnostic in outcome.diagnostics:
        parts += _finding(diagnostic, outcome.checks or ())
    return lines(parts)


def _untried(line: Text, outcome: Outcome) -> Text:
    """One line for what was not even tried: there may be hundreds, and what is to be mended stands elsewhere."""
    reasons = (neutral(each.message).removeprefix(f"{outcome.address} was ") for each in outcome.diagnostics)
    line.append(f"  {'; '.join(reasons)}", QUIET)
    line.rstrip()
    return line


def _finding(diagnostic: Diagnostic, checks: Sequence[Check]) -> Iterable[Text]:
    """What went wrong, and where it was written. Notes that repeat a setup test are left out: it stands above."""
    yield Text("      ").append_text(headline(diagnostic))
    if diagnostic.span:
        yield Text.assemble(("        --> ", LINK), neutral(str(diagnostic.span)))
    above = {f"{check.title}: {check.message or check.status}" for check in checks}
    notes = tuple(note for note in diagnostic.notes if note not in above)
    yield from remarks(replace(diagnostic, notes=notes), " " * 8)


def summary(applied: Applied) -> Text:
    """The last lines: what was done, what was not, whether a new plan is empty, and what to do next."""
    parts = [_applied(applied)]
    undone = _undone(applied.outcomes)
    if undone:
        parts.append(Text(f"Not applied: {undone}.", BAD))
    unfinished = _unfinished(applied.outcomes)
    if unfinished:
        parts.append(Text(f"Not finished: {unfinished}.", WARN))
    if not applied.interrupted and not any(each.code == "lease-lost" for each in applied.problems):
        parts.append(_checked(applied))
    advice = _advice(applied)
    if advice:
        parts.append(Text(advice))
    return lines(parts)


def _tests(checks: Sequence[Check], what: str) -> list[Text]:
    counts: dict[str, int] = {}
    for check in sorted(checks, key=_check_order):
        word = _CHECK_WORDS.get(check.status) or neutral(check.status)
        counts[word] = counts.get(word, 0) + 1
    told = ", ".join(f"{number} {word}" for word, number in counts.items())
    parts = [Text(f"      {what}  {told}")]
    for check in checks:
        if check.status in {CheckStatus.PASSED, CheckStatus.SKIPPED}:
            continue
        message = one_line(check.message)
        if len(message) > _LONGEST_MESSAGE:
            message = f"{message[:_LONGEST_MESSAGE]}…"
        said = f"{one_line(check.title)}: {message}" if message else one_line(check.title)
        parts.append(Text(f"        ! {said}", BAD if check.failed else WARN))
    return parts


def _check_order(check: Check) -> int:
    order = list(_CHECK_WORDS)
    return order.index(check.status) if check.status in order else len(order)


def _applied(applied: Applied) -> Text:
    done = [outcome.action for outcome in applied.outcomes if outcome.status in _WRITTEN]
    told = ", ".join(f"{done.count(action)} {word}" for action, word in _DONE.items() if action in done)
    again = f" ({applied.repeated:,} repeated)" if applied.repeated else ""
    cost = f"in {seconds(applied.seconds)}, {counted(applied.requests, 'request')}{again}"
    return Text.assemble(("Applied: ", STRONG), f"{told or 'nothing'} {cost}.")


def _undone(outcomes: Iterable[Outcome]) -> str:
    statuses = [outcome.status for outcome in outcomes]
    return ", ".join(
        f"{statuses.count(status)} {word}" for status, word in _NOT_DONE.items() if status in statuses
    )


def _unfinished(outcomes: Sequence[Outcome]) -> str:
    """What was written and still has something before it."""
    waiting = sum(outcome.status is Status.AWAITING_APPROVAL for outcome in outcomes)
    failing = sum(outcome.failed_tests for outcome in outcomes)
    told = [f"{waiting:,} awaiting approval"] if waiting else []
    told += [f"{failing:,} without passed setup tests"] if failing else []
    return ", ".join(told)


def _checked(applied: Applied) -> Text:
    if applied.remaining is None:
        return Text("Not checked: a new plan could not be made.", WARN)
    if not applied.remaining:
        return Text("Checked: a new plan is empty.", GOOD)
    named = ", ".join(map(str, applied.remaining[:_ADDRESSES_SHOWN]))
    more = len(applied.remaining) - _ADDRESSES_SHOWN
    rest = f" and {more:,} more" if more > 0 else ""
    return Text(f"Checked: a new plan still wants {named}{rest}.", WARN)


def _advice(applied: Applied) -> str:
    """One thing to do next: that for the first thing that is left, the most uncertain first."""
    statuses = {outcome.status for outcome in applied.outcomes}
    undone = {Status.FAILED, Status.SKIPPED, Status.CANCELLED}
    waiting = "" if statuses & {Status.FAILED, Status.CANCELLED} else _waiting(applied.outcomes)
    left = (
        (
            applied.interrupted and not any(outcome.went_wrong for outcome in applied.outcomes),
            "Interrupted. All of it was applied; run plan to see whether anything is left.",
        ),
        (
            applied.interrupted,
            "Interrupted. Run apply again to go on: what is done is found and not done twice.",
        ),
        (
            Status.UNKNOWN in statuses,
            "Some answers never came. Run apply again: it looks first, and makes nothing twice.",
        ),
        (bool(waiting), waiting),
        (
            bool(statuses & undone),
            "Mend what failed, then run apply again: what is done is found and not done twice.",
        ),
        (
            any(outcome.failed_tests for outcome in applied.outcomes),
            "Correct what the setup tests complain about, then run apply again: it tests again what exists.",
        ),
        (
            Status.AWAITING_APPROVAL in statuses,
            "Somebody must approve what Fivetran does not trust yet; then run apply again.",
        ),
        (applied.remaining is None, "Run plan to see whether anything is left."),
        (bool(applied.remaining), "Run plan to see what is left."),
    )
    return next((advice for holds, advice in left if holds), "")


def _waiting(outcomes: Iterable[Outcome]) -> str:
    """What to do where creates have to wait for earlier requests."""
    until = max((each.held_until for each in outcomes if each.held_until is not None), default=None)
    if until is None:
        return ""
    return (
        f"Requests of an earlier run may still take effect. Run apply again after {utc(until)}: it looks first, and"
        " makes nothing twice."
    )
