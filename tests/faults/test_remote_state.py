"""S-55 for runners: a state in git or in a bucket is written by one run at a time, whatever happens to that run.

The remote places are real: a bare repository, and an emulated S3 on a loopback socket.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

import cli_harness
import pytest
from background_process import BackgroundProcess
from blocking_server import BlockingServer, is_write, serve_blocking
from cli_harness import SETTLE_TIME, CommandResult, EmulatedFivetran, Project, build_credentials
from command_line import COMMAND, PROCESS_TIMEOUT, build_environment
from fake_clock import HastyClock
from git_repo import run_git
from long_runs import small_and_large
from remote_backends import (
    BRANCH,
    HOLDER,
    BareRepository,
    S3Bucket,
    S3Proxy,
    build_context,
    build_s3_environ,
    open_bucket,
)

from reconciler.emulator.fault_text import parse_fault
from reconciler.emulator.serve import serve_in_thread
from reconciler.model.state_location import GitBranch
from reconciler.state import lease, watch
from reconciler.state.git import GitBackend
from reconciler.state.lease import RemoteLock

pytestmark = pytest.mark.sampled(every=6)

APPLY = ("apply", "--auto-approve", "--parallelism", "1")
BARE = "  {0}: {{}}\n"
PAIR = """\
  {0}:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      setup_tests: {{run: false}}
      config: {{project_id: acme, data_set_location: US}}
