"""Collect the content of the page of a plan: its changes in order, its findings, and the choices of the filter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from reconciler.model.address import DESTINATION, Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import (
    Action,
    AnnouncedRequest,
    Change,
    ConnectionList,
    FieldChange,
    ListedDestination,
    Origin,
    Plan,
    Visibility,
)
from reconciler.model.policy import PolicyResult
from reconciler.model.risk import FieldRisk, Risk
from reconciler.model.value import FieldPath, format_path
from reconciler.report.alike_findings import MAX_SINGLE, count_alike, group_alike
from reconciler.report.change_groups import ACTION_ORDER
from reconciler.report.diagnostics import ReadLine, render_excerpts
from reconciler.report.live_objects import format_live_object, list_live_rows
from reconciler.report.plan_facts import list_notes
from reconciler.report.plan_summary import (
    SHORT_DIGEST_LENGTH,
    TESTS_FOLLOW,
    TRUST_ACTIONS,
    UNTESTED,
    format_account,
    format_counts,
    format_coverage,
    format_unsettled,
    list_remarks,
)
from reconciler.report.risk import format_risk, format_risk_sentence
from reconciler.report.style import SYMBOLS, format_count
from reconciler.report.trust import list_change_remarks, list_trust_rows
from reconciler.report.unmanaged_objects import format_connection, format_connection_count, format_placement
from reconciler.report.values import (
    LOST,
    SENT_AGAIN,
    format_lost_value,
    format_value,
    render_before_and_after,
    render_new_value,
    render_origin,
    render_secret,
)

MAX_OPEN_FIELDS = 8
"""Number of fields up to which a change shows its fields at once."""

_MOVE = "move"
_SYMBOLS = {**{str(action): symbol for action, symbol in SYMBOLS.items()}, _MOVE: "->"}
_ORDER = (*ACTION_ORDER, _MOVE, Action.ADOPT, Action.FORGET)
"""Actions in the order of their changes on the page."""
_DESTRUCTIVE = {Risk.DESTROYS, Risk.REPLACES}
_LIVE_ROWS = {Action.DELETE, Action.FORGET}
_RECORDED_ONLY = {
    Action.ADOPT: "found at Fivetran as declared; apply adopts it and sends nothing",
    Action.FORGET: "not managed any more; apply forgets it and sends nothing",
}


@dataclass(frozen=True, slots=True)
class Remark:
    """Remark about a change. The `tone` is `bad`, `warn` or empty."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class FieldLine:
    """Field of a change with both values. `before` is None if `after` stands for the whole change."""

    name: str
    before: str | None
    after: str
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeCard:
    """Change with all its texts. `service` is the service of the destination of the entry, empty if it has none."""

    anchor: str
    action: str
    address: Address
    risk: Risk
    risk_text: str
    field_risks: tuple[FieldRisk, ...]
    service: str
    place: str
    facts: tuple[tuple[str, str], ...]
    remarks: tuple[Remark, ...]
    fields: tuple[FieldLine, ...]
    approvals: tuple[tuple[str, str], ...]
    requests: tuple[str, ...]
    blocking_codes: tuple[str, ...]
    summary: str

    @property
    def symbol(self) -> str:
        """Symbol of the action in all texts of the program."""
        return _SYMBOLS[self.action]

    @property
    def risks(self) -> tuple[str, ...]:
        """Risk of the action and risks of its fields."""
        return (self.risk, *self.field_risks)

    @property
    def is_destructive(self) -> bool:
        """Whether the change deletes an object."""
        return self.risk in _DESTRUCTIVE

    @property
    def has_both_values(self) -> bool:
        """Whether any field has a value before and a value after."""
        return any(line.before is not None for line in self.fields)

    @property
    def is_one_line(self) -> bool:
        """Whether the change is shown without a table: it has one field."""
        return len(self.fields) == 1

    @property
    def has_table(self) -> bool:
        """Whether the change has a table of its fields."""
        return len(self.fields) > 1

    @property
    def is_open(self) -> bool:
        """Whether the fields are shown at once."""
        return len(self.fields) <= MAX_OPEN_FIELDS


