"""Match the entries of the specs with the account: missing groups, and destinations of another service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.api.responses import DestinationSummary
from reconciler.kinds.destination import SERVICE
from reconciler.kinds.group import build_observed_group
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.record import Record
from reconciler.model.resource import Desired
from reconciler.operations.doctor import reads
from reconciler.operations.doctor.reads import AccountLists
from reconciler.planning.match import match_groups
from reconciler.planning.missing import is_missing
from reconciler.workspace.specs import Specs


@dataclass(frozen=True, slots=True)
class EntryMatches:
    """Number of groups of the specs that exist, and the findings about entries."""

    found: int
    findings: tuple[Diagnostic, ...]


def match_entries(
    specs: Specs, lists: AccountLists, records: Mapping[Address, Record] | None
) -> EntryMatches:
    """Match the entries with the lists of groups and destinations, as a plan does.

    `records` is None if they are unknown. An ambiguous name is no finding then: the id in a record may decide.
    """
    live = {group.id: build_observed_group(group) for group in lists.get_items(reads.GROUPS)}
    scope = {group.address for group in specs.groups if group.id is not None or records is not None}
    records = records or {}
    matching = match_groups(specs.groups, live, records, scope)
    summaries = {summary.group_id: summary for summary in lists.get_items(reads.DESTINATIONS)}
    reported = {problem.address for problem in matching.problems}
    findings = [*matching.problems]
    for group in specs.groups:
        record = records.get(group.address)
        id = group.id or (record.id if record is not None and is_missing(record, live) else None)
        if id is not None and id not in live and group.address not in reported:
            findings.append(_explain_missing(group, id))
    for desired in specs.destinations:
        id = matching.group_ids.get(desired.address.key)
        findings += _check_service(desired, summaries.get(id or ""))
    return EntryMatches(len(matching.group_ids), tuple(findings))


def _check_service(desired: Desired, live: DestinationSummary | None) -> Iterator[Diagnostic]:
    declared = desired.fields.get(SERVICE)
    if live is None or not isinstance(declared, str) or live.service == declared:
        return
    yield Diagnostic(
        "other-service",
        f"{desired.address} is of service `{declared}`, and the live destination is of `{live.service}`",
        span=desired.spans.get(SERVICE, desired.span),
        severity=Severity.WARNING if desired.allow_replace else Severity.ERROR,
        address=desired.address,
        help="put the live service back, or set `lifecycle: {allow_replace: true}`, which deletes the live destination"
        " and creates another",
    )


def _explain_missing(group: Desired, id: str) -> Diagnostic:
    return Diagnostic(
        "gone-or-hidden",
        f"{group.address} (id `{id}`) is gone from Fivetran, or hidden from these credentials",
        span=group.id_span or group.span,
        address=group.address,
        help="use a key that sees it, or correct the `id:`; `reconciler plan` says what else can be done",
    )
