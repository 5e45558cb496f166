"""Check that a key with access to a part of the account recreates no known object (S-13)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from in_process_harness import InProcessProject, list_actions, open_project
from scenarios import BIG_QUERY, with_config

from reconciler.cli.exit import ExitCode, get_exit_code
from reconciler.emulator.fault_text import parse_fault
from reconciler.emulator.switches import Behaviour
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.plan import Action
from reconciler.planning.pipeline import PlanResult

pytestmark = pytest.mark.sampled(every=6)

KEYS = ("finance", "lake", "ops", "orders", "sales", "web")
BARE = "ops"
"""A group without a destination."""
KNOWLEDGE = ("state", "id", "both")
STATUS = {"not-found": 404, "forbidden": 403}
LOST_ITEMS = (None, "GET /v1/groups missing-item", "GET /v1/destinations missing-item")
WHOSE = {"user": "the API key of the user", "system": "the system key"}


@dataclass
class PartlyVisibleProject:
    """Project with six applied entries, and a key that sees some of them. `ids` holds the group ids by key."""

    account: InProcessProject
    ids: dict[str, str]
    with_ids: bool

    def declare(self, project: str = "acme") -> None:
        """Write the specs. All destinations load into the same Google Cloud project."""
        destination = with_config(BIG_QUERY, project_id=project)
        self.account.declare(
            {
                key: ({"id": self.ids[key]} if self.with_ids else {})
                | ({} if key == BARE else {"destination": destination})
                for key in KEYS
            }
        )

    def show_only(self, keys: list[str] | None, **switches: Any) -> None:
        """Use a key that sees these entries, or all entries for None."""
        chosen = "all" if keys is None else ",".join(self.ids[key] for key in keys) or "0%"
        self.account.app.behaviour = Behaviour(visible_groups=chosen, **switches)

    def check_refused(self, *, pending: set[str]) -> list[Diagnostic]:
        """Check that an apply is refused, sends no write and keeps the state. Returns the errors of the plan.

        `pending`: keys of the entries that the plan changes nevertheless.
        """
        before, kept = self.account.history, self.account.state_text
        planned = self.account.plan()
        assert self.account.attempt() is None
        assert [each for each in self.account.history[len(before) :] if each.is_mutating] == []
        assert self.account.state_text == kept
        assert {change.address.key for change in planned.plan.effective} == pending
        assert planned.plan.count(Action.CREATE) == 0
        assert {each.code for each in planned.plan.blockers} == {"gone-or-hidden"}
        assert get_exit_code(planned.plan.blockers) is ExitCode.FAILED
        return list(planned.plan.blockers)

    def plan_scope(self, **options: Any) -> PlanResult:
        """Plan with these options, such as `targets`."""
        self.account.options = options
        try:
            return self.account.plan()
        finally:
            self.account.options = {}


@contextmanager
def open_partly_visible(knowledge: str) -> Iterator[PartlyVisibleProject]:
    with open_project() as account:
        partial = PartlyVisibleProject(account, {}, with_ids=False)
        partial.declare()
        account.apply()
        partial.ids = {key: account.app.dashboard.find_group_ids(key)[0] for key in KEYS}
        partial.with_ids = knowledge != "state"
        partial.declare()
        if knowledge == "id":
            account.lose_state()
        yield partial


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize("answer", STATUS)
@pytest.mark.parametrize("knowledge", KNOWLEDGE)
def test_hidden_groups_are_never_recreated(knowledge: str, answer: str, whose: str) -> None:
    check_random_halves(range(3), knowledge, answer, whose)


@pytest.mark.long
@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize("answer", STATUS)
@pytest.mark.parametrize("knowledge", KNOWLEDGE)
def test_hidden_groups_are_never_recreated_in_many_samples(knowledge: str, answer: str, whose: str) -> None:
    check_random_halves(range(3, 30), knowledge, answer, whose)


def check_random_halves(seeds: Iterable[int], knowledge: str, answer: str, whose: str) -> None:
    for seed in seeds:
        random = Random(seed)
        seen = sorted(random.sample(KEYS, random.randint(0, len(KEYS) - 1)))
        hidden = sorted({*KEYS} - {*seen})
        lost = LOST_ITEMS[seed % len(LOST_ITEMS)]
        with open_partly_visible(knowledge) as partial:
            account = partial.account
            partial.show_only(seen, hidden_answer=answer, key_kind=whose)
            if lost is not None:
                account.app.faults.add(parse_fault(lost))
            findings = partial.check_refused(pending=set())
            assert [str(each.address) for each in findings] == [f"group.{key}" for key in hidden]
            for each in findings:
                assert each.notes[0].endswith(f"answered {STATUS[answer]}")
                assert WHOSE[whose] in each.notes[-1]
            partial.declare(project="other")
            pending = {*seen} - {BARE}
            partial.check_refused(pending=pending)
            account.app.faults.clear()
            scopes = ({"excludes": tuple(hidden)}, {"targets": tuple(seen)}) if seen else ()
            for options in scopes:
                scoped = partial.plan_scope(**options).plan
                assert scoped.blockers == ()
                assert {str(each.address) for each in scoped.effective} == {
                    f"destination.{key}" for key in pending
                }
            partial.declare()
            partial.show_only(None)
            plan = account.plan().plan
            assert (plan.effective, plan.blockers) == ((), ())


@pytest.mark.parametrize("knowledge", KNOWLEDGE)
def test_visible_groups_can_be_applied_without_the_hidden_groups(knowledge: str) -> None:
    with open_partly_visible(knowledge) as partial:
        hidden = ("finance", "web")
        partial.show_only([key for key in KEYS if key not in hidden])
        partial.declare(project="other")
        partial.account.options = {"excludes": hidden}
        sent = partial.account.apply()
        touched = {partial.ids[key] for key in KEYS if key not in {*hidden, BARE}}
        assert {each.path.split("/")[3] for each in sent} == touched
        partial.account.options = {}
        partial.show_only(None)
        assert {str(each.address) for each in partial.account.plan().plan.effective} == {
            f"destination.{key}" for key in hidden
        }


@pytest.mark.parametrize("answer", STATUS)
@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("knowledge", KNOWLEDGE)
def test_a_hidden_destination_of_a_visible_group_is_never_recreated(
    knowledge: str, answer: str, listed: bool
) -> None:
    """Without a state, only the answer 403 reveals the destination; after a 404, the plan creates it."""
    with open_partly_visible(knowledge) as partial:
        account, id = partial.account, partial.ids["lake"]
        code = "NotFound_Destination" if answer == "not-found" else "Forbidden"
        account.app.faults.add(
            parse_fault(f"GET /v1/destinations/{id} before-effect status {STATUS[answer]} code={code}")
        )
        if not listed:
            account.app.faults.add(parse_fault("GET /v1/destinations empty-list"))
        if knowledge == "id" and answer == "not-found":
            assert list_actions(account.plan())["destination.lake"] is Action.CREATE
            return
        [finding] = partial.check_refused(pending=set())
        assert str(finding.address) == "destination.lake"
        assert finding.notes[0].endswith(f"answered {STATUS[answer]}")
        assert ("the list of destinations shows it" in finding.notes[0]) is listed


def test_a_403_for_an_undeclared_object_fails_the_plan() -> None:
    """Refuse the plan if a list or the group of a removal is answered 403."""
    for path in ("/v1/groups", "/v1/destinations", "/v1/account/info"):
        with open_partly_visible("state") as partial:
            partial.account.app.faults.add(parse_fault(f"GET {path} status 403"))
            with pytest.raises(ReconcilerError, match="forbidden: "):
                partial.account.plan()
    with open_partly_visible("state") as partial:
        kept = partial.account.state_text
        partial.show_only(["lake"], hidden_answer="forbidden")
        partial.account.declare(
            {"lake": {"destination": BIG_QUERY}}, removed=[{"group": "web", "id": partial.ids["web"]}]
        )
        with pytest.raises(ReconcilerError):
            partial.account.attempt()
        assert partial.account.state_text == kept


def test_a_search_for_hidden_groups_stays_within_its_number_of_reads() -> None:
    """Read one more list, and each group that no list shows four times; once if the read is refused (S-22)."""
    for answer, looks in (("not-found", 4), ("forbidden", 1)):
        with open_partly_visible("both") as partial:
            partial.show_only(["lake", "orders", "sales", "web"], hidden_answer=answer)
            before = len(partial.account.history)
            partial.account.plan()
            asked = Counter(each.path for each in partial.account.history[before:])
            expected = {"/v1/account/info": 1, "/v1/groups": 2, "/v1/destinations": 1}
            expected |= {f"/v1/groups/{partial.ids[key]}": looks for key in ("finance", "ops")}
            expected |= {
                f"/v1/destinations/{partial.ids[key]}": 1 for key in ("lake", "orders", "sales", "web")
            }
            assert asked == expected


def test_records_of_undeclared_hidden_groups_stay_in_the_state() -> None:
    with open_partly_visible("state") as partial:
        before = partial.account.state
        assert before is not None
        partial.show_only(["lake", "ops", "sales", "web"])
        kept = {"destination": with_config(BIG_QUERY, project_id="other")}
        partial.account.declare({key: {} if key == BARE else kept for key in ("lake", "ops", "sales", "web")})
        assert partial.account.apply() != []
        after = partial.account.state
        assert after is not None
        assert after.records.keys() == before.records.keys()
        gone = [address for address in before.records if address.key in {"finance", "orders"}]
        assert [after.records[address] for address in gone] == [before.records[address] for address in gone]
