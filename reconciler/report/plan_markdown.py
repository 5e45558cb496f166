"""Render a plan as a comment of a pull request: destruction and blockers first, every change in a folded section."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from reconciler.model.address import DESTINATION
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import (
    Action,
    Change,
    ConnectionList,
    FieldChange,
    ListedDestination,
    LiveConnection,
    Origin,
    Plan,
    Risk,
    Visibility,
)
from reconciler.model.policy import PolicyResult
from reconciler.model.sanitize import escape
from reconciler.model.value import FieldPath, format_path
from reconciler.report.diagnostics import ReadLine, format_severity_counts, render_full
from reconciler.report.markdown import (
    MAX_COMMENT_BYTES,
    Section,
    count_bytes,
    format_code,
    format_html_code,
    join_sections,
    make_code_block,
    make_details,
    make_paragraph,
    truncate_page,
)
from reconciler.report.plan_facts import Note, list_notes
from reconciler.report.plan_summary import (
    RISK_TEXTS,
    UNTESTED,
    format_account,
    format_counts,
    format_coverage,
    format_unsettled,
    list_blocking_codes,
    list_remarks,
)
from reconciler.report.renderer import DocumentRenderer, ExitStatus, Parts, PlanReport, make_verbatim
from reconciler.report.style import format_count
from reconciler.report.trust import list_change_remarks, list_trust_rows
from reconciler.report.unmanaged_objects import format_connection_count
from reconciler.report.values import (
    render_before_and_after,
    render_change,
    render_lost_value,
    render_new_value,
    render_origin,
    render_secret,
)

_DESTRUCTIVE = {Risk.DESTROYS, Risk.REPLACES}
_ONE_LINE_ACTIONS = {Action.DELETE, Action.VERIFY}
_UNSAFE_IN_MARKER = re.compile(r"[^A-Za-z0-9_./]+")
_TRUNCATED_NOTICE = (
    "> [!IMPORTANT]\n> **This comment is cut, because it is too long. It is not valid for approval.**"
    " `reconciler plan` shows everything."
)
_TRUNCATED_FOOTER = "**… the rest does not fit. This comment is not valid for approval.**"


def render_plan_markdown(
    plan: Plan, project: str, read_line: ReadLine, limit: int = MAX_COMMENT_BYTES
) -> str:
    """Render the comment, at most `limit` bytes of UTF-8 long.

    Its first line is a marker that is the same for every plan of this project file, so that a later comment can replace
    this comment. Only a complete comment has the digest of the plan, since a reviewer approves it by the digest.
    """
    title = f"{_render_marker(project)}\n## {format_counts(plan)}"
    details = [f"Account {format_code(format_account(plan))} · {format_coverage(plan)}"]
    details += ["", " · ".join(list_remarks(plan))] if list_remarks(plan) else []
    approval = (
        "A plan against a snapshot cannot be applied."
        if plan.snapshot is not None
        else f"Digest {format_code(plan.digest)}"
        if plan.needs_approval
        else "Nothing would be sent to Fivetran."
    )
    sections = [*_render_alerts(plan, read_line), *_render_changes(plan), *_render_untouched(plan)]
    return _fit_limit(make_paragraph(title, "", *details), make_paragraph(approval), sections, limit)


def render_failure_markdown(
    diagnostics: Sequence[Diagnostic],
    project: str,
    read_line: ReadLine,
    headline: str = "No plan",
    limit: int = MAX_COMMENT_BYTES,
) -> str:
    """Render the comment of a failed plan, or of another failed command."""
    title = f"{_render_marker(project)}\n## {headline}: {format_severity_counts(diagnostics)}"
    return _fit_limit(make_paragraph(title), None, [_render_diagnostics(diagnostics, read_line)], limit)


def render_validation_markdown(
    headline: str,
    warnings: Sequence[Diagnostic],
    project: str,
    read_line: ReadLine,
    limit: int = MAX_COMMENT_BYTES,
) -> str:
    """Render the comment of a successful validation. `headline` is a sentence without data."""
    title = f"{_render_marker(project)}\n## {headline}"
    return _fit_limit(
        make_paragraph(title), None, [_render_diagnostics(warnings, read_line)] if warnings else [], limit
    )


def _fit_limit(header: Section, approval: Section | None, sections: Sequence[Section], limit: int) -> str:
    comment = join_sections([section for section in (header, approval, *sections) if section is not None])
    if count_bytes(comment) <= limit:
        return comment
    footer = f"\n\n{_TRUNCATED_FOOTER}"
    return (
        truncate_page([header, make_paragraph(_TRUNCATED_NOTICE), *sections], limit - count_bytes(footer))
        + footer
    )


def _render_marker(project: str) -> str:
    """Render an HTML comment with the path. Unsafe characters are replaced, so that the path cannot end the comment."""
    return f"<!-- reconciler plan {_UNSAFE_IN_MARKER.sub('_', project)[:200]} -->"


def _render_alerts(plan: Plan, read_line: ReadLine) -> Iterator[Section]:
    """Render destruction, blockers, waits and warnings, before all folded sections."""
    destroyed = [change for change in plan.effective if change.risk in _DESTRUCTIVE]
    unfinished = [change for change in plan.effective if change.action is Action.VERIFY]
    if destroyed:
        rows = tuple(
            f"> - {_format_change(change)}: {RISK_TEXTS[change.risk]}{_format_location(change)}"
            for change in destroyed
        )
        yield Section(rows, "> [!CAUTION]\n")
    if plan.blockers:
        yield make_paragraph("**Apply refuses this plan:**")
        yield _render_diagnostics(plan.blockers, read_line)
    if plan.unplanned:
        yield Section(tuple(_render_unplanned(plan)), "**Not planned:**\n\n")
    waiting = tuple(
        f"> - {_format_change(change)}: {format_unsettled(change.unsettled)}{_format_location(change)}"
        for change in plan.effective
        if change.unsettled is not None
    )
    if waiting:
        yield Section(waiting, "> [!WARNING]\n")
    if unfinished:
        rows = tuple(
            f"> - {_format_change(change)}: {UNTESTED}{_format_location(change)}" for change in unfinished
        )
        yield Section(rows, "> [!WARNING]\n")
    if plan.warnings:
        yield make_details(
            format_severity_counts(plan.warnings), _render_diagnostics(plan.warnings, read_line)
        )


def _render_unplanned(plan: Plan) -> Iterator[str]:
    for address in plan.unplanned:
        codes = ", ".join(map(format_code, list_blocking_codes(address, plan.omissions)))
        yield f"- {format_code(str(address))}: {codes}"


def _render_diagnostics(diagnostics: Sequence[Diagnostic], read_line: ReadLine) -> Section:
    return make_code_block(render_full(diagnostics, read_line).plain.splitlines())


def _format_change(change: Change) -> str:
    facts = [*([f"id {format_code(change.id)}"] if change.id else []), *_describe_live_object(change)]
    details = f" ({', '.join(facts)})" if facts else ""
    return f"**{change.action}** {format_code(str(change.address))}{details}"


def _describe_live_object(change: Change) -> Iterator[str]:
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


def _format_location(change: Change) -> str:
    return f" · {format_code(f'{change.span.path}:{change.span.line}')}" if change.span else ""


def _render_changes(plan: Plan) -> Iterator[Section]:
    """Render a section for each change that has more details than its line above."""
    for change in plan.effective:
        if change.action not in _ONE_LINE_ACTIONS:
            yield make_details(_summarize_change(change), make_code_block(_render_diff_lines(change), "diff"))


def _summarize_change(change: Change) -> str:
    """Summarize a change on one line: the title of its folded section."""
    drifted = sum(field.origin is not Origin.SPEC for field in change.fields)
    parts = [f"<b>{change.action}</b> {format_html_code(str(change.address))}"]
    parts += [format_count(len(change.fields), "field")] if change.fields else []
    parts += [f"{len(change.lost)} lost"] if change.lost else []
    parts += list_change_remarks(change)
    parts += [f"{drifted} changed outside the specs"] if drifted else []
    parts += ["gone from Fivetran"] if change.is_missing else []
    parts += [RISK_TEXTS[change.risk]] if RISK_TEXTS[change.risk] else []
    return " · ".join(parts)


def _render_diff_lines(change: Change) -> Iterator[str]:
    if change.span:
        yield f"@@ {change.span.path}:{change.span.line} @@"
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


def _render_untouched(plan: Plan) -> Iterator[Section]:
    """Render the entries that the plan does not touch."""
    if plan.adopted:
        yield _render_list("found at Fivetran as declared; apply adopts them and sends nothing", plan.adopted)
    if plan.forgotten:
        yield _render_list("not managed any more; apply forgets them and sends nothing", plan.forgotten)
    if notes := list_notes(plan):
        rows = tuple(f"- {_format_note(note)}" for note in notes)
        yield make_details(format_count(len(rows), "note"), Section(rows))
    if plan.undeclared:
        rows = tuple(
            _describe_unmanaged(str(found.address), found.id, found.destination, found.connections)
            for found in plan.undeclared
        )
        title = f"{format_count(len(rows), 'destination')} of declared groups not declared, left alone"
        yield make_details(title, Section(rows))
    if plan.unmanaged:
        names = tuple(
            _describe_unmanaged(group.name, group.id, group.destination, group.connections)
            for group in plan.unmanaged
        )
        yield make_details(f"{format_count(len(names), 'group')} not managed, left alone", Section(names))


def _describe_unmanaged(
    name: str, id: str, destination: ListedDestination | None, connections: ConnectionList | None
) -> str:
    """Describe an object without an entry: its name and id, and as far as they are known, service with region, status,
    and number of connections."""
    facts = [f"- {format_code(name)} ({format_code(id)})"]
    if destination is not None:
        region = f" in {format_code(destination.region)}" if destination.region else ""
        facts.append(format_code(destination.service) + region)
        facts += [format_code(destination.setup_status)] if destination.setup_status else []
    facts += [format_connection_count(connections)] if connections is not None else []
    return ", ".join(facts)


def _format_note(note: Note) -> str:
    text = " ".join([*([", ".join(map(format_code, note.fields))] if note.fields else []), note.text])
    return f"{format_code(note.subject)}: {text}" if note.subject else text


def _render_list(title: str, changes: Iterable[Change]) -> Section:
    rows = tuple(
        f"- {format_code(str(change.address))} "
        + ", ".join([format_code(change.id or ""), *_describe_live_object(change)])
        for change in changes
    )
    return make_details(f"{len(rows):,} {title}", Section(rows))


class MarkdownRenderer(DocumentRenderer):
    """Renderer of a plan as a comment. Diagnostics of a failure also go to stderr, since a job log does not show the
    comment."""

    def plan(self, report: PlanReport) -> Parts:
        """Render the comment of a plan."""
        yield make_verbatim(render_plan_markdown(report.plan, self.run.project, self.run.read_line))

    def failure(
        self,
        exit_code: ExitStatus,
        diagnostics: Collection[Diagnostic],
        policy_results: Collection[PolicyResult] = (),
    ) -> Parts:
        """Render the comment of a failure."""
        yield from self.diagnostics(diagnostics)
        yield make_verbatim(
            render_failure_markdown(
                list(diagnostics), self.run.project, self.run.read_line, self.run.failure_headline
            )
        )
