"""Bound the sending times of requests that earlier runs left open.

A run marks each request that makes an object right before the request leaves. A local state has the mark on disk by
then, so a request without a mark was not sent. A remote state is written at intervals only, so there a missing mark
proves nothing. The request may have left at any time until the run had to stop: a run that cannot renew its lease
starts nothing new, and every renewal writes the state too. A state of the first format has no marks at all. Only the
last activity of its runs is known, after which a run with a remote state may have gone on for the length of its lease.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reconciler.model.record import State
from reconciler.model.record_transitions import bound_sent_time
from reconciler.state.codec import parse_time
from reconciler.state.lease import LEASE_TTL

_LEASE = timedelta(seconds=LEASE_TTL)


def bound_sent_times(state: State) -> State:
    """Set a sending time for every open request of a state, unless the request was certainly not sent."""
    if not state.marks_requests:
        latest = _find_last_activity(state) + _LEASE
    elif state.written_at is not None:
        latest = state.written_at + _LEASE
    else:
        return state
    records = {address: bound_sent_time(record, latest) for address, record in state.records.items()}
    return replace(state, records=records, written_at=None, marks_requests=True)


def _find_last_activity(state: State) -> datetime:
    return max(_iter_activity_times(state), default=datetime.min.replace(tzinfo=UTC))


def _iter_activity_times(state: State) -> Iterator[datetime]:
    for record in state.records.values():
        if record.intent is not None and record.intent.begun is not None:
            yield record.intent.begun.own
        applied_at = parse_time(record.applied_at)
        if applied_at is not None:
            yield applied_at
