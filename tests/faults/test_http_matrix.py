"""S-13, S-20 to S-25: every HTTP fault that the emulator knows, at every call of an apply, once, twice and for ever.

One apply that does everything: it makes a pair, changes another one and rotates its secret, renames a group, deletes
a pair with Fivetran's own connection, and leaves alone what is as declared and what is not ours. A cell is one fault
at one call. Behind it all oracles of safety.md are asked; then the fault is over, and the account must come to what
was declared. The cells of every run are a cross-section: each fault at each write and at every other read, in turn
once, twice and for ever. The rest is marked `long`.
"""

from __future__ import annotations

import atexit
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cli_harness import SETTLE_TIME
from faulty_account import ENDED_STATUSES, ApplyRun, FaultyAccount, FaultyProject, check_run
from secret_leak_detector import get_detector

from reconciler.cli.exit import ExitCode
from reconciler.emulator.fault_kinds import FAULT_SPECS, LIST_FAULTS, FaultKind, Phase
from reconciler.emulator.faults import Fault
from reconciler.model.address import DESTINATION, GROUP
from reconciler.model.outcome import Status

pytestmark = pytest.mark.sampled(every=6)

SECRETS = {
    "ALPHA_PASSWORD": "canary-of-alpha-5a0f",
    "BETA_PASSWORD": "canary-of-beta-91c3",
    "DELTA_PASSWORD": "canary-of-delta-77e1",
}
BEFORE = {**SECRETS, "BETA_PASSWORD": "canary-of-beta-before-20d4"}


def destination(database: str, secret: str) -> dict[str, Any]:
    return {
        "service": "snowflake",
        "time_zone_offset": "0",
        "config": {
            "host": "acme.snowflakecomputing.com",
            "port": 443,
            "database": database,
            "auth": "PASSWORD",
            "user": "LOADER",
            "password": {"secret": f"env:{secret}"},
        },
    }


OLD = {
    "beta": {"destination": destination("OLD", "BETA_PASSWORD")},
    "delta": {"name": "Delta", "destination": destination("DELTA", "DELTA_PASSWORD")},
    "gamma": {"destination": destination("GAMMA", "DELTA_PASSWORD")},
}
NEW = {
    "alpha": {"name": "Alpha", "destination": destination("ALPHA", "ALPHA_PASSWORD")},
    "beta": {"destination": destination("NEW", "BETA_PASSWORD")},
    "delta": {"name": "Delta renamed", "destination": OLD["delta"]["destination"]},
}
STRANGERS = ("alpha", "Alpha ", "somebody else's")
"""Groups of other people; the names of the first two are almost one of ours."""


@dataclass(frozen=True)
class Beginning:
    """Where every cell begins: the account, the memory, and ids by name."""

    seed: dict[str, Any]
    kept: dict[str, bytes]
    ids: dict[str, str]
    calls: tuple[tuple[str, str], ...]
    settled: dict[str, Any]


