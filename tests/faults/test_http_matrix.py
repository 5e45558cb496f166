"""Check every HTTP fault of the emulator at every call of an apply: once, twice and always (S-13, S-20 to S-25).

The apply has every kind of change: it creates a pair, updates another pair and rotates its secret, renames a group and
deletes a pair with Fivetran's own connection. Converged and unmanaged objects stay as they are. A cell is one fault at
one call. The test checks all invariants after the cell, ends the fault and expects the declared account. The usual run
has each fault at each write and at every other read, with one of the three lengths. The other cells are marked `long`.
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
UNMANAGED = ("alpha", "Alpha ", "other team's")
"""Groups of other users. The first two names resemble a declared name."""


@dataclass(frozen=True)
class InitialState:
    """Initial account, initial state files and group ids by name, as every cell finds them."""

    seed: dict[str, Any]
    state_files: dict[str, bytes]
    ids: dict[str, str]
    calls: tuple[tuple[str, str], ...]
    settled: dict[str, Any]


class SharedProject:
    """Account and project that all cells share."""

    def __init__(self, folder: Path) -> None:
        self.account = FaultyAccount()
        self.project = FaultyProject(folder, self.account)
        self.initial = self._apply_initial()

    def _apply_initial(self) -> InitialState:
        self.account.reset()
        project, dashboard = self.project, self.account.app.dashboard
        project.secrets = dict(BEFORE)
        project.declare(OLD)
        assert project.apply().exit is ExitCode.OK
        for name in UNMANAGED:
            dashboard.add_destination(dashboard.add_group(name), "big_query", config={"project_id": name})
        ids = {group["name"]: id for id, group in self.account.contents.items()}
        dashboard.add_connection(ids["gamma"], "fivetran_log", "fivetran_metadata")
        seed = self.account.app.dump(show_secrets=True)
        state_files = project.read_state_files()
        project.secrets = dict(SECRETS)
        self.declare(NEW, ids["gamma"])
        self.account.reset(seed)
        run = project.apply()
        check_run(run)
        assert set(run.statuses.values()) == {Status.DONE}
        assert run.exit is ExitCode.OK
        calls = tuple((each.method, each.path) for each in run.exchanges)
        return InitialState(seed, state_files, ids, calls, _read_contents(self.account))

    def declare(self, groups: Mapping[str, Any], gamma: str) -> None:
        """Write the specs of the faulty apply: these groups, and the removal of `gamma`."""
        removed = [{"group": "gamma", "id": gamma, "with_platform_connection": True}]
        self.project.declare(groups, removed=removed)

    def declare_alpha_id(self) -> None:
        """Write the id of the group named `Alpha` into the entry `alpha`, as a user would."""
        [id] = self.account.app.dashboard.find_group_ids("Alpha")
        self.declare({**NEW, "alpha": {"id": id, **NEW["alpha"]}}, self.initial.ids["gamma"])

    def reset(self) -> None:
        """Restore the initial account and state, and register the files with the leak detector of this test."""
        self.declare(NEW, self.initial.ids["gamma"])
        self.account.reset(self.initial.seed)
        self.project.restore_state_files(self.initial.state_files)
        get_detector().add_folder(self.project.folder)
        for name in ("reconciler.yaml", "main.yaml"):
            get_detector().add_written_file(
                self.project.folder / name, (self.project.folder / name).read_text()
            )


@cache
def get_shared_project() -> SharedProject:
    folder = TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    atexit.register(folder.cleanup)
    return SharedProject(Path(folder.name))


def _read_contents(account: FaultyAccount) -> dict[str, Any]:
    """Return the contents of the account by group name, with setup status and secrets."""
    groups = list(account.contents.values())
    assert len({group["name"] for group in groups}) == len(groups)
    return {
        group["name"]: {key: value for key, value in group.items() if key not in {"id", "created_at", "name"}}
        for group in groups
    }


# Faults

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
FOREIGN = "foreign_object"
"""The id in an answer with the fault `other-id`."""
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
class FaultVariant:
    """Fault without its call."""

    kind: FaultKind
    phase: Phase
    argument: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @property
    def is_false_refusal(self) -> bool:
        """Whether the answer refuses a request that took effect. No client can detect such an answer."""
        refusal = self.kind is FaultKind.REDIRECT or (self.kind is FaultKind.STATUS and self.argument < "500")
        return refusal and self.phase is Phase.AFTER_EFFECT

    def __str__(self) -> str:
        words = [self.kind, self.argument, *(value for _, value in self.options)]
        if (self.kind, self.argument) == (FaultKind.STATUS, "429"):
            words[2:] = [next(name for name, options in RETRY_AFTER.items() if options == dict(self.options))]
        return "-".join([*filter(None, words), self.phase])


def list_faults() -> Iterator[FaultVariant]:
    """Iterate over all faults of one request that the emulator has."""
    for kind, traits in FAULT_SPECS.items():
        for phase in traits.phases:
            for argument, options in ARGUMENTS.get(kind, [("", {})]):
                yield FaultVariant(kind, phase, argument, tuple(options.items()))


# Calls

PLACES = (
    "account", "groups", "destinations", "detail", "connections",
    "POST group", "POST destination", "test of a new one", "GET after test",
    "PATCH destination", "test of an old one", "PATCH group",
    "DELETE connection", "DELETE destination", "DELETE group",
    "account of the check", "groups of the check", "destinations of the check", "detail of the check",
)  # fmt: skip
LISTS = {"groups", "destinations", "connections", "groups of the check", "destinations of the check"}
WRITES = {place for place in PLACES if place.startswith(("POST", "test", "PATCH", "DELETE"))}
CREATES = {"POST group", "POST destination"}
BEHIND_A_WRITE = {"GET after test", *(place for place in PLACES if place.endswith("of the check"))}


def find_call_index(place: str) -> int:
    """Return the number of the call, from 0, in an apply without faults."""
    ids, calls = get_shared_project().initial.ids, get_shared_project().initial.calls
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
    """One fault at one call, with the number of its repetitions."""

    variant: FaultVariant
    place: str
    length: str

    @property
    def fault(self) -> Fault:
        variant, number = self.variant, find_call_index(self.place)
        method, path = get_shared_project().initial.calls[number]
        if variant.phase is Phase.AT_ACCEPT:
            method, path, first = "*", "*", number + 1
        else:
            first = get_shared_project().initial.calls[: number + 1].count((method, path))
        return Fault(
            variant.kind,
            method,
            path,
            variant.phase,
            first=first,
            times=LENGTHS[self.length],
            argument=variant.argument,
            options=dict(variant.options),
        )

    def __str__(self) -> str:
        return f"{self.place}: {self.variant} {self.length}"


def list_cells() -> Iterator[Cell]:
    """Iterate over all faults at all calls that they apply to, with all lengths."""
    for variant in list_faults():
        for place in PLACES:
            if variant.kind in LIST_FAULTS and place not in LISTS:
                continue
            if variant.kind is FaultKind.STALE and place not in BEHIND_A_WRITE:
                continue
            # The client repeats a create after a 429, because a 429 promises that the request had no effect.
            if variant.is_false_refusal and variant.argument == "429" and place in CREATES:
                continue
            for length in LENGTHS:
                yield Cell(variant, place, length)


def mark_long_cells() -> Iterator[Any]:
    """Iterate over all cells; one length of each fault at each write and at every other read is in the usual run."""
    order = list(LENGTHS)
    for number, variant in enumerate(list_faults()):
        for cell in get_cells(variant):
            turn = number + PLACES.index(cell.place)
            usual = cell.length == order[turn % len(order)] and (cell.place in WRITES or turn % 2 == 0)
            yield pytest.param(cell, id=str(cell), marks=() if usual else (pytest.mark.long,))


@cache
def _group_cells_by_fault() -> dict[FaultVariant, list[Cell]]:
    found: dict[FaultVariant, list[Cell]] = {}
    for cell in list_cells():
        found.setdefault(cell.variant, []).append(cell)
    return found


def get_cells(variant: FaultVariant) -> list[Cell]:
    return _group_cells_by_fault().get(variant, [])


# Checks

MOST_ATTEMPTS = 5
MOST_ATTEMPTS_AT_A_LIMIT = 25
"""After 429s only the 600 s of a call end it: pauses of 0.5, 1, 2, 4, 8, 16 and then 30 s permit 25 attempts."""
MOST_CALLS = 100
"""An apply without a fault has 23 calls. The search for a lost create has twelve calls. An incomplete list costs one
more list and four reads for each of three groups. A hidden destination costs six reads. A convergence check that finds
changes repeats all of these calls up to six times."""
CALL_DEADLINE = 600.0
"""Seconds of all attempts of a call, and of its wait for the rate limit before the first attempt."""
MOST_SECONDS = 6 * (CALL_DEADLINE + 120.0)
"""Five consecutive calls that fail at their deadlines end the run, and one convergence check follows."""


def check_bounds(run: ApplyRun) -> None:
    """Check O9 and O10."""
    assert len(run.calls) <= MOST_CALLS
    limited = any("status 429" in each.fault for each in run.exchanges)
    for call in run.calls:
        assert call.attempts <= (MOST_ATTEMPTS_AT_A_LIMIT if limited else MOST_ATTEMPTS)
        budget = 900.0 if call.path.endswith("/test") else 120.0
        if any("after-answer hang" in each.fault for each in run.exchanges):
            budget += 600.0  # in this process, a server that keeps its connection open holds the clock
        # All attempts share one budget. Only pauses after a 429, its own and those of its turn, come on top.
        assert call.seconds <= (2 * CALL_DEADLINE + budget if limited else budget)
        if call.method == "POST" and not limited:
            assert call.attempts <= 1, "S-20"
    assert run.seconds <= MOST_SECONDS
    # The longest pause between two calls is the pause before setup tests are repeated.
    assert run.seconds <= sum(call.seconds for call in run.calls) + 2.0 * len(run.calls)


def check_groups(runs: list[ApplyRun]) -> None:
    """Check O1 and O3 over all runs of a cell."""
    effects = [effect for run in runs for effect in run.effects]
    created = [(effect.kind, effect.id) for effect in effects if effect.verb == "created"]
    assert len([kind for kind, _ in created if kind == GROUP]) <= 1, "O1"
    assert len([kind for kind, _ in created if kind == DESTINATION]) <= 1, "O1"
    gamma = get_shared_project().initial.ids["gamma"]
    deleted = {(effect.kind, effect.id) for effect in effects if effect.verb == "deleted"}
    assert {id for kind, id in deleted if kind != "connection"} <= {gamma}, "O3"


def check_targets(runs: list[ApplyRun], false_ids: set[str]) -> None:
    """Check O2: every write has an id of the account. `false_ids`: wrong ids in the answer to a create."""
    known = {*get_shared_project().initial.ids.values(), *false_ids}
    known |= {effect.id for run in runs for effect in run.effects if effect.verb == "created"}
    for run in runs:
        for write in run.writes:
            parts = write.path.split("/")
            if len(parts) > 3 and parts[2] != "connections":
                assert parts[3] in known, write.path
            assert (write.body or {}).get("group_id") in {None, *known}


def apply_with_faults(*faults: Fault, is_false_refusal: bool = False) -> list[ApplyRun]:
    """Run the apply with the faults, and further applies until nothing is left to do."""
    account, project = get_shared_project().account, get_shared_project().project
    get_shared_project().reset()
    account.app.faults.add(*faults)
    runs = [project.apply()]
    assert account.app.faults.active()[0].triggered >= 1, "the fault was never triggered"
    account.app.faults.clear()
    assert project.state is not None, "O8"
    is_create_answer = (faults[0].kind, faults[0].method, faults[0].path) == (
        FaultKind.OTHER_ID,
        "POST",
        "/v1/groups",
    )
    while runs[-1].exit is not ExitCode.OK and len(runs) < 3 + any(run.has_held for run in runs):
        if runs[-1].has_held:
            account.clock.sleep(SETTLE_TIME.total_seconds())
        if is_create_answer and runs[-1].refused:
            assert {each.code for each in runs[-1].refused} == {"gone-or-hidden"}, "S-13"
            get_shared_project().declare_alpha_id()
        runs.append(project.apply())
        assert project.state is not None, "O8"
    for run in runs:
        check_run(run, false_refusals={str(faults[0])} if is_false_refusal else ())
        check_bounds(run)
    check_groups(runs)
    check_targets(runs, {FOREIGN} if is_create_answer else set())
    return runs


def check_settled(runs: list[ApplyRun]) -> None:
    """Check O5 and the promises of exit code 0."""
    assert runs[-1].exit is ExitCode.OK, [str(each) for each in runs[-1].refused] or runs[-1].statuses
    settled, now = get_shared_project().initial.settled, _read_contents(get_shared_project().account)
    assert now == settled
    ids = {group["name"]: id for id, group in get_shared_project().account.contents.items()}
    for before, after in {
        "beta": "beta",
        "Delta": "Delta renamed",
        **{each: each for each in UNMANAGED},
    }.items():
        assert ids[after] == get_shared_project().initial.ids[before]
    assert get_shared_project().project.plan().plan.effective == ()


@pytest.mark.sampled(every=29)
@pytest.mark.parametrize("cell", list(mark_long_cells()))
def test_a_fault_breaks_no_invariant_and_the_account_converges(cell: Cell) -> None:
    runs = apply_with_faults(cell.fault, is_false_refusal=cell.variant.is_false_refusal)
    if cell.place == "connections" and cell.variant.argument == "404":
        # S-17: the group itself exists, so no run treats it as deleted because of the answer about its connections.
        warnings = [each.code for run in runs if run.planned for each in run.planned.plan.warnings]
        assert "removal-done" not in warnings
    check_settled(runs)
    first = runs[0]
    if first.applied is None:
        assert first.writes == []
        assert first.exit is not ExitCode.OK


# A search resolves a lost answer. These cells add a search that fails, or that does not show the object yet.

LOST = (
    FaultVariant(FaultKind.RESET, Phase.AFTER_EFFECT),
    FaultVariant(FaultKind.HANG, Phase.MID_HEADERS, "600"),
    FaultVariant(FaultKind.STATUS, Phase.AFTER_EFFECT, "524"),
    FaultVariant(FaultKind.NOT_JSON, Phase.AFTER_EFFECT),
    FaultVariant(FaultKind.RESET, Phase.BEFORE_EFFECT),
)
AWAY = {
    "nothing answers": Fault(FaultKind.RESET, phase=Phase.BEFORE_EFFECT),
    "everything hangs": Fault(FaultKind.HANG, phase=Phase.BEFORE_EFFECT, argument="600"),
    "a maintenance page": Fault(FaultKind.STATUS, argument="503", options={"body": "html"}),
    "the key is revoked": Fault(FaultKind.STATUS, argument="401"),
    "no reads": Fault(FaultKind.STATUS, "GET", argument="500"),
    "a pause of years": Fault(FaultKind.STATUS, argument="429", options={"retry-after": "1000000000"}),
}


def list_outages() -> Iterator[Any]:
    """Iterate over all lost answers with all outages at all writes; the usual run has a Latin square of them."""
    for row, place in enumerate(sorted(WRITES)):
        for column, lost in enumerate(LOST):
            for number, away in enumerate(AWAY):
                usual = (row + column + number) % len(AWAY) < 2
                marks = () if usual else (pytest.mark.long,)
                yield pytest.param(place, lost, away, id=f"{place}: {lost}, {away}", marks=marks)


@pytest.mark.sampled(every=13)
@pytest.mark.parametrize(("place", "lost", "away"), list(list_outages()))
def test_a_lost_answer_followed_by_an_outage_converges(place: str, lost: FaultVariant, away: str) -> None:
    before = get_shared_project().initial.calls[: find_call_index(place) + 1]
    concerned = [call for call in before if AWAY[away].method in {"*", call[0]}]
    fault = Cell(lost, place, "once").fault
    runs = apply_with_faults(fault, replace(AWAY[away], first=len(concerned) + 1))
    check_settled(runs)
    assert runs[0].exit is ExitCode.INCOMPLETE


@pytest.mark.sampled(every=13)
@pytest.mark.parametrize("reads", range(1, 6))
@pytest.mark.parametrize("lost", LOST, ids=str)
@pytest.mark.parametrize("place", sorted(CREATES))
def test_a_lost_answer_followed_by_stale_reads_duplicates_nothing(
    place: str, lost: FaultVariant, reads: int
) -> None:
    """Check S-06."""
    stale = Fault(FaultKind.STALE, "GET", argument=str(reads))
    check_settled(apply_with_faults(Cell(lost, place, "once").fault, stale))


def test_an_apply_without_faults_sends_the_calls_of_the_matrix() -> None:
    get_shared_project().reset()
    run = get_shared_project().project.apply()
    check_run(run)
    check_bounds(run)
    assert [find_call_index(place) for place in PLACES] == sorted(find_call_index(place) for place in PLACES)
    assert len({find_call_index(place) for place in PLACES}) == len(PLACES)
    assert {outcome.status for outcome in run.applied.outcomes} <= ENDED_STATUSES  # type: ignore[union-attr]
    settled = get_shared_project().initial.settled
    assert {"Alpha", "beta", "Delta renamed", *UNMANAGED} == settled.keys()
    for name, secret in (("Alpha", "ALPHA_PASSWORD"), ("beta", "BETA_PASSWORD")):
        assert settled[name]["destination"]["config"]["password"] == SECRETS[secret]
        assert settled[name]["destination"]["setup_status"] == "connected"


def test_the_matrix_covers_every_fault_in_every_phase() -> None:
    met = {(cell.variant.kind, cell.variant.phase) for cell in list_cells()}
    assert met == {(kind, phase) for kind, traits in FAULT_SPECS.items() for phase in traits.phases}
    assert len(list(list_cells())) >= 800
