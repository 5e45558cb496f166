"""Render a plan as a comment of a pull request: destruction and blockers first, then the other changes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Change, ConnectionList, ListedDestination, Plan
from reconciler.model.policy import PolicyResult
from reconciler.model.risk import Risk
from reconciler.report.change_groups import sort_changes
from reconciler.report.diagnostics import ReadLine, format_severity_counts, render_full
from reconciler.report.markdown import (
    MAX_COMMENT_BYTES,
    Section,
    count_bytes,
    format_code,
    join_sections,
    make_code_block,
    make_details,
    make_paragraph,
    truncate_page,
)
from reconciler.report.markdown_changes import (
    describe_live_object,
    format_change,
    format_location,
    render_changes,
    render_tests,
)
from reconciler.report.plan_facts import Note, list_notes
from reconciler.report.plan_summary import (
    format_account,
    format_counts,
    format_coverage,
    format_unsettled,
    format_verdict,
    list_blocking_codes,
    list_remarks,
)
from reconciler.report.renderer import DocumentRenderer, ExitStatus, Parts, PlanReport, make_verbatim
from reconciler.report.risk import format_risk, format_risk_counts
from reconciler.report.style import format_count
from reconciler.report.unmanaged_objects import format_connection_count

_DESTRUCTIVE = {Risk.DESTROYS, Risk.REPLACES}
_UNSAFE_IN_MARKER = re.compile(r"[^A-Za-z0-9_./]+")
_TRUNCATED_NOTICE = (
    "> [!IMPORTANT]\n> **This comment is cut, because it is too long. It is not valid for approval.**"
    " `reconciler plan` shows everything."
)
_TRUNCATED_FOOTER = "**… the rest does not fit. This comment is not valid for approval.**"


def render_plan_markdown(
    plan: Plan,
    project: str,
    read_line: ReadLine,
    limit: int = MAX_COMMENT_BYTES,
    *,
    names_places: bool = False,
    is_full: bool = False,
) -> str:
    """Render the comment, at most `limit` bytes of UTF-8 long.

    Its first line is a marker that is the same for every plan of this project file, so that a later comment can replace
    this comment. Only a complete comment has the digest of the plan, since a reviewer approves it by the digest.
    `names_places` gives every entry of equal changes its place; if `is_full`, no changes are grouped.
    """
    parts = (format_verdict(plan), format_counts(plan), format_risk_counts(plan))
    headline = " · ".join(part for part in parts if part)
    title = f"{_render_marker(project)}\n## {headline}"
    details = [f"Account {format_code(format_account(plan))} · {format_coverage(plan)}"]
    details += ["", " · ".join(list_remarks(plan))] if list_remarks(plan) else []
    approval = (
        "A plan against a snapshot cannot be applied."
        if plan.snapshot is not None
        else f"Digest {format_code(plan.digest)}"
        if plan.needs_approval
        else "Nothing would be sent to Fivetran."
    )
    sections = [
        *_render_alerts(plan, read_line),
        *render_changes(plan.effective, names_places=names_places, is_full=is_full),
        *render_tests(plan.effective, names_places=names_places, is_full=is_full),
        *_render_untouched(plan),
    ]
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
    destroyed = [change for change in sort_changes(plan.effective) if change.risk in _DESTRUCTIVE]
    if destroyed:
        rows = tuple(
            f"> - {format_change(change)}: {format_risk(change)}{format_location(change)}"
            for change in destroyed
        )
        yield Section(rows, "> [!CAUTION]\n")
    if plan.blockers:
        yield make_paragraph("**Apply refuses this plan:**")
        yield _render_diagnostics(plan.blockers, read_line)
    if plan.unplanned:
        yield Section(tuple(_render_unplanned(plan)), "**Not planned:**\n\n")
    waiting = tuple(
        f"> - {format_change(change)}: {format_unsettled(change.unsettled)}{format_location(change)}"
        for change in plan.effective
        if change.unsettled is not None
    )
    if waiting:
        yield Section(waiting, "> [!WARNING]\n")
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
    for words, groups in (("not managed", plan.unmanaged), ("of other projects", plan.owned)):
        rows = tuple(
            _describe_unmanaged(group.name, group.id, group.destination, group.connections, group.owner)
            for group in groups
        )
        if rows:
            yield make_details(f"{format_count(len(rows), 'group')} {words}, left alone", Section(rows))


def _describe_unmanaged(
    name: str,
    id: str,
    destination: ListedDestination | None,
    connections: ConnectionList | None,
    owner: str = "",
) -> str:
    """Describe an object without an entry: its name and id, and as far as they are known, the state of another project
    that has it, service with region, status, and number of connections."""
    facts = [f"- {format_code(name)} ({format_code(id)})"]
    facts += [f"state {format_code(owner)}"] if owner else []
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
        + ", ".join([format_code(change.id or ""), *describe_live_object(change)])
        for change in changes
    )
    return make_details(f"{len(rows):,} {title}", Section(rows))


class MarkdownRenderer(DocumentRenderer):
    """Renderer of a plan as a comment. Diagnostics of a failure also go to stderr, since a job log does not show the
    comment."""

    def plan(self, report: PlanReport) -> Parts:
        """Render the comment of a plan."""
        run = self.run
        yield make_verbatim(
            render_plan_markdown(
                report.plan,
                run.project,
                run.read_line,
                names_places=run.is_verbose,
                is_full=run.is_full,
            )
        )

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