class Stage:
    """One account and one project for all cells."""

    def __init__(self, folder: Path) -> None:
        self.account = FaultyAccount()
        self.project = FaultyProject(folder, self.account)
        self.beginning = self._begin()

    def _begin(self) -> Beginning:
        self.account.reset()
        project, dashboard = self.project, self.account.app.dashboard
        project.secrets = dict(BEFORE)
        project.declare(OLD)
        assert project.apply().exit is ExitCode.OK
        for name in STRANGERS:
            dashboard.add_destination(dashboard.add_group(name), "big_query", config={"project_id": name})
        ids = {group["name"]: id for id, group in self.account.contents.items()}
        dashboard.add_connection(ids["gamma"], "fivetran_log", "fivetran_metadata")
        seed = self.account.app.dump(show_secrets=True)
        kept = project.read_state_files()
        project.secrets = dict(SECRETS)
        self.declare(NEW, ids["gamma"])
        self.account.reset(seed)
        run = project.apply()
        check_run(run)
        assert set(run.statuses.values()) == {Status.DONE}
        assert run.exit is ExitCode.OK
        calls = tuple((each.method, each.path) for each in run.exchanges)
        return Beginning(seed, kept, ids, calls, _by_name(self.account))

    def declare(self, groups: Mapping[str, Any], gamma: str) -> None:
        """The specs of the apply that is struck: what is in these groups, without `gamma`."""
        removed = [{"group": "gamma", "id": gamma, "with_platform_connection": True}]
        self.project.declare(groups, removed=removed)

    def take_alpha(self) -> None:
        """A user writes the id of the group that has the name of `alpha` into its entry."""
        [id] = self.account.app.dashboard.find_group_ids("Alpha")
        self.declare({**NEW, "alpha": {"id": id, **NEW["alpha"]}}, self.beginning.ids["gamma"])

    def reset(self) -> None:
        """Everything as at the beginning. The autouse fixture watches one test, so it is told again."""
        self.declare(NEW, self.beginning.ids["gamma"])
        self.account.reset(self.beginning.seed)
        self.project.restore_state_files(self.beginning.kept)
        get_detector().add_folder(self.project.folder)
        for name in ("reconciler.yaml", "main.yaml"):
            get_detector().add_written_file(
                self.project.folder / name, (self.project.folder / name).read_text()
            )


@cache
def stage() -> Stage:
    folder = TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    atexit.register(folder.cleanup)
    return Stage(Path(folder.name))


def _by_name(account: FaultyAccount) -> dict[str, Any]:
    """The account as people see it: what is in which group, healthy or not, with every secret."""
    groups = list(account.contents.values())
    assert len({group["name"] for group in groups}) == len(groups)
    return {
        group["name"]: {key: value for key, value in group.items() if key not in {"id", "created_at", "name"}}
        for group in groups
    }


def _without_status(group: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in group["destination"].items() if key != "setup_status"}
    return {**group, "destination": kept}


# What can go wrong

RETRY_AFTER = {
    "seconds": {"retry-after": "7"},
    "date": {"retry-after": "Sun, 01 Mar 2026 12:00:20 GMT"},
    "garbage": {"retry-after": "soon"},
    "negative": {"retry-after": "-5"},
    "zero": {"retry-after": "0"},
    "missing": {},
    "exponent": {"retry-after": "1e9"},
    "huge": {"retry-after": "1000000000"},
    "past": {"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"},
}
FOREIGN = "somebody_else"
"""The id that `other-id` tells of."""
ARGUMENTS = {
    FaultKind.HANG: [("600", {})],
    FaultKind.DRIP: [("10", {}), ("0.1", {"seconds": "600"})],
    FaultKind.REDIRECT: [(code, {}) for code in ("301", "302", "307", "308")],
    FaultKind.STATUS: [
        *((code, {}) for code in ["400", "401", "403", "404", "409", "500", "502", "503", "504", "524"]),
        ("404", {"code": "NotFound_Group"}),
        *(("429", options) for options in RETRY_AFTER.values()),
    ],
    FaultKind.ERROR_CODE: [("", {}), ("NotFound_Destination", {})],
    FaultKind.GZIP_BOMB: [("1", {})],
    FaultKind.STALE: [("1", {}), ("5", {})],
}


@dataclass(frozen=True)
class Trouble:
    """A fault without its place."""

    kind: FaultKind
    phase: Phase
    argument: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @property
    def is_lie(self) -> bool:
        """A refusal in answer to what was carried out. No client can tell it from a true one."""
        refusal = self.kind is FaultKind.REDIRECT or (self.kind is FaultKind.STATUS and self.argument < "500")
        return refusal and self.phase is Phase.AFTER_EFFECT

    def __str__(self) -> str:
        words = [self.kind, self.argument, *(value for _, value in self.options)]
        if (self.kind, self.argument) == (FaultKind.STATUS, "429"):
            words[2:] = [next(name for name, options in RETRY_AFTER.items() if options == dict(self.options))]
        return "-".join([*filter(None, words), self.phase])


