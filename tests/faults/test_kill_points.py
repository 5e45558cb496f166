"""S-02: a run that is killed anywhere is finished by the next one, with nothing twice and nothing lost."""

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

pytestmark = pytest.mark.sampled(every=6)

SEVERAL_AT_ONCE = frozenset({"three pairs", "updated fields", "mixed"})
"""Situations in which several workers have something to do at the same time."""

THE_SAME_WITHOUT_A_MEMORY = frozenset(
    {KillPoint.BEFORE_SENDING, KillPoint.MID_ANSWER, KillPoint.BEFORE_RECORD}
)
"""Points that differ from their neighbours in nothing but what is remembered."""

NOTHING_WITHOUT_A_MEMORY = frozenset({KillPoint.LATE_EFFECT})
"""Who does not know that something was sent cannot wait for it."""

SHOWN_BY = {
    "create": ("/v1/groups", "/v1/destinations/*"),
    "delete": ("/v1/groups", "/v1/destinations"),
}
"""The reads from which a plan learns that something is there."""


@dataclass(frozen=True)
class Cell:
    """One way to die: at which call, with how many workers, and whether the memory is lost with it."""

    moment: KillTrigger
    workers: int
    lost: bool


def cells(situation: Scenario, point: KillPoint) -> Iterator[Cell]:
    """Every call of a situation, dying at this point of it."""
    for moment in moments(situation, point):
        yield Cell(moment, workers=1, lost=False)
        if point not in THE_SAME_WITHOUT_A_MEMORY | NOTHING_WITHOUT_A_MEMORY:
            yield Cell(moment, workers=1, lost=True)
        if situation.name in SEVERAL_AT_ONCE:
            yield Cell(moment, workers=4, lost=False)


def moments(situation: Scenario, point: KillPoint) -> Iterator[KillTrigger]:
    """One for each call. Where nothing is remembered between a call and the next, nobody can die there."""
    for index, call in enumerate(situation.calls):
        if point not in RECORD_POINTS or index not in situation.incomplete_calls:
            yield KillTrigger(call, point, situation.count_earlier(index))


def test_there_are_enough_of_them_and_no_call_is_left_out() -> None:
    assert sum(len(list(cells(situation, point))) for situation in SCENARIOS for point in KillPoint) >= 600
    for situation in SCENARIOS:
        for point in set(KillPoint) - set(RECORD_POINTS):
            died = {(cell.moment.call, cell.moment.earlier) for cell in cells(situation, point)}
            assert len(died) == len(situation.calls)


@pytest.mark.parametrize("situation", SCENARIOS, ids=str)
def test_undisturbed_the_calls_are_those_that_were_thought_out(situation: Scenario) -> None:
    assert get_undisturbed(situation, with_health=True)  # asserts them


@pytest.mark.sampled(every=11)
@pytest.mark.parametrize("point", KillPoint)
@pytest.mark.parametrize("situation", SCENARIOS, ids=str)
def test_whoever_comes_after_finishes(situation: Scenario, point: KillPoint) -> None:
    for cell in cells(situation, point):
        die_and_go_on(situation, cell)


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize("late", [1.0, 60.0])
@pytest.mark.parametrize("situation", SCENARIOS, ids=str)
def test_what_a_dead_run_has_sent_may_take_effect_soon_and_late(situation: Scenario, late: float) -> None:
    """S-18. Sooner than a run has looked at everything, and after some have ended."""
    for moment in moments(situation, KillPoint.LATE_EFFECT):
        if moment.call.startswith("create"):
            die_and_go_on(situation, Cell(replace(moment, effect_delay=late), workers=1, lost=False))


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize("situation", SCENARIOS, ids=str)
def test_after_a_create_that_nobody_answered_the_next_run_waits(situation: Scenario) -> None:
    """S-05. Nothing tells a request that is still on its way from one that will never have an effect."""
    for point in (KillPoint.BEFORE_SENDING, KillPoint.BEFORE_EFFECT):
        for moment in moments(situation, point):
            with prepare_scenario(situation) as play:
                play.run(moment)
                again = play.run()
                is_create = moment.call.startswith("create")
                assert play.has_held == is_create
                assert not is_create or moment.call not in again.calls
                play.converge()
                play.check_invariants(state_lost=False)


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize("situation", SCENARIOS, ids=str)
def test_a_run_may_die_at_every_step_in_its_own_files(situation: Scenario) -> None:
    """The key, the snapshot, the intents, each line, the snapshot at the end: before the step, or in the middle of
    what is written."""
    steps = list_file_steps(situation)
    assert steps.count("os.rename") >= 2, "a snapshot at the beginning, and one at the end"
    assert steps.count("write") >= 2, "the intents, and what became of them"
    for number in range(1, len(steps) + 1):
        with prepare_scenario(situation) as play:
            dead = play.run(kill_step=number)
            if not dead.calls:
                check_nothing_is_awaited(play)
            play.converge()
            play.check_invariants(state_lost=False)


