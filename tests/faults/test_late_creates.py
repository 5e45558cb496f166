"""S-05 and S-18: a create may take effect long after the answer that left it open, and nothing is made twice."""

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
"""What comes at once in place of an answer: a cut connection, a fault, a time-out of the way or of a gateway."""
DELAYS = (0.0, 0.2, 2.0, 3.5, 6.0, 7.0, 15.0, 33.0, 60.0)
"""Seconds until the effect: while the run looks, between two runs, behind the second one, and long after it."""
PAIRS = 4
"""In one account. One more in a row without an answer, and the run would take it for an outage."""
ACCOUNTS = 39
PATHS = {"group": "/v1/groups", "destination": "/v1/destinations"}
AGAIN = (0.0, 0.0, 5.0, SETTLE_TIME.total_seconds())
"""Seconds before each run: at once, at once again, a little later, and when what was sent is settled."""


@dataclass(frozen=True)
class Late:
    """A create that is answered by `lost` and takes effect `delay` seconds later."""

    kind: str
    number: int
    lost: str
    delay: float

    def __str__(self) -> str:
        return f"POST {PATHS[self.kind]} #{self.number} before-effect {self.lost} effect-after={self.delay}"


def late_creates(account: int) -> Iterator[Late]:
    """Those of one account: every create of it, each with another loss and another delay than its neighbours."""
    for kind in PATHS:
        for number in range(PAIRS):
            turn = account * PAIRS + number
            yield Late(kind, number + 1, LOST[turn % len(LOST)], DELAYS[turn % len(DELAYS)])


def pairs(count: int = PAIRS) -> dict[str, Any]:
    return {f"team_{number}": {"destination": BIG_QUERY} for number in range(count)}


def made(account: InProcessProject) -> Counter[tuple[str, str]]:
    """How often each thing was made: by kind, and by name for groups, by id for destinations."""
    count: Counter[tuple[str, str]] = Counter()
    for exchange in account.history:
        for effect in exchange.effects:
            if effect.verb == "created" and effect.kind in PATHS:
                count[effect.kind, exchange.body.get("name", effect.id)] += 1
    return count


def posts(account: InProcessProject, kind: str = "") -> int:
    """How many creates were sent."""
    paths = {PATHS[kind]} if kind else {*PATHS.values()}
    own = (each for each in account.history if not each.effect_of)
    return sum(each.method == "POST" and each.path in paths for each in own)


def passes(account: InProcessProject, seconds: float) -> None:
    account.clock.sleep(seconds)


def runs(account: InProcessProject) -> Iterator[ApplyResult | None]:
    """Applies at once, 5 s later and once settled, and again, until nothing is left to do."""
    for seconds in AGAIN * 3:
        passes(account, seconds)
        applied = account.attempt()
        yield applied
        assert account.planned is not None
        if not account.planned.plan.effective:
            return
    raise AssertionError("it does not converge")


def check_converges(account: InProcessProject, expected: int, *, set_back: float = 0.0) -> None:
    """Nothing twice, each create unknown at most once over all runs, each sent once, and in the end an empty plan."""
    unknown: Counter[str] = Counter()
    for number, applied in enumerate(runs(account)):
        account.clock.seconds -= set_back if number == 0 else 0
        for outcome in applied.outcomes if applied is not None else ():
            unknown[str(outcome.address)] += outcome.status is Status.UNKNOWN
            assert outcome.status in {Status.DONE, Status.UNKNOWN, Status.HELD, Status.SKIPPED}
    assert sum(unknown.values()) > 0, "all of them came while it was looked for"
    assert {address: count for address, count in unknown.items() if count > 1} == {}
    assert set(made(account).values()) == {1}
    assert len(made(account)) == posts(account) == expected
    assert set(list_actions(account.plan()).values()) == {Action.NO_OP}


def test_there_are_enough_of_them() -> None:
    all_of_them = [late for number in range(ACCOUNTS) for late in late_creates(number)]
    assert len(all_of_them) >= 300
    for kind in PATHS:
        met = {(late.lost, late.delay) for late in all_of_them if late.kind == kind}
        assert len(met) == len(LOST) * len(DELAYS), "every loss with every delay"


@pytest.mark.sampled(every=8)
@pytest.mark.parametrize("number", range(ACCOUNTS))
def test_creates_that_take_effect_late_are_made_once(number: int) -> None:
    with open_project() as account:
        account.parallelism = (1, 8)[number % 2]
        account.declare(pairs())
        account.app.faults.add(*(parse_fault(str(late)) for late in late_creates(number)))
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
def test_whatever_clocks_say_nothing_is_made_twice(date: Mapping[str, Any], set_back: float) -> None:
    """The clock is set back after the first run."""
    with open_project(**date) as account:
        account.declare(pairs())
        account.app.faults.add(*(parse_fault(str(late)) for late in late_creates(1)))
        check_converges(account, 2 * PAIRS, set_back=set_back)