def troubles() -> Iterator[Trouble]:
    """Everything that the emulator can do to one request."""
    for kind, traits in FAULT_SPECS.items():
        for phase in traits.phases:
            for argument, options in ARGUMENTS.get(kind, [("", {})]):
                yield Trouble(kind, phase, argument, tuple(options.items()))


# Where it can go wrong

PLACES = (
    "account", "groups", "destinations", "detail", "connections",
    "POST group", "POST destination", "test of a new one", "GET after test",
    "PATCH destination", "test of an old one", "PATCH group",
    "DELETE connection", "DELETE destination", "DELETE group",
    "account of the check", "groups of the check", "destinations of the check", "detail of the check",
)  # fmt: skip
LISTS = {"groups", "destinations", "connections", "groups of the check", "destinations of the check"}
WRITES = {place for place in PLACES if place.startswith(("POST", "test", "PATCH", "DELETE"))}
CREATIONS = {"POST group", "POST destination"}
BEHIND_A_WRITE = {"GET after test", *(place for place in PLACES if place.endswith("of the check"))}


def index_of(place: str) -> int:
    """The number of the call, from 0, in an apply without faults."""
    ids, calls = stage().beginning.ids, stage().beginning.calls
    beta, delta, gamma = (ids[name] for name in ("beta", "Delta", "gamma"))
    posts = [number for number, call in enumerate(calls) if call[0] == "POST"]
    new = calls[posts[1] + 1][1].split("/")[3]
    check = max(number for number, call in enumerate(calls) if call[1] == "/v1/account/info")
    deletes = [number for number, call in enumerate(calls) if call[0] == "DELETE"]
    found = {
        "account": 0,
        "groups": calls.index(("GET", "/v1/groups")),
        "destinations": calls.index(("GET", "/v1/destinations")),
        "detail": calls.index(("GET", f"/v1/destinations/{beta}")),
        "connections": calls.index(("GET", f"/v1/groups/{gamma}/connections")),
        "POST group": calls.index(("POST", "/v1/groups")),
        "POST destination": calls.index(("POST", "/v1/destinations")),
        "test of a new one": calls.index(("POST", f"/v1/destinations/{new}/test")),
        "GET after test": calls.index(("GET", f"/v1/destinations/{new}")),
        "PATCH destination": calls.index(("PATCH", f"/v1/destinations/{beta}")),
        "test of an old one": calls.index(("POST", f"/v1/destinations/{beta}/test")),
        "PATCH group": calls.index(("PATCH", f"/v1/groups/{delta}")),
        "DELETE connection": deletes[0],
        "DELETE destination": calls.index(("DELETE", f"/v1/destinations/{gamma}")),
        "DELETE group": calls.index(("DELETE", f"/v1/groups/{gamma}")),
        "account of the check": check,
        "groups of the check": calls.index(("GET", "/v1/groups"), check),
        "destinations of the check": calls.index(("GET", "/v1/destinations"), check),
        "detail of the check": calls.index(("GET", f"/v1/destinations/{new}"), check),
    }
    return found[place]


LENGTHS: dict[str, int | None] = {"once": 1, "twice": 2, "always": None}


@dataclass(frozen=True)
class Cell:
    """One fault at one call, so often."""

    trouble: Trouble
    place: str
    length: str

    @property
    def fault(self) -> Fault:
        trouble, number = self.trouble, index_of(self.place)
        method, path = stage().beginning.calls[number]
        if trouble.phase is Phase.AT_ACCEPT:
            method, path, first = "*", "*", number + 1
        else:
            first = stage().beginning.calls[: number + 1].count((method, path))
        return Fault(
            trouble.kind,
            method,
            path,
            trouble.phase,
            first=first,
            times=LENGTHS[self.length],
            argument=trouble.argument,
            options=dict(trouble.options),
        )

    def __str__(self) -> str:
        return f"{self.place}: {self.trouble} {self.length}"


