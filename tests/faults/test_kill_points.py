"""Check that the next run completes a run killed at any point, without duplicates or losses (S-02)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

import pytest
from kill_scenarios import ScenarioRun, get_undisturbed, list_file_steps, prepare_scenario
from killable_run import ANY_CALL, RECORD_POINTS, KillPoint, KillTrigger
from long_runs import small_and_large
from scenarios import SCENARIOS, Scenario

from reconciler.emulator.fault_text import parse_fault

pytestmark = pytest.mark.sampled(every=9)

SEVERAL_AT_ONCE = frozenset({"three pairs", "updated fields", "mixed"})
"""Scenarios with parallel work for several workers."""

SAME_WITHOUT_STATE = frozenset({KillPoint.BEFORE_SENDING, KillPoint.MID_ANSWER, KillPoint.BEFORE_RECORD})
"""Points that differ from other points only in the records of the state."""

UNTESTED_WITHOUT_STATE = frozenset({KillPoint.LATE_EFFECT})
"""A run without the state cannot wait for a request that it does not know."""

SHOWN_BY = {
    "create": ("/v1/groups", "/v1/destinations/*"),
    "delete": ("/v1/groups", "/v1/destinations"),
}
"""Paths of the reads that show the effect of a call to a plan."""


@dataclass(frozen=True)
class Cell:
    """Kill of a run: its call, the number of workers, and whether the state is lost too."""

    trigger: KillTrigger
    workers: int
    is_state_lost: bool


def list_cells(scenario: Scenario, point: KillPoint) -> Iterator[Cell]:
    """Iterate over kills at this point of every call of a scenario."""
    for trigger in list_triggers(scenario, point):
        yield Cell(trigger, workers=1, is_state_lost=False)
        if point not in SAME_WITHOUT_STATE | UNTESTED_WITHOUT_STATE:
            yield Cell(trigger, workers=1, is_state_lost=True)
        if scenario.name in SEVERAL_AT_ONCE:
            yield Cell(trigger, workers=4, is_state_lost=False)


def list_triggers(scenario: Scenario, point: KillPoint) -> Iterator[KillTrigger]:
    """Iterate over the triggers of all calls, except record points of calls that write no record of their own."""
    for index, call in enumerate(scenario.calls):
        if point not in RECORD_POINTS or index not in scenario.incomplete_calls:
            yield KillTrigger(call, point, scenario.count_earlier(index))


def test_the_matrix_covers_600_kills_and_every_call() -> None:
    assert sum(len(list(list_cells(scenario, point))) for scenario in SCENARIOS for point in KillPoint) >= 600
    for scenario in SCENARIOS:
        for point in set(KillPoint) - set(RECORD_POINTS):
            killed = {(cell.trigger.call, cell.trigger.earlier) for cell in list_cells(scenario, point)}
            assert len(killed) == len(scenario.calls)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_an_undisturbed_run_sends_the_calls_of_the_scenario(scenario: Scenario) -> None:
    assert get_undisturbed(scenario, with_health=True)  # asserts the calls


@pytest.mark.sampled(every=29)
@pytest.mark.parametrize("point", KillPoint)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_the_next_run_completes_a_killed_run(scenario: Scenario, point: KillPoint) -> None:
    for cell in list_cells(scenario, point):
        kill_and_recover(scenario, cell)


@pytest.mark.sampled(every=17)
@pytest.mark.parametrize("late", [1.0, 60.0])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_create_of_a_killed_run_may_take_effect_late(scenario: Scenario, late: float) -> None:
    """Delay the effect until the next run refreshes, and until several runs have ended (S-18)."""
    for trigger in list_triggers(scenario, KillPoint.LATE_EFFECT):
        if trigger.call.startswith("create"):
            kill_and_recover(
                scenario, Cell(replace(trigger, effect_delay=late), workers=1, is_state_lost=False)
            )


@pytest.mark.sampled(every=17)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_the_next_run_waits_after_an_unanswered_create(scenario: Scenario) -> None:
    """A delayed request and a lost request look the same, so the next run waits (S-05)."""
    for point in (KillPoint.BEFORE_SENDING, KillPoint.BEFORE_EFFECT):
        for trigger in list_triggers(scenario, point):
            with prepare_scenario(scenario) as run:
                run.run(trigger)
                again = run.run()
                is_create = trigger.call.startswith("create")
                assert run.has_held == is_create
                assert not is_create or trigger.call not in again.calls
                run.converge()
                run.check_invariants(state_lost=False)


@pytest.mark.sampled(every=17)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_run_may_be_killed_at_every_step_of_its_files(scenario: Scenario) -> None:
    """Kill the run before each step on the key, the snapshots and the journal, or within the written bytes."""
    steps = list_file_steps(scenario)
    assert steps.count("os.rename") >= 2, "the first and the final snapshot"
    assert steps.count("write") >= 2, "the intents and their results"
    for number in range(1, len(steps) + 1):
        with prepare_scenario(scenario) as run:
            killed = run.run(kill_step=number)
            if not killed.calls:
                check_nothing_is_pending(run)
            run.converge()
            run.check_invariants(state_lost=False)


def check_nothing_is_pending(run: ScenarioRun) -> None:
    """Check that a run neither waits nor searches for requests that were certainly not sent."""
    before = len(run.history)
    run.run()
    assert not run.has_held
    lists = [each for each in run.history[before:] if (each.method, each.path) == ("GET", "/v1/groups")]
    assert len(lists) <= 2, "the plan and the convergence check list once each"


@pytest.mark.parametrize("name", ["group only", "completed group"])
def test_a_waiting_run_may_be_killed_at_every_step_of_its_files(name: str) -> None:
    """The waiting run keeps the record of the open request."""
    [scenario] = [each for each in SCENARIOS if each.name == name]
    [trigger, *_] = list_triggers(scenario, KillPoint.BEFORE_EFFECT)
    number = 1
    while True:
        with prepare_scenario(scenario) as run:
            run.run(trigger)
            survived = not run.run(kill_step=number, may_survive=True).is_dead
            run.run()
            assert run.has_held, f"the kill at step {number} lost the record"
            run.converge()
            run.check_invariants(state_lost=False)
        if survived:
            break
        number += 1
    assert number > len(("snapshot", "journal", "snapshot"))


@pytest.mark.sampled(every=17)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_effects_of_a_killed_run_may_be_hidden_by_stale_reads(scenario: Scenario) -> None:
    """Hide the effect from five reads of the next run, which has no record of the result (S-06)."""
    for trigger in list_triggers(scenario, KillPoint.AFTER_EFFECT):
        for shows in SHOWN_BY.get(trigger.call.partition(" ")[0], ()):
            kill_and_recover(
                scenario, Cell(trigger, workers=1, is_state_lost=False), late=f"GET {shows} stale 5"
            )


@pytest.mark.long
@small_and_large(("rounds", "least"), (1, 5), (4, 25))
def test_a_recovering_run_may_be_killed(rounds: int, least: int) -> None:
    """Kill the recovering run too, in a fixed sample of scenarios, calls, points and lost states (S-03)."""
    rng = Random(20260301)
    double_kills = 0
    for scenario in SCENARIOS * rounds:
        lost = rng.random() < 0.25
        points = [each for each in KillPoint if not (lost and each in UNTESTED_WITHOUT_STATE)]
        with prepare_scenario(scenario) as run:
            run.run(rng.choice(list(list_triggers(scenario, rng.choice(points)))))
            if lost:
                run.account.lose_state()
            second = KillTrigger(ANY_CALL, rng.choice(list(KillPoint)), rng.randrange(2))
            double_kills += run.run(second, may_survive=True).is_dead
            run.converge()
            run.check_invariants(state_lost=lost)
    assert double_kills >= least


@pytest.mark.long
@pytest.mark.parametrize("point", KillPoint)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_the_next_run_completes_every_kill_with_every_number_of_workers(
    scenario: Scenario, point: KillPoint
) -> None:
    for trigger in list_triggers(scenario, point):
        for workers in (1, 2, 4, 8):
            for lost in (False, True) if point not in UNTESTED_WITHOUT_STATE else (False,):
                kill_and_recover(scenario, Cell(trigger, workers, lost))


@pytest.mark.long
@pytest.mark.parametrize("reads", range(1, 6))
@pytest.mark.parametrize("path", ("/v1/groups", "/v1/groups/*", "/v1/destinations", "/v1/destinations/*"))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_every_read_may_be_stale_after_a_kill(scenario: Scenario, path: str, reads: int) -> None:
    for trigger in list_triggers(scenario, KillPoint.AFTER_EFFECT):
        kill_and_recover(
            scenario, Cell(trigger, workers=1, is_state_lost=False), late=f"GET {path} stale {reads}"
        )


def kill_and_recover(scenario: Scenario, cell: Cell, *, late: str = "") -> None:
    """Kill a run as the cell says, let the next runs converge, and check the invariants. `late`: stale reads."""
    with prepare_scenario(scenario) as run:
        killed = run.run(cell.trigger, workers=cell.workers)
        assert (
            killed.calls[-1] == cell.trigger.call
            or cell.workers > 1
            or cell.trigger.point is KillPoint.BEFORE_RECORD
        )
        if cell.is_state_lost:
            run.account.lose_state()
        if late:
            run.account.app.faults.add(parse_fault(late))
        run.converge(workers=cell.workers)
        run.check_invariants(state_lost=cell.is_state_lost)