@pytest.mark.parametrize("delay", [1.0, 60.0])
def test_the_new_half_of_a_replacement_is_made_once(delay: float) -> None:
    with open_project() as account:
        account.declare({"lake": {"destination": LAKE}})
        account.apply()
        replaced = {**with_config(LAKE, bucket="second"), "lifecycle": {"allow_replace": True}}
        account.declare({"lake": {"destination": replaced}})
        account.app.faults.add(parse_fault(f"POST /v1/destinations reset effect-after={delay}"))
        before = posts(account)
        applied = account.attempt()
        assert applied is not None
        assert [each.status for each in applied.outcomes] == [Status.DONE if delay < 3 else Status.UNKNOWN]
        for _ in runs(account):
            pass
        assert posts(account) == before + 1
        [(_, count)] = [each for each in made(account).items() if each[0][0] == "destination"]
        assert count == 2, "the old one and the new one"


def open_create(account: InProcessProject, *, delay: float | None = None) -> None:
    """One group whose create has no answer; its effect comes after `delay` seconds, or never."""
    late = "" if delay is None else f" effect-after={delay}"
    account.declare({"finance": {"name": "Finance", "destination": BIG_QUERY}})
    account.app.faults.add(parse_fault(f"POST /v1/groups #1 before-effect close{late}"))
    applied = account.attempt()
    assert applied is not None
    assert [each.status for each in applied.outcomes] == [Status.UNKNOWN, Status.SKIPPED]
    account.app.faults.clear()


def is_held(planned: PlanResult) -> bool:
    """Whether the create of the group waits; the plan has it all the same."""
    [change] = [each for each in planned.plan.changes if str(each.address) == "group.finance"]
    assert change.action is Action.CREATE
    assert change in planned.plan.effective
    assert (change.reasons == (Reason.INTERRUPTED,)) == (change.held_until is not None)
    return change.held_until is not None


MINUTES: Mapping[str, tuple[float, float | None, bool]] = {
    # how it is called: minutes by the own clock, by the server's (None: it does not say), whether it waits
    "neither": (1, 1, True),
    "own clock only": (16, 1, True),
    "server only": (1, 16, True),
    "both": (16, 16, False),
    "own clock, and the server says nothing": (16, None, False),
    "not the own clock, and the server says nothing": (1, None, True),
    "the own clock was set back": (-60, 16, True),
    "the clock of the server was set back": (16, -60, True),
    "both were set back": (-60, -60, True),
    "own clock, far ahead": (1_400, 14, True),
}


@pytest.mark.parametrize(("own", "server", "waits"), MINUTES.values(), ids=MINUTES)
def test_the_less_favourable_clock_decides(own: float, server: float | None, waits: bool) -> None:
    with open_project() as account:
        open_create(account)
        account.clock.seconds += own * 60
        date = {"date_header": "missing"} if server is None else {"date_skew": (server - own) * 60}
        account.app.behaviour = Behaviour(**date)
        assert is_held(account.plan()) == waits
        before = posts(account)
        account.attempt()
        assert posts(account) == before + (0 if waits else 2)


@pytest.mark.parametrize("date", ["missing", "garbage"])
def test_without_a_date_the_own_clock_decides_alone(date: str) -> None:
    with open_project(date_header=date) as account:
        open_create(account)
        assert is_held(account.plan())
        passes(account, SETTLE_TIME.total_seconds())
        assert not is_held(account.plan())
        account.apply()


def test_a_server_whose_clock_is_wrong_all_the_time_is_as_good_as_any() -> None:
    with open_project(date_skew=-40_000.0) as account:
        open_create(account)
        assert is_held(account.plan())
        passes(account, SETTLE_TIME.total_seconds())
        account.apply()


def test_what_waits_holds_up_nothing_but_deletions_and_itself() -> None:
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
        # What is to be made may be what the deleted one is replaced by.
        assert applied.remaining is not None
        assert {str(each) for each in applied.remaining} == {
            "group.finance",
            "destination.finance",
            "destination.old",
            "group.old",
        }
        passes(account, SETTLE_TIME.total_seconds())
        account.apply()


def test_a_run_that_waits_leaves_what_is_known_of_the_request_as_it_is() -> None:
    with open_project() as account:
        open_create(account)
        kept = account.state
        assert kept is not None
        for seconds in (0.0, 5.0, 300.0):
            passes(account, seconds)
            account.attempt()
            assert account.state is not None
            assert account.state.records == kept.records


