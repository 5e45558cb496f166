"""A plan as people read it. Lines that begin at column 0 are ours alone: no text of a user stands there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from rich.text import Text

from reconciler.model.plan import Action, Change, FieldChange, Plan, Risk, Unmanaged
from reconciler.model.value import dotted
from reconciler.report.live_objects import identified_text, live_rows, live_text
from reconciler.report.neutral import neutral
from reconciler.report.plan_words import (
    DIGEST_SHOWN,
    RISKS,
    UNTESTED,
    account_text,
    asides,
    counts_text,
    extent_text,
    unsettled_text,
)
from reconciler.report.style import ACTION_STYLES, BAD, QUIET, STRONG, SYMBOLS, WARN, counted, lines
from reconciler.report.values import told, told_change, value_text

_PLACE_COLUMN = 60
_NAME_COLUMN = 22
_LONGEST_NAME = 44
_NAMES_SHOWN = 5


class Detail(StrEnum):
    """How much a plan tells: only what changes, or also what stays as it is."""

    CHANGES = "changes"
    EVERYTHING = "everything"


def plan_text(plan: Plan, detail: Detail = Detail.CHANGES, width: int | None = None) -> Text:
    """The whole plan: header, one block for each change, what is not managed, and the counts.

    The counts keep Terraform's wording (`Plan: 1 to add, …` or `No changes.`), alone on their line.
    `width` is that of the terminal, where there is one: on a narrow one places stand in no column.
    """
    column = place_column(plan.effective, width)
    blocks = [heading(plan)]
    blocks += [change_block(change, column) for change in plan.effective]
    if detail is Detail.EVERYTHING:
        blocks += _unchanged(plan)
    if plan.adopted:
        blocks.append(_adopted(plan.adopted))
    if plan.forgotten:
        blocks.append(_forgotten(plan.forgotten))
    if plan.unmanaged:
        blocks.append(_unmanaged(plan.unmanaged))
    blocks.append(_closing(plan))
    return Text("\n\n").join(blocks)


def heading(plan: Plan) -> Text:
    """Which account, how much is declared, how much is there."""
    return Text.assemble("account ", (account_text(plan), STRONG), (f" · {extent_text(plan)}", QUIET))


def place_column(changes: Iterable[Change], width: int | None) -> int:
    """Where places in the specs stand; 0 for no column."""
    longest = max((len(_place(change)) for change in changes), default=0)
    return 0 if width is not None and _PLACE_COLUMN + len("+ ") + longest > width else _PLACE_COLUMN


def _place(change: Change) -> str:
    return neutral(f"{change.span.path}:{change.span.line}") if change.span else ""


def change_block(change: Change, column: int) -> Text:
    """One change: its first line, its fields, and what to beware of. Its place stands in `column`."""
    address = str(change.address)
    style = ACTION_STYLES[change.action]
    first = Text.assemble((f"{SYMBOLS[change.action]} ", style), (address, STRONG))
    if change.span:
        padding = " " * max(2, column - len(address))
        first.append_text(Text(padding + _place(change), QUIET))
    longest = max((len(_name(field)) for field in change.fields), default=0)
    width = min(max(longest, _NAME_COLUMN), _LONGEST_NAME)
    parts = [first]
    if change.action is Action.REPLACE and change.live is not None:
        parts.append(Text(f"    {'deletes':<{width}}  {identified_text(change)}"))
    parts += [_field(change, field, width) for field in change.fields]
    if change.missing:
        parts.append(Text("    gone from Fivetran since it was applied", WARN))
    if change.unsettled is not None:
        parts.append(Text(f"  ! {unsettled_text(change.unsettled)}", WARN))
    if change.action is Action.VERIFY:
        parts.append(Text(f"    {UNTESTED}"))
    if change.action is Action.DELETE:
        parts += _deleted(change)
    if RISKS[change.risk]:
        colour = WARN if change.risk is Risk.INTERRUPTS_SYNCS else BAD
        parts.append(Text(f"  ! {RISKS[change.risk]}", colour))
    return lines(parts)


def _deleted(change: Change) -> list[Text]:
    rows = [("id", value_text(change.id)), *live_rows(change)]
    width = max(len(name) for name, _ in rows)
    return [Text(f"    {name:<{width}}  {told}") for name, told in rows]


def _field(change: Change, field: FieldChange, width: int) -> Text:
    value = told(field) if change.action is Action.CREATE else told_change(field, change.secrets)
    forced = "   forces the replacement" if field.forces_replace else ""
    return Text(f"    {_name(field):<{width}}  {value}{forced}")


def _name(field: FieldChange) -> str:
    return neutral(dotted(field.path))


def _unchanged(plan: Plan) -> list[Text]:
    kept = [change for change in plan.changes if change.action is Action.NO_OP]
    if not kept:
        return []
    address = max(len(str(change.address)) for change in kept)
    id = max(len(neutral(change.id or "")) for change in kept)
    rows = (
        f"  {change.address!s:<{address}}  {neutral(change.id or ''):<{id}}  {_kept(change)}"
        for change in kept
    )
    return [lines([Text("Unchanged:"), *(Text(row.rstrip(), QUIET) for row in rows)])]


def _kept(change: Change) -> str:
    answers = {"secret unchanged": change.secrets.unchanged, "cannot be compared": change.uncomparable}
    return " · ".join(
        f"{answer}: {', '.join(neutral(dotted(path)) for path in paths)}"
        for answer, paths in answers.items()
        if paths
    )


def _adopted(adopted: Sequence[Change]) -> Text:
    """What is there as declared, but was not made or seen by an earlier run."""
    shown = adopted[:_NAMES_SHOWN]
    width = max(len(str(change.address)) for change in shown)
    symbol = SYMBOLS[Action.ADOPT]
    parts = [
        Text(f"{symbol} {change.address!s:<{width}}  {neutral(change.id or '')}", ACTION_STYLES[Action.ADOPT])
        for change in shown
    ]
    if len(adopted) > len(shown):
        parts.append(Text(f"{symbol} and {len(adopted) - len(shown):,} more", ACTION_STYLES[Action.ADOPT]))
    return lines([Text("Found at Fivetran as declared; apply remembers them and sends nothing:"), *parts])


def _forgotten(forgotten: Sequence[Change]) -> Text:
    """What is given up without touching it."""
    symbol = SYMBOLS[Action.FORGET]
    width = max(len(str(change.address)) for change in forgotten)
    parts = [
        Text(
            f"{symbol} {change.address!s:<{width}}  {neutral(change.id or '')}  {live_text(change)}".rstrip(),
            ACTION_STYLES[Action.FORGET],
        )
        for change in forgotten
    ]
    return lines([Text("Not managed any more; apply forgets them and sends nothing:"), *parts])


def _unmanaged(unmanaged: Sequence[Unmanaged]) -> Text:
    names = ", ".join(f'"{neutral(each.name)}"' for each in unmanaged[:_NAMES_SHOWN])
    more = len(unmanaged) - _NAMES_SHOWN
    rest = f" and {more:,} more" if more > 0 else ""
    return Text(f"Not managed: {counted(len(unmanaged), 'group')} ({names}{rest}). Left alone.", QUIET)


def _closing(plan: Plan) -> Text:
    told = asides(plan)
    # Without a change there is nothing that anybody could approve.
    told += [f"digest {plan.digest[:DIGEST_SHOWN]}…"] if plan.digest and plan.effective else []
    parts = [Text(counts_text(plan), STRONG)]
    if plan.blockers:  # the findings stand elsewhere, and a plan is read without them too
        codes = ", ".join(sorted({each.code for each in plan.blockers}))
        parts.append(Text(f"Apply refuses this plan: {codes}.", BAD))
    return lines([*parts, Text(" · ".join(told), QUIET)] if told else parts)
