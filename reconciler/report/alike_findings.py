"""Combine diagnostics that differ only in their object, so that one cause does not fill a screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from reconciler.model.diagnostic import Diagnostic, FindingGroup

MAX_SINGLE = 3
"""Number of alike diagnostics that stay single."""
_MAX_NAMES = 3
_SEVERAL_ADVICES = "`--verbose` has the advice for each"


def combine_alike(ordered: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Combine alike diagnostics into one at the place of the first, if there are too many of them."""
    return [
        shown
        for findings in group_alike(ordered)
        for shown in (findings if len(findings) <= MAX_SINGLE else [_combine(findings)])
    ]


def group_alike(ordered: Iterable[Diagnostic]) -> list[list[Diagnostic]]:
    """Group alike diagnostics at the place of the first. A diagnostic without others of its kind is a group."""
    groups: dict[object, list[Diagnostic]] = {}
    for number, finding in enumerate(ordered):
        group = finding.group
        key = (finding.severity, finding.code, group.noun, group.text) if group is not None else number
        groups.setdefault(key, []).append(finding)
    return list(groups.values())


def count_alike(number: int, group: FindingGroup) -> str:
    """Count alike diagnostics in the words of one of them: `12 destinations are broken`."""
    return f"{number:,} {group.noun}s {group.text}"


def _combine(findings: Sequence[Diagnostic]) -> Diagnostic:
    """Combine diagnostics that all have a group."""
    first, groups = findings[0], [finding.group for finding in findings if finding.group is not None]
    message = count_alike(len(findings), groups[0])
    names = [group.name for group in groups]
    advices = {group.help for group in groups}
    is_complete = groups[0].lists_places
    return replace(
        first,
        message=message if is_complete else f"{message}: {_limit(names)}",
        notes=tuple(map(_describe_place, findings, groups)) if is_complete else (),
        help=advices.pop() if len(advices) == 1 else _SEVERAL_ADVICES,
    )


def _limit(names: Sequence[str]) -> str:
    return f"{', '.join(names[:_MAX_NAMES])} and {len(names) - _MAX_NAMES:,} more; `--verbose` names all"


def _describe_place(finding: Diagnostic, group: FindingGroup) -> str:
    place = finding.span or finding.address
    return group.name if place is None else f"{place}: {group.name}"
