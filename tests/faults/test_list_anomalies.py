"""S-13: a list that lies makes nothing be created or deleted that the memory, or the other list, knows."""

from __future__ import annotations

import pytest
from in_process_harness import open_project
from invariants import check_history
from kill_scenarios import ScenarioRun, prepare_scenario
from scenarios import BIG_QUERY, SCENARIOS, Scenario

from reconciler.emulator.fault_kinds import LIST_FAULTS, FaultKind
from reconciler.emulator.fault_text import parse_fault
from reconciler.model.diagnostic import ReconcilerError

pytestmark = pytest.mark.sampled(every=6)

LISTS = ("/v1/groups", "/v1/destinations")
LIES = (("#1", "creation"), ("#1..", "newest-first"))
"""Only the first list lies, or all of them; in an order that makes the newest object, or the oldest, the last one."""
REFUSALS = {FaultKind.CURSOR_LOOP: {"unintelligible-answer"}, FaultKind.EMPTY_PAGE: {"unintelligible-answer"}}
"""A list without an end is no list. All others are believed as far as they go."""


def lied_to(play: ScenarioRun, lie: str) -> set[str]:
    """One apply while a list lies. The codes with which it is refused, if it is."""
    play.account.app.faults.add(parse_fault(lie))
    try:
        play.account.attempt()
    except ReconcilerError as error:
        return {each.code for each in error.diagnostics}
    finally:
        play.account.app.faults.clear()
    assert play.account.planned is not None
    return {each.code for each in play.account.planned.plan.blockers}


@pytest.mark.sampled(every=7)
@pytest.mark.parametrize("kind", sorted(LIST_FAULTS))
@pytest.mark.parametrize("situation", SCENARIOS, ids=str)
def test_a_list_that_lies_makes_and_deletes_nothing_that_is_known(
    situation: Scenario, kind: FaultKind
) -> None:
    for path in LISTS:
        for calls, order in LIES:
            with prepare_scenario(situation, list_order=order) as play:
                codes = lied_to(play, f"GET {path} {calls} {kind}")
                assert codes == REFUSALS.get(kind, set()) or (calls == "#1" and not codes)
                check_history(situation, play.history, play.names)
                play.converge()
                play.check_invariants(state_lost=False)


@pytest.mark.sampled(every=7)
@pytest.mark.parametrize("kind", sorted(LIST_FAULTS))
@pytest.mark.parametrize("situation", SCENARIOS, ids=str)
def test_where_nothing_is_to_be_done_nothing_is_done(situation: Scenario, kind: FaultKind) -> None:
    """The most dangerous moment: everything is in effect, and a list says that it is not."""
    with prepare_scenario(situation) as play:
        play.converge()
        before = len(play.history)
        for path in LISTS:
            codes = lied_to(play, f"GET {path} {kind}")
            assert codes == REFUSALS.get(kind, set())
        assert [each for each in play.history[before:] if each.is_mutating] == []
        play.converge()
        play.check_invariants(state_lost=False)


@pytest.mark.parametrize("kind", [FaultKind.MISSING_ITEM, FaultKind.EMPTY_LIST, FaultKind.ITEM_TWICE])
@pytest.mark.parametrize("path", LISTS)
def test_without_a_memory_the_other_list_is_enough(path: str, kind: FaultKind) -> None:
    [situation] = [each for each in SCENARIOS if each.name == "three pairs"]
    with prepare_scenario(situation) as play:
        play.converge()
        play.account.lose_state()
        before = len(play.history)
        assert lied_to(play, f"GET {path} {kind}") == set()
        assert [each for each in play.history[before:] if each.is_mutating] == []
        play.converge()
        play.check_invariants(state_lost=True)


@pytest.mark.parametrize("forgotten", [True, False])
@pytest.mark.parametrize("kind", sorted(LIST_FAULTS))
def test_what_an_id_names_is_asked_for_although_both_lists_lie(kind: FaultKind, forgotten: bool) -> None:
    """Also a group without a destination, which only one of the lists could show."""
    for order in ("creation", "newest-first"):
        with open_project(list_order=order) as account:
            groups = {"finance": {}, "sales": {"destination": BIG_QUERY}}
            account.declare(groups)
            account.apply()
            ids = {key: account.app.dashboard.find_group_ids(key)[0] for key in groups}
            account.declare({key: {**entry, "id": ids[key]} for key, entry in groups.items()})
            if forgotten:
                account.lose_state()
            before = len(account.history)
            account.app.faults.add(*(parse_fault(f"GET {path} {kind}") for path in LISTS))
            if kind in REFUSALS:
                with pytest.raises(ReconcilerError):
                    account.plan()
            else:
                account.attempt()
                assert account.planned is not None
                assert account.planned.plan.blockers == ()
            assert [each for each in account.history[before:] if each.is_mutating] == []
            account.app.faults.clear()
            assert account.plan().plan.effective == ()


@pytest.mark.parametrize("kind", [FaultKind.MISSING_ITEM, FaultKind.EMPTY_LIST])
def test_what_is_to_be_deleted_is_deleted_in_its_order_although_a_list_does_not_show_it(
    kind: FaultKind,
) -> None:
    """A group whose destination the list leaves out is not deleted first: Fivetran may take both along."""
    [situation] = [each for each in SCENARIOS if each.name == "removed"]
    for path in LISTS:
        with prepare_scenario(situation, group_with_destination="deleted") as play:
            lied_to(play, f"GET {path} {kind}")
            check_history(situation, play.history, play.names)
            play.converge()
            check_history(situation, play.history, play.names)