"""
SECRET_PAIR = PAIR.replace("US}}", 'US, secret_key: {{secret: "env:ORDERS_KEY"}}}}')


class Place(Protocol):
    """Where a state is, as tests see it."""

    text: str
    environ: Mapping[str, str]

    def files(self) -> dict[str, str]:
        """What is there."""


@dataclass
class InGit:
    """A branch behind `origin`."""

    upstream: BareRepository
    text: str = f"git:origin/{BRANCH}"
    environ: Mapping[str, str] = field(default_factory=dict)

    def files(self) -> dict[str, str]:
        return self.upstream.read_files()


@dataclass
class InS3:
    """An object."""

    bucket: S3Bucket
    text: str = "s3://states/state.json"
    detour: str = ""

    @property
    def environ(self) -> Mapping[str, str]:
        return build_s3_environ(self.detour) if self.detour else self.bucket.environ

    def files(self) -> dict[str, str]:
        return self.bucket.read_files()


class Runner:
    """A checkout with the project, as every job of a CI system has one."""

    def __init__(self, project: Project, server: EmulatedFivetran, place: Place) -> None:
        self.project, self.server, self.place = project, server, place
        self.folder = project.folder
        project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\nstate: {place.text}\n",
        )
        if isinstance(place, InGit):
            run_git(self.folder, "init", "-q")
            run_git(self.folder, "remote", "add", "origin", str(place.upstream.path))

    def wants(self, *names: str, form: str = BARE) -> None:
        self.project.write_groups("".join(form.format(name) for name in names))

    def run(self, *arguments: str, **environ: str) -> CommandResult:
        """A command in this process."""
        return self.project.run_against(self.server, *arguments, environ={**self.place.environ, **environ})

    @contextmanager
    def running(self, url: str, *arguments: str) -> Iterator[BackgroundProcess]:
        """A command in a process of its own, which talks to the server at `url`."""
        with BackgroundProcess(
            *(arguments or APPLY), directory=self.folder, **build_credentials(url), **self.place.environ
        ) as process:
            yield process

    @contextmanager
    def waiting(
        self, holds: Callable[[str, str], bool] = is_write
    ) -> Iterator[tuple[BackgroundProcess, BlockingServer]]:
        """An apply that waits for the answer to its first write."""
        with serve_blocking(self.server, holds) as (gate, url), self.running(url) as process:
            gate.await_arrivals(1)
            yield process, gate

    @property
    def state(self) -> Any:
        """The state that is there."""
        return json.loads(self.place.files()["state.json"])

    def goes_on(self) -> None:
        """An apply makes nothing that may still come of a run that was killed or cut off: all that it meant to make may
        have been sent for as long as its lease ran. Then the next one does."""
        held = self.run(*APPLY)
        assert held.exit == 6, held.stdout + held.stderr
        assert "may still take effect" in held.stdout
        self.project.advance_time(timedelta(seconds=lease.LEASE_TTL + lease.CLOCK_SKEW) + SETTLE_TIME)
        again = self.run(*APPLY)
        assert again.exit == 0, again.stdout + again.stderr

    def is_done(self) -> None:
        """A plan is empty, nothing is there twice, and nobody holds the lock."""
        plan = self.run("plan", "--detailed-exitcode")
        assert plan.exit == 0, plan.stdout + plan.stderr
        names = [self.server.get(f"/groups/{id}")["name"] for id in self.server.list_ids("groups")]
        assert sorted(names) == sorted(set(names))
        assert "state.json.lock" not in self.place.files()


@pytest.fixture
def upstream(tmp_path_factory: pytest.TempPathFactory) -> BareRepository:
    """A bare repository."""
    return BareRepository(tmp_path_factory.mktemp("server") / "upstream.git")


@pytest.fixture
def in_git(project: Project, server: EmulatedFivetran, upstream: BareRepository) -> Runner:
    """A project with its state in git."""
    return Runner(project, server, InGit(upstream))


@pytest.fixture(params=["git", "s3"])
def anywhere(
    request: pytest.FixtureRequest, project: Project, server: EmulatedFivetran, upstream: BareRepository
) -> Iterator[Runner]:
    """A project with its state in git, and one with it in a bucket."""
    with ExitStack() as until_the_end:
        place: Place = InGit(upstream)
        if request.param == "s3":
            place = InS3(until_the_end.enter_context(open_bucket()))
        yield Runner(project, server, place)


def the_codes(text: str) -> list[str]:
    starts = (line for line in text.splitlines() if line.startswith("error["))
    return [line.removeprefix("error[").partition("]")[0] for line in starts]


@contextmanager
def later(monkeypatch: pytest.MonkeyPatch, **passed: float) -> Iterator[None]:
    """Runs in this process take place some time later."""
    with monkeypatch.context() as patch:
        patch.setattr(HastyClock, "ahead", timedelta(**passed))
        yield


def group_writes(server: EmulatedFivetran) -> list[str]:
    """The groups that were made, and those that got a destination, in the order of the calls."""
    names: dict[str, str] = {}
    told = []
    for each in server.app.read_history():
        if each.effect_of:
            continue
        if each.method == "POST" and each.path == "/v1/groups":
            told.append(f"group {each.body['name']}")
        elif each.method == "POST" and each.path == "/v1/destinations":
            names = {id: server.get(f"/groups/{id}")["name"] for id in server.list_ids("groups")}
            told.append(f"destination {names[each.body['group_id']]}")
    return told


@small_and_large("count", 4, 20)
def test_of_many_applies_at_once_one_proceeds_at_a_time_and_none_is_lost(
    anywhere: Runner, count: int
) -> None:
    names = [f"team_{number:02}" for number in range(count)]
    anywhere.wants(*names, form=PAIR)
    ends: dict[str, list[int]] = {name: [] for name in names}
    start = threading.Barrier(len(names))
    few = threading.Semaphore(2)  # two processors cannot try again many times at once

    def attempt(name: str) -> int:
        done = subprocess.run(
            [*COMMAND, *APPLY, "--target", name],
            cwd=anywhere.folder,
            env=build_environment(**build_credentials(anywhere.server.url), **anywhere.place.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROCESS_TIMEOUT,
            check=False,
        )
        assert done.returncode in (0, 5), (done.stdout, done.stderr)
        if done.returncode == 5:
            assert b"error[locked]" in done.stderr
        return done.returncode

    def until_done(name: str) -> None:
        start.wait(PROCESS_TIMEOUT)
        ends[name].append(attempt(name))
        while ends[name][-1] != 0:
            with few:
                ends[name].append(attempt(name))

    with ThreadPoolExecutor(len(names)) as pool:
        for each in [pool.submit(until_done, name) for name in names]:
            each.result(3 * PROCESS_TIMEOUT)
    assert any(5 in codes for codes in ends.values()), "they did not meet"
    writes = group_writes(anywhere.server)
    assert sorted(writes) == sorted(f"{kind} {name}" for kind in ("group", "destination") for name in names)
    for first, second in zip(writes[::2], writes[1::2], strict=True):
        assert (first.split()[0], second.split()[0]) == ("group", "destination")
        assert first.split()[1] == second.split()[1], "the writes of two runs are mixed"
    records = anywhere.state["records"]
    assert sorted(records) == sorted(f"{kind}.{name}" for kind in ("group", "destination") for name in names)
    assert all(record["id"] and record["intent"] is None for record in records.values())
    anywhere.is_done()


def test_the_history_of_the_branch_shows_one_run_after_the_other(
    in_git: Runner, upstream: BareRepository
) -> None:
    for names in (["a"], ["a", "b"]):
        in_git.wants(*names)
        assert in_git.run(*APPLY).exit == 0
    told = [subject.partition("state.json, ")[2] for subject in upstream.list_subjects()]
    shapes = [each.split()[0].rstrip(";") for each in told]
    assert shapes == ["locked", "serial", "serial", "unlocked"] * 2
    assert told[6] == "serial 4, 2 records"


def test_whoever_has_to_wait_is_told_for_whom_and_until_when(anywhere: Runner) -> None:
    anywhere.wants("first")
    with anywhere.waiting() as (process, gate):
        before = len(anywhere.server.calls)
        second = anywhere.run(*APPLY)
        assert (second.exit, the_codes(second.stderr)) == (5, ["locked"])
        assert f"(process {process.pid}), since 20" in second.stderr
        held = json.loads(anywhere.place.files()["state.json.lock"])
        assert f"free again at {held['until']}" in second.stderr
        assert anywhere.server.calls[before:] == []
        plan = anywhere.run("plan")
        assert plan.exit == 0, "whoever only looks needs no lock"
        gate.released.set()
        assert process.wait_for_exit().code == 0
    anywhere.is_done()


@pytest.mark.parametrize("way", ["in time", "by hand"])
def test_a_killed_holder_is_recovered(anywhere: Runner, way: str) -> None:
    anywhere.wants("first", "second")
    with anywhere.waiting() as (process, _):
        process.signal(signal.SIGKILL)
        process.wait_for_exit()
    locked = anywhere.run(*APPLY)
    assert (locked.exit, the_codes(locked.stderr)) == (5, ["locked"])
    assert f"(process {process.pid})" in locked.stderr
    if way == "by hand":
        refused = anywhere.run("state", "unlock")
        assert (refused.exit, the_codes(refused.stderr)) == (64, ["no-terminal"])
        assert f"no process {process.pid} is on this host" in refused.stdout
        assert "it is free by itself at 20" in refused.stdout
        broken = anywhere.run("state", "unlock", "--auto-approve")
        assert broken.exit == 0, broken.stderr
    else:
        anywhere.project.advance_time(timedelta(minutes=5, seconds=50))
        assert anywhere.run(*APPLY).exit == 5, "clocks may differ by a minute"
        anywhere.project.advance_time(timedelta(seconds=20))
    anywhere.goes_on()
    assert len(anywhere.server.list_ids("groups")) == 2
    anywhere.is_done()


def test_a_lock_that_ran_out_is_tidied_up_by_whoever_looks(
    anywhere: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    anywhere.wants("first")
    with anywhere.waiting() as (process, _):
        process.signal(signal.SIGKILL)
        process.wait_for_exit()
    with later(monkeypatch, minutes=7):
        result = anywhere.run("state", "unlock")
    assert result.exit == 0
    assert f"The lock of {anywhere.place.text} is free." in result.stdout
    assert f"(process {process.pid})" in result.stdout
    assert "state.json.lock" not in anywhere.place.files()


def test_a_lock_that_never_ends_can_be_broken(in_git: Runner, upstream: BareRepository) -> None:
    in_git.wants("first")
    holder = {"pid": 1, "host": "runner-7", "user": "ci", "since": "x", "doing": "reconciler apply"}
    content = {"holder": holder, "until": "9999-12-31T23:59:59+00:00", "mark": "m"}
    shelf = GitBackend(GitBranch(str(upstream.path), BRANCH, is_remote=False), build_context(in_git.folder))
    shelf.read("state.json.lock")
    shelf.write({"state.json.lock": json.dumps(content).encode()}, "for ever")
    locked = in_git.run(*APPLY)
    assert (locked.exit, the_codes(locked.stderr)) == (5, ["locked"])
    assert in_git.run("state", "unlock", "--auto-approve").exit == 0
    assert in_git.run(*APPLY).exit == 0


def test_the_lock_of_a_process_that_runs_here_is_never_broken(anywhere: Runner) -> None:
    anywhere.wants("first")
    with anywhere.waiting() as (process, gate):
        result = anywhere.run("state", "unlock", "--auto-approve")
        assert (result.exit, the_codes(result.stderr)) == (5, ["locked"])
        assert f"stop process {process.pid}" in result.stderr
        gate.released.set()
        assert process.wait_for_exit().code == 0


def test_what_is_about_to_be_done_is_there_before_the_first_write(anywhere: Runner) -> None:
    anywhere.wants("first", "second", form=PAIR)
    with anywhere.waiting() as (process, gate):
        intents = {
            address: record["intent"]["action"] for address, record in anywhere.state["records"].items()
        }
        assert intents == dict.fromkeys(
            ("group.first", "destination.first", "group.second", "destination.second"), "create"
        )
        gate.released.set()
        assert process.wait_for_exit().code == 0
    assert all(record["intent"] is None for record in anywhere.state["records"].values())


@pytest.mark.long
@pytest.mark.sampled(every=2)
def test_what_a_killed_run_did_since_the_last_push_is_found_by_looking(anywhere: Runner) -> None:
    anywhere.wants("first", "second", "third")
    arrived = iter(range(10))
    second = lambda method, path: method == "POST" and next(arrived) == 1  # noqa: E731 - as short as it is
    with anywhere.waiting(holds=second) as (process, gate):
        assert all(record["id"] is None for record in anywhere.state["records"].values())
        process.signal(signal.SIGKILL)
        process.wait_for_exit()
        gate.released.set()
    anywhere.project.advance_time(timedelta(minutes=7))
    anywhere.goes_on()
    assert anywhere.server.writes.count("POST /v1/groups") == 3
    assert all(record["id"] for record in anywhere.state["records"].values())
    anywhere.is_done()


@pytest.mark.parametrize("late", [30, 600])
def test_a_create_that_takes_effect_late_is_made_once(anywhere: Runner, late: int) -> None:
    """S-18. Later runs have other folders, and know only what the state at its place says."""
    anywhere.wants("first", "second", form=PAIR)
    for path in ("groups", "destinations"):
        anywhere.server.app.faults.add(
            parse_fault(f"POST /v1/{path} #1 before-effect close effect-after={late}")
        )
    assert anywhere.run(*APPLY).exit == 6
    assert anywhere.state["records"]["group.first"]["intent"]["sent"]
    for seconds in (0, 5, late, 0, SETTLE_TIME.total_seconds()):
        anywhere.project.advance_time(timedelta(seconds=seconds))
        last = anywhere.run(*APPLY)
        assert last.exit in {0, 6}
    assert last.exit == 0, last.stdout + last.stderr
    assert sorted(group_writes(anywhere.server)) == [
        "destination first",
        "destination second",
        "group first",
        "group second",
    ]
    anywhere.is_done()


@pytest.mark.long
@pytest.mark.sampled(every=3)
@pytest.mark.parametrize("late", [60, 1_000])
def test_a_create_of_a_killed_run_that_takes_effect_late_is_made_once(anywhere: Runner, late: int) -> None:
    """Nothing at the place of the state tells whether the request had left."""
    anywhere.wants("first")
    anywhere.server.app.faults.add(
        parse_fault(f"POST /v1/groups #1 before-effect hang 600 effect-after={late}")
    )
    with anywhere.running(anywhere.server.url) as process:
        eventually(lambda: anywhere.server.writes == ["POST /v1/groups"])
        process.signal(signal.SIGKILL)
        process.wait_for_exit()
    anywhere.server.app.faults.clear()
    assert anywhere.state["records"]["group.first"]["intent"]["sent"] is None
    assert anywhere.run("state", "unlock", "--auto-approve").exit == 0
    assert anywhere.run(*APPLY).exit == 6
    anywhere.project.advance_time(SETTLE_TIME)  # settled it would be, if it had left when its run began
    assert anywhere.run(*APPLY).exit == (6 if late > SETTLE_TIME.total_seconds() else 0)
    anywhere.project.advance_time(timedelta(minutes=5))
    assert anywhere.run(*APPLY).exit == 0
    assert len(anywhere.server.list_ids("groups")) == 1
    anywhere.is_done()


@pytest.mark.parametrize("command", [APPLY, ("plan",), ("state", "list"), ("state", "unlock")], ids=" ".join)
def test_a_place_that_cannot_be_reached_refuses_before_anything_is_sent(
    anywhere: Runner, upstream: BareRepository, command: tuple[str, ...]
) -> None:
    anywhere.wants("first")
    environ = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"} if isinstance(anywhere.place, InS3) else {}
    upstream.path.rename(upstream.path.with_name("away.git"))
    result = anywhere.run(*command, **environ)
    assert (result.exit, the_codes(result.stderr)) == (1, ["state-unreachable"])
    assert anywhere.place.text in result.stderr
    assert "= help: see that " in result.stderr
    assert anywhere.server.calls == []


def test_a_place_that_may_be_read_but_not_written_refuses_as_well(
    in_git: Runner, upstream: BareRepository
) -> None:
    in_git.wants("first")
    upstream.add_hook("pre-receive", "exit 1")
    assert in_git.run("plan").exit == 0
    before = len(in_git.server.calls)
    result = in_git.run(*APPLY)
    assert (result.exit, the_codes(result.stderr)) == (1, ["state-unreachable"])
    assert "pre-receive hook declined" in result.stderr
    assert f"these credentials may push to the branch `{BRANCH}`" in result.stderr
    assert in_git.server.calls[before:] == []


def test_intents_that_cannot_be_pushed_stop_a_run_before_its_first_write(
    in_git: Runner, upstream: BareRepository
) -> None:
    in_git.wants("first")
    upstream.add_hook("pre-receive", "test -e locked && exit 1; touch locked")
    result = in_git.run(*APPLY)
    assert (result.exit, the_codes(result.stderr)) == (1, ["state-unreachable"])
    assert in_git.server.writes == []


@pytest.mark.long
def test_a_push_that_is_refused_half_way_stops_nothing_and_what_was_done_is_rescued(
    in_git: Runner, upstream: BareRepository
) -> None:
    in_git.wants("first", "second", "third")
    with in_git.waiting() as (process, gate):
        upstream.add_hook("pre-receive", "exit 1")
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 6
    assert "3 created" in ended.out
    assert the_codes(ended.err) == ["state-not-kept"]
    [rescued] = (in_git.folder / "specs" / ".reconciler").glob("state.json.rescued-*")
    assert str(rescued.name) in " ".join(ended.err.split())
    records = json.loads(rescued.read_text())["records"]
    assert all(record["id"] and record["intent"] is None for record in records.values())
    (upstream.path / "hooks" / "pre-receive").unlink()
    assert in_git.run("state", "unlock", "--auto-approve").exit == 0
    again = in_git.run(*APPLY)
    assert again.exit == 0, again.stdout + again.stderr
    assert in_git.server.writes == ["POST /v1/groups"] * 3, "all were found"
    in_git.is_done()


def test_a_push_that_failed_is_made_again_and_then_nothing_is_missing(
    in_git: Runner, upstream: BareRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_git.wants("first", "second")
    refused = upstream.path / "refused"

    def interrupt(number: int) -> None:
        if number == 0:
            upstream.add_hook("pre-receive", "touch refused; exit 1")
            at_once(monkeypatch)
            eventually(refused.exists)
            (upstream.path / "hooks" / "pre-receive").unlink()

    with watched(in_git.server, interrupt) as url:
        result = in_git.project.run(*APPLY, environ=build_credentials(url))
    assert result.exit == 0, result.stdout + result.stderr
    in_git.is_done()


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    until = time.monotonic() + PROCESS_TIMEOUT
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


@contextmanager
def watched(server: EmulatedFivetran, on_write: Callable[[int], None]) -> Iterator[str]:
    """A server that does something before it answers a write, which is told how many were before."""
    count = iter(range(1000))

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if is_write(environ["REQUEST_METHOD"], environ["PATH_INFO"]):
            on_write(next(count))
        answer: Iterable[bytes] = server.app(environ, start_response)
        return answer

    with serve_in_thread(app) as url:
        yield url


def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything be due all the time."""
    monkeypatch.setattr(lease, "WRITE_INTERVAL", 0.0)
    monkeypatch.setattr(lease, "RENEW_AFTER", 0.0)