@dataclass(frozen=True, slots=True)
class FindingCard:
    """Finding with its place and its excerpt."""

    finding: Diagnostic
    excerpt: str

    @property
    def place(self) -> str:
        """Place in a file, else the address, else nothing."""
        return str(self.finding.span or self.finding.address or "")


@dataclass(frozen=True, slots=True)
class AlikeFindings:
    """Findings that differ only in their object. `title` counts them; empty if each stands alone."""

    title: str
    cards: tuple[FindingCard, ...]

    @property
    def count(self) -> int:
        """Number of the findings."""
        return len(self.cards)


@dataclass(frozen=True, slots=True)
class FilterChoice:
    """Value by which the changes are filtered, with the number of changes that have it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class ObjectLine:
    """Object of the account without an entry. `connections` have a line each. `owner` is the state of another project
    that has it."""

    name: str
    id: str
    placement: str
    status: str
    connection_count: str
    connections: tuple[str, ...]
    owner: str = ""


@dataclass(frozen=True, slots=True)
class PlanContent:
    """Content of the page of a plan. `unplanned` are addresses with the codes of their blockers, `notes` are
    subjects with their texts."""

    headline: str
    account: str
    coverage: str
    risks_in_short: str
    remarks: tuple[str, ...]
    digest: str
    snapshot: str
    blocking_codes: tuple[str, ...]
    blockers: tuple[AlikeFindings, ...]
    unplanned: tuple[tuple[str, tuple[str, ...]], ...]
    changes: tuple[ChangeCard, ...]
    warnings: tuple[AlikeFindings, ...]
    notes: tuple[tuple[str, str], ...]
    policies: tuple[PolicyResult, ...]
    undeclared: tuple[ObjectLine, ...]
    unmanaged: tuple[ObjectLine, ...]
    owned: tuple[ObjectLine, ...]
    actions: tuple[FilterChoice, ...]
    risks: tuple[FilterChoice, ...]
    services: tuple[FilterChoice, ...]

    @property
    def can_be_filtered(self) -> bool:
        """Whether there are several changes to choose from."""
        return len(self.changes) > 1

    @property
    def short_digest(self) -> str:
        """Start of the digest, as texts show it."""
        return f"{self.digest[:SHORT_DIGEST_LENGTH]}…"

    @property
    def destructive(self) -> tuple[ChangeCard, ...]:
        """Changes that delete an object."""
        return tuple(card for card in self.changes if card.is_destructive)


def collect_plan(plan: Plan, read_line: ReadLine) -> PlanContent:
    """Collect the content of the page of a plan. The digest is empty if there is nothing to approve."""
    codes = _map_blocking_codes(plan.blockers)
    omitting = _map_blocking_codes(plan.omissions)
    cards = tuple(_build_changes(plan, codes))
    return PlanContent(
        headline=format_counts(plan),
        account=format_account(plan),
        coverage=format_coverage(plan),
        risks_in_short=format_risk_sentence(plan),
        remarks=tuple(list_remarks(plan)),
        digest=plan.digest if plan.needs_approval else "",
        snapshot=str(plan.snapshot or ""),
        blocking_codes=tuple(sorted({blocker.code for blocker in plan.blockers})),
        blockers=collect_findings(plan.blockers, read_line),
        unplanned=tuple((str(address), omitting.get(address.key, ())) for address in plan.unplanned),
        changes=cards,
        warnings=collect_findings(plan.warnings, read_line),
        notes=tuple((note.subject, note.format()) for note in list_notes(plan, names_all=True)),
        policies=plan.judgements,
        undeclared=tuple(
            _build_object(str(found.address), found.id, found.destination, found.connections)
            for found in plan.undeclared
        ),
        unmanaged=tuple(
            _build_object(format_value(group.name), group.id, group.destination, group.connections)
            for group in plan.unmanaged
        ),
        owned=tuple(
            replace(
                _build_object(format_value(group.name), group.id, group.destination, group.connections),
                owner=group.owner,
            )
            for group in plan.owned
        ),
        actions=_count_choices((card.action for card in cards), map(str, _ORDER)),
        risks=_count_choices(chain.from_iterable(card.risks for card in cards), (*Risk, *FieldRisk)),
        services=_count_choices(
            (card.service for card in cards), sorted({card.service for card in cards} - {""})
        ),
    )


def collect_findings(diagnostics: Iterable[Diagnostic], read_line: ReadLine) -> tuple[AlikeFindings, ...]:
    """Collect findings in reading order. Many alike findings form one group with a title."""
    cards = {finding: FindingCard(finding, text) for finding, text in render_excerpts(diagnostics, read_line)}
    return tuple(
        AlikeFindings(_title_findings(findings), tuple(cards[finding] for finding in findings))
        for findings in group_alike(cards)
    )


def _title_findings(findings: Sequence[Diagnostic]) -> str:
    group = findings[0].group
    return count_alike(len(findings), group) if group is not None and len(findings) > MAX_SINGLE else ""


def _map_blocking_codes(blockers: Iterable[Diagnostic]) -> dict[str, tuple[str, ...]]:
    """Map the key of each entry to the codes of the blockers that refuse its changes."""
    found: dict[str, set[str]] = {}
    for blocker in blockers:
        if blocker.address is not None:
            found.setdefault(blocker.address.key, set()).add(blocker.code)
    return {key: tuple(sorted(codes)) for key, codes in found.items()}


def _count_choices(found: Iterable[str], order: Iterable[str]) -> tuple[FilterChoice, ...]:
    """Count the values that occur, in this order."""
    counts = Counter(found)
    return tuple(FilterChoice(value, counts[value]) for value in order if counts[value])


def _build_changes(plan: Plan, codes: Mapping[str, Sequence[str]]) -> Iterator[ChangeCard]:
    """Build all changes, also those for which nothing is sent, in the order of the page."""
    shown = [(name, change) for change in plan.changes if (name := _name_action(change)) is not None]
    places = {str(action): place for place, action in enumerate(_ORDER)}
    services = _map_services(plan.changes)
    for number, (name, change) in enumerate(sorted(shown, key=lambda each: places[each[0]]), 1):
        key = change.address.key
        yield _build_change(
            change, f"change-{number}", name, services.get(key, ""), tuple(codes.get(key, ()))
        )


def _name_action(change: Change) -> str | None:
    """Name the action of a change; None if the entry stays as it is."""
    if change.action is not Action.NO_OP:
        return str(change.action)
    return _MOVE if change.facts.moved_from is not None else None


def _map_services(changes: Iterable[Change]) -> dict[str, str]:
    """Map the key of each entry to the service of its destination."""
    return {change.address.key: service for change in changes if (service := _find_service(change))}


def _find_service(change: Change) -> str:
    if change.live is not None and change.live.service:
        return change.live.service
    declared = chain(
        (field.after for field in change.fields if field.path == ("service",)),
        (value.value for value in change.other_values if value.path == ("service",)),
    )
    return next((value for value in declared if isinstance(value, str)), "")


def _build_change(change: Change, anchor: str, name: str, service: str, codes: tuple[str, ...]) -> ChangeCard:
    lines = [_build_field(change, field) for field in change.fields]
    lines += [
        FieldLine(format_path(lost.path), format_lost_value(lost), "", (Remark(LOST.strip(), "warn"),))
        for lost in change.lost
    ]
    return ChangeCard(
        anchor=anchor,
        action=name,
        address=change.address,
        risk=change.risk,
        risk_text=format_risk(change),
        field_risks=tuple(dict.fromkeys(field.risk for field in change.fields if field.risk is not None)),
        service=service,
        place=change.span.line_place if change.span else "",
        facts=tuple(_list_facts(change, service)),
        remarks=tuple(_list_remarks(change)),
        fields=tuple(lines),
        approvals=tuple(list_trust_rows(change)),
        requests=tuple(_format_request(request) for request in change.requests),
        blocking_codes=codes,
        summary=" · ".join(_summarize_fields(change)),
    )


def _list_facts(change: Change, service: str) -> Iterator[tuple[str, str]]:
    """List the facts by which a reader recognises the object: labels and texts."""
    if change.id:
        yield "id", change.id
    if change.action in _LIVE_ROWS:
        yield from list_live_rows(change)
    elif change.action is Action.REPLACE and change.live is not None:
        yield "deletes", format_live_object(change)
    elif change.address.kind == DESTINATION and service:
        yield "service", service
    if change.facts.setup_status:
        yield "status", change.facts.setup_status


def _list_remarks(change: Change) -> Iterator[Remark]:
    """List what a reader has to know beside the values, the consequences first."""
    if risk := format_risk(change):
        yield Remark(risk, "bad" if change.risk in _DESTRUCTIVE else "warn")
    if change.is_missing:
        yield Remark("gone from Fivetran since it was applied", "warn")
    if change.unsettled is not None:
        yield Remark(format_unsettled(change.unsettled), "warn")
    if change.facts.moved_from is not None:
        yield Remark(f"moved from {change.facts.moved_from}; apply records the new address")
    if change.action in _RECORDED_ONLY:
        yield Remark(_RECORDED_ONLY[change.action])
    if change.action is Action.VERIFY:
        yield Remark(UNTESTED, "warn")
    elif change.action in TRUST_ACTIONS and change.runs_tests:
        yield Remark(TESTS_FOLLOW)
    if any(each.undoes_drift for each in change.trust):
        yield Remark("drift: an approval was revoked outside the specs", "warn")


def _build_field(change: Change, field: FieldChange) -> FieldLine:
    """Build a field with the values that the text shows, too: a create and a repeated field have one value."""
    name = format_path(field.path)
    forced = (Remark("forces the replacement", "bad"),) if field.forces_replace else ()
    if change.action is Action.CREATE:
        return FieldLine(name, None, render_new_value(field), forced)
    if field.sent_by_replacement and field.shown is not Visibility.SECRET:
        return FieldLine(name, None, render_new_value(field), (Remark(SENT_AGAIN.strip()), *forced))
    origin = (Remark(render_origin(field).strip(), "warn"),) if field.origin is not Origin.SPEC else ()
    if field.shown is Visibility.CLEAR:
        before, after = render_before_and_after(field)
        return FieldLine(name, before, after, (*origin, *forced))
    return FieldLine(name, None, render_secret(field, change.secrets), (*origin, *forced))


def _summarize_fields(change: Change) -> Iterator[str]:
    """Summarize the fields, for a reader who sees them folded."""
    if change.fields:
        yield format_count(len(change.fields), "field")
    drifted = sum(field.origin is not Origin.SPEC for field in change.fields)
    if drifted:
        yield f"{drifted:,} changed outside the specs"
    if change.lost:
        yield f"{len(change.lost):,} lost"
    yield from list_change_remarks(change)


def _format_request(request: AnnouncedRequest) -> str:
    """Format a request: `PATCH destination.lake: config.role; carries time_zone_offset (if it is needed)`."""
    bodies = [_format_paths(request.fields)] if request.fields else []
    bodies += [f"carries {_format_paths(request.carried)}"] if request.carried else []
    content = f": {'; '.join(bodies)}" if bodies else ""
    return f"{request.method} {request.object}{content}{' (if it is needed)' if request.may else ''}"


def _format_paths(paths: Iterable[FieldPath]) -> str:
    return ", ".join(map(format_path, paths))


def _build_object(
    name: str, id: str, destination: ListedDestination | None, connections: ConnectionList | None
) -> ObjectLine:
    listed = connections.connections or () if connections is not None else ()
    return ObjectLine(
        name=name,
        id=id,
        placement=format_placement(destination) if destination is not None else "",
        status=destination.setup_status if destination is not None else "",
        connection_count=format_connection_count(connections) if connections is not None else "",
        connections=tuple(map(format_connection, listed)),
    )