def cells() -> Iterator[Cell]:
    """Each trouble at each call where it can strike, of each length."""
    for trouble in troubles():
        for place in PLACES:
            if trouble.kind in LIST_FAULTS and place not in LISTS:
                continue
            if trouble.kind is FaultKind.STALE and place not in BEHIND_A_WRITE:
                continue
            # A 429 is a promise that nothing was done, and that is why it is repeated.
            if trouble.is_lie and trouble.argument == "429" and place in CREATIONS:
                continue
            for length in LENGTHS:
                yield Cell(trouble, place, length)


def marked() -> Iterator[Any]:
    """Of each trouble at each write, and at every other read, one length, another one at the next call."""
    order = list(LENGTHS)
    for number, trouble in enumerate(troubles()):
        for cell in cells_of(trouble):
            turn = number + PLACES.index(cell.place)
            usual = cell.length == order[turn % len(order)] and (cell.place in WRITES or turn % 2 == 0)
            yield pytest.param(cell, id=str(cell), marks=() if usual else (pytest.mark.long,))


@cache
def _sorted() -> dict[Trouble, list[Cell]]:
    found: dict[Trouble, list[Cell]] = {}
    for cell in cells():
        found.setdefault(cell.trouble, []).append(cell)
    return found


def cells_of(trouble: Trouble) -> list[Cell]:
    return _sorted().get(trouble, [])


# What must hold

MOST_ATTEMPTS = 5
MOST_ATTEMPTS_AT_A_LIMIT = 25
"""After 429s only the 600 s of a call end it: pauses of 0.5, 1, 2, 4, 8, 16 and then 30 s leave room for so many."""
MOST_CALLS = 100
"""Without a fault it is 23. A lost creation is looked for twice six times. A list that shows less than is remembered
costs one more list and four looks for each of three groups; a destination that is not shown costs six looks, and a
check that wants something is made six times over, with all of that."""
PATIENCE = 600.0
"""Seconds for which a call is tried from its first attempt on, and for which it waits for its turn before that."""
MOST_SECONDS = 6 * (PATIENCE + 120.0)
"""Five calls in a row that fail for as long as they may end the run; then it is looked once what is left."""


def check_bounds(run: ApplyRun) -> None:
    """O9 and O10."""
    assert len(run.calls) <= MOST_CALLS
    limited = any("status 429" in each.fault for each in run.exchanges)
    for call in run.calls:
        assert call.attempts <= (MOST_ATTEMPTS_AT_A_LIMIT if limited else MOST_ATTEMPTS)
        budget = 900.0 if call.path.endswith("/test") else 120.0
        if any("after-answer hang" in each.fault for each in run.exchanges):
            budget += 600.0  # in this process, a server that keeps its connection open holds the clock
        # All attempts share one budget. Only pauses after a 429, its own and those of its turn, come on top.
        assert call.seconds <= (2 * PATIENCE + budget if limited else budget)
        if call.method == "POST" and not limited:
            assert call.attempts <= 1, "S-20"
    assert run.seconds <= MOST_SECONDS
    # Between two calls nothing waits longer than for the second run of the tests.
    assert run.seconds <= sum(call.seconds for call in run.calls) + 2.0 * len(run.calls)


def check_groups(runs: list[ApplyRun]) -> None:
    """O1 and O3 over all runs of a cell."""
    effects = [effect for run in runs for effect in run.effects]
    made = [(effect.kind, effect.id) for effect in effects if effect.verb == "created"]
    assert len([kind for kind, _ in made if kind == GROUP]) <= 1, "O1"
    assert len([kind for kind, _ in made if kind == DESTINATION]) <= 1, "O1"
    gamma = stage().beginning.ids["gamma"]
    gone = {(effect.kind, effect.id) for effect in effects if effect.verb == "deleted"}
    assert {id for kind, id in gone if kind != "connection"} <= {gamma}, "O3"


