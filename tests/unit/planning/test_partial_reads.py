"""Test the choice of the destinations that a run with a budget reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.model.diagnostic import ReconcilerError
from reconciler.planning.partial_reads import PartialReading
from reconciler.state.read_times import ReadTimes

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SENT = 3
"""Requests for the account and two lists."""


def make_reading(budget: int, **hours: int) -> PartialReading:
    """Build a reading after reads of these ids, so many hours ago."""
    return PartialReading(budget, ReadTimes(ago(hours)), NOON)


def ago(hours: Mapping[str, int]) -> dict[str, datetime]:
    return {id: NOON - timedelta(hours=number) for id, number in hours.items()}


def choose(
    reading: PartialReading, costs: Mapping[str, int], unlisted: str = "", sent: int = SENT
) -> list[str]:
    return reading.choose(costs, costs.keys() - {*unlisted}, sent)


def cost_one(ids: str) -> dict[str, int]:
    return dict.fromkeys(ids, 1)


@pytest.mark.parametrize(
    ("budget", "expected"), [(4, "b"), (5, "bd"), (6, "bda"), (7, "bdac"), (100, "bdac")], ids=str
)
def test_destinations_without_a_read_come_first_and_then_the_oldest_reads(budget: int, expected: str) -> None:
    assert choose(make_reading(budget, a=2, c=1), cost_one("abcd")) == [*expected]


def test_a_failed_read_counts_for_the_order() -> None:
    last = ReadTimes(ago({"a": 3, "c": 2}), ago({"a": 1, "b": 0}))
    assert choose(PartialReading(100, last, NOON), cost_one("abcd")) == ["d", "c", "a", "b"]


def test_equal_times_are_read_in_the_order_of_their_ids() -> None:
    assert choose(make_reading(5, c=1, b=1, a=1), cost_one("cba")) == ["a", "b"]


def test_destinations_that_no_list_shows_are_looked_up_in_every_run() -> None:
    assert choose(make_reading(6, d=0, c=0), cost_one("abcd"), unlisted="cd") == ["c", "d", "a"]


def test_a_destination_with_pins_costs_more() -> None:
    costs = {"a": 1, "b": 3, "c": 1}
    assert choose(make_reading(6), costs) == ["a"]
    assert choose(make_reading(6, a=1), costs) == ["b"]
    assert choose(make_reading(7), costs) == ["a", "b"]


@pytest.mark.parametrize(
    ("costs", "unlisted", "sent", "smallest"),
    [
        (cost_one("ab"), "", SENT, 4),
        (cost_one("abc"), "ab", SENT, 6),
        ({"a": 1, "b": 3}, "", SENT, 6),
        (cost_one("a"), "", 10, 11),
        (cost_one("ab"), "ab", SENT, 5),
    ],
)
def test_a_budget_is_refused_with_the_smallest_useful_number(
    costs: Mapping[str, int], unlisted: str, sent: int, smallest: int
) -> None:
    with pytest.raises(ReconcilerError) as raised:
        choose(make_reading(smallest - 1), costs, unlisted, sent)
    [error] = raised.value.diagnostics
    assert error.code == "budget-too-small"
    assert error.help == f"use `--budget {smallest}` or more"
    assert choose(make_reading(smallest), costs, unlisted, sent)


def test_an_account_without_destinations_needs_no_read() -> None:
    assert choose(make_reading(SENT), {}) == []


@pytest.mark.parametrize(
    ("budget", "costs", "unlisted", "runs"),
    [
        (4, cost_one("abcd"), "", 4),
        (5, cost_one("abcde"), "", 3),
        (6, cost_one("abcde"), "a", 2),
        (7, cost_one("abcd"), "", 1),
        (6, {"a": 1, "b": 3, "c": 1, "d": 1}, "", 3),
        (100, {}, "", 1),
    ],
)
def test_a_full_round_is_counted_in_runs(
    budget: int, costs: Mapping[str, int], unlisted: str, runs: int
) -> None:
    reading = make_reading(budget)
    choose(reading, costs, unlisted)
    assert reading.count_runs_per_round(costs.keys() - {*unlisted}) == runs