def test_what_a_run_decides_it_decides_when_it_gets_there() -> None:
    """The plan says that it waits; by the time that the run is there it need not any more."""
    with open_project() as account:
        open_create(account)
        entries = {
            "finance": {"name": "Finance", "destination": BIG_QUERY},
            "a_slow_one": {"destination": BIG_QUERY},
        }
        account.declare(entries)
        account.parallelism = 1
        passes(account, 850.0)
        account.app.behaviour = Behaviour()
        account.app.faults.add(parse_fault("POST /v1/groups #1 status 429 retry-after=120"))
        before = posts(account, "group")
        applied = account.attempt()
        assert account.planned is not None
        assert is_held(account.planned)
        assert applied is not None
        assert {each.status for each in applied.outcomes} == {Status.DONE}
        assert posts(account, "group") == before + 3, "one of them was told to wait"


def test_creates_that_were_certainly_not_sent_wait_for_nothing() -> None:
    """The run ended before it came to them."""
    with open_project() as account:
        account.declare(pairs(8))
        account.parallelism = 1
        account.app.faults.add(parse_fault("POST /v1/groups before-effect close"))
        account.attempt()
        assert posts(account) == 5, "five in a row without an answer end a run"
        account.app.faults.clear()
        applied = account.attempt()
        assert applied is not None
        statuses = Counter(each.status for each in applied.outcomes if each.address.kind == "group")
        assert statuses == {Status.HELD: 5, Status.DONE: 3}


def twins(planned: PlanResult) -> list[tuple[str, str]]:
    """The warnings about groups that are there twice: address, and both ids in one text."""
    found = [each for each in planned.plan.warnings if each.code == "late-twin"]
    assert all(each.severity is Severity.WARNING for each in found)
    return [(str(each.address), each.notes[0]) for each in found]


def test_an_effect_that_comes_after_settle_is_told_at_last() -> None:
    with open_project() as account:
        open_create(account, delay=2_000.0)
        passes(account, SETTLE_TIME.total_seconds())
        account.apply()
        [second] = account.app.dashboard.find_group_ids("Finance")
        assert twins(account.plan()) == []
        passes(account, 2_000.0)
        [first] = {*account.app.dashboard.find_group_ids("Finance")} - {second}
        for _ in range(2):
            [(address, told)] = twins(account.plan())
            assert address == "group.finance"
            assert f"the managed group is `{second}`" in told
            assert f"the name `Finance` also has `{first}`" in told
            assert account.apply() == [], "nothing is deleted, and nothing changed"
        changed = with_config(BIG_QUERY, project_id="other")
        account.declare({"finance": {"name": "Finance", "destination": changed}})
        account.apply()
        assert len(twins(account.plan())) == 1, "a later change forgets nothing"
        account.declare({"finance": {"name": "Finance", "id": second, "destination": changed}})
        assert twins(account.plan()) == [], "an entry with its `id:` says which one it means"
        account.declare({"finance": {"name": "Finance", "destination": changed}})
        account.app.dashboard.remove("group", first)
        assert twins(account.plan()) == []


def test_an_effect_under_a_name_that_was_given_up_since_is_told() -> None:
    with open_project() as account:
        open_create(account, delay=30.0)
        account.declare({"finance": {"name": "Finances", "destination": BIG_QUERY}})
        assert is_held(account.plan()), "another name is the same entry"
        passes(account, 30.0)
        [first] = account.app.dashboard.find_group_ids("Finance")
        [(_, told)] = twins(account.plan())
        assert "no group is managed under this key" in told
        assert f"since that request, the name `Finance` also has `{first}`" in told


def test_an_effect_for_an_entry_that_was_given_up_since_is_told() -> None:
    with open_project() as account:
        open_create(account, delay=30.0)
        account.declare({"sales": {"destination": BIG_QUERY}})
        account.apply()
        assert twins(account.plan()) == []
        passes(account, 30.0)
        [first] = account.app.dashboard.find_group_ids("Finance")
        [(address, told)] = twins(account.plan())
        assert address == "group.finance"
        assert (
            f"no group is managed under this key; since that request, the name `Finance` also has `{first}`"
            in told
        )


def test_namesakes_that_others_make_meanwhile_are_no_reason_to_guess() -> None:
    with open_project() as account:
        open_create(account, delay=2_000.0)
        account.app.dashboard.add_group("finance")
        assert is_held(account.plan())
        passes(account, 2_000.0)
        account.apply()
        assert len(account.app.dashboard.find_group_ids("Finance")) == 1, "the late one was found"


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
def test_the_project_file_says_how_long(settle: str, seconds: float, waits: bool) -> None:
    with open_project() as account:
        account.write_project_file(settle=settle)
        open_create(account)
        account.clock.seconds += seconds
        assert is_held(account.plan()) == waits
