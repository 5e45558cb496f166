"""Test which creates have to wait, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.model.instant import Instant, format_utc
from reconciler.model.plan import Action
from reconciler.model.record import Intent, Record
from reconciler.planning.settling import find_unsettled

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SETTLE = timedelta(minutes=15)


def make_instant(own: float, server: float | None = None) -> Instant:
    """Return the instant this number of seconds after noon, by both clocks."""
    return Instant(
        NOON + timedelta(seconds=own), None if server is None else NOON + timedelta(seconds=server)
    )


def make_open_record(sent: Instant | None, action: Action = Action.CREATE) -> Record:
    return Record(intent=Intent(action, "orders", begun=make_instant(0), sent=sent))


@pytest.mark.parametrize(
    ("record", "now", "left"),
    [
        (None, make_instant(0), None),
        (Record(id="decent_dropsy"), make_instant(0), None),
        (make_open_record(None), make_instant(0), None),
        (make_open_record(make_instant(0), Action.UPDATE), make_instant(0), None),
        (make_open_record(make_instant(0), Action.DELETE), make_instant(0), None),
        (make_open_record(make_instant(0)), make_instant(0), 900),
        (make_open_record(make_instant(0), Action.REPLACE), make_instant(0), 900),
        (make_open_record(make_instant(0)), make_instant(899), 1),
        (make_open_record(make_instant(0)), make_instant(899.5), 1),
        (make_open_record(make_instant(0)), make_instant(900), None),
        (make_open_record(make_instant(0)), make_instant(-60), 960),
        (make_open_record(make_instant(0, 0)), make_instant(900, 900), None),
        (make_open_record(make_instant(0, 0)), make_instant(900, 899), 1),
        (make_open_record(make_instant(0, 0)), make_instant(899, 900), 1),
        (make_open_record(make_instant(0, 0)), make_instant(900, -60), 960),
        (make_open_record(make_instant(0, 7_000)), make_instant(900, 7_900), None),
        (make_open_record(make_instant(0, 7_000)), make_instant(900, 0), 7_900),
        (make_open_record(make_instant(0, 0)), make_instant(900), None),
        (make_open_record(make_instant(0)), make_instant(900, 0), None),
    ],
)
def test_a_create_waits_until_its_request_is_settled_by_both_clocks(
    record: Record | None, now: Instant, left: float | None
) -> None:
    waits = find_unsettled(record, now, SETTLE)
    assert (waits and (waits.until - now.own).total_seconds()) == pytest.approx(left, abs=1.0)
    assert waits is None or waits.until.microsecond == waits.sent_at.microsecond == 0
    assert waits is None or waits.until >= now.own
    assert find_unsettled(record, now, timedelta()) is None


@pytest.mark.parametrize(
    ("moment", "beside", "text"),
    [
        (NOON, None, "2026-03-01 12:00:00 UTC"),
        (NOON, NOON - timedelta(hours=12), "12:00:00 UTC"),
        (NOON, NOON - timedelta(hours=13), "2026-03-01 12:00:00 UTC"),
        (datetime.fromisoformat("2026-03-01T23:30:00-05:00"), NOON, "2026-03-02 04:30:00 UTC"),
    ],
)
def test_the_date_is_omitted_if_it_equals_the_other_date(
    moment: datetime, beside: datetime | None, text: str
) -> None:
    assert format_utc(moment, beside) == text