def another(runner: Runner, upstream: BareRepository) -> RemoteLock:
    """The lock as another run sees it."""
    around = build_context(runner.folder)
    shelf = GitBackend(GitBranch(str(upstream.path), BRANCH, is_remote=False), around)
    shelf.read("state.json.lock", "state.json")
    return RemoteLock(shelf, "state.json.lock", HOLDER, around)


@pytest.mark.parametrize("takes", ["the lock", "the state", "the branch"])
def test_a_run_whose_lock_was_taken_starts_nothing_more_and_replaces_nothing(
    in_git: Runner, upstream: BareRepository, monkeypatch: pytest.MonkeyPatch, takes: str
) -> None:
    in_git.wants("first", "second", "third")
    stolen = {}

    def steal(number: int) -> None:
        if number != 0:
            return
        if takes == "the branch":
            run_git(upstream.path, "branch", "-D", BRANCH)
        else:
            changes = {"state.json": b"{}\n"} if takes == "the state" else {}
            another(in_git, upstream).write(changes, "mine now")
        stolen.update(upstream.read_files())
        at_once(monkeypatch)

    with watched(in_git.server, steal) as url:
        result = in_git.project.run(*APPLY, environ=build_credentials(url))
    assert result.exit == 6, result.stdout + result.stderr
    assert the_codes(result.stderr) == ["lease-lost"]
    assert "is not held by this run any more" in result.stderr
    if takes != "the branch":
        assert (
            "it is held by `reconciler apply` by ci on runner-7 (process 4711)"
            in result.stdout + result.stderr
        )
    assert in_git.server.writes == ["POST /v1/groups"]
    assert "2 cancelled" in result.stdout
    assert upstream.read_files() == stolen
    assert list((in_git.folder / "specs" / ".reconciler").glob("state.json.rescued-*"))


