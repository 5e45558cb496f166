"""Combine changes that were not started for one common reason, so that one cause does not fill a screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from reconciler.model.address import GROUP, Address
from reconciler.model.outcome import Outcome, Status
from reconciler.model.sanitize import escape
from reconciler.report.alike_findings import MAX_SINGLE
from reconciler.report.style import QUIET, STATUS_STYLES

UNTRIED_WORDS = {Status.SKIPPED: "skipped", Status.HELD: "held back", Status.CANCELLED: "cancelled"}
_NAMED = 2
"""Number of changes that a line names."""


def explain_untried(outcome: Outcome) -> str:
    """Explain in words that follow its address why a change was not tried; empty for a cancelled change."""
    return "; ".join(
        escape(diagnostic.message).removeprefix(f"{outcome.address} was ")
        for diagnostic in outcome.diagnostics
    )


def combine_untried(outcomes: Iterable[Outcome]) -> list[list[Outcome]]:
    """Combine changes that were not tried by their reason, in the order of the first of each.

    A few changes with one reason stay single. To miss its own group is one reason for all destinations.
    """
    groups: dict[tuple[Status, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.status, _generalize_reason(outcome)), []).append(outcome)
    return [
        part
        for group in groups.values()
        for part in ([group] if len(group) > MAX_SINGLE else [[outcome] for outcome in group])
    ]


def render_combined(outcomes: Sequence[Outcome]) -> Text:
    """Render several untried changes with one reason: `  512 not started: cancelled (group.a, …)`."""
    first = outcomes[0]
    reason = _generalize_reason(first)
    named = ", ".join(str(outcome.address) for outcome in outcomes[:_NAMED])
    more = f"{named} and {len(outcomes) - _NAMED:,} more; --verbose names all"
    return Text.assemble(
        f"  {len(outcomes):,} not started: ",
        (UNTRIED_WORDS[first.status], STATUS_STYLES[first.status]),
        f", {reason}" if reason else "",
        (f" ({more})", QUIET),
    )


def _generalize_reason(outcome: Outcome) -> str:
    own_group = Address(GROUP, outcome.address.key)
    return explain_untried(outcome).replace(f"because {own_group} did", "because their groups did")
