"""S-13: a list that lies makes nothing be created or deleted that the memory, or the other list, knows."""

from __future__ import annotations

import pytest
from faults.canonical_plans import BIG_QUERY, SITUATIONS, Situation
from faults.oracles import check_history
from faults.theatre import Play, played
from reconciliation import reconciliation

from reconciler.emulator.fault_kinds import ON_LISTS, Kind
from reconciler.emulator.fault_text import parse_fault
from reconciler.model.diagnostic import ReconcilerError

LISTS = ("/v1/groups", "/v1/destinations")
LIES = (("#1", "creation"), ("#1..", "newest-first"))
"""Only the first list lies, or all of them; in an order that makes the newest object, or the oldest, the last one."""
REFUSALS = {Kind.CURSOR_LOOP: {"unintelligible-answer"}, Kind.EMPTY_PAGE: {"unintelligible-answer"}}
"""A list without an end is no list. All others are believed as far as they go."""


def lied_to(play: Play, lie: str) -> set[str]:
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


@pytest.mark.parametrize("kind", sorted(ON_LISTS))
@pytest.mark.parametrize("situation", SITUATIONS, ids=str)
def test_a_list_that_lies_makes_and_deletes_nothing_that_is_known(situation: Situation, kind: Kind) -> None:
    for path in LISTS:
        for calls, order in LIES:
            with played(situation, list_order=order) as play:
                codes = lied_to(play, f"GET {path} {calls} {kind}")
                assert codes == REFUSALS.get(kind, set()) or (calls == "#1" and not codes)
                check_history(situation, play.history, play.names)
                play.go_on()
                play.judge(lost=False)


@pytest.mark.parametrize("kind", sorted(ON_LISTS))
@pytest.mark.parametrize("situation", SITUATIONS, ids=str)
def test_where_nothing_is_to_be_done_nothing_is_done(situation: Situation, kind: Kind) -> None:
    """The most dangerous moment: everything is in effect, and a list says that it is not."""
    with played(situation) as play:
        play.go_on()
        before = len(play.history)
        for path in LISTS:
            codes = lied_to(play, f"GET {path} {kind}")
            assert codes == REFUSALS.get(kind, set())
        assert [each for each in play.history[before:] if each.mutating] == []
        play.go_on()
        play.judge(lost=False)


@pytest.mark.parametrize("kind", [Kind.MISSING_ITEM, Kind.EMPTY_LIST, Kind.ITEM_TWICE])
@pytest.mark.parametrize("path", LISTS)
def test_without_a_memory_the_other_list_is_enough(path: str, kind: Kind) -> None:
    [situation] = [each for each in SITUATIONS if each.name == "three pairs"]
    with played(situation) as play:
        play.go_on()
        play.account.forget()
        before = len(play.history)
        assert lied_to(play, f"GET {path} {kind}") == set()
        assert [each for each in play.history[before:] if each.mutating] == []
        play.go_on()
        play.judge(lost=True)


@pytest.mark.parametrize("forgotten", [True, False])
@pytest.mark.parametrize("kind", sorted(ON_LISTS))
def test_what_an_id_names_is_asked_for_although_both_lists_lie(kind: Kind, forgotten: bool) -> None:
    """Also a group without a destination, which only one of the lists could show."""
    for order in ("creation", "newest-first"):
        with reconciliation(list_order=order) as account:
            groups = {"finance": {}, "sales": {"destination": BIG_QUERY}}
            account.declare(groups)
            account.apply()
            ids = {key: account.app.dashboard.group_ids(key)[0] for key in groups}
            account.declare({key: {**entry, "id": ids[key]} for key, entry in groups.items()})
            if forgotten:
                account.forget()
            before = len(account.history)
            account.app.faults.add(*(parse_fault(f"GET {path} {kind}") for path in LISTS))
            if kind in REFUSALS:
                with pytest.raises(ReconcilerError):
                    account.plan()
            else:
                account.attempt()
                assert account.planned is not None
                assert account.planned.plan.blockers == ()
            assert [each for each in account.history[before:] if each.mutating] == []
            account.app.faults.clear()
            assert account.plan().plan.effective == ()


@pytest.mark.parametrize("kind", [Kind.MISSING_ITEM, Kind.EMPTY_LIST])
def test_what_is_to_be_deleted_is_deleted_in_its_order_although_a_list_does_not_show_it(kind: Kind) -> None:
    """A group whose destination the list leaves out is not deleted first: Fivetran may take both along."""
    [situation] = [each for each in SITUATIONS if each.name == "removed"]
    for path in LISTS:
        with played(situation, group_with_destination="deleted") as play:
            lied_to(play, f"GET {path} {kind}")
            check_history(situation, play.history, play.names)
            play.go_on()
            check_history(situation, play.history, play.names)
