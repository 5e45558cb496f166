"""Render results of an apply: live lines, the summary, JSON and Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from rich.text import Text

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, select_errors
from reconciler.model.group_identity import IdentityPart
from reconciler.model.instant import format_utc
from reconciler.model.json_parts import (
    serialize_connection,
    serialize_held_until,
    serialize_identity_parts,
    serialize_live_object,
    serialize_trust_changes,
)
from reconciler.model.outcome import ApplyResult, Check, CheckStatus, Outcome, Status
from reconciler.model.plan import Action, Change
from reconciler.model.sanitize import escape, to_one_line
from reconciler.report.check_details import render_details
from reconciler.report.diagnostics import render_headline, render_notes, serialize_diagnostics
from reconciler.report.live_objects import format_connections, format_name
from reconciler.report.markdown import make_code_block, make_paragraph, truncate_page
from reconciler.report.style import (
    ACTION_STYLES,
    BAD,
    COPIED,
    GOOD,
    LINK,
    QUIET,
    STATUS_STYLES,
    STRONG,
    SYMBOLS,
    WARN,
    format_count,
    format_duration,
    join_lines,
)
from reconciler.report.trust import list_done_rows
from reconciler.report.untried import UNTRIED_WORDS, combine_untried, explain_untried, render_combined
from reconciler.report.values import format_identity_part

_DONE_WORDS = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.VERIFY: "tested",
    Action.APPROVE: "approved",
    Action.REVOKE: "revoked",
    Action.REPLACE: "replaced",
    Action.DELETE: "deleted",
    Action.ADOPT: "adopted",
    Action.FORGET: "forgotten",
    Action.NO_OP: "unchanged",
}
_NOT_DONE_WORDS = {Status.FAILED: "failed", **UNTRIED_WORDS, Status.UNKNOWN: "unknown"}
_NO_RESULT = "no result"
_WORD_WIDTH = max(map(len, [*_DONE_WORDS.values(), *_NOT_DONE_WORDS.values()]))
_CHECK_WORDS: dict[str, str] = {
    CheckStatus.PASSED: "passed",
    CheckStatus.WARNING: "warning",
    CheckStatus.SKIPPED: "skipped",
    CheckStatus.FAILED: "failed",
    CheckStatus.JOB_FAILED: "could not run",
}
_ID_WIDTH = 20
_MAX_MESSAGE_LENGTH = 600
MAX_OUTCOME_LINE_LENGTH = 5000
"""Characters of a line of a page: an SSH public key is worth nothing if it is cut."""
_MAX_ADDRESSES = 5


def measure_addresses(addresses: Iterable[Address]) -> int:
    """Compute the width in characters of the column of addresses in result lines."""
    return max((len(str(address)) for address in addresses), default=0)


def render_outcomes(outcomes: Sequence[Outcome], width: int, *, names_all: bool) -> list[Text]:
    """Render ended changes in their order, and after them the changes that were not started, by their reasons.

    With `names_all` no line stands for several changes, and all stand in their order.
    """
    if names_all:
        return [render_outcome(outcome, width) for outcome in outcomes]
    tried = [render_outcome(outcome, width) for outcome in outcomes if not outcome.status.is_untried]
    untried = [outcome for outcome in outcomes if outcome.status.is_untried]
    return [*tried, *render_untried(untried, width)]


def render_untried(outcomes: Iterable[Outcome], width: int) -> list[Text]:
    """Render changes that were not started: one line for all with one reason, unless they are few."""
    return [
        render_combined(alike) if len(alike) > 1 else render_outcome(alike[0], width)
        for alike in combine_untried(outcomes)
    ]


def render_outcome(outcome: Outcome, width: int) -> Text:
    """Render one ended change: its line, its setup tests, and the diagnostic of a failure."""
    has_result = outcome.action is not Action.VERIFY or outcome.checks is not None
    word = _NOT_DONE_WORDS.get(outcome.status) or (_DONE_WORDS[outcome.action] if has_result else _NO_RESULT)
    line = Text.assemble(
        ("  " + SYMBOLS[outcome.action], ACTION_STYLES[outcome.action]),
        f" {outcome.address!s:<{width}}  ",
        (f"{word:<{_WORD_WIDTH}}", STATUS_STYLES[outcome.status] if has_result else WARN),
    )
    if outcome.status.is_untried:
        return _render_not_attempted(line, outcome)
    line.append(f"  {escape(outcome.id or ''):<{_ID_WIDTH}}  ")
    line.append(format_duration(outcome.seconds), QUIET)
    if outcome.status is Status.AWAITING_APPROVAL:
        line.append(", awaiting approval", STATUS_STYLES[outcome.status])
    if outcome.recovered:
        line.append(", found after its answer was lost", WARN)
    if outcome.live is not None:
        line.append(f", {format_name(outcome.live)}")
    parts = [line]
    parts += [
        Text(f"      deleted first: connection {connection}")
        for connection in format_connections(outcome.deleted_first)
    ]
    parts += [Text(f"      {row}") for row in list_done_rows(outcome.approvals)]
    parts += _render_identity(outcome)
    for number, checks in enumerate(outcome.earlier_checks, start=1):
        parts += _render_setup_tests(checks, f"setup tests, run {number}")
    if outcome.checks:
        parts += _render_setup_tests(
            outcome.checks,
            "setup tests, again" if outcome.earlier_checks else "setup tests",
            # The diagnostic describes the servers that wait.
            shows_details=outcome.status is not Status.AWAITING_APPROVAL,
        )
    for diagnostic in outcome.diagnostics:
        parts += _render_diagnostic(diagnostic, outcome.checks or ())
    return join_lines(parts)


def _render_identity(outcome: Outcome) -> Iterable[Text]:
    """Render what Fivetran shows of itself, each part unbroken on its line so that it can be copied, and what to do
    with it. Passed setup tests show that a service account has its roles."""
    has_passed = bool(outcome.checks) and not any(check.has_failed for check in outcome.checks or ())
    for part, text in outcome.identity.items():
        yield Text.assemble(f"      {format_identity_part(part)} of Fivetran  ", (escape(text), COPIED))
        if part is IdentityPart.SSH_PUBLIC_KEY or not has_passed:
            yield Text(f"        {_IDENTITY_ADVICE[part]}")


_IDENTITY_ADVICE = {
    IdentityPart.SSH_PUBLIC_KEY: "add it to ~/.ssh/authorized_keys of `config.tunnel_user` on the tunnel host",
    IdentityPart.SERVICE_ACCOUNT: "grant it the roles that Fivetran's setup guide of the destination names",
}


def _render_not_attempted(line: Text, outcome: Outcome) -> Text:
    """Render a change that was not attempted, on one line: it follows from a cause that is shown elsewhere."""
    line.append(f"  {explain_untried(outcome)}", QUIET)
    line.rstrip()
    return line


def _render_diagnostic(diagnostic: Diagnostic, checks: Sequence[Check]) -> Iterable[Text]:
    """Render the diagnostic of a failure with its place in the specs, without notes that repeat a setup test above."""
    yield Text("      ").append_text(render_headline(diagnostic))
    if diagnostic.span:
        yield Text.assemble(("        --> ", LINK), escape(str(diagnostic.span)))
    shown_tests = {f"{check.title}: {check.message or check.status}" for check in checks}
    notes = tuple(note for note in diagnostic.notes if note not in shown_tests)
    yield from render_notes(replace(diagnostic, notes=notes), " " * 8)


def render_summary(applied: ApplyResult) -> Text:
    """Render the last lines: done and open changes, whether a new plan is empty, and the next step."""
    parts = [_render_applied_counts(applied)]
    not_applied = _count_not_applied(applied.outcomes)
    if not_applied:
        parts.append(Text(f"Not applied: {not_applied}.", BAD))
    unfinished = _count_unfinished(applied.outcomes)
    if unfinished:
        parts.append(Text(f"Not finished: {unfinished}.", WARN))
    if not applied.interrupted and not any(problem.code_facts.loses_state for problem in applied.problems):
        parts.append(_render_convergence(applied))
    advice = _suggest_next_step(applied)
    if advice:
        parts.append(Text(advice))
    return join_lines(parts)


def render_adoption(adopted: Sequence[Change]) -> Text:
    """Render the last line of an apply that adopts objects and sends nothing."""
    return Text.assemble(("Adopted: ", STRONG), f"{len(adopted):,} recorded in the state.")


def _render_setup_tests(checks: Sequence[Check], title: str, *, shows_details: bool = True) -> list[Text]:
    counts: dict[str, int] = {}
    for check in sorted(checks, key=_rank_check):
        word = _CHECK_WORDS.get(check.status) or escape(check.status)
        counts[word] = counts.get(word, 0) + 1
    totals = ", ".join(f"{number} {word}" for word, number in counts.items())
    parts = [Text(f"      {title}  {totals}")]
    for check in checks:
        if check.status in {CheckStatus.PASSED, CheckStatus.SKIPPED}:
            continue
        message = to_one_line(check.message)
        if len(message) > _MAX_MESSAGE_LENGTH:
            message = f"{message[:_MAX_MESSAGE_LENGTH]}…"
        text = f"{to_one_line(check.title)}: {message}" if message else to_one_line(check.title)
        parts.append(Text(f"        ! {text}", BAD if check.has_failed else WARN))
        details = render_details(check.details) if shows_details else []
        parts += [Text(f"          {line}", QUIET) for line in details]
    return parts


def _rank_check(check: Check) -> int:
    order = list(_CHECK_WORDS)
    return order.index(check.status) if check.status in order else len(order)


def _render_applied_counts(applied: ApplyResult) -> Text:
    done = [outcome.action for outcome in applied.outcomes if outcome.status.is_in_effect]
    counts = ", ".join(
        f"{done.count(action)} {word}" for action, word in _DONE_WORDS.items() if action in done
    )
    repeated = f" ({applied.retry_count:,} repeated)" if applied.retry_count else ""
    usage = f"in {format_duration(applied.seconds)}, {format_count(applied.requests, 'request')}{repeated}"
    return Text.assemble(("Applied: ", STRONG), f"{counts or 'nothing'} {usage}.")


def _count_not_applied(outcomes: Iterable[Outcome]) -> str:
    statuses = [outcome.status for outcome in outcomes]
    return ", ".join(
        f"{statuses.count(status)} {word}" for status, word in _NOT_DONE_WORDS.items() if status in statuses
    )


def _count_unfinished(outcomes: Sequence[Outcome]) -> str:
    """Count written changes that wait for an approval or have failed their setup tests."""
    waiting = sum(outcome.status is Status.AWAITING_APPROVAL for outcome in outcomes)
    failing = sum(outcome.has_failed_tests for outcome in outcomes)
    parts = [f"{waiting:,} awaiting approval"] if waiting else []
    parts += [f"{failing:,} without passed setup tests"] if failing else []
    return ", ".join(parts)


def _render_convergence(applied: ApplyResult) -> Text:
    if applied.remaining is None:
        return Text("Not checked: a new plan could not be made.", WARN)
    if not applied.remaining:
        return Text("Checked: a new plan is empty.", GOOD)
    addresses = ", ".join(map(str, applied.remaining[:_MAX_ADDRESSES]))
    more = len(applied.remaining) - _MAX_ADDRESSES
    suffix = f" and {more:,} more" if more > 0 else ""
    return Text(f"Checked: a new plan still has changes of {addresses}{suffix}.", WARN)


def _suggest_next_step(applied: ApplyResult) -> str:
    """Suggest one next step. The order of the candidates is the order of urgency: unknown results come first."""
    statuses = {outcome.status for outcome in applied.outcomes}
    undone = {Status.FAILED, Status.SKIPPED, Status.CANCELLED}
    waiting = "" if statuses & {Status.FAILED, Status.CANCELLED} else _suggest_waiting(applied.outcomes)
    candidates = (
        (
            applied.interrupted and not any(outcome.is_unsuccessful for outcome in applied.outcomes),
            "Interrupted. All changes were applied; run plan to see whether any are left.",
        ),
        (
            applied.interrupted,
            "Interrupted. Run apply again to continue: finished changes are not repeated.",
        ),
        (
            Status.UNKNOWN in statuses,
            "Some responses were lost. Run apply again: it looks for the objects first, and creates none twice.",
        ),
        (bool(waiting), waiting),
        (
            bool(statuses & undone),
            "Fix the failed changes, then run apply again: finished changes are not repeated.",
        ),
        (
            any(outcome.has_failed_tests for outcome in applied.outcomes),
            "Fix the problems that the setup tests report, then run apply again: it repeats the tests.",
        ),
        (
            Status.AWAITING_APPROVAL in statuses,
            "Pin the certificates and host keys that you trust (`reconciler trust pin`), then run apply again.",
        ),
        (applied.remaining is None, "Run plan to see whether any changes are left."),
        (bool(applied.remaining), "Run plan to see the remaining changes."),
    )
    return next((advice for applies, advice in candidates if applies), "")


def _suggest_waiting(outcomes: Iterable[Outcome]) -> str:
    """Suggest the time of the next apply if creates wait for earlier requests; empty if no create waits."""
    until = max((outcome.held_until for outcome in outcomes if outcome.held_until is not None), default=None)
    if until is None:
        return ""
    return (
        f"Requests of an earlier run may still take effect. Run apply again after {format_utc(until)}: it looks for"
        " the objects first, and creates none twice."
    )


def serialize_apply_result(applied: ApplyResult) -> dict[str, Any]:
    """Serialize a run as JSON objects: one outcome for each change, in the order of the plan.

    `remaining` is null if the account was not read again after the run.
    """
    return {
        "outcomes": [_serialize_outcome(outcome) for outcome in applied.outcomes],
        "counts": {
            str(status): sum(outcome.status is status for outcome in applied.outcomes) for status in Status
        },
        "remaining": None if applied.remaining is None else [str(address) for address in applied.remaining],
        "problems": serialize_diagnostics(applied.problems),
        "interrupted": applied.interrupted,
        "requests": applied.requests,
        "repeated": applied.retry_count,
        "seconds": round(applied.seconds, 3),
    }


def _serialize_outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "address": str(outcome.address),
        "action": str(outcome.action),
        "status": str(outcome.status),
        "id": outcome.id,
        "seconds": round(outcome.seconds, 3),
        "found": outcome.recovered,
        **serialize_held_until(outcome),
        "live": serialize_live_object(outcome.live),
        **({"approvals": serialize_trust_changes(outcome.approvals)} if outcome.approvals else {}),
        **serialize_identity_parts(outcome.identity),
        "deleted_first": [serialize_connection(connection) for connection in outcome.deleted_first],
        "setup_tests": None if outcome.checks is None else _serialize_checks(outcome.checks),
        "earlier_setup_tests": [_serialize_checks(checks) for checks in outcome.earlier_checks],
        "diagnostics": serialize_diagnostics(outcome.diagnostics),
    }


def _serialize_checks(checks: Iterable[Check]) -> list[dict[str, Any]]:
    return [
        {
            "title": check.title,
            "status": check.status,
            "message": check.message,
            **({} if check.details is None else {"details": check.details}),
        }
        for check in checks
    ]


def render_apply_markdown(applied: ApplyResult, limit: int, *, names_all: bool = False) -> str:
    """Render the result of each change and the counts in at most `limit` bytes of UTF-8. Omitted lines are counted.

    Changes that were not started for one reason are one line, unless `names_all` is set.
    """
    outcomes = applied.outcomes
    width = measure_addresses(outcome.address for outcome in outcomes)
    texts = [
        *(text.plain for text in render_outcomes(outcomes, width, names_all=names_all)),
        "",
        render_summary(applied).plain,
    ]
    lines = [line for text in texts for line in text.split("\n")]
    content = make_code_block(lines, max_line_length=MAX_OUTCOME_LINE_LENGTH)
    return truncate_page([make_paragraph(f"## {_choose_headline(applied)}"), content], limit)


def _choose_headline(applied: ApplyResult) -> str:
    unfinished = [outcome for outcome in applied.outcomes if outcome.is_unsuccessful]
    is_waiting = all(outcome.status is Status.AWAITING_APPROVAL for outcome in unfinished)
    if applied.interrupted or select_errors(applied.problems) or not is_waiting:
        return "Not everything was applied"
    return "Applied, awaiting approval" if unfinished else "Applied"