def check_targets(runs: list[ApplyRun], lied: set[str]) -> None:
    """O2: nothing is sent to an id that is not known from the account. `lied` are those that a creation answered."""
    known = {*stage().beginning.ids.values(), *lied}
    known |= {effect.id for run in runs for effect in run.effects if effect.verb == "created"}
    for run in runs:
        for write in run.writes:
            parts = write.path.split("/")
            if len(parts) > 3 and parts[2] != "connections":
                assert parts[3] in known, write.path
            assert (write.body or {}).get("group_id") in {None, *known}


def carry_out(*faults: Fault, is_lie: bool = False) -> list[ApplyRun]:
    """The apply that is struck, and those that follow until nothing is left to do."""
    account, project = stage().account, stage().project
    stage().reset()
    account.app.faults.add(*faults)
    runs = [project.apply()]
    assert account.app.faults.active()[0].triggered >= 1, "the fault never struck"
    account.app.faults.clear()
    assert project.state is not None, "O8"
    by_a_creation = (faults[0].kind, faults[0].method, faults[0].path) == (
        FaultKind.OTHER_ID,
        "POST",
        "/v1/groups",
    )
    while runs[-1].exit is not ExitCode.OK and len(runs) < 3 + any(run.has_held for run in runs):
        if runs[-1].has_held:
            account.clock.sleep(SETTLE_TIME.total_seconds())
        if by_a_creation and runs[-1].refused:
            assert {each.code for each in runs[-1].refused} == {"gone-or-hidden"}, "S-13"
            stage().take_alpha()
        runs.append(project.apply())
        assert project.state is not None, "O8"
    for run in runs:
        check_run(run, false_refusals={str(faults[0])} if is_lie else ())
        check_bounds(run)
    check_groups(runs)
    check_targets(runs, {FOREIGN} if by_a_creation else set())
    return runs


def check_settled(runs: list[ApplyRun], untested: str | None = None) -> None:
    """O5, and what an exit of 0 promises. One destination may be `untested`."""
    assert runs[-1].exit is ExitCode.OK, [str(each) for each in runs[-1].refused] or runs[-1].statuses
    settled, now = stage().beginning.settled, _by_name(stage().account)
    if untested is not None:
        assert now[untested]["destination"].pop("setup_status", "incomplete") == "incomplete"
        settled = {**settled, untested: _without_status(settled[untested])}
    assert now == settled
    ids = {group["name"]: id for id, group in stage().account.contents.items()}
    for before, after in {
        "beta": "beta",
        "Delta": "Delta renamed",
        **{each: each for each in STRANGERS},
    }.items():
        assert ids[after] == stage().beginning.ids[before]
    assert stage().project.plan().plan.effective == ()


@pytest.mark.sampled(every=11)
@pytest.mark.parametrize("cell", list(marked()))
def test_a_fault_does_no_harm_and_leaves_nothing_behind(cell: Cell) -> None:
    runs = carry_out(cell.fault, is_lie=cell.trouble.is_lie)
    if cell.place == "connections" and cell.trouble.argument == "404":
        # S-17: the group itself still answers, so it counts as gone in no run, whatever its connections answer.
        warnings = [each.code for run in runs if run.planned for each in run.planned.plan.warnings]
        assert "removal-done" not in warnings
    # Refused, and there all the same: it is taken for somebody else's, which nobody here has to test.
    is_untested = cell.trouble.is_lie and cell.place == "POST destination"
    check_settled(runs, untested="Alpha" if is_untested else None)
    first = runs[0]
    if first.applied is None:
        assert first.writes == []
        assert first.exit is not ExitCode.OK


# A lost answer is resolved by looking. What if looking fails as well, or does not show yet what is there?

