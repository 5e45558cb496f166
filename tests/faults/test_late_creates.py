"""Check that a create whose effect comes after a lost answer duplicates nothing (S-05, S-18)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from cli_harness import SETTLE_TIME
from in_process_harness import InProcessProject, list_actions, open_project
from scenarios import BIG_QUERY, LAKE, with_config

from reconciler.emulator.fault_text import parse_fault
from reconciler.emulator.switches import Behaviour
from reconciler.model.diagnostic import Severity
from reconciler.model.outcome import ApplyResult, Status
from reconciler.model.plan import Action, Reason
from reconciler.planning.pipeline import PlanResult

pytestmark = pytest.mark.sampled(every=6)

LOST = ("close", "reset", "status 500", "status 503", "status 504", "hang 30", "status 524 body=html")
"""Immediate faults in place of an answer: a broken connection, an error, or a timeout of client or gateway."""
DELAYS = (0.0, 0.2, 2.0, 3.5, 6.0, 7.0, 15.0, 33.0, 60.0)
"""Seconds until the effect: within the search, between two runs, after the second run, and much later."""
PAIRS = 4
"""Pairs of one account. Five consecutive unanswered creates would end the run as an outage."""
ACCOUNTS = 39
PATHS = {"group": "/v1/groups", "destination": "/v1/destinations"}
PAUSES = (0.0, 0.0, 5.0, SETTLE_TIME.total_seconds())
"""Seconds before each run: none, none again, a few, and the settle time."""


@dataclass(frozen=True)
class LateCreate:
    """Create with the fault `lost` as its answer and its effect `delay` seconds later."""

    kind: str
    number: int
    lost: str
    delay: float

    def __str__(self) -> str:
        return f"POST {PATHS[self.kind]} #{self.number} before-effect {self.lost} effect-after={self.delay}"


def list_late_creates(account: int) -> Iterator[LateCreate]:
    """Iterate over the creates of one account, with different faults and delays."""
    for kind in PATHS:
        for number in range(PAIRS):
            turn = account * PAIRS + number
            yield LateCreate(kind, number + 1, LOST[turn % len(LOST)], DELAYS[turn % len(DELAYS)])


def build_pairs(count: int = PAIRS) -> dict[str, Any]:
    return {f"team_{number}": {"destination": BIG_QUERY} for number in range(count)}


def count_created(account: InProcessProject) -> Counter[tuple[str, str]]:
    """Count created objects by kind, and by name for groups, by id for destinations."""
    count: Counter[tuple[str, str]] = Counter()
    for exchange in account.history:
        for effect in exchange.effects:
            if effect.verb == "created" and effect.kind in PATHS:
                count[effect.kind, exchange.body.get("name", effect.id)] += 1
    return count


def count_create_requests(account: InProcessProject, kind: str = "") -> int:
    """Count the create requests."""
    paths = {PATHS[kind]} if kind else {*PATHS.values()}
    local = (each for each in account.history if not each.effect_of)
    return sum(each.method == "POST" and each.path in paths for each in local)


def advance_time(account: InProcessProject, seconds: float) -> None:
    account.clock.sleep(seconds)


def apply_until_converged(account: InProcessProject) -> Iterator[ApplyResult | None]:
    """Apply at once, after 5 s and after the settle time, until nothing is left to do."""
    for seconds in PAUSES * 3:
        advance_time(account, seconds)
        applied = account.attempt()
        yield applied
        assert account.planned is not None
        if not account.planned.plan.effective:
            return
    raise AssertionError("the applies do not converge")


def check_converges(account: InProcessProject, expected: int, *, set_back: float = 0.0) -> None:
    """Check that each create is sent once, is unknown at most once, duplicates nothing, and leads to an empty plan."""
    unknown: Counter[str] = Counter()
    for number, applied in enumerate(apply_until_converged(account)):
        account.clock.seconds -= set_back if number == 0 else 0
        for outcome in applied.outcomes if applied is not None else ():
            unknown[str(outcome.address)] += outcome.status is Status.UNKNOWN
            assert outcome.status in {Status.DONE, Status.UNKNOWN, Status.HELD, Status.SKIPPED}
    # The waits of concurrent creates add up on the one clock, so that the searches may find all late effects.
    assert sum(unknown.values()) > 0 or account.parallelism > 1, "the first search found every late effect"
    assert {address: count for address, count in unknown.items() if count > 1} == {}
    assert set(count_created(account).values()) == {1}
    assert len(count_created(account)) == count_create_requests(account) == expected
    assert set(list_actions(account.plan()).values()) == {Action.NO_OP}


def test_the_matrix_covers_every_fault_with_every_delay() -> None:
    late_creates = [late for number in range(ACCOUNTS) for late in list_late_creates(number)]
    assert len(late_creates) >= 300
    for kind in PATHS:
        met = {(late.lost, late.delay) for late in late_creates if late.kind == kind}
        assert len(met) == len(LOST) * len(DELAYS), "every loss with every delay"


@pytest.mark.sampled(every=8)
@pytest.mark.parametrize("number", range(ACCOUNTS))
def test_late_creates_take_effect_once(number: int) -> None:
    with open_project() as account:
        account.parallelism = (1, 8)[number % 2]
        account.declare(build_pairs())
        account.app.faults.add(*(parse_fault(str(late)) for late in list_late_creates(number)))
        check_converges(account, 2 * PAIRS)


@pytest.mark.parametrize(
    ("date", "set_back"),
    [
        ({"date_header": "missing"}, 0.0),
        ({"date_header": "garbage"}, 0.0),
        ({"date_skew": 80_000.0}, 0.0),
        ({"date_skew": -80_000.0}, 0.0),
        ({}, 600.0),
        ({"date_header": "missing"}, 600.0),
    ],
)
def test_wrong_clocks_duplicate_nothing(date: Mapping[str, Any], set_back: float) -> None:
    """Set the clock back after the first run."""
    with open_project(**date) as account:
        account.declare(build_pairs())
        account.app.faults.add(*(parse_fault(str(late)) for late in list_late_creates(1)))
        check_converges(account, 2 * PAIRS, set_back=set_back)


@pytest.mark.parametrize("delay", [1.0, 60.0])
def test_a_late_create_of_a_replacement_takes_effect_once(delay: float) -> None:
    with open_project() as account:
        account.declare({"lake": {"destination": LAKE}})
        account.apply()
        replaced = {**with_config(LAKE, bucket="second"), "lifecycle": {"allow_replace": True}}
        account.declare({"lake": {"destination": replaced}})
        account.app.faults.add(parse_fault(f"POST /v1/destinations reset effect-after={delay}"))
        before = count_create_requests(account)
        applied = account.attempt()
        assert applied is not None
        assert [each.status for each in applied.outcomes] == [Status.DONE if delay < 3 else Status.UNKNOWN]
        for _ in apply_until_converged(account):
            pass
        assert count_create_requests(account) == before + 1
        [(_, count)] = [each for each in count_created(account).items() if each[0][0] == "destination"]
        assert count == 2, "the old and the new destination"


def open_create(account: InProcessProject, *, delay: float | None = None) -> None:
    """Apply one group whose create has no answer. Its effect comes after `delay` seconds, or never."""
    late = "" if delay is None else f" effect-after={delay}"
    account.declare({"finance": {"name": "Finance", "destination": BIG_QUERY}})
    account.app.faults.add(parse_fault(f"POST /v1/groups #1 before-effect close{late}"))
    applied = account.attempt()
    assert applied is not None
    assert [each.status for each in applied.outcomes] == [Status.UNKNOWN, Status.SKIPPED]
    account.app.faults.clear()


def is_held(planned: PlanResult) -> bool:
    """Check that the plan has the create of the group, and return whether the create is held."""
    [change] = [each for each in planned.plan.changes if str(each.address) == "group.finance"]
    assert change.action is Action.CREATE
    assert change in planned.plan.effective
    assert (change.reasons == (Reason.INTERRUPTED,)) == (change.held_until is not None)
    return change.held_until is not None


MINUTES: Mapping[str, tuple[float, float | None, bool]] = {
    # name: minutes by the local clock, minutes by the clock of the server (None: no date), whether the create is held
    "neither": (1, 1, True),
    "local clock only": (16, 1, True),
    "server only": (1, 16, True),
    "both": (16, 16, False),
    "local clock, and no date of the server": (16, None, False),
    "not the local clock, and no date of the server": (1, None, True),
    "the local clock was set back": (-60, 16, True),
    "the clock of the server was set back": (16, -60, True),
    "both were set back": (-60, -60, True),
    "local clock, far ahead": (1_400, 14, True),
}


@pytest.mark.parametrize(("local", "server", "waits"), MINUTES.values(), ids=MINUTES)
def test_a_create_is_held_until_both_clocks_pass_the_settle_time(
    local: float, server: float | None, waits: bool
) -> None:
    with open_project() as account:
        open_create(account)
        account.clock.seconds += local * 60
        date = {"date_header": "missing"} if server is None else {"date_skew": (server - local) * 60}
        account.app.behaviour = Behaviour(**date)
        assert is_held(account.plan()) == waits
        before = count_create_requests(account)
        account.attempt()
        assert count_create_requests(account) == before + (0 if waits else 2)


@pytest.mark.parametrize("date", ["missing", "garbage"])
def test_the_local_clock_decides_if_the_server_sends_no_date(date: str) -> None:
    with open_project(date_header=date) as account:
        open_create(account)
        assert is_held(account.plan())
        advance_time(account, SETTLE_TIME.total_seconds())
        assert not is_held(account.plan())
        account.apply()


def test_a_constant_skew_of_the_server_clock_has_no_effect() -> None:
    with open_project(date_skew=-40_000.0) as account:
        open_create(account)
        assert is_held(account.plan())
        advance_time(account, SETTLE_TIME.total_seconds())
        account.apply()


def test_a_held_create_holds_only_deletions_and_its_destination() -> None:
    with open_project() as account:
        account.declare({"old": {"destination": BIG_QUERY}, "kept": {"destination": BIG_QUERY}})
        account.apply()
        [old] = account.app.dashboard.find_group_ids("old")
        entries = {
            "finance": {"destination": BIG_QUERY},
            "kept": {"destination": with_config(BIG_QUERY, project_id="other")},
        }
        account.declare(entries, removed=[{"group": "old", "id": old}])
        account.app.faults.add(parse_fault("POST /v1/groups #1 before-effect close"))
        account.attempt()
        entries["sales"] = {"destination": BIG_QUERY}
        entries["kept"] = {"destination": with_config(BIG_QUERY, project_id="third")}
        account.declare(entries, removed=[{"group": "old", "id": old}])
        account.app.faults.clear()
        applied = account.attempt()
        assert applied is not None
        assert {str(each.address): str(each.status) for each in applied.outcomes} == {
            "group.finance": "held",
            "destination.finance": "skipped",
            "destination.kept": "done",
            "group.sales": "done",
            "destination.sales": "done",
            "destination.old": "held",
            "group.old": "held",
        }
        # The deletion is held, because the pending create may be the replacement of the deleted group.
        assert applied.remaining is not None
        assert {str(each) for each in applied.remaining} == {
            "group.finance",
            "destination.finance",
            "destination.old",
            "group.old",
        }
        advance_time(account, SETTLE_TIME.total_seconds())
        account.apply()


def test_a_waiting_run_keeps_the_record_of_the_open_request() -> None:
    with open_project() as account:
        open_create(account)
        kept = account.state
        assert kept is not None
        for seconds in (0.0, 5.0, 300.0):
            advance_time(account, seconds)
            account.attempt()
            assert account.state is not None
            assert account.state.records == kept.records


def test_a_held_create_is_sent_if_it_settles_during_the_run() -> None:
    """Plan a held create whose settle time ends before the run comes to it."""
    with open_project() as account:
        open_create(account)
        entries = {
            "finance": {"name": "Finance", "destination": BIG_QUERY},
            "a_slow_one": {"destination": BIG_QUERY},
        }
        account.declare(entries)
        account.parallelism = 1
        advance_time(account, 850.0)
        account.app.behaviour = Behaviour()
        account.app.faults.add(parse_fault("POST /v1/groups #1 status 429 retry-after=120"))
        before = count_create_requests(account, "group")
        applied = account.attempt()
        assert account.planned is not None
        assert is_held(account.planned)
        assert applied is not None
        assert {each.status for each in applied.outcomes} == {Status.DONE}
        assert count_create_requests(account, "group") == before + 3, (
            "one request was answered 429 and repeated"
        )


def test_unsent_creates_are_not_held() -> None:
    """End the run before it sends all of its creates."""
    with open_project() as account:
        account.declare(build_pairs(8))
        account.parallelism = 1
        account.app.faults.add(parse_fault("POST /v1/groups before-effect close"))
        account.attempt()
        assert count_create_requests(account) == 5, "five consecutive unanswered creates end a run"
        account.app.faults.clear()
        applied = account.attempt()
        assert applied is not None
        statuses = Counter(each.status for each in applied.outcomes if each.address.kind == "group")
        assert statuses == {Status.HELD: 5, Status.DONE: 3}


def list_duplicate_warnings(planned: PlanResult) -> list[tuple[str, str]]:
    """List the warnings about duplicate groups: the address, and the note with both ids."""
    found = [each for each in planned.plan.warnings if each.code == "late-twin"]
    assert all(each.severity is Severity.WARNING for each in found)
    return [(str(each.address), each.notes[0]) for each in found]


def test_an_effect_after_the_settle_time_is_reported_as_a_duplicate() -> None:
    with open_project() as account:
        open_create(account, delay=2_000.0)
        advance_time(account, SETTLE_TIME.total_seconds())
        account.apply()
        [second] = account.app.dashboard.find_group_ids("Finance")
        assert list_duplicate_warnings(account.plan()) == []
        advance_time(account, 2_000.0)
        [first] = {*account.app.dashboard.find_group_ids("Finance")} - {second}
        for _ in range(2):
            [(address, note)] = list_duplicate_warnings(account.plan())
            assert address == "group.finance"
            assert f"the managed group is `{second}`" in note
            assert f"the name `Finance` also has `{first}`" in note
            assert account.apply() == [], "the apply changes and deletes nothing"
        changed = with_config(BIG_QUERY, project_id="other")
        account.declare({"finance": {"name": "Finance", "destination": changed}})
        account.apply()
        assert len(list_duplicate_warnings(account.plan())) == 1, "a later change keeps the warning"
        account.declare({"finance": {"name": "Finance", "id": second, "destination": changed}})
        assert list_duplicate_warnings(account.plan()) == [], "an entry with an `id:` is unambiguous"
        account.declare({"finance": {"name": "Finance", "destination": changed}})
        account.app.dashboard.remove("group", first)
        assert list_duplicate_warnings(account.plan()) == []


def test_a_late_effect_under_a_former_name_is_reported() -> None:
    with open_project() as account:
        open_create(account, delay=30.0)
        account.declare({"finance": {"name": "Finances", "destination": BIG_QUERY}})
        assert is_held(account.plan()), "a renamed entry is the same entry"
        advance_time(account, 30.0)
        [first] = account.app.dashboard.find_group_ids("Finance")
        [(_, note)] = list_duplicate_warnings(account.plan())
        assert "no group is managed under this key" in note
        assert f"since that request, the name `Finance` also has `{first}`" in note


def test_a_late_effect_of_an_abandoned_entry_is_reported() -> None:
    with open_project() as account:
        open_create(account, delay=30.0)
        account.declare({"sales": {"destination": BIG_QUERY}})
        account.apply()
        assert list_duplicate_warnings(account.plan()) == []
        advance_time(account, 30.0)
        [first] = account.app.dashboard.find_group_ids("Finance")
        [(address, note)] = list_duplicate_warnings(account.plan())
        assert address == "group.finance"
        assert (
            f"no group is managed under this key; since that request, the name `Finance` also has `{first}`"
            in note
        )


def test_similar_names_of_other_users_do_not_prevent_the_recovery() -> None:
    with open_project() as account:
        open_create(account, delay=2_000.0)
        account.app.dashboard.add_group("finance")
        assert is_held(account.plan())
        advance_time(account, 2_000.0)
        account.apply()
        assert len(account.app.dashboard.find_group_ids("Finance")) == 1, "the late group was found"


@pytest.mark.parametrize(
    ("settle", "seconds", "waits"),
    [
        ("0s", 0, False),
        ("30s", 10, True),
        ("30s", 31, False),
        ("1h", 3_500, True),
        ("1h", 3_601, False),
        ("24h", 86_300, True),
        ("24h", 86_401, False),
    ],
)
def test_the_project_file_sets_the_settle_time(settle: str, seconds: float, waits: bool) -> None:
    with open_project() as account:
        account.write_project_file(settle=settle)
        open_create(account)
        account.clock.seconds += seconds
        assert is_held(account.plan()) == waits
