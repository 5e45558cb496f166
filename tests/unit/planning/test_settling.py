"""Which creates have to wait, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.model.instant import Instant, format_utc
from reconciler.model.plan import Action
from reconciler.model.record import Intent, Record
from reconciler.planning.settling import find_unsettled

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SETTLE = timedelta(minutes=15)


def at(own: float, server: float | None = None) -> Instant:
    """So many seconds after noon, by both clocks."""
    return Instant(
        NOON + timedelta(seconds=own), None if server is None else NOON + timedelta(seconds=server)
    )


def opened(sent: Instant | None, action: Action = Action.CREATE) -> Record:
    return Record(intent=Intent(action, "orders", begun=at(0), sent=sent))


@pytest.mark.parametrize(
    ("record", "now", "left"),
    [
        (None, at(0), None),
        (Record(id="decent_dropsy"), at(0), None),
        (opened(None), at(0), None),
        (opened(at(0), Action.UPDATE), at(0), None),
        (opened(at(0), Action.DELETE), at(0), None),
        (opened(at(0)), at(0), 900),
        (opened(at(0), Action.REPLACE), at(0), 900),
        (opened(at(0)), at(899), 1),
        (opened(at(0)), at(899.5), 1),
        (opened(at(0)), at(900), None),
        (opened(at(0)), at(-60), 960),
        (opened(at(0, 0)), at(900, 900), None),
        (opened(at(0, 0)), at(900, 899), 1),
        (opened(at(0, 0)), at(899, 900), 1),
        (opened(at(0, 0)), at(900, -60), 960),
        (opened(at(0, 7_000)), at(900, 7_900), None),
        (opened(at(0, 7_000)), at(900, 0), 7_900),
        (opened(at(0, 0)), at(900), None),
        (opened(at(0)), at(900, 0), None),
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