LOST = (
    Trouble(FaultKind.RESET, Phase.AFTER_EFFECT),
    Trouble(FaultKind.HANG, Phase.MID_HEADERS, "600"),
    Trouble(FaultKind.STATUS, Phase.AFTER_EFFECT, "524"),
    Trouble(FaultKind.NOT_JSON, Phase.AFTER_EFFECT),
    Trouble(FaultKind.RESET, Phase.BEFORE_EFFECT),
)
AWAY = {
    "nothing answers": Fault(FaultKind.RESET, phase=Phase.BEFORE_EFFECT),
    "everything hangs": Fault(FaultKind.HANG, phase=Phase.BEFORE_EFFECT, argument="600"),
    "a page of maintenance": Fault(FaultKind.STATUS, argument="503", options={"body": "html"}),
    "the key is revoked": Fault(FaultKind.STATUS, argument="401"),
    "no reads": Fault(FaultKind.STATUS, "GET", argument="500"),
    "a pause of years": Fault(FaultKind.STATUS, argument="429", options={"retry-after": "1000000000"}),
}


def outages() -> Iterator[Any]:
    """Each loss with each outage at each write; those of every run are a Latin square."""
    for row, place in enumerate(sorted(WRITES)):
        for column, lost in enumerate(LOST):
            for number, away in enumerate(AWAY):
                usual = (row + column + number) % len(AWAY) < 2
                marks = () if usual else (pytest.mark.long,)
                yield pytest.param(place, lost, away, id=f"{place}: {lost}, {away}", marks=marks)


@pytest.mark.sampled(every=7)
@pytest.mark.parametrize(("place", "lost", "away"), list(outages()))
def test_an_answer_is_lost_and_then_fivetran_is_away(place: str, lost: Trouble, away: str) -> None:
    before = stage().beginning.calls[: index_of(place) + 1]
    concerned = [call for call in before if AWAY[away].method in {"*", call[0]}]
    fault = Cell(lost, place, "once").fault
    runs = carry_out(fault, replace(AWAY[away], first=len(concerned) + 1))
    check_settled(runs)
    assert runs[0].exit is ExitCode.INCOMPLETE


@pytest.mark.sampled(every=7)
@pytest.mark.parametrize("reads", range(1, 6))
@pytest.mark.parametrize("lost", LOST, ids=str)
@pytest.mark.parametrize("place", sorted(CREATIONS))
def test_an_answer_is_lost_and_what_was_made_is_not_shown_for_some_reads(
    place: str, lost: Trouble, reads: int
) -> None:
    """S-06."""
    stale = Fault(FaultKind.STALE, "GET", argument=str(reads))
    check_settled(carry_out(Cell(lost, place, "once").fault, stale))


def test_without_a_fault_the_apply_is_what_the_matrix_believes() -> None:
    stage().reset()
    run = stage().project.apply()
    check_run(run)
    check_bounds(run)
    assert [index_of(place) for place in PLACES] == sorted(index_of(place) for place in PLACES)
    assert len({index_of(place) for place in PLACES}) == len(PLACES)
    assert {outcome.status for outcome in run.applied.outcomes} <= ENDED_STATUSES  # type: ignore[union-attr]
    settled = stage().beginning.settled
    assert {"Alpha", "beta", "Delta renamed", *STRANGERS} == settled.keys()
    for name, secret in (("Alpha", "ALPHA_PASSWORD"), ("beta", "BETA_PASSWORD")):
        assert settled[name]["destination"]["config"]["password"] == SECRETS[secret]
        assert settled[name]["destination"]["setup_status"] == "connected"


def test_the_matrix_has_every_kind_in_every_phase() -> None:
    met = {(cell.trouble.kind, cell.trouble.phase) for cell in cells()}
    assert met == {(kind, phase) for kind, traits in FAULT_SPECS.items() for phase in traits.phases}
    assert len(list(cells())) >= 800
