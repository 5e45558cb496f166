"""A plan as people read it. Lines that begin at column 0 are ours alone: no text of a user stands there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from rich.text import Text

from reconciler.model.address import DESTINATION, GROUP
from reconciler.model.plan import Action, Change, FieldChange, Plan, Risk, Unmanaged
from reconciler.model.value import dotted
from reconciler.report import diagnostics
from reconciler.report.diagnostics import ReadLine
from reconciler.report.neutral import neutral
from reconciler.report.style import ACTION_STYLES, QUIET, STRONG, SYMBOLS, WARN, counted, lines, seconds
from reconciler.report.values import told, told_change

_PLACE_COLUMN = 60
_NAME_COLUMN = 22
_LONGEST_NAME = 44
_NAMES_SHOWN = 5


class Detail(StrEnum):
    """How much a plan tells: only what changes, or also what stays as it is."""

    CHANGES = "changes"
    EVERYTHING = "everything"


def plan_text(plan: Plan, read_line: ReadLine, detail: Detail = Detail.CHANGES) -> Text:
    """The whole plan: header, one block for each change, what is not managed, warnings, and the counts.

    The counts keep Terraform's wording (`Plan: 1 to add, …` or `No changes.`), alone on their line.
    """
    blocks = [_header(plan)]
    blocks += [_block(change) for change in plan.effective]
    if detail is Detail.EVERYTHING:
        blocks += _unchanged(plan)
    if plan.unmanaged:
        blocks.append(_unmanaged(plan.unmanaged))
    if plan.warnings:
        blocks.append(diagnostics.full(plan.warnings, read_line))
    blocks.append(_closing(plan))
    return Text("\n\n").join(blocks)


def account_text(plan: Plan) -> str:
    """`NAME (id)`, or the id alone where the account has no name."""
    if not plan.account_name:
        return neutral(plan.account_id)
    return f"{neutral(plan.account_name)} ({neutral(plan.account_id)})"


def _header(plan: Plan) -> Text:
    groups = [change for change in plan.changes if change.address.kind == GROUP]
    destinations = [change for change in plan.changes if change.address.kind == DESTINATION]
    declared = f"{_objects(len(groups), len(destinations))} in {counted(plan.files, 'file')}"
    found = _objects(_existing(groups) + len(plan.unmanaged), _existing(destinations))
    return Text.assemble(
        "account ",
        (account_text(plan), STRONG),
        (f" · {declared} · read {found} in {seconds(plan.seconds)}", QUIET),
    )


def _objects(groups: int, destinations: int) -> str:
    return f"{counted(groups, 'group')}, {counted(destinations, 'destination')}"


def _existing(changes: Iterable[Change]) -> int:
    return sum(change.action is not Action.CREATE for change in changes)


def _block(change: Change) -> Text:
    address = str(change.address)
    style = ACTION_STYLES[change.action]
    first = Text.assemble((f"{SYMBOLS[change.action]} ", style), (address, STRONG))
    if change.span:
        padding = " " * max(2, _PLACE_COLUMN - len(address))
        place = neutral(f"{change.span.path}:{change.span.line}")
        first.append_text(Text(padding + place, QUIET))
    longest = max((len(_name(field)) for field in change.fields), default=0)
    width = min(max(longest, _NAME_COLUMN), _LONGEST_NAME)
    parts = [first, *(_field(change, field, width) for field in change.fields)]
    if change.action is Action.VERIFY:
        parts.append(Text("    setup tests have not passed; apply runs them"))
    if change.risk is Risk.INTERRUPTS_SYNCS:
        parts.append(Text("  ! interrupts syncs while setup tests run", WARN))
    return lines(parts)


def _field(change: Change, field: FieldChange, width: int) -> Text:
    value = told(field) if change.action is Action.CREATE else told_change(field)
    return Text(f"    {_name(field):<{width}}  {value}")


def _name(field: FieldChange) -> str:
    return neutral(dotted(field.path))


def _unchanged(plan: Plan) -> list[Text]:
    kept = [change for change in plan.changes if change.action is Action.NO_OP]
    if not kept:
        return []
    return [lines([Text("Unchanged:"), *(Text(f"  {_kept(change)}", QUIET) for change in kept)])]


def _kept(change: Change) -> str:
    known = f"  {neutral(change.id)}" if change.id else ""
    hidden = ", ".join(neutral(dotted(path)) for path in change.uncomparable)
    return f"{change.address}{known}" + (f"  not compared: {hidden}" if hidden else "")


def _unmanaged(unmanaged: Sequence[Unmanaged]) -> Text:
    names = ", ".join(f'"{neutral(each.name)}"' for each in unmanaged[:_NAMES_SHOWN])
    more = len(unmanaged) - _NAMES_SHOWN
    rest = f" and {more:,} more" if more > 0 else ""
    return Text(f"Not managed: {counted(len(unmanaged), 'group')} ({names}{rest}). Left alone.", QUIET)


def _closing(plan: Plan) -> Text:
    counts = Text("No changes.", STRONG)
    if plan.effective:
        add, change = plan.count(Action.CREATE), plan.count(Action.UPDATE)
        counts = Text(f"Plan: {add} to add, {change} to change, 0 to destroy.", STRONG)
    return lines([counts, Text(" · ".join(_asides(plan)), QUIET)])


def _asides(plan: Plan) -> list[str]:
    verify = plan.count(Action.VERIFY)
    hidden = sum(len(change.uncomparable) for change in plan.changes)
    asides = [f"{plan.count(Action.NO_OP)} unchanged"]
    if verify:
        asides.insert(0, f"{counted(verify, 'destination')} to test")
    if hidden:
        left = "is left as it is" if hidden == 1 else "are left as they are"
        asides.append(f"{counted(hidden, 'value')} that cannot be compared {left}")
    return asides
