"""What happened outside the specs, as people read it."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from rich.text import Text

from reconciler.model.plan import Plan, Unmanaged
from reconciler.report.neutral import neutral
from reconciler.report.plan_text import change_block, heading, place_column
from reconciler.report.style import QUIET, STRONG, WARN, counted, lines
from reconciler.report.values import value_text


class Others(StrEnum):
    """Whether groups that no spec is about are listed."""

    LISTED = "listed"
    LEFT_OUT = "left-out"


def drift_text(plan: Plan, others: Others, width: int | None = None) -> Text:
    """Header, one block for each object that drifted, the groups that are not managed, and a count.

    What is gone is told without the fields that it would be made with. `width` is that of the terminal,
    where there is one.
    """
    column = place_column(plan.drifted, width)
    blocks = [heading(plan)]
    blocks += [
        change_block(replace(change, fields=()) if change.missing else change, column)
        for change in plan.drifted
    ]
    if others is Others.LISTED and plan.unmanaged:
        blocks.append(_unmanaged(plan.unmanaged))
    blocks.append(_closing(plan))
    return Text("\n\n").join(blocks)


def _unmanaged(groups: tuple[Unmanaged, ...]) -> Text:
    width = max(len(neutral(group.id)) for group in groups)
    rows = [Text(f"  {neutral(group.id):<{width}}  {value_text(group.name)}") for group in groups]
    return lines([Text(f"Not managed: {counted(len(groups), 'group')}. Left alone."), *rows])


def _closing(plan: Plan) -> Text:
    missing = sum(change.missing for change in plan.drifted)
    told = f"Drift: {len(plan.drifted) - missing} changed, {missing} gone"
    told += f", {len(plan.unseen)} gone or hidden." if plan.unseen else "."
    told = told if plan.drifted or plan.unseen else "No drift."
    parts = [Text(told, STRONG)]
    hidden = len(plan.effective) - len(plan.drifted)
    if hidden:
        rest = f"{counted(hidden, 'other change')} not shown; `reconciler plan` shows all"
        parts.append(Text(rest, QUIET))
    if plan.undecided:
        unknown = f"{len(plan.undecided)} of them may be drift too: what was last applied is not remembered"
        parts.append(Text(unknown, WARN))
    return lines(parts)
