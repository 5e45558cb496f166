"""Creates that have to wait, since an earlier request for the same object may still take effect.

Nobody can ask Fivetran what became of a request without an answer. A proxy may hold it up and deliver it minutes later,
and a second one would make a second object. So a create waits until its last request is `settle` old by both clocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from reconciler.model.address import GROUP, Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.instant import Instant, format_utc
from reconciler.model.plan import UnsettledRequest
from reconciler.model.record import Intent, Record
from reconciler.model.record_transitions import unanswered_intents
from reconciler.model.resource import Desired, Observed


def find_unsettled(record: Record | None, now: Instant, settle: timedelta) -> UnsettledRequest | None:
    """What a create has to wait for, if anything. Without `settle` nothing waits, whatever the clocks say."""
    request = record.open_request if record is not None else None
    if request is None or request.sent is None or not settle:
        return None
    remaining = settle - now.elapsed_since(request.sent)
    if remaining <= timedelta():
        return None
    return UnsettledRequest(request.sent.own.replace(microsecond=0), _round_up_to_second(now.own + remaining))


def _round_up_to_second(moment: datetime) -> datetime:
    """The first one that is not before this moment: what is told in seconds must not be too early."""
    return (moment + timedelta(microseconds=999_999)).replace(microsecond=0)


def find_late_duplicates(
    entries: Iterable[Desired],
    records: Mapping[Address, Record],
    live: Mapping[str, Observed],
    group_ids: Mapping[str, str],
) -> Iterator[Diagnostic]:
    """Groups that a request without an answer seems to have made beside, or in place of, the one that an entry has or
    is going to have, also where the entry was given up since. S-18: nothing stays silent. An entry with an `id:` says
    which one it means."""
    declared = {entry.address: entry for entry in entries}
    managed = set(group_ids.values())
    for address in sorted(candidate for candidate in records if candidate.kind == GROUP):
        entry = declared.get(address)
        if entry is not None and entry.id is not None:
            continue
        for intent in unanswered_intents(records[address]):
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
    managed = f"managed is `{id}`" if id is not None else "no group is managed under this key"
    return Diagnostic(
        "late-twin",
        f"{address}: a request{when} seems to have taken effect after all, and made another group",
        span=entry.span if entry is not None else None,
        severity=Severity.WARNING,
        address=address,
        notes=(f"{managed}; new since that request, under the name `{intent.name}`, is {duplicate_list}",),
        help="delete the one that is not needed in Fivetran, or write the `id:` of the right one into its entry",
    )