def test_a_lock_that_was_taken_before_the_first_write_refuses(
    in_git: Runner, upstream: BareRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_git.wants("first")
    taken = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not taken:
            taken.append(another(in_git, upstream).write({}, "mine now"))
        answer: Iterable[bytes] = in_git.server.app(environ, start_response)
        return answer

    with serve_in_thread(app) as url:
        result = in_git.project.run(*APPLY, environ=build_credentials(url))
    assert (result.exit, the_codes(result.stderr)) == (5, ["lease-lost"])
    assert in_git.server.writes == []
    assert "mine now" in upstream.list_subjects()[-1]


def test_a_lock_is_renewed_while_a_call_takes_its_time_and_results_go_out_meanwhile(
    in_git: Runner, upstream: BareRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_git.wants("first", "second")
    at_once(monkeypatch)
    seen: list[Any] = []

    def wait(number: int) -> None:
        before = len(upstream.list_subjects())
        eventually(lambda: len(upstream.list_subjects()) > before + 2)
        seen.append(json.loads(upstream.read_files()["state.json"])["records"])

    with watched(in_git.server, wait) as url:
        result = in_git.project.run(*APPLY, environ=build_credentials(url))
    assert result.exit == 0, result.stdout + result.stderr
    assert any(subject.endswith("still at work") for subject in upstream.list_subjects())
    assert [records["group.first"]["id"] for records in seen] == [None, in_git.server.list_ids("groups")[0]]


def test_a_lock_is_renewed_while_a_plan_waits_for_an_answer(
    in_git: Runner, upstream: BareRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_git.wants("first")
    at_once(monkeypatch)
    renewed: list[str] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not renewed and environ["PATH_INFO"].endswith("/groups"):
            eventually(lambda: "still at work" in upstream.list_subjects()[-1])
            renewed.extend(upstream.list_subjects())
        answer: Iterable[bytes] = in_git.server.app(environ, start_response)
        return answer

    with serve_in_thread(app) as url:
        result = in_git.project.run(*APPLY, environ=build_credentials(url))
    assert result.exit == 0, result.stdout + result.stderr
    assert renewed


def test_a_lock_that_cannot_be_renewed_until_it_runs_out_stops_the_run(
    in_git: Runner, upstream: BareRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_git.wants("first", "second")

    refused = upstream.path / "refused"

    def interrupt(number: int) -> None:
        if number == 0:
            upstream.add_hook("pre-receive", "touch refused; exit 1")
            monkeypatch.setattr(lease, "LEASE_TTL", 0.0)
            at_once(monkeypatch)
            eventually(refused.exists)
            (upstream.path / "hooks" / "pre-receive").unlink()

    with watched(in_git.server, interrupt) as url:
        result = in_git.project.run(*APPLY, environ=build_credentials(url))
    assert result.exit == 6, result.stdout + result.stderr
    assert the_codes(result.stderr) == ["lease-lost"]
    assert "it could not be renewed: git says: " in result.stderr
    assert in_git.server.writes == ["POST /v1/groups"]
    assert "group.second" not in in_git.state["records"], "nobody took it, so it is written at the end"
    assert in_git.state["records"]["group.first"]["id"]


def test_a_run_whose_lock_was_broken_stops_within_seconds_and_not_when_it_next_writes(
    anywhere: Runner, upstream: BareRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    anywhere.wants(*(f"team_{number:02}" for number in range(40)))
    monkeypatch.setattr(watch, "POLL_INTERVAL", 0.1)
    left: dict[str, str] = {}

    def break_it(number: int) -> None:
        if number == 2:
            if isinstance(anywhere.place, InS3):
                anywhere.place.bucket.put("state.json.lock", "")
            else:
                another(anywhere, upstream).release()
            left.update(anywhere.place.files())
        time.sleep(0.1)

    with watched(anywhere.server, break_it) as url:
        result = anywhere.project.run(*APPLY, environ={**build_credentials(url), **anywhere.place.environ})
    assert result.exit == 6, result.stdout + result.stderr
    assert the_codes(result.stderr) == ["lease-lost"]
    assert "its lock was broken" in result.stderr
    assert len(anywhere.server.writes) < 20, "far from all"
    assert anywhere.place.files() == left, "nothing was written since"
    assert "Checked" not in result.stdout
    # Whoever comes next finds all that were made.
    anywhere.goes_on()
    assert len(anywhere.server.writes) == 40
    anywhere.is_done()


def test_a_run_that_lost_its_state_at_the_end_says_nothing_about_a_new_plan(
    in_git: Runner, upstream: BareRepository
) -> None:
    in_git.wants("first")

    def steal(number: int) -> None:
        another(in_git, upstream).write({}, "mine now")

    with watched(in_git.server, steal) as url:
        result = in_git.project.run(*APPLY, environ=build_credentials(url))
    assert (result.exit, the_codes(result.stderr)) == (6, ["lease-lost"])
    assert "1 created" in result.stdout
    assert "hecked" not in result.stdout
    assert in_git.server.calls[-1] == "POST /v1/groups", "nobody looks any more"


def test_a_lock_that_cannot_be_let_go_of_is_a_warning(in_git: Runner, upstream: BareRepository) -> None:
    in_git.wants("first")
    upstream.add_hook(
        "pre-receive",
        "number=$(cat count 2>/dev/null || echo 0); echo $((number + 1)) > count; test $number -lt 3",
    )
    result = in_git.run(*APPLY)
    assert result.exit == 0, result.stdout + result.stderr
    assert "warning[lock-left]" in result.stderr
    assert "reconciler state unlock" in result.stderr
    (upstream.path / "hooks" / "pre-receive").unlink()
    assert in_git.run("state", "unlock", "--auto-approve").exit == 0


def test_a_plan_beside_an_apply_says_so_and_means_the_same(anywhere: Runner) -> None:
    anywhere.wants("first")
    with anywhere.waiting() as (process, gate):
        plan = anywhere.run("plan", "--detailed-exitcode")
        assert plan.exit == 2
        assert "warning[state-in-use]" in plan.stderr
        assert f"(process {process.pid}), since 20" in plan.stderr
        gate.released.set()
        assert process.wait_for_exit().code == 0
    assert "state-in-use" not in anywhere.run("plan").stderr
    anywhere.is_done()


HANGS = "touch hanging; exec sleep 60"


@pytest.mark.long
def test_whoever_is_stopped_while_its_lock_is_pushed_to_a_server_that_hangs_leaves(
    in_git: Runner, upstream: BareRepository
) -> None:
    in_git.wants("first")
    upstream.add_hook("pre-receive", HANGS)
    with in_git.running(in_git.server.url) as process:
        eventually((upstream.path / "hanging").exists)
        process.signal(signal.SIGINT)
        assert process.wait_for_exit().code == 130
    assert process.seconds_since_signal < 7
    assert in_git.server.calls == []


@pytest.mark.long
def test_whoever_is_stopped_while_fivetran_and_the_place_of_the_state_hang_leaves_its_state_on_this_machine(
    in_git: Runner, upstream: BareRepository
) -> None:
    in_git.wants("first", "second")
    with in_git.waiting() as (process, gate):
        upstream.add_hook("pre-receive", HANGS)
        process.signal(signal.SIGTERM)
        ended = process.wait_for_exit()
        gate.released.set()
    assert process.seconds_since_signal < 8, "what is in flight alone has five seconds"
    assert ended.code == 6
    assert the_codes(ended.err)[-1] == "state-not-kept"
    [rescued] = (in_git.folder / "specs" / ".reconciler").glob("state.json.rescued-*")
    assert json.loads(rescued.read_text())["records"]["group.first"]["intent"]
    assert "nothing has to be done with it" in " ".join(ended.err.split())
    (upstream.path / "hooks" / "pre-receive").unlink()
    assert in_git.run("state", "unlock", "--auto-approve").exit == 0
    in_git.goes_on()
    assert in_git.server.writes.count("POST /v1/groups") == 2
    in_git.is_done()


@pytest.mark.long
def test_whoever_is_stopped_in_the_middle_of_a_push_that_hangs_does_not_wait_for_it(
    in_git: Runner, upstream: BareRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The results so far are under way when the signal comes, and Fivetran answers in the meantime."""
    in_git.wants("first", "second")
    script = in_git.folder / "impatient.py"
    script.write_text(
        "from reconciler.state import lease\nlease.WRITE_INTERVAL = lease.RENEW_AFTER = 0.2\n"
        "from reconciler.cli.main import main\nmain()\n"
    )
    with serve_blocking(in_git.server) as (gate, url):
        command = [COMMAND[0], str(script)]
        with BackgroundProcess(
            *APPLY, directory=in_git.folder, command=command, **build_credentials(url)
        ) as process:
            gate.await_arrivals(1)
            upstream.add_hook("pre-receive", HANGS)
            eventually((upstream.path / "hanging").exists)
            gate.released.set()
            process.signal(signal.SIGTERM)
            ended = process.wait_for_exit()
    assert process.seconds_since_signal < 7
    assert ended.code == 6
    [rescued] = (in_git.folder / "specs" / ".reconciler").glob("state.json.rescued-*")
    assert json.loads(rescued.read_text())["records"]["group.first"]["id"]


def test_whoever_is_stopped_and_can_still_write_leaves_nothing_on_this_machine(in_git: Runner) -> None:
    in_git.wants("first", "second")
    with in_git.waiting() as (process, gate):
        process.signal(signal.SIGTERM)
        process.wait_for("Stopping: ")
        gate.released.set()
        assert process.wait_for_exit().code == 6
    assert not list((in_git.folder / "specs" / ".reconciler").glob("*rescued*"))
    assert list(in_git.place.files()) == ["state.json"]


@pytest.mark.long
@pytest.mark.parametrize("when", ["at once", "later"])
def test_whoever_is_stopped_while_a_bucket_is_silent_leaves(
    project: Project, server: EmulatedFivetran, when: str
) -> None:
    with open_bucket() as bucket, S3Proxy(bucket.environ["AWS_ENDPOINT_URL"]) as way:
        runner = Runner(project, server, InS3(bucket, detour=way.url))
        runner.wants("first", "second")
        if when == "at once":
            way.silent.set()
            with runner.running(server.url) as process:
                assert way.waiting.wait(PROCESS_TIMEOUT)
                process.signal(signal.SIGINT)
                assert process.wait_for_exit().code == 130
        else:
            with runner.waiting() as (process, gate):
                way.silent.set()
                process.signal(signal.SIGTERM)
                process.wait_for("Stopping: ")
                gate.released.set()
                assert process.wait_for_exit().code == 6
            [rescued] = (project.folder / "specs" / ".reconciler").glob("state.json.rescued-*")
            assert json.loads(rescued.read_text())["records"]["group.first"]["id"]
        assert process.seconds_since_signal < 7


def test_a_bucket_without_conditions_is_refused_before_anything_is_sent(
    project: Project, server: EmulatedFivetran
) -> None:
    with open_bucket() as bucket, S3Proxy(bucket.environ["AWS_ENDPOINT_URL"]) as way:
        way.dropped_headers = frozenset({"if-match", "if-none-match"})
        runner = Runner(project, server, InS3(bucket, detour=way.url))
        runner.wants("first")
        result = runner.run(*APPLY)
        assert (result.exit, the_codes(result.stderr)) == (1, ["state-unusable"])
        assert "ignores `If-Match` or `If-None-Match`" in " ".join(result.stderr.split())
        assert server.calls == []
        assert bucket.read_files() == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_is_stopped_writes_down_what_was_done_and_lets_go(in_git: Runner, number: int) -> None:
    in_git.wants("first", "second")
    with in_git.waiting() as (process, gate):
        process.signal(number)
        process.wait_for("Stopping: ")
        gate.released.set()
        ended = process.wait_for_exit()
    assert process.seconds_since_signal < 7
    assert ended.code == 6
    assert list(in_git.place.files()) == ["state.json"]
    assert list(in_git.state["records"]) == ["group.first"]
    assert in_git.run(*APPLY).exit == 0
    in_git.is_done()


def test_whoever_is_stopped_while_it_plans_lets_go_too(in_git: Runner) -> None:
    in_git.wants("first")
    in_git.server.app.faults.add(parse_fault("GET /v1/groups hang 60"))
    with (
        serve_blocking(in_git.server, lambda method, path: path.endswith("/groups"), is_released=True) as (
            gate,
            url,
        ),
        in_git.running(url) as process,
    ):
        gate.await_arrivals(1)
        assert "state.json.lock" in in_git.place.files()
        process.signal(signal.SIGINT)
        assert process.wait_for_exit().code == 130
    assert in_git.place.files() == {}


def test_nothing_secret_is_ever_in_the_branch(in_git: Runner, upstream: BareRepository) -> None:
    in_git.wants("orders", form=SECRET_PAIR)
    first, second = "the-first-secret-key", "the-second-secret-key"
    assert in_git.run(*APPLY, ORDERS_KEY=first).exit == 0
    plan = in_git.run("plan", "--detailed-exitcode", ORDERS_KEY=second)
    assert plan.exit == 0, "without a key nothing can be compared"
    assert not any("HMAC" in name or name.endswith(".key") for name in upstream.read_files())
    assert not list(in_git.folder.rglob("*.key"))
    everything = upstream.read_log()
    for hidden in (first, second, cli_harness.KEY, cli_harness.SECRET):
        assert hidden not in everything
    fingerprints = in_git.state["records"]["destination.orders"]["fingerprints"]
    assert not any(":" in str(each) for each in fingerprints["config"].values()), "none was made"


def test_with_a_key_of_the_team_secrets_are_compared(in_git: Runner, upstream: BareRepository) -> None:
    settings = in_git.folder / "specs" / "reconciler.yaml"
    in_git.project.write(
        "specs/reconciler.yaml", settings.read_text() + 'fingerprint_key: {secret: "env:TEAM_KEY"}\n'
    )
    in_git.wants("orders", form=SECRET_PAIR)
    team = {"TEAM_KEY": "a-key-of-the-team"}
    assert in_git.run(*APPLY, ORDERS_KEY="the-first-secret-key", **team).exit == 0
    for key, code in (("the-first-secret-key", 0), ("the-second-secret-key", 2)):
        assert in_git.run("plan", "--detailed-exitcode", ORDERS_KEY=key, **team).exit == code
    assert "a-key-of-the-team" not in upstream.read_log()


def test_looking_takes_no_lock_and_pushes_nothing(in_git: Runner, upstream: BareRepository) -> None:
    in_git.wants("first")
    assert in_git.run("plan").exit == 0
    assert upstream.read_files() == {}
    assert in_git.run(*APPLY).exit == 0
    before = upstream.list_subjects()
    for command in (("plan",), ("drift",), ("state", "list"), ("state", "show", "first")):
        assert in_git.run(*command).exit == 0
    assert upstream.list_subjects() == before


def test_the_state_is_corrected_by_hand_wherever_it_is(anywhere: Runner) -> None:
    missing = anywhere.run("state", "list")
    assert (missing.exit, the_codes(missing.stderr)) == (1, ["no-state"])
    assert anywhere.run("state", "unlock").exit == 0
    anywhere.wants("first", "second")
    assert anywhere.run(*APPLY).exit == 0
    assert anywhere.run("state", "move", "first", "third").exit == 0
    assert anywhere.run("state", "forget", "second", "--auto-approve").exit == 0
    listed = anywhere.run("state", "list")
    assert listed.stdout.startswith(f"state {anywhere.place.text} · account {anywhere.server.account_id}")
    assert list(anywhere.state["records"]) == ["group.third"]
    assert anywhere.run("state", "show", "third").exit == 0
    assert list(anywhere.place.files()) == ["state.json"]


def test_project_files_share_a_branch(in_git: Runner, upstream: BareRepository) -> None:
    in_git.wants("first")
    in_git.project.write("specs/other.yaml", (in_git.folder / "specs" / "reconciler.yaml").read_text())
    assert in_git.run(*APPLY).exit == 0
    assert in_git.run(*APPLY, "--project", "specs/other.yaml").exit == 0
    assert list(upstream.read_files()) == ["other.state.json", "state.json"]


def test_project_files_of_the_same_name_share_a_branch_too(in_git: Runner, upstream: BareRepository) -> None:
    settings = (in_git.folder / "specs" / "reconciler.yaml").read_text()
    for name in ("prod", "dev"):
        in_git.project.write(f"envs/{name}/reconciler.yaml", settings)
        in_git.project.write(f"envs/{name}/groups/main.yaml", f"version: 1\ngroups:\n  {name}: {{}}\n")
        result = in_git.run(*APPLY, "--project", f"envs/{name}/reconciler.yaml")
        assert result.exit == 0, result.stdout + result.stderr
    assert list(upstream.read_files()) == ["envs.dev.state.json", "envs.prod.state.json"]
    for name in ("prod", "dev"):
        plan = in_git.run("plan", "--detailed-exitcode", "--project", f"envs/{name}/reconciler.yaml")
        assert plan.exit == 0, plan.stdout + plan.stderr


@pytest.mark.long
def test_a_secret_that_changed_after_a_run_was_killed_is_sent(
    in_git: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = in_git.folder / "specs" / "reconciler.yaml"
    in_git.project.write(
        "specs/reconciler.yaml", settings.read_text() + 'fingerprint_key: {secret: "env:TEAM_KEY"}\n'
    )
    in_git.wants("orders", "last", form=SECRET_PAIR)
    team = {"TEAM_KEY": "a-key-of-the-team", "ORDERS_KEY": "the-first-secret-key"}
    last = lambda method, path: is_write(method, path) and path.endswith("destinations") and next(count) == 1  # noqa: E731
    count = iter(range(10))
    with serve_blocking(in_git.server, last) as (gate, url):
        with BackgroundProcess(*APPLY, directory=in_git.folder, **build_credentials(url), **team) as process:
            gate.await_arrivals(1)
            process.signal(signal.SIGKILL)
            process.wait_for_exit()
        gate.released.set()
    with later(monkeypatch, minutes=7):
        same = in_git.run("plan", **team)
        assert "cannot be compared" not in same.stdout + same.stderr
        again = in_git.run(*APPLY, **{**team, "ORDERS_KEY": "the-second-secret-key"})
    assert again.exit == 0, again.stdout + again.stderr
    assert "2 updated" in again.stdout
    rotated = {**team, "ORDERS_KEY": "the-second-secret-key"}
    assert in_git.run("plan", "--detailed-exitcode", **rotated).exit == 0
    made = in_git.state["records"]["destination.orders"]["fingerprints"]
    assert all(":" in each for each in made["config"].values())


def test_the_sandbox_has_a_state_of_its_own(in_git: Runner, upstream: BareRepository) -> None:
    in_git.wants("first")
    assert in_git.run(*APPLY, "--sandbox").exit == 0
    assert upstream.read_files() == {}


def test_an_altered_state_is_named_before_anything_is_sent(in_git: Runner, upstream: BareRepository) -> None:
    in_git.wants("first")
    shelf = GitBackend(GitBranch(str(upstream.path), BRANCH, is_remote=False), build_context(in_git.folder))
    for content, code in ((b"no JSON", "state-damaged"), (b'{"format": 99}', "state-newer")):
        shelf.read("state.json")
        shelf.write({"state.json": content}, "by hand")
        result = in_git.run(*APPLY)
        assert (result.exit, the_codes(result.stderr)) == (1, [code])
    assert in_git.server.calls == []
    assert list(upstream.read_files()) == ["state.json"]
