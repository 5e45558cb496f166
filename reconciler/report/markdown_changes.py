"""Render the changes of a plan as Markdown: a row for a small change, a folded section for every other change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from reconciler.model.address import DESTINATION
from reconciler.model.plan import Action, Change, FieldChange, LiveConnection, Origin, Visibility
from reconciler.model.sanitize import escape
from reconciler.model.value import FieldPath, format_path
from reconciler.report.change_groups import (
    MAX_NAMES,
    ChangeGroup,
    format_subject,
    group_changes,
    is_one_field,
    sort_changes,
)
from reconciler.report.markdown import Section, format_code, format_html_code, make_code_block, make_details
from reconciler.report.plan_summary import UNTESTED
from reconciler.report.risk import format_risk
from reconciler.report.style import fold_words, format_count
from reconciler.report.trust import list_change_remarks, list_trust_rows
from reconciler.report.values import (
    render_before_and_after,
    render_change,
    render_lost_value,
    render_new_value,
    render_origin,
    render_secret,
)

_FOLDED_WIDTH = 100
_NAMES_PER_LINE = 10


def render_changes(changes: Iterable[Change], *, names_places: bool, is_full: bool) -> Iterator[Section]:
    """Render all changes but deletions and tests, by their actions: an update of one field as a row of a list, equal
    updates as one row or section, and every other change as a folded section.

    `names_places` gives every entry of a group its place. If `is_full`, each change has a section of its own.
    """
    shown = [change for change in changes if change.action not in {Action.DELETE, Action.VERIFY}]
    groups = group_changes(sort_changes(shown), groups_equal=not is_full)
    for is_row, run in groupby(groups, key=lambda group: not is_full and is_one_field(group[0])):
        if is_row:
            yield from _render_rows(list(run), names_places=names_places)
        else:
            yield from (_render_section(group, names_places=names_places) for group in run)


def render_tests(changes: Iterable[Change], *, names_places: bool, is_full: bool) -> Iterator[Section]:
    """Render the destinations whose setup tests are outstanding."""
    untested = [change for change in changes if change.action is Action.VERIFY]
    groups = group_changes(untested, groups_equal=not is_full)
    rows, folded = [], []
    for group in groups:
        if len(group) == 1:
            rows.append(f"> - {format_change(group[0])}: {UNTESTED}{format_location(group[0])}")
        else:
            rows.append(f"> - **{Action.VERIFY}** {format_subject(group)}: {UNTESTED}")
            rows.append(f">   {_format_names(group, names_places=names_places)}")
            folded += _fold_other_names(group, names_places=names_places)
    if rows:
        yield Section(tuple(rows), "> [!WARNING]\n")
    yield from folded


def _render_rows(groups: Iterable[ChangeGroup], *, names_places: bool) -> Iterator[Section]:
    """Render updates of one field as a list. The entries of a long group end in a folded section below it."""
    rows: list[str] = []
    for group in groups:
        rows += _render_row(group, names_places=names_places)
        if folded := _fold_other_names(group, names_places=names_places):
            yield Section(tuple(rows))
            yield from folded
            rows = []
    if rows:
        yield Section(tuple(rows))


def _render_row(group: ChangeGroup, *, names_places: bool) -> Iterator[str]:
    change = group[0]
    [field] = change.fields
    is_single = len(group) == 1
    subject = format_code(str(change.address)) if is_single else format_subject(group)
    parts = [f"- **{change.action}** {subject}: {_format_field(change, field)}"]
    parts += [risk] if (risk := format_risk(change)) else []
    yield " · ".join(parts) + (format_location(change) if is_single else "")
    if not is_single:
        yield f"  {_format_names(group, names_places=names_places)}"


def _format_field(change: Change, field: FieldChange) -> str:
    """Format a change of a field: `name` `before` → `after`."""
    if field.shown is Visibility.CLEAR:
        values = " → ".join(map(format_code, render_before_and_after(field)))
    else:
        values = format_code(render_secret(field, change.secrets))
    origin = render_origin(field).strip()
    return f"{format_code(format_path(field.path))} {values}" + (f" ({origin})" if origin else "")


def _format_names(group: ChangeGroup, *, names_places: bool) -> str:
    """Format the keys of a group; of a long group the first."""
    names = ", ".join(_list_names(group[:MAX_NAMES], names_places=names_places))
    left_out = len(group) - MAX_NAMES
    return f"{names} and {left_out:,} more" if left_out > 0 else names


def _fold_other_names(group: ChangeGroup, *, names_places: bool) -> list[Section]:
    """Fold the keys of a long group that its row does not name."""
    others = _list_names(group[MAX_NAMES:], names_places=names_places)
    if not others:
        return []
    lines = [
        ", ".join(others[start : start + _NAMES_PER_LINE]) for start in range(0, len(others), _NAMES_PER_LINE)
    ]
    return [make_details(f"{len(others):,} more of the {format_subject(group)}", Section(tuple(lines)))]


def _list_names(changes: Iterable[Change], *, names_places: bool) -> list[str]:
    return [
        format_code(change.address.key) + (f" ({format_code(_format_place(change))})" if names_places else "")
        for change in changes
    ]


def _render_section(group: ChangeGroup, *, names_places: bool) -> Section:
    change = group[0]
    lines = list(_list_places(group, names_places=names_places))
    return make_details(
        _summarize_group(group), make_code_block([*lines, *_render_diff_lines(change)], "diff")
    )


def _list_places(group: ChangeGroup, *, names_places: bool) -> Iterator[str]:
    """List the place of a change, or the keys of a group."""
    if len(group) == 1 or names_places:
        for change in group:
            name = f"{change.address.key} " if len(group) > 1 else ""
            if text := f"{name}{_format_place(change)}".rstrip():
                yield f"@@ {text} @@"
        return
    keys = ", ".join(escape(change.address.key) for change in group)
    yield from (f"@@ {line} @@" for line in fold_words(keys, _FOLDED_WIDTH))


def _summarize_group(group: ChangeGroup) -> str:
    """Summarize a change or equal changes on one line: the title of a folded section."""
    change = group[0]
    subject = format_html_code(str(change.address)) if len(group) == 1 else format_subject(group)
    drifted = sum(field.origin is not Origin.SPEC for field in change.fields)
    parts = [f"<b>{change.action}</b> {subject}"]
    parts += [format_count(len(change.fields), "field")] if change.fields else []
    parts += [f"{len(change.lost)} lost"] if change.lost else []
    parts += list_change_remarks(change)
    parts += [f"{drifted} changed outside the specs"] if drifted else []
    parts += ["gone from Fivetran"] if change.is_missing else []
    parts += [risk] if (risk := format_risk(change)) else []
    return " · ".join(parts)


def _render_diff_lines(change: Change) -> Iterator[str]:
    paths = [*(field.path for field in change.fields), *(lost.path for lost in change.lost)]
    width = min(max((len(_format_path(path)) for path in paths), default=0), 44)
    for field in change.fields:
        yield from _render_field(change, field, width)
    for lost in change.lost:
        yield f"- {_format_path(lost.path):<{width}}  {render_lost_value(lost)}"
    for verb, server in list_trust_rows(change):
        yield f"{'+' if verb == 'approves' else '-'} {verb:<{width}}  {server}"
    if change.is_missing:
        yield "! gone from Fivetran since it was applied"


def _render_field(change: Change, field: FieldChange, width: int) -> Iterator[str]:
    name = f"{_format_path(field.path):<{width}}"
    remarks = render_origin(field) + ("   forces the replacement" if field.forces_replace else "")
    if change.action is Action.CREATE:
        yield f"+ {name}  {render_new_value(field)}"
    elif field.sent_by_replacement and field.shown is not Visibility.SECRET:
        yield f"  {name}  {render_change(field, change.secrets)}"
    elif field.shown is Visibility.CLEAR:
        before, after = render_before_and_after(field)
        yield f"- {name}  {before}"
        yield f"+ {name}  {after}{remarks}"
    else:
        yield f"! {name}  {render_secret(field, change.secrets)}{remarks}"


def _format_path(path: FieldPath) -> str:
    return escape(format_path(path))


def format_change(change: Change) -> str:
    """Format the action, the address and the live object of a change."""
    facts = [*([f"id {format_code(change.id)}"] if change.id else []), *describe_live_object(change)]
    details = f" ({', '.join(facts)})" if facts else ""
    return f"**{change.action}** {format_code(str(change.address))}{details}"


def describe_live_object(change: Change) -> Iterator[str]:
    """Describe a live object: its name in the dashboard of Fivetran, and its connections."""
    live = change.live
    if live is None:
        return
    yield f"name {format_code(live.name)}"
    if live.last_name:
        yield f"renamed outside the specs: was {format_code(live.last_name)}"
    if change.address.kind == DESTINATION and live.service:
        yield f"service {format_code(live.service)}" + (
            f" in {format_code(live.region)}" if live.region else ""
        )
    yield from (_describe_connection(connection) for connection in live.connections_deleted_first)


def _describe_connection(connection: LiveConnection) -> str:
    label = f"{format_code(connection.id)} of {format_code(connection.service)}"
    return f"with its connection {label}, which is deleted first"


def format_location(change: Change) -> str:
    """Format the place of a change as the end of a row; empty for a change without a place."""
    place = _format_place(change)
    return f" · {format_code(place)}" if place else ""


def _format_place(change: Change) -> str:
    return change.span.line_place if change.span else ""
