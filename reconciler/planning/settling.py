"""Hold creates while an earlier request for the same object may still take effect.

Fivetran does not report the outcome of a request whose answer was lost. A proxy may hold the request up and deliver it
minutes later, and a second request would create a second object. So a create waits until the last request for its
object is `settle` old by both clocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from reconciler.model.address import GROUP, Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.instant import Instant, format_utc
from reconciler.model.plan import Action, Reason, UnsettledRequest
from reconciler.model.record import Intent, Record
from reconciler.model.record_transitions import list_unanswered_intents
from reconciler.model.resource import Desired, Observed
from reconciler.planning.planner import PlannedOperation
from reconciler.planning.targets import select_creates


def find_unsettled(record: Record | None, now: Instant, settle: timedelta) -> UnsettledRequest | None:
    """Find the request that a create has to wait for; None if it need not wait. A zero `settle` holds no create."""
    request = record.open_request if record is not None else None
    if request is None or request.sent is None or not settle:
        return None
    remaining = settle - now.elapsed_since(request.sent)
    if remaining <= timedelta():
        return None
    return UnsettledRequest(request.sent.own.replace(microsecond=0), _round_up_to_second(now.own + remaining))


def hold_unsettled_creates(
    operations: Mapping[Address, PlannedOperation],
    records: Mapping[Address, Record],
    now: Instant,
    settle: timedelta,
    resend_selectors: Iterable[str],
) -> dict[Address, PlannedOperation]:
    """Add to each create the earlier request that it waits for. Selectors of `--resend-create` lift the wait.

    Raises `ReconcilerError` for a selector that names no held create.
    """
    held = {
        address: request
        for address, operation in operations.items()
        if operation.change.action is Action.CREATE
        and (request := find_unsettled(records.get(address), now, settle)) is not None
    }
    resent = select_creates(resend_selectors, held)
    return {
        address: _hold(operation, replace(held[address], resent=address in resent))
        if address in held
        else operation
        for address, operation in operations.items()
    }


def _hold(operation: PlannedOperation, request: UnsettledRequest) -> PlannedOperation:
    change = replace(operation.change, reasons=(Reason.INTERRUPTED,), unsettled=request)
    return replace(operation, change=change)


def _round_up_to_second(moment: datetime) -> datetime:
    """Round up to whole seconds: a time that is shown in seconds must not be too early."""
    return (moment + timedelta(microseconds=999_999)).replace(microsecond=0)


def find_late_duplicates(
    entries: Iterable[Desired],
    records: Mapping[Address, Record],
    live: Mapping[str, Observed],
    group_ids: Mapping[str, str],
) -> Iterator[Diagnostic]:
    """Report groups that an unanswered request seems to have created after all.

    Such a group exists beside, or in place of, the group of the entry. A record without an entry counts too, since no
    other check would report that group. An entry with an `id:` is left out: it names its group.
    """
    declared = {entry.address: entry for entry in entries}
    managed = set(group_ids.values())
    for address in sorted(candidate for candidate in records if candidate.kind == GROUP):
        entry = declared.get(address)
        if entry is not None and entry.id is not None:
            continue
        for intent in list_unanswered_intents(records[address]):
            duplicates = sorted(
                group.id
                for group in live.values()
                if group.name == intent.name and group.id not in managed and group.id not in intent.namesakes
            )
            if duplicates:
                yield _explain_late_duplicate(address, entry, intent, group_ids.get(address.key), duplicates)


def _explain_late_duplicate(
    address: Address, entry: Desired | None, intent: Intent, id: str | None, duplicates: Iterable[str]
) -> Diagnostic:
    when = f" of {format_utc(intent.sent.own)}" if intent.sent is not None else ""
    duplicate_list = ", ".join(f"`{duplicate}`" for duplicate in duplicates)
    managed = f"the managed group is `{id}`" if id is not None else "no group is managed under this key"
    return Diagnostic(
        "late-twin",
        f"{address}: a request{when} seems to have taken effect after all, and made another group",
        span=entry.span if entry is not None else None,
        severity=Severity.WARNING,
        address=address,
        notes=(f"{managed}; since that request, the name `{intent.name}` also has {duplicate_list}",),
        help="delete the group that is not needed in Fivetran, or write the `id:` of the right group into its entry",
    )
