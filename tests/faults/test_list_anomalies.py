"""Check that a wrong list never creates or deletes an object that the state or the other list knows (S-13)."""

from __future__ import annotations

import pytest
from in_process_harness import open_project
from invariants import check_history
from kill_scenarios import ScenarioRun, prepare_scenario
from scenarios import BIG_QUERY, SCENARIOS, Scenario

from reconciler.emulator.fault_kinds import LIST_FAULTS, FaultKind
from reconciler.emulator.fault_text import parse_fault
from reconciler.model.diagnostic import ReconcilerError

pytestmark = pytest.mark.sampled(every=6, tests=5)

LISTS = ("/v1/groups", "/v1/destinations")
LIST_FAULT_CASES = (("#1", "creation"), ("#1..", "newest-first"))
"""Faulty calls and list order: only the first list or all lists, with the newest or the oldest object last."""
REFUSALS = {FaultKind.CURSOR_LOOP: {"unintelligible-answer"}, FaultKind.EMPTY_PAGE: {"unintelligible-answer"}}
"""An endless list is an error. Other wrong lists are accepted."""


def apply_with_list_fault(run: ScenarioRun, fault: str) -> set[str]:
    """Apply with a faulty list. Returns the codes of the refusal."""
    run.account.app.faults.add(parse_fault(fault))
    try:
        run.account.attempt()
    except ReconcilerError as error:
        return {each.code for each in error.diagnostics}
    finally:
        run.account.app.faults.clear()
    assert run.account.planned is not None
    return {each.code for each in run.account.planned.plan.blockers}


@pytest.mark.sampled(every=17)
@pytest.mark.parametrize("kind", sorted(LIST_FAULTS))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_wrong_list_creates_and_deletes_no_known_object(scenario: Scenario, kind: FaultKind) -> None:
    for path in LISTS:
        for calls, order in LIST_FAULT_CASES:
            with prepare_scenario(scenario, list_order=order) as run:
                codes = apply_with_list_fault(run, f"GET {path} {calls} {kind}")
                assert codes == REFUSALS.get(kind, set()) or (calls == "#1" and not codes)
                check_history(scenario, run.history, run.names)
                run.converge()
                run.check_invariants(state_lost=False)


@pytest.mark.sampled(every=17)
@pytest.mark.parametrize("kind", sorted(LIST_FAULTS))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_wrong_list_changes_nothing_in_a_converged_account(scenario: Scenario, kind: FaultKind) -> None:
    """A converged account whose list misses objects is the most dangerous state."""
    with prepare_scenario(scenario) as run:
        run.converge()
        before = len(run.history)
        for path in LISTS:
            codes = apply_with_list_fault(run, f"GET {path} {kind}")
            assert codes == REFUSALS.get(kind, set())
        assert [each for each in run.history[before:] if each.is_mutating] == []
        run.converge()
        run.check_invariants(state_lost=False)


@pytest.mark.parametrize("kind", [FaultKind.MISSING_ITEM, FaultKind.EMPTY_LIST, FaultKind.ITEM_TWICE])
@pytest.mark.parametrize("path", LISTS)
def test_the_other_list_suffices_without_a_state(path: str, kind: FaultKind) -> None:
    [scenario] = [each for each in SCENARIOS if each.name == "three pairs"]
    with prepare_scenario(scenario) as run:
        run.converge()
        run.account.lose_state()
        before = len(run.history)
        assert apply_with_list_fault(run, f"GET {path} {kind}") == set()
        assert [each for each in run.history[before:] if each.is_mutating] == []
        run.converge()
        run.check_invariants(state_lost=True)


@pytest.mark.parametrize("is_state_lost", [True, False])
@pytest.mark.parametrize("kind", sorted(LIST_FAULTS))
def test_an_object_with_an_id_is_read_if_both_lists_are_wrong(kind: FaultKind, is_state_lost: bool) -> None:
    """Includes a group without a destination, which only one of the lists can show."""
    for order in ("creation", "newest-first"):
        with open_project(list_order=order) as account:
            groups = {"finance": {}, "sales": {"destination": BIG_QUERY}}
            account.declare(groups)
            account.apply()
            ids = {key: account.app.dashboard.find_group_ids(key)[0] for key in groups}
            account.declare({key: {**entry, "id": ids[key]} for key, entry in groups.items()})
            if is_state_lost:
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
def test_deletions_keep_their_order_if_a_list_misses_objects(
    kind: FaultKind,
) -> None:
    """A group is not deleted before its unlisted destination: Fivetran may delete both."""
    [scenario] = [each for each in SCENARIOS if each.name == "removed"]
    for path in LISTS:
        with prepare_scenario(scenario, group_with_destination="deleted") as run:
            apply_with_list_fault(run, f"GET {path} {kind}")
            check_history(scenario, run.history, run.names)
            run.converge()
            check_history(scenario, run.history, run.names)
