"""A plan as a comment of a pull request: what it destroys and what stops it first, every change a click away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from reconciler.model.address import DESTINATION
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Action, Change, Connection, FieldChange, Origin, Plan, Risk, Shown
from reconciler.model.value import dotted
from reconciler.report.diagnostics import ReadLine, count_line, full
from reconciler.report.markdown import (
    LIMIT,
    Section,
    code,
    cut_page,
    fenced,
    folded,
    html_code,
    page,
    paragraph,
    size,
)
from reconciler.report.neutral import neutral
from reconciler.report.plan_words import (
    RISKS,
    UNTESTED,
    account_text,
    asides,
    counts_text,
    extent_text,
    unsettled_text,
)
from reconciler.report.style import counted
from reconciler.report.values import before_and_after, origin_of, told, told_secret

_DESTRUCTIVE = {Risk.DESTROYS, Risk.REPLACES}
_TOLD_IN_ONE_LINE = {Action.DELETE, Action.VERIFY}
_NOT_IN_A_MARKER = re.compile(r"[^A-Za-z0-9_./]+")
_CUT = (
    "> [!IMPORTANT]\n> **This comment is cut, because what it tells is too long. It is not valid for approval.**"
    " `reconciler plan` shows everything."
)
_END_OF_CUT = "**… the rest does not fit. This comment is not valid for approval.**"


def plan_markdown(plan: Plan, project: str, read_line: ReadLine, limit: int = LIMIT) -> str:
    """The comment, at most `limit` bytes long.

    Its first line is a marker that is the same for every plan of this project file, so that a later comment can
    take the place of this one. Only a comment that is whole has the digest of the plan.
    """
    title = f"{_marker(project)}\n## {counts_text(plan)}"
    about = [f"Account {code(account_text(plan))} · {extent_text(plan)}"]
    about += ["", " · ".join(asides(plan))] if asides(plan) else []
    approval = f"Digest {code(plan.digest)}" if plan.effective else "Nothing would be sent to Fivetran."
    rest = [*_findings(plan, read_line), *_changes(plan), *_others(plan)]
    return _within_limit(paragraph(title, "", *about), paragraph(approval), rest, limit)


def failure_markdown(
    diagnostics: Sequence[Diagnostic],
    project: str,
    read_line: ReadLine,
    headline: str = "No plan",
    limit: int = LIMIT,
) -> str:
    """The comment for a plan that could not be made, or for another command that failed."""
    title = f"{_marker(project)}\n## {headline}: {count_line(diagnostics)}"
    return _within_limit(paragraph(title), None, [_told(diagnostics, read_line)], limit)


def valid_markdown(
    headline: str, warnings: Sequence[Diagnostic], project: str, read_line: ReadLine, limit: int = LIMIT
) -> str:
    """What `validate` says where nothing is wrong. `headline` is a sentence of ours."""
    title = f"{_marker(project)}\n## {headline}"
    return _within_limit(paragraph(title), None, [_told(warnings, read_line)] if warnings else [], limit)


def _within_limit(head: Section, approval: Section | None, rest: Sequence[Section], limit: int) -> str:
    whole = page([each for each in (head, approval, *rest) if each is not None])
    if size(whole) <= limit:
        return whole
    end = f"\n\n{_END_OF_CUT}"
    return cut_page([head, paragraph(_CUT), *rest], limit - size(end)) + end


def _marker(project: str) -> str:
    """A comment of HTML; nothing of the path can end it."""
    return f"<!-- reconciler plan {_NOT_IN_A_MARKER.sub('_', project)[:200]} -->"


def _findings(plan: Plan, read_line: ReadLine) -> Iterator[Section]:
    """What a reviewer must not miss, before everything that folds."""
    destroyed = [change for change in plan.effective if change.risk in _DESTRUCTIVE]
    unfinished = [change for change in plan.effective if change.action is Action.VERIFY]
    if destroyed:
        rows = tuple(f"> - {_named(change)}: {RISKS[change.risk]}{_place(change)}" for change in destroyed)
        yield Section(rows, "> [!CAUTION]\n")
    if plan.blockers:
        yield paragraph("**Apply refuses this plan:**")
        yield _told(plan.blockers, read_line)
    waiting = tuple(
        f"> - {_named(change)}: {unsettled_text(change.unsettled)}{_place(change)}"
        for change in plan.effective
        if change.unsettled is not None
    )
    if waiting:
        yield Section(waiting, "> [!WARNING]\n")
    if unfinished:
        rows = tuple(f"> - {_named(change)}: {UNTESTED}{_place(change)}" for change in unfinished)
        yield Section(rows, "> [!WARNING]\n")
    if plan.warnings:
        yield folded(count_line(plan.warnings), _told(plan.warnings, read_line))


def _told(diagnostics: Sequence[Diagnostic], read_line: ReadLine) -> Section:
    return fenced(full(diagnostics, read_line).plain.splitlines())


def _named(change: Change) -> str:
    facts = [*([f"id {code(change.id)}"] if change.id else []), *_live(change)]
    told = f" ({', '.join(facts)})" if facts else ""
    return f"**{change.action}** {code(str(change.address))}{told}"


def _live(change: Change) -> Iterator[str]:
    """What people know it by in the dashboard of Fivetran, and what goes with it."""
    live = change.live
    if live is None:
        return
    yield f"name {code(live.name)}"
    if live.last_name:
        yield f"renamed outside the specs: was {code(live.last_name)}"
    if change.address.kind == DESTINATION and live.service:
        yield f"service {code(live.service)}" + (f" in {code(live.region)}" if live.region else "")
    yield from (_connection(each) for each in live.deleted_first)


def _connection(connection: Connection) -> str:
    return f"with its connection {code(connection.id)} of {code(connection.service)}, which is deleted first"


def _place(change: Change) -> str:
    return f" · {code(f'{change.span.path}:{change.span.line}')}" if change.span else ""


def _changes(plan: Plan) -> Iterator[Section]:
    """One section for each change that has more to tell than its one line above."""
    for change in plan.effective:
        if change.action not in _TOLD_IN_ONE_LINE:
            yield folded(_summary(change), fenced(_lines(change), "diff"))


def _summary(change: Change) -> str:
    """One line of our words with the address, for the page when everything is folded."""
    drifted = sum(field.origin is not Origin.SPEC for field in change.fields)
    told = [f"<b>{change.action}</b> {html_code(str(change.address))}"]
    told += [counted(len(change.fields), "field")] if change.fields else []
    told += [f"{drifted} changed outside the specs"] if drifted else []
    told += ["gone from Fivetran"] if change.missing else []
    told += [RISKS[change.risk]] if RISKS[change.risk] else []
    return " · ".join(told)


def _lines(change: Change) -> Iterator[str]:
    if change.span:
        yield f"@@ {change.span.path}:{change.span.line} @@"
    width = max((len(_name(field)) for field in change.fields), default=0)
    for field in change.fields:
        yield from _field(change, field, min(width, 44))
    if change.missing:
        yield "! gone from Fivetran since it was applied"


def _field(change: Change, field: FieldChange, width: int) -> Iterator[str]:
    name = f"{_name(field):<{width}}"
    remarks = origin_of(field) + ("   forces the replacement" if field.forces_replace else "")
    if change.action is Action.CREATE:
        yield f"+ {name}  {told(field)}"
    elif field.shown is Shown.CLEAR:
        before, after = before_and_after(field)
        yield f"- {name}  {before}"
        yield f"+ {name}  {after}{remarks}"
    else:
        yield f"! {name}  {told_secret(field, change.secrets)}{remarks}"


def _name(field: FieldChange) -> str:
    return neutral(dotted(field.path))


def _others(plan: Plan) -> Iterator[Section]:
    """What is not touched."""
    if plan.adopted:
        yield _listed("found at Fivetran as declared; apply remembers them and sends nothing", plan.adopted)
    if plan.forgotten:
        yield _listed("not managed any more; apply forgets them and sends nothing", plan.forgotten)
    if plan.unmanaged:
        names = tuple(f"- {code(each.name)} ({code(each.id)})" for each in plan.unmanaged)
        yield folded(f"{counted(len(names), 'group')} not managed, left alone", Section(names))


def _listed(what: str, changes: Iterable[Change]) -> Section:
    rows = tuple(
        f"- {code(str(change.address))} {', '.join([code(change.id or ''), *_live(change)])}"
        for change in changes
    )
    return folded(f"{len(rows):,} {what}", Section(rows))
