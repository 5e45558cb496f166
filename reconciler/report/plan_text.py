"""Render a plan, or a saved plan, as text. Only words of the program begin a line at column 0, no text of a user."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import groupby

from rich.text import Text

from reconciler.model.plan import (
    Action,
    Change,
    FieldChange,
    Plan,
    UndeclaredDestination,
    UnmanagedGroup,
)
from reconciler.model.sanitize import escape
from reconciler.model.value import FieldPath, format_path
from reconciler.report.change_groups import ChangeGroup, format_subject, group_changes, sort_changes
from reconciler.report.change_rows import (
    ChangeRow,
    RowTable,
    build_row,
    format_name,
    format_place,
    render_names,
    render_risk,
)
from reconciler.report.live_objects import format_identified_object, format_live_object, list_live_rows
from reconciler.report.plan_facts import Note, limit_notes, list_notes
from reconciler.report.plan_summary import (
    SHORT_DIGEST_LENGTH,
    TESTS_FOLLOW,
    TRUST_ACTIONS,
    UNTESTED,
    format_account,
    format_blocking_codes,
    format_counts,
    format_coverage,
    format_unplanned,
    format_unsettled,
    format_verdict,
    list_remarks,
)
from reconciler.report.risk import format_risk, format_risk_sentence
from reconciler.report.style import ACTION_STYLES, BAD, QUIET, STRONG, SYMBOLS, WARN, format_count, join_lines
from reconciler.report.trust import list_trust_lines
from reconciler.report.unmanaged_objects import choose_status_style, render_unmanaged_objects
from reconciler.report.values import format_value, render_change, render_lost_value, render_new_value

_LOCATION_COLUMN = 60
_NAME_COLUMN = 22
_MAX_NAME_WIDTH = 44
_MAX_NAMES = 5


class Detail(StrEnum):
    """Details of a rendered plan: changes only, or also fields and entries that stay."""

    CHANGES = "changes"
    EVERYTHING = "everything"


def render_plan_text(
    plan: Plan, detail: Detail = Detail.CHANGES, width: int | None = None, *, is_full: bool = False
) -> Text:
    """Render the whole plan: header, its changes, unmanaged groups, and the counts.

    Equal changes are one block and a change of one field is one line; if `is_full`, each change is a block. The counts
    keep Terraform's wording (`Plan: 1 to add, …` or `No changes.`), alone on their line. `width` is the number of cells
    of the terminal, or None: on a narrow terminal places are not aligned.
    """
    blocks = [render_heading(plan), *_render_changes(plan.effective, detail, width, is_full=is_full)]
    if detail is Detail.EVERYTHING:
        blocks += _render_unchanged(plan)
    if plan.adopted:
        blocks.append(_render_adopted(plan.adopted, detail))
    if plan.forgotten:
        blocks.append(_render_forgotten(plan.forgotten))
    if notes := list_notes(plan, names_all=detail is Detail.EVERYTHING):
        blocks.append(_render_notes(notes, detail))
    blocks += _render_unmanaged_objects(plan, detail)
    if plan.unplanned:
        blocks.append(Text(format_unplanned(plan), BAD))
    blocks.append(_render_summary(plan))
    return Text("\n\n").join(blocks)


def render_heading(plan: Plan) -> Text:
    """Render the account, the number of declared entries, and the number of live objects."""
    return Text.assemble("account ", (format_account(plan), STRONG), (f" · {format_coverage(plan)}", QUIET))


def _render_changes(
    changes: Iterable[Change], detail: Detail, width: int | None, *, is_full: bool
) -> Iterator[Text]:
    """Render changes by their actions. Neighbouring lines of one action stand together."""
    groups = group_changes(sort_changes(changes), groups_equal=not is_full)
    column = choose_location_column([group[0] for group in groups if len(group) == 1], width)
    for _, same_action in groupby(groups, key=lambda group: group[0].action):
        parts = [_build_part(group, column, detail, width, is_full=is_full) for group in same_action]
        yield from join_parts(parts, width)


def join_parts(parts: Sequence[ChangeRow | Text], width: int | None) -> Iterator[Text]:
    """Join neighbouring rows among the parts of one action to a block each."""
    table = RowTable([part for part in parts if isinstance(part, ChangeRow)], width)
    for is_run, run in groupby(parts, key=lambda part: isinstance(part, ChangeRow)):
        if is_run:
            yield table.render([part for part in run if isinstance(part, ChangeRow)])
        else:
            yield from (part for part in run if isinstance(part, Text))


def _build_part(
    group: ChangeGroup, column: int, detail: Detail, width: int | None, *, is_full: bool
) -> ChangeRow | Text:
    """Build the row of a small change, or the block of any other change or of equal changes."""
    if len(group) > 1:
        return _render_group(group, detail, width)
    [change] = group
    status = _render_status(change, detail)
    row = None if is_full else build_row(change, status)
    return row or join_lines([render_change_block(change, column), *status])


def _render_group(group: ChangeGroup, detail: Detail, width: int | None) -> Text:
    """Render equal changes as one block: their number and entries, then what they change."""
    first = group[0]
    line = render_group_line(group, first.action)
    names = render_names(group, width, names_all=detail is Detail.EVERYTHING)
    row = build_row(first)
    if row is None:
        return join_lines([line, *_render_details(first), *names, *_render_risk(first)])
    [value] = [render_change(field, first.secrets) for field in first.fields] or [row.value]
    line.append(f"  {row.name}  {value}" if row.name else f"  {value}")
    return join_lines([line, *names, *_render_risk(first)])


def render_group_line(group: ChangeGroup, action: Action) -> Text:
    """Render the symbol of an action and the number of entries: `~ 16 destinations`."""
    return Text.assemble((f"{SYMBOLS[action]} ", ACTION_STYLES[action]), (format_subject(group), STRONG))


def choose_location_column(changes: Iterable[Change], width: int | None) -> int:
    """Choose the column for places in the specs; 0 for no column."""
    longest = max((len(format_place(change)) for change in changes), default=0)
    return 0 if width is not None and _LOCATION_COLUMN + len("+ ") + longest > width else _LOCATION_COLUMN


def render_change_block(change: Change, column: int) -> Text:
    """Render a change: its first line, its fields, and its risks. Its place in the specs stands in `column`."""
    first_line = render_first_line(change, change.action, column)
    return join_lines([first_line, *_render_details(change), *_render_risk(change)])


def _render_details(change: Change) -> Iterator[Text]:
    """Render all that a change does and that is known of its object, without its risk."""
    width = measure_names([*(field.path for field in change.fields), *(lost.path for lost in change.lost)])
    if change.action is Action.REPLACE and change.live is not None:
        yield Text(f"    {'deletes':<{width}}  {format_identified_object(change)}")
    yield from (_render_field(change, field, width) for field in change.fields)
    for lost in change.lost:
        yield Text(f"    {_format_path(lost.path):<{width}}  {render_lost_value(lost)}", WARN)
    if change.is_missing:
        yield Text("    gone from Fivetran since it was applied", WARN)
    if change.unsettled is not None:
        yield Text(f"  ! {format_unsettled(change.unsettled)}", WARN)
    for verb, server in list_trust_lines(change):
        yield Text(f"    {verb:<{width}}  {server}")
    if change.action is Action.VERIFY or (change.action in TRUST_ACTIONS and change.runs_tests):
        yield Text(f"    {UNTESTED if change.action is Action.VERIFY else TESTS_FOLLOW}")
    if change.action is Action.DELETE:
        yield from _render_deleted_object(change)


def _render_risk(change: Change) -> list[Text]:
    return [render_risk(change)] if format_risk(change) else []


def render_first_line(change: Change, action: Action, column: int) -> Text:
    """Render the symbol of an action, the address, and in `column` the place in the specs."""
    address = str(change.address)
    line = Text.assemble((f"{SYMBOLS[action]} ", ACTION_STYLES[action]), (address, STRONG))
    if change.span:
        padding = " " * max(2, column - len(address))
        line.append_text(Text(padding + format_place(change), QUIET))
    return line


def measure_names(paths: Iterable[FieldPath]) -> int:
    """Compute the width of the column of field names."""
    longest = max((len(_format_path(path)) for path in paths), default=0)
    return min(max(longest, _NAME_COLUMN), _MAX_NAME_WIDTH)


def _render_deleted_object(change: Change) -> list[Text]:
    rows = [("id", format_value(change.id)), *list_live_rows(change)]
    width = max(len(name) for name, _ in rows)
    return [Text(f"    {name:<{width}}  {value}") for name, value in rows]


def _render_field(change: Change, field: FieldChange, width: int) -> Text:
    value = (
        render_new_value(field) if change.action is Action.CREATE else render_change(field, change.secrets)
    )
    forced = "   forces the replacement" if field.forces_replace else ""
    return Text(f"    {format_name(field):<{width}}  {value}{forced}")


def _format_path(path: FieldPath) -> str:
    return escape(format_path(path))


def _render_unchanged(plan: Plan) -> list[Text]:
    unchanged = [change for change in plan.changes if change.action is Action.NO_OP]
    if not unchanged:
        return []
    address_width = max(len(str(change.address)) for change in unchanged)
    id_width = max(len(escape(change.id or "")) for change in unchanged)
    rows = (
        f"  {change.address!s:<{address_width}}  {escape(change.id or ''):<{id_width}}  {_describe_unchanged(change)}"
        for change in unchanged
    )
    return [join_lines([Text("Unchanged:"), *(Text(row.rstrip(), QUIET) for row in rows)])]


def _describe_unchanged(change: Change) -> str:
    labels = {"secret unchanged": change.secrets.unchanged, "cannot be compared": change.uncomparable}
    parts = [
        f"{label}: {', '.join(escape(format_path(path)) for path in paths)}"
        for label, paths in labels.items()
        if paths
    ]
    status = escape(change.facts.setup_status)
    return " · ".join([*([status] if status else []), *parts])


def _render_status(change: Change, detail: Detail) -> list[Text]:
    """Render the status of the destination of a change, if all details are shown."""
    status = change.facts.setup_status
    if detail is not Detail.EVERYTHING or not status:
        return []
    return [Text.assemble((f"    status: {escape(status)}", choose_status_style(status) or QUIET))]


def _render_adopted(adopted: Sequence[Change], detail: Detail) -> Text:
    """Render adopted objects: they exist as declared, and no earlier run recorded them."""
    is_verbose = detail is Detail.EVERYTHING
    shown = adopted if is_verbose else adopted[:_MAX_NAMES]
    width = max(len(str(change.address)) for change in shown)
    id_width = max(len(escape(change.id or "")) for change in shown)
    symbol, style = SYMBOLS[Action.ADOPT], ACTION_STYLES[Action.ADOPT]
    parts = []
    for change in shown:
        status = escape(change.facts.setup_status) if is_verbose else ""
        row = f"{symbol} {change.address!s:<{width}}  {escape(change.id or ''):<{id_width}}  {status}"
        parts.append(Text(row.rstrip(), style))
    if len(adopted) > len(shown):
        parts.append(Text(f"{symbol} and {len(adopted) - len(shown):,} more", ACTION_STYLES[Action.ADOPT]))
    return join_lines([Text("Found at Fivetran as declared; apply adopts them and sends nothing:"), *parts])


def _render_forgotten(forgotten: Sequence[Change]) -> Text:
    """Render forgotten entries: the run stops managing them and does not change the objects."""
    symbol = SYMBOLS[Action.FORGET]
    width = max(len(str(change.address)) for change in forgotten)
    parts = [
        Text(
            f"{symbol} {change.address!s:<{width}}  {escape(change.id or '')}  {format_live_object(change)}".rstrip(),
            ACTION_STYLES[Action.FORGET],
        )
        for change in forgotten
    ]
    return join_lines([Text("Not managed any more; apply forgets them and sends nothing:"), *parts])


def _render_notes(notes: Sequence[Note], detail: Detail) -> Text:
    """Render the facts that need no request, each on a line."""
    shown, left_out = (notes, 0) if detail is Detail.EVERYTHING else limit_notes(notes)
    width = max(len(note.subject) for note in shown)
    rows = [
        Text(f"  {note.subject:<{width}}  {note.format()}" if note.subject else f"  {note.format()}")
        for note in shown
    ]
    more = [Text(f"  and {left_out:,} more; `--verbose` names all", QUIET)] if left_out else []
    return join_lines([Text("Notes:"), *rows, *more])


def _render_unmanaged_objects(plan: Plan, detail: Detail) -> list[Text]:
    """Render the objects without an entry: a line for each kind, or a line for each object if all details are shown, or
    if the user asked for their connections."""
    is_verbose = detail is Detail.EVERYTHING
    objects: list[UnmanagedGroup | UndeclaredDestination] = [*plan.unmanaged, *plan.undeclared]
    if is_verbose or any(found.connections is not None for found in objects):
        return render_unmanaged_objects(plan, is_verbose=is_verbose)
    lines = []
    if plan.undeclared:
        count = format_count(len(plan.undeclared), "destination")
        names = _limit_names([str(found.address) for found in plan.undeclared])
        lines.append(Text(f"Not declared: {count} of declared groups ({names}). Left alone.", QUIET))
    for words, groups in (("Not managed", plan.unmanaged), ("Of other projects", plan.owned)):
        if groups:
            names = _limit_names([f'"{escape(group.name)}"' for group in groups])
            lines.append(Text(f"{words}: {format_count(len(groups), 'group')} ({names}). Left alone.", QUIET))
    return [join_lines(lines)] if lines else []


def _limit_names(names: Sequence[str]) -> str:
    """Format the first few names, and count the others."""
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def _render_summary(plan: Plan) -> Text:
    remarks = list_remarks(plan)
    # A plan without changes has nothing to approve, unless it ends the protection of an entry.
    remarks += [f"digest {plan.digest[:SHORT_DIGEST_LENGTH]}…"] if plan.digest and plan.needs_approval else []
    parts = [Text(format_counts(plan), STRONG)]
    if plan.blockers:  # the blockers follow on stderr, which a log may not show
        parts.append(Text(f"Apply refuses this plan: {format_blocking_codes(plan)}.", BAD))
    elif verdict := format_verdict(plan):
        parts.append(Text(f"{verdict}.", STRONG))
    if risks := format_risk_sentence(plan):
        parts.append(Text(risks, WARN))
    return join_lines([*parts, Text(" · ".join(remarks), QUIET)] if remarks else parts)


def render_validity(
    created_at: datetime, expires_at: datetime, now: datetime, version: str, variables: Mapping[str, str]
) -> Text:
    """Render the time of a saved plan, the time until which it may be applied, and its values of `--var`."""
    made = f"Saved {_format_time(created_at)} by version {escape(version)}"
    given = f" Made with {_format_variables(variables)}." if variables else ""
    if now >= expires_at:
        expired = f"expired since {_format_time(expires_at)}."
        return Text.assemble((f"{made}, ", QUIET), (expired, BAD), (given, QUIET))
    return Text(f"{made}, valid until {_format_time(expires_at)}.{given}", QUIET)


def render_save_notice(path: str, command: str) -> Text:
    """Render the last line of a saved plan, with the command that applies it."""
    return Text(f"Saved to {escape(path)}. Apply exactly this plan with: {escape(command)}")


def render_still_current(reviewed: Plan, current: Plan, variables: Mapping[str, str]) -> Text:
    """Render the result of planning a reviewed plan again: still current, the changes already in effect, and the values
    of `--var`."""
    applied = len(reviewed.effective) - len(current.effective)
    suffix = f", {format_count(applied, 'change')} in effect already" if applied else ""
    text = Text.assemble(
        ("Plan ", STRONG),
        (f"{reviewed.digest[:SHORT_DIGEST_LENGTH]}…", STRONG),
        f" · account {format_account(current)} · still current",
        (f" ({format_count(len(current.effective), 'change')} planned again{suffix})", QUIET),
        f" · made with {_format_variables(variables)}" if variables else "",
    )
    return join_lines([text])


def _format_variables(variables: Mapping[str, str]) -> str:
    """Format values of `--var` as options for a shell."""
    words = [word for name, value in sorted(variables.items()) for word in ("--var", f"{name}={value}")]
    return escape(shlex.join(words))


def _format_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