def check_nothing_is_awaited(play: ScenarioRun) -> None:
    """What was certainly not sent is not waited for, and not looked for."""
    before = len(play.history)
    play.run()
    assert not play.has_held
    lists = [each for each in play.history[before:] if (each.method, each.path) == ("GET", "/v1/groups")]
    assert len(lists) <= 2, "one in the plan, and one in the check"


@pytest.mark.parametrize("name", ["group only", "completed group"])
def test_a_run_that_waits_may_die_at_every_step_in_its_own_files(name: str) -> None:
    """It leaves what is known of the request that it waits for."""
    [situation] = [each for each in SCENARIOS if each.name == name]
    [moment, *_] = moments(situation, KillPoint.BEFORE_EFFECT)
    number = 1
    while True:
        with prepare_scenario(situation) as play:
            play.run(moment)
            survived = not play.run(kill_step=number, may_survive=True).is_dead
            play.run()
            assert play.has_held, f"after the death at step {number} it is not known any more"
            play.converge()
            play.check_invariants(state_lost=False)
        if survived:
            break
        number += 1
    assert number > len(("snapshot", "journal", "snapshot"))


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize("situation", SCENARIOS, ids=str)
def test_what_a_dead_run_has_done_may_be_shown_late(situation: Scenario) -> None:
    """S-06: five reads do not show yet what was done, and nobody is left who knows that it was."""
    for moment in moments(situation, KillPoint.AFTER_EFFECT):
        for shows in SHOWN_BY.get(moment.call.partition(" ")[0], ()):
            die_and_go_on(situation, Cell(moment, workers=1, lost=False), late=f"GET {shows} stale 5")


@pytest.mark.long
@small_and_large(("rounds", "least"), (1, 5), (8, 60))
def test_a_run_may_die_while_it_recovers_from_a_death(rounds: int, least: int) -> None:
    """S-03. Sampled over situations, calls, points and lost memories, always the same ones."""
    chance = Random(20260301)
    pairs = 0
    for situation in SCENARIOS * rounds:
        lost = chance.random() < 0.25
        points = [each for each in KillPoint if not (lost and each in NOTHING_WITHOUT_A_MEMORY)]
        with prepare_scenario(situation) as play:
            play.run(chance.choice(list(moments(situation, chance.choice(points)))))
            if lost:
                play.account.lose_state()
            second = KillTrigger(ANY_CALL, chance.choice(list(KillPoint)), chance.randrange(2))
            pairs += play.run(second, may_survive=True).is_dead
            play.converge()
            play.check_invariants(state_lost=lost)
    assert pairs >= least


@pytest.mark.long
@pytest.mark.parametrize("point", KillPoint)
@pytest.mark.parametrize("situation", SCENARIOS, ids=str)
def test_every_combination(situation: Scenario, point: KillPoint) -> None:
    for moment in moments(situation, point):
        for workers in (1, 2, 4, 8):
            for lost in (False, True) if point not in NOTHING_WITHOUT_A_MEMORY else (False,):
                die_and_go_on(situation, Cell(moment, workers, lost))


@pytest.mark.long
@pytest.mark.parametrize("reads", range(1, 6))
@pytest.mark.parametrize("path", ("/v1/groups", "/v1/groups/*", "/v1/destinations", "/v1/destinations/*"))
@pytest.mark.parametrize("situation", SCENARIOS, ids=str)
def test_every_read_may_be_late(situation: Scenario, path: str, reads: int) -> None:
    for moment in moments(situation, KillPoint.AFTER_EFFECT):
        die_and_go_on(situation, Cell(moment, workers=1, lost=False), late=f"GET {path} stale {reads}")


def die_and_go_on(situation: Scenario, cell: Cell, *, late: str = "") -> None:
    """One cell, judged. `late` are reads that show too late what happened by then."""
    with prepare_scenario(situation) as play:
        life = play.run(cell.moment, workers=cell.workers)
        assert (
            life.calls[-1] == cell.moment.call
            or cell.workers > 1
            or cell.moment.point is KillPoint.BEFORE_RECORD
        )
        if cell.lost:
            play.account.lose_state()
        if late:
            play.account.app.faults.add(parse_fault(late))
        play.converge(workers=cell.workers)
        play.check_invariants(state_lost=cell.lost)
