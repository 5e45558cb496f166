"""Check that only one run at a time writes a state in git or in a bucket (S-55).

The remote backends are real: a bare repository, and an emulated S3 on a loopback socket.
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
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import cli_harness
import pytest
from background_process import BackgroundProcess
from blocking_server import BlockingServer, is_write, serve_blocking
from cli_harness import SETTLE_TIME, CommandResult, EmulatedFivetran, Project, build_credentials
from command_line import COMMAND, PROCESS_TIMEOUT, build_environment
from emulated_objects import AzureStorage, GoogleStorage, ObjectServer, serve_objects
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

pytestmark = pytest.mark.sampled(every=6, tests=5)

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


class RemoteState(Protocol):
    """Remote location of a state."""

    @property
    def text(self) -> str: ...

    @property
    def environ(self) -> Mapping[str, str]: ...

    def read_files(self) -> dict[str, str]:
        """Read the stored files by name."""


@dataclass
class GitState:
    """Branch of the remote repository `origin`."""

    upstream: BareRepository
    text: str = f"git:origin/{BRANCH}"
    environ: Mapping[str, str] = field(default_factory=dict)

    def read_files(self) -> dict[str, str]:
        return self.upstream.read_files()


@dataclass
class S3State:
    """Object in an S3 bucket."""

    bucket: S3Bucket
    text: str = "s3://states/state.json"
    proxy_url: str = ""

    @property
    def environ(self) -> Mapping[str, str]:
        return build_s3_environ(self.proxy_url) if self.proxy_url else self.bucket.environ

    @property
    def unreachable_environ(self) -> Mapping[str, str]:
        return {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}

    def read_files(self) -> dict[str, str]:
        return self.bucket.read_files()

    def put(self, name: str, content: str) -> None:
        self.bucket.put(name, content)


@dataclass
class ObjectState:
    """Object of another cloud. Its limit on writes is off: another module tests it, with real time."""

    server: ObjectServer

    def __post_init__(self) -> None:
        self.server.write_interval = 0.0

    @property
    def text(self) -> str:
        return f"{self.server.scheme}://states/state.json"

    @property
    def environ(self) -> Mapping[str, str]:
        return self.server.environ

    @property
    def unreachable_environ(self) -> Mapping[str, str]:
        variable = "GOOGLE_BASE_URL" if self.server.scheme == "gs" else "AZURE_STORAGE_ENDPOINT"
        return {variable: "http://127.0.0.1:9"}

    def read_files(self) -> dict[str, str]:
        return self.server.read_files()

    def put(self, name: str, content: str) -> None:
        self.server.put(name, content)


class Checkout:
    """Checkout of the project, as in a CI job."""

    def __init__(self, project: Project, server: EmulatedFivetran, remote_state: RemoteState) -> None:
        self.project, self.server, self.remote_state = project, server, remote_state
        self.folder = project.folder
        project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\nstate: {remote_state.text}\n",
        )
        if isinstance(remote_state, GitState):
            run_git(self.folder, "init", "-q")
            run_git(self.folder, "remote", "add", "origin", str(remote_state.upstream.path))

    def write_specs(self, *names: str, form: str = BARE) -> None:
        self.project.write_groups("".join(form.format(name) for name in names))

    def run(self, *arguments: str, **environ: str) -> CommandResult:
        """Run a command in this process."""
        return self.project.run_against(
            self.server, *arguments, environ={**self.remote_state.environ, **environ}
        )

    @contextmanager
    def start_command(self, url: str, *arguments: str) -> Iterator[BackgroundProcess]:
        """Start a command in another process, for the server at `url`."""
        with BackgroundProcess(
            *(arguments or APPLY),
            directory=self.folder,
            **build_credentials(url),
            **self.remote_state.environ,
        ) as process:
            yield process

    @contextmanager
    def start_blocked_apply(
        self, is_blocked: Callable[[str, str], bool] = is_write
    ) -> Iterator[tuple[BackgroundProcess, BlockingServer]]:
        """Start an apply that waits for the answer to its first write."""
        with serve_blocking(self.server, is_blocked) as (gate, url), self.start_command(url) as process:
            gate.await_arrivals(1)
            yield process, gate

    @property
    def state(self) -> Any:
        """Read the stored state."""
        return json.loads(self.remote_state.read_files()["state.json"])

    def check_recovery(self) -> None:
        """Check that an apply holds the creates of an interrupted run, and sends them after lease and settle time.

        The interrupted run may have sent its creates at any time within its lease.
        """
        held = self.run(*APPLY)
        assert held.exit == 6, held.stdout + held.stderr
        assert "may still take effect" in held.stdout
        self.project.advance_time(timedelta(seconds=lease.LEASE_TTL + lease.CLOCK_SKEW) + SETTLE_TIME)
        again = self.run(*APPLY)
        assert again.exit == 0, again.stdout + again.stderr

    def check_converged(self) -> None:
        """Check that a plan is empty, no group exists twice, and the lock is free."""
        plan = self.run("plan", "--detailed-exitcode")
        assert plan.exit == 0, plan.stdout + plan.stderr
        names = [self.server.get(f"/groups/{id}")["name"] for id in self.server.list_ids("groups")]
        assert sorted(names) == sorted(set(names))
        assert "state.json.lock" not in self.remote_state.read_files()


@pytest.fixture
def upstream(tmp_path_factory: pytest.TempPathFactory) -> BareRepository:
    """Create a bare repository."""
    return BareRepository(tmp_path_factory.mktemp("server") / "upstream.git")


@pytest.fixture
def git_checkout(project: Project, server: EmulatedFivetran, upstream: BareRepository) -> Checkout:
    """Create a project with its state in git."""
    return Checkout(project, server, GitState(upstream))


@pytest.fixture(
    params=["git", "s3", *(pytest.param(scheme, marks=pytest.mark.long) for scheme in ("gs", "az"))]
)
def remote_checkout(
    request: pytest.FixtureRequest, project: Project, server: EmulatedFivetran, upstream: BareRepository
) -> Iterator[Checkout]:
    """Create a project with its state in git, or in a bucket of each cloud."""
    with ExitStack() as stack:
        remote_state: RemoteState = GitState(upstream)
        if request.param == "s3":
            remote_state = S3State(stack.enter_context(open_bucket()))
        elif request.param != "git":
            cloud = GoogleStorage() if request.param == "gs" else AzureStorage()
            remote_state = ObjectState(stack.enter_context(serve_objects(cloud)))
        yield Checkout(project, server, remote_state)


def list_error_codes(text: str) -> list[str]:
    starts = (line for line in text.splitlines() if line.startswith("error["))
    return [line.removeprefix("error[").partition("]")[0] for line in starts]


@contextmanager
def advance_clock(monkeypatch: pytest.MonkeyPatch, **passed: float) -> Iterator[None]:
    """Move the clock of runs in this process ahead."""
    with monkeypatch.context() as patch:
        patch.setattr(HastyClock, "ahead", timedelta(**passed))
        yield


def list_create_calls(server: EmulatedFivetran) -> list[str]:
    """List created groups and destinations by group name, in the order of the calls."""
    names: dict[str, str] = {}
    writes = []
    for each in server.app.read_history():
        if each.effect_of:
            continue
        if each.method == "POST" and each.path == "/v1/groups":
            writes.append(f"group {each.body['name']}")
        elif each.method == "POST" and each.path == "/v1/destinations":
            names = {id: server.get(f"/groups/{id}")["name"] for id in server.list_ids("groups")}
            writes.append(f"destination {names[each.body['group_id']]}")
    return writes


@small_and_large("count", 4, 10)
def test_simultaneous_applies_proceed_one_at_a_time_and_lose_nothing(
    remote_checkout: Checkout, count: int
) -> None:
    names = [f"team_{number:02}" for number in range(count)]
    remote_checkout.write_specs(*names, form=PAIR)
    ends: dict[str, list[int]] = {name: [] for name in names}
    start = threading.Barrier(len(names))
    retry_limit = threading.Semaphore(2)  # limits the load of simultaneous retries

    def attempt(name: str) -> int:
        done = subprocess.run(
            [*COMMAND, *APPLY, "--target", name],
            cwd=remote_checkout.folder,
            env=build_environment(
                **build_credentials(remote_checkout.server.url), **remote_checkout.remote_state.environ
            ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROCESS_TIMEOUT,
            check=False,
        )
        assert done.returncode in (0, 5), (done.stdout, done.stderr)
        if done.returncode == 5:
            assert b"error[locked]" in done.stderr
        return done.returncode

    def apply_until_done(name: str) -> None:
        start.wait(PROCESS_TIMEOUT)
        ends[name].append(attempt(name))
        while ends[name][-1] != 0:
            with retry_limit:
                ends[name].append(attempt(name))

    with ThreadPoolExecutor(len(names)) as pool:
        for each in [pool.submit(apply_until_done, name) for name in names]:
            each.result(3 * PROCESS_TIMEOUT)
    assert any(5 in codes for codes in ends.values()), "no run met the lock of another run"
    writes = list_create_calls(remote_checkout.server)
    assert sorted(writes) == sorted(f"{kind} {name}" for kind in ("group", "destination") for name in names)
    for first, second in zip(writes[::2], writes[1::2], strict=True):
        assert (first.split()[0], second.split()[0]) == ("group", "destination")
        assert first.split()[1] == second.split()[1], "the writes of two runs are interleaved"
    records = remote_checkout.state["records"]
    assert sorted(records) == sorted(f"{kind}.{name}" for kind in ("group", "destination") for name in names)
    assert all(record["id"] and record["intent"] is None for record in records.values())
    remote_checkout.check_converged()


@pytest.mark.long
def test_the_history_of_the_branch_lists_the_runs_in_order(
    git_checkout: Checkout, upstream: BareRepository
) -> None:
    for names in (["a"], ["a", "b"]):
        git_checkout.write_specs(*names)
        assert git_checkout.run(*APPLY).exit == 0
    subjects = [subject.partition("state.json, ")[2] for subject in upstream.list_subjects()]
    shapes = [each.split()[0].rstrip(";") for each in subjects]
    assert shapes == ["locked", "serial", "serial", "unlocked"] * 2
    assert subjects[6] == "serial 4, 2 records"


def test_a_refused_run_names_the_lock_holder_and_its_expiry(remote_checkout: Checkout) -> None:
    remote_checkout.write_specs("first")
    with remote_checkout.start_blocked_apply() as (process, gate):
        before = len(remote_checkout.server.calls)
        second = remote_checkout.run(*APPLY)
        assert (second.exit, list_error_codes(second.stderr)) == (5, ["locked"])
        assert f"(process {process.pid}), since 20" in second.stderr
        held = json.loads(remote_checkout.remote_state.read_files()["state.json.lock"])
        assert f"free again at {held['until']}" in second.stderr
        assert remote_checkout.server.calls[before:] == []
        plan = remote_checkout.run("plan")
        assert plan.exit == 0, "a plan needs no lock"
        gate.released.set()
        assert process.wait_for_exit().code == 0
    remote_checkout.check_converged()


@pytest.mark.parametrize("way", ["expiry", "unlock"])
def test_the_next_run_recovers_after_a_killed_lock_holder(remote_checkout: Checkout, way: str) -> None:
    remote_checkout.write_specs("first", "second")
    with remote_checkout.start_blocked_apply() as (process, _):
        process.signal(signal.SIGKILL)
        process.wait_for_exit()
    locked = remote_checkout.run(*APPLY)
    assert (locked.exit, list_error_codes(locked.stderr)) == (5, ["locked"])
    assert f"(process {process.pid})" in locked.stderr
    if way == "unlock":
        refused = remote_checkout.run("state", "unlock")
        assert (refused.exit, list_error_codes(refused.stderr)) == (64, ["no-terminal"])
        assert f"this host has no process {process.pid}" in refused.stdout
        assert "it is free by itself at 20" in refused.stdout
        broken = remote_checkout.run("state", "unlock", "--auto-approve")
        assert broken.exit == 0, broken.stderr
    else:
        lock = json.loads(remote_checkout.remote_state.read_files()["state.json.lock"])
        expiry = datetime.fromisoformat(lock["until"]) + timedelta(seconds=lease.CLOCK_SKEW)
        # As near as a slow machine allows.
        remote_checkout.project.advance_time(expiry - timedelta(seconds=30) - datetime.now(UTC))
        assert remote_checkout.run(*APPLY).exit == 5, "the lease is extended by the permitted clock skew"
        remote_checkout.project.advance_time(timedelta(seconds=40))
    remote_checkout.check_recovery()
    assert len(remote_checkout.server.list_ids("groups")) == 2
    remote_checkout.check_converged()


def test_an_expired_lock_is_cleared_by_unlock(
    remote_checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote_checkout.write_specs("first")
    with remote_checkout.start_blocked_apply() as (process, _):
        process.signal(signal.SIGKILL)
        process.wait_for_exit()
    with advance_clock(monkeypatch, minutes=7):
        result = remote_checkout.run("state", "unlock")
    assert result.exit == 0
    assert f"The lock of {remote_checkout.remote_state.text} is free." in result.stdout
    assert f"(process {process.pid})" in result.stdout
    assert "state.json.lock" not in remote_checkout.remote_state.read_files()


def test_a_lock_without_expiry_can_be_broken(git_checkout: Checkout, upstream: BareRepository) -> None:
    git_checkout.write_specs("first")
    holder = {"pid": 1, "host": "runner-7", "user": "ci", "since": "x", "doing": "reconciler apply"}
    content = {"holder": holder, "until": "9999-12-31T23:59:59+00:00", "mark": "m"}
    backend = GitBackend(
        GitBranch(str(upstream.path), BRANCH, is_remote=False), build_context(git_checkout.folder)
    )
    backend.read("state.json.lock")
    backend.write({"state.json.lock": json.dumps(content).encode()}, "endless lock")
    locked = git_checkout.run(*APPLY)
    assert (locked.exit, list_error_codes(locked.stderr)) == (5, ["locked"])
    assert git_checkout.run("state", "unlock", "--auto-approve").exit == 0
    assert git_checkout.run(*APPLY).exit == 0


def test_the_lock_of_a_live_local_process_is_never_broken(remote_checkout: Checkout) -> None:
    remote_checkout.write_specs("first")
    with remote_checkout.start_blocked_apply() as (process, gate):
        result = remote_checkout.run("state", "unlock", "--auto-approve")
        assert (result.exit, list_error_codes(result.stderr)) == (5, ["locked"])
        assert f"stop process {process.pid}" in result.stderr
        gate.released.set()
        assert process.wait_for_exit().code == 0


def test_intents_are_stored_before_the_first_write(remote_checkout: Checkout) -> None:
    remote_checkout.write_specs("first", "second", form=PAIR)
    with remote_checkout.start_blocked_apply() as (process, gate):
        intents = {
            address: record["intent"]["action"]
            for address, record in remote_checkout.state["records"].items()
        }
        assert intents == dict.fromkeys(
            ("group.first", "destination.first", "group.second", "destination.second"), "create"
        )
        gate.released.set()
        assert process.wait_for_exit().code == 0
    assert all(record["intent"] is None for record in remote_checkout.state["records"].values())


@pytest.mark.long
@pytest.mark.sampled(every=2)
def test_creates_of_a_killed_run_after_its_last_push_are_recovered(remote_checkout: Checkout) -> None:
    remote_checkout.write_specs("first", "second", "third")
    arrived = iter(range(10))
    second = lambda method, path: method == "POST" and next(arrived) == 1  # noqa: E731 - a one-line predicate
    with remote_checkout.start_blocked_apply(is_blocked=second) as (process, gate):
        assert all(record["id"] is None for record in remote_checkout.state["records"].values())
        process.signal(signal.SIGKILL)
        process.wait_for_exit()
        gate.released.set()
    remote_checkout.project.advance_time(timedelta(minutes=7))
    remote_checkout.check_recovery()
    assert remote_checkout.server.writes.count("POST /v1/groups") == 3
    assert all(record["id"] for record in remote_checkout.state["records"].values())
    remote_checkout.check_converged()


@pytest.mark.long
@pytest.mark.parametrize("late", [30, 600])
def test_a_late_create_takes_effect_once(remote_checkout: Checkout, late: int) -> None:
    """Later runs have other folders, and know only the remote state (S-18)."""
    remote_checkout.write_specs("first", "second", form=PAIR)
    for path in ("groups", "destinations"):
        remote_checkout.server.app.faults.add(
            parse_fault(f"POST /v1/{path} #1 before-effect close effect-after={late}")
        )
    assert remote_checkout.run(*APPLY).exit == 6
    assert remote_checkout.state["records"]["group.first"]["intent"]["sent"]
    for seconds in (0, 5, late, 0, SETTLE_TIME.total_seconds()):
        remote_checkout.project.advance_time(timedelta(seconds=seconds))
        last = remote_checkout.run(*APPLY)
        assert last.exit in {0, 6}
    assert last.exit == 0, last.stdout + last.stderr
    assert sorted(list_create_calls(remote_checkout.server)) == [
        "destination first",
        "destination second",
        "group first",
        "group second",
    ]
    remote_checkout.check_converged()


@pytest.mark.long
@pytest.mark.sampled(every=3)
@pytest.mark.parametrize("late", [60, 1_000])
def test_a_late_create_of_a_killed_run_takes_effect_once(remote_checkout: Checkout, late: int) -> None:
    """The remote state does not show whether the request was sent."""
    remote_checkout.write_specs("first")
    remote_checkout.server.app.faults.add(
        parse_fault(f"POST /v1/groups #1 before-effect hang 600 effect-after={late}")
    )
    with remote_checkout.start_command(remote_checkout.server.url) as process:
        wait_until(lambda: remote_checkout.server.writes == ["POST /v1/groups"])
        process.signal(signal.SIGKILL)
        process.wait_for_exit()
    remote_checkout.server.app.faults.clear()
    assert remote_checkout.state["records"]["group.first"]["intent"]["sent"] is None
    assert remote_checkout.run("state", "unlock", "--auto-approve").exit == 0
    assert remote_checkout.run(*APPLY).exit == 6
    remote_checkout.project.advance_time(
        SETTLE_TIME
    )  # not settled yet: the lease may have delayed the request
    assert remote_checkout.run(*APPLY).exit == (6 if late > SETTLE_TIME.total_seconds() else 0)
    remote_checkout.project.advance_time(timedelta(minutes=5))
    assert remote_checkout.run(*APPLY).exit == 0
    assert len(remote_checkout.server.list_ids("groups")) == 1
    remote_checkout.check_converged()


@pytest.mark.parametrize("command", [APPLY, ("plan",), ("state", "list"), ("state", "unlock")], ids=" ".join)
def test_an_unreachable_backend_is_refused_before_any_request(
    remote_checkout: Checkout, upstream: BareRepository, command: tuple[str, ...]
) -> None:
    remote_checkout.write_specs("first")
    remote_state = remote_checkout.remote_state
    is_in_bucket = isinstance(remote_state, S3State | ObjectState)
    environ = remote_state.unreachable_environ if is_in_bucket else {}
    upstream.path.rename(upstream.path.with_name("away.git"))
    result = remote_checkout.run(*command, **environ)
    assert (result.exit, list_error_codes(result.stderr)) == (1, ["state-unreachable"])
    assert remote_checkout.remote_state.text in result.stderr
    advice = (
        "see that its endpoint can be reached" if is_in_bucket else "correct the address of the repository"
    )
    assert f"= help: {advice}" in result.stderr
    assert remote_checkout.server.calls == []


def test_a_read_only_backend_refuses_an_apply_before_any_request(
    git_checkout: Checkout, upstream: BareRepository
) -> None:
    git_checkout.write_specs("first")
    upstream.add_hook("pre-receive", "exit 1")
    assert git_checkout.run("plan").exit == 0
    before = len(git_checkout.server.calls)
    result = git_checkout.run(*APPLY)
    assert (result.exit, list_error_codes(result.stderr)) == (1, ["state-unreachable"])
    assert "pre-receive hook declined" in result.stderr
    assert f"these credentials may push to the branch `{BRANCH}`" in result.stderr
    assert git_checkout.server.calls[before:] == []


def test_a_run_stops_before_its_first_write_if_intents_cannot_be_pushed(
    git_checkout: Checkout, upstream: BareRepository
) -> None:
    git_checkout.write_specs("first")
    upstream.add_hook("pre-receive", "test -e locked && exit 1; touch locked")
    result = git_checkout.run(*APPLY)
    assert (result.exit, list_error_codes(result.stderr)) == (1, ["state-unreachable"])
    assert git_checkout.server.writes == []


@pytest.mark.long
def test_a_refused_push_during_an_apply_leads_to_a_backup_of_the_state(
    git_checkout: Checkout, upstream: BareRepository
) -> None:
    git_checkout.write_specs("first", "second", "third")
    with git_checkout.start_blocked_apply() as (process, gate):
        upstream.add_hook("pre-receive", "exit 1")
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 6
    assert "3 created" in ended.out
    assert list_error_codes(ended.err) == ["state-not-kept"]
    [rescued] = (git_checkout.folder / "specs" / ".reconciler").glob("state.json.rescued-*")
    assert str(rescued.name) in " ".join(ended.err.split())
    records = json.loads(rescued.read_text())["records"]
    assert all(record["id"] and record["intent"] is None for record in records.values())
    (upstream.path / "hooks" / "pre-receive").unlink()
    assert git_checkout.run("state", "unlock", "--auto-approve").exit == 0
    again = git_checkout.run(*APPLY)
    assert again.exit == 0, again.stdout + again.stderr
    assert git_checkout.server.writes == ["POST /v1/groups"] * 3, "all groups were recovered"
    git_checkout.check_converged()


def test_a_failed_push_is_repeated_with_all_records(
    git_checkout: Checkout, upstream: BareRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_checkout.write_specs("first", "second")
    refused = upstream.path / "refused"

    def interrupt(number: int) -> None:
        if number == 0:
            upstream.add_hook("pre-receive", "touch refused; exit 1")
            disable_intervals(monkeypatch)
            wait_until(refused.exists)
            (upstream.path / "hooks" / "pre-receive").unlink()

    with serve_with_hook(git_checkout.server, interrupt) as url:
        result = git_checkout.project.run(*APPLY, environ=build_credentials(url))
    assert result.exit == 0, result.stdout + result.stderr
    git_checkout.check_converged()


def wait_until(is_blocked: Callable[[], bool]) -> None:
    """Wait until the condition is true."""
    until = time.monotonic() + PROCESS_TIMEOUT
    while not is_blocked():
        assert time.monotonic() < until
        time.sleep(0.01)


@contextmanager
def serve_with_hook(server: EmulatedFivetran, on_write: Callable[[int], None]) -> Iterator[str]:
    """Serve the account and call `on_write` before each write, with the number of earlier writes."""
    count = iter(range(1000))

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if is_write(environ["REQUEST_METHOD"], environ["PATH_INFO"]):
            on_write(next(count))
        answer: Iterable[bytes] = server.app(environ, start_response)
        return answer

    with serve_in_thread(app) as url:
        yield url


def disable_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each renewal and each write of the state be due at once."""
    monkeypatch.setattr(lease, "WRITE_INTERVAL", 0.0)
    monkeypatch.setattr(lease, "RENEW_AFTER", 0.0)


def open_other_lock(checkout: Checkout, upstream: BareRepository) -> RemoteLock:
    """Open the lock as another run."""
    context = build_context(checkout.folder)
    backend = GitBackend(GitBranch(str(upstream.path), BRANCH, is_remote=False), context)
    backend.read("state.json.lock", "state.json")
    return RemoteLock(backend, "state.json.lock", HOLDER, context)


@pytest.mark.parametrize("takes", ["the lock", "the state", "the branch"])
def test_a_run_that_lost_its_lock_starts_no_change_and_overwrites_nothing(
    git_checkout: Checkout, upstream: BareRepository, monkeypatch: pytest.MonkeyPatch, takes: str
) -> None:
    git_checkout.write_specs("first", "second", "third")
    stolen = {}

    def steal(number: int) -> None:
        if number != 0:
            return
        if takes == "the branch":
            run_git(upstream.path, "branch", "-D", BRANCH)
        else:
            changes = {"state.json": b"{}\n"} if takes == "the state" else {}
            open_other_lock(git_checkout, upstream).write(changes, "mine now")
        stolen.update(upstream.read_files())
        disable_intervals(monkeypatch)

    with serve_with_hook(git_checkout.server, steal) as url:
        result = git_checkout.project.run(*APPLY, environ=build_credentials(url))
    assert result.exit == 6, result.stdout + result.stderr
    assert list_error_codes(result.stderr) == ["lease-lost"]
    assert "is not held by this run any more" in result.stderr
    if takes != "the branch":
        assert (
            "it is held by `reconciler apply` by ci on runner-7 (process 4711)"
            in result.stdout + result.stderr
        )
    assert git_checkout.server.writes == ["POST /v1/groups"]
    assert "2 cancelled" in result.stdout
    assert upstream.read_files() == stolen
    assert list((git_checkout.folder / "specs" / ".reconciler").glob("state.json.rescued-*"))


def test_a_lock_lost_before_the_first_write_refuses_the_apply(
    git_checkout: Checkout, upstream: BareRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_checkout.write_specs("first")
    taken = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not taken:
            taken.append(open_other_lock(git_checkout, upstream).write({}, "mine now"))
        answer: Iterable[bytes] = git_checkout.server.app(environ, start_response)
        return answer

    with serve_in_thread(app) as url:
        result = git_checkout.project.run(*APPLY, environ=build_credentials(url))
    assert (result.exit, list_error_codes(result.stderr)) == (5, ["lease-lost"])
    assert git_checkout.server.writes == []
    assert "mine now" in upstream.list_subjects()[-1]


def test_a_slow_call_does_not_delay_lock_renewal_and_results(
    git_checkout: Checkout, upstream: BareRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_checkout.write_specs("first", "second")
    disable_intervals(monkeypatch)
    seen: list[Any] = []

    def wait(number: int) -> None:
        before = len(upstream.list_subjects())
        wait_until(lambda: len(upstream.list_subjects()) > before + 2)
        seen.append(json.loads(upstream.read_files()["state.json"])["records"])

    with serve_with_hook(git_checkout.server, wait) as url:
        result = git_checkout.project.run(*APPLY, environ=build_credentials(url))
    assert result.exit == 0, result.stdout + result.stderr
    assert any(subject.endswith("still at work") for subject in upstream.list_subjects())
    assert [records["group.first"]["id"] for records in seen] == [
        None,
        git_checkout.server.list_ids("groups")[0],
    ]


@pytest.mark.long
def test_a_lock_is_renewed_while_a_plan_waits_for_an_answer(
    git_checkout: Checkout, upstream: BareRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_checkout.write_specs("first")
    disable_intervals(monkeypatch)
    renewed: list[str] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not renewed and environ["PATH_INFO"].endswith("/groups"):
            wait_until(lambda: "still at work" in upstream.list_subjects()[-1])
            renewed.extend(upstream.list_subjects())
        answer: Iterable[bytes] = git_checkout.server.app(environ, start_response)
        return answer

    with serve_in_thread(app) as url:
        result = git_checkout.project.run(*APPLY, environ=build_credentials(url))
    assert result.exit == 0, result.stdout + result.stderr
    assert renewed


@pytest.mark.long
def test_a_run_stops_if_its_lock_expires_without_renewal(
    git_checkout: Checkout, upstream: BareRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_checkout.write_specs("first", "second")

    refused = upstream.path / "refused"

    def interrupt(number: int) -> None:
        if number == 0:
            upstream.add_hook("pre-receive", "touch refused; exit 1")
            monkeypatch.setattr(lease, "LEASE_TTL", 0.0)
            disable_intervals(monkeypatch)
            wait_until(refused.exists)
            (upstream.path / "hooks" / "pre-receive").unlink()

    with serve_with_hook(git_checkout.server, interrupt) as url:
        result = git_checkout.project.run(*APPLY, environ=build_credentials(url))
    assert result.exit == 6, result.stdout + result.stderr
    assert list_error_codes(result.stderr) == ["lease-lost"]
    assert "it could not be renewed: git says: " in result.stderr
    assert git_checkout.server.writes == ["POST /v1/groups"]
    assert "group.second" not in git_checkout.state["records"], (
        "no other run took the lock, so the final state is written"
    )
    assert git_checkout.state["records"]["group.first"]["id"]


def test_a_run_stops_within_seconds_after_its_lock_is_broken(
    remote_checkout: Checkout, upstream: BareRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote_checkout.write_specs(*(f"team_{number:02}" for number in range(40)))
    monkeypatch.setattr(watch, "POLL_INTERVAL", 0.1)
    left: dict[str, str] = {}

    def break_lock(number: int) -> None:
        if number == 2:
            if isinstance(remote_checkout.remote_state, S3State | ObjectState):
                remote_checkout.remote_state.put("state.json.lock", "")
            else:
                open_other_lock(remote_checkout, upstream).release()
            left.update(remote_checkout.remote_state.read_files())
        time.sleep(0.1)

    with serve_with_hook(remote_checkout.server, break_lock) as url:
        result = remote_checkout.project.run(
            *APPLY, environ={**build_credentials(url), **remote_checkout.remote_state.environ}
        )
    assert result.exit == 6, result.stdout + result.stderr
    assert list_error_codes(result.stderr) == ["lease-lost"]
    assert "its lock was broken" in result.stderr
    assert len(remote_checkout.server.writes) < 20, "the run stopped early"
    assert remote_checkout.remote_state.read_files() == left, "the run wrote no state after it lost the lock"
    assert "Checked" not in result.stdout
    # The next run recovers all created groups.
    remote_checkout.check_recovery()
    assert len(remote_checkout.server.writes) == 40
    remote_checkout.check_converged()


@pytest.mark.long
def test_a_run_that_lost_its_lock_skips_the_convergence_check(
    git_checkout: Checkout, upstream: BareRepository
) -> None:
    git_checkout.write_specs("first")

    def steal(number: int) -> None:
        open_other_lock(git_checkout, upstream).write({}, "mine now")

    with serve_with_hook(git_checkout.server, steal) as url:
        result = git_checkout.project.run(*APPLY, environ=build_credentials(url))
    assert (result.exit, list_error_codes(result.stderr)) == (6, ["lease-lost"])
    assert "1 created" in result.stdout
    assert "hecked" not in result.stdout
    assert git_checkout.server.calls[-1] == "POST /v1/groups", "no convergence check follows"


def test_a_lock_that_cannot_be_released_is_a_warning(
    git_checkout: Checkout, upstream: BareRepository
) -> None:
    git_checkout.write_specs("first")
    upstream.add_hook(
        "pre-receive",
        "number=$(cat count 2>/dev/null || echo 0); echo $((number + 1)) > count; test $number -lt 3",
    )
    result = git_checkout.run(*APPLY)
    assert result.exit == 0, result.stdout + result.stderr
    assert "warning[lock-left]" in result.stderr
    assert "reconciler state unlock" in result.stderr
    (upstream.path / "hooks" / "pre-receive").unlink()
    assert git_checkout.run("state", "unlock", "--auto-approve").exit == 0


def test_a_plan_during_an_apply_warns_and_is_unchanged(remote_checkout: Checkout) -> None:
    remote_checkout.write_specs("first")
    with remote_checkout.start_blocked_apply() as (process, gate):
        plan = remote_checkout.run("plan", "--detailed-exitcode")
        assert plan.exit == 2
        assert "warning[state-in-use]" in plan.stderr
        assert f"(process {process.pid}), since 20" in plan.stderr
        gate.released.set()
        assert process.wait_for_exit().code == 0
    assert "state-in-use" not in remote_checkout.run("plan").stderr
    remote_checkout.check_converged()


HANGING_HOOK = "touch hanging; exec sleep 60"


@pytest.mark.long
def test_an_interrupted_run_exits_while_the_push_of_its_lock_hangs(
    git_checkout: Checkout, upstream: BareRepository
) -> None:
    git_checkout.write_specs("first")
    upstream.add_hook("pre-receive", HANGING_HOOK)
    with git_checkout.start_command(git_checkout.server.url) as process:
        wait_until((upstream.path / "hanging").exists)
        process.signal(signal.SIGINT)
        assert process.wait_for_exit().code == 130
    assert process.seconds_since_signal < 20
    assert git_checkout.server.calls == []


@pytest.mark.long
def test_an_interrupted_run_writes_a_backup_while_fivetran_and_the_backend_hang(
    git_checkout: Checkout, upstream: BareRepository
) -> None:
    git_checkout.write_specs("first", "second")
    with git_checkout.start_blocked_apply() as (process, gate):
        upstream.add_hook("pre-receive", HANGING_HOOK)
        process.signal(signal.SIGTERM)
        ended = process.wait_for_exit()
        gate.released.set()
    assert process.seconds_since_signal < 20, "the run does not wait for the remote"
    assert ended.code == 6
    assert list_error_codes(ended.err)[-1] == "state-not-kept"
    [rescued] = (git_checkout.folder / "specs" / ".reconciler").glob("state.json.rescued-*")
    assert json.loads(rescued.read_text())["records"]["group.first"]["intent"]
    assert "nothing has to be done with it" in " ".join(ended.err.split())
    (upstream.path / "hooks" / "pre-receive").unlink()
    assert git_checkout.run("state", "unlock", "--auto-approve").exit == 0
    git_checkout.check_recovery()
    assert git_checkout.server.writes.count("POST /v1/groups") == 2
    git_checkout.check_converged()


@pytest.mark.long
def test_an_interrupted_run_does_not_wait_for_a_hanging_push(
    git_checkout: Checkout, upstream: BareRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Send the signal during the push of earlier results, while Fivetran answers the open request."""
    git_checkout.write_specs("first", "second")
    script = git_checkout.folder / "short_intervals.py"
    script.write_text(
        "from reconciler.state import lease\nlease.WRITE_INTERVAL = lease.RENEW_AFTER = 0.2\n"
        "from reconciler.cli.main import main\nmain()\n"
    )
    with serve_blocking(git_checkout.server) as (gate, url):
        command = [COMMAND[0], str(script)]
        with BackgroundProcess(
            *APPLY, directory=git_checkout.folder, command=command, **build_credentials(url)
        ) as process:
            gate.await_arrivals(1)
            upstream.add_hook("pre-receive", HANGING_HOOK)
            wait_until((upstream.path / "hanging").exists)
            gate.released.set()
            process.signal(signal.SIGTERM)
            ended = process.wait_for_exit()
    assert process.seconds_since_signal < 20
    assert ended.code == 6
    [rescued] = (git_checkout.folder / "specs" / ".reconciler").glob("state.json.rescued-*")
    assert json.loads(rescued.read_text())["records"]["group.first"]["id"]


@pytest.mark.long
def test_an_interrupted_run_leaves_no_backup_if_the_backend_is_writable(git_checkout: Checkout) -> None:
    git_checkout.write_specs("first", "second")
    with git_checkout.start_blocked_apply() as (process, gate):
        process.signal(signal.SIGTERM)
        process.wait_for("Stopping: ")
        gate.released.set()
        assert process.wait_for_exit().code == 6
    assert not list((git_checkout.folder / "specs" / ".reconciler").glob("*rescued*"))
    assert list(git_checkout.remote_state.read_files()) == ["state.json"]


@pytest.mark.long
@pytest.mark.parametrize("when", ["at once", "later"])
def test_an_interrupted_run_exits_while_a_bucket_does_not_answer(
    project: Project, server: EmulatedFivetran, when: str
) -> None:
    with open_bucket() as bucket, S3Proxy(bucket.environ["AWS_ENDPOINT_URL"]) as way:
        checkout = Checkout(project, server, S3State(bucket, proxy_url=way.url))
        checkout.write_specs("first", "second")
        if when == "at once":
            way.silent.set()
            with checkout.start_command(server.url) as process:
                assert way.waiting.wait(PROCESS_TIMEOUT)
                process.signal(signal.SIGINT)
                assert process.wait_for_exit().code == 130
        else:
            with checkout.start_blocked_apply() as (process, gate):
                way.silent.set()
                process.signal(signal.SIGTERM)
                process.wait_for("Stopping: ")
                gate.released.set()
                assert process.wait_for_exit().code == 6
            [rescued] = (project.folder / "specs" / ".reconciler").glob("state.json.rescued-*")
            assert json.loads(rescued.read_text())["records"]["group.first"]["id"]
        assert process.seconds_since_signal < 20


def test_a_bucket_without_conditional_writes_is_refused_before_any_request(
    project: Project, server: EmulatedFivetran
) -> None:
    with open_bucket() as bucket, S3Proxy(bucket.environ["AWS_ENDPOINT_URL"]) as way:
        way.dropped_headers = frozenset({"if-match", "if-none-match"})
        checkout = Checkout(project, server, S3State(bucket, proxy_url=way.url))
        checkout.write_specs("first")
        result = checkout.run(*APPLY)
        assert (result.exit, list_error_codes(result.stderr)) == (1, ["state-unusable"])
        assert "ignores `If-Match` or `If-None-Match`" in " ".join(result.stderr.split())
        assert server.calls == []
        assert bucket.read_files() == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_stores_its_results_and_releases_the_lock(
    git_checkout: Checkout, number: int
) -> None:
    git_checkout.write_specs("first", "second")
    with git_checkout.start_blocked_apply() as (process, gate):
        process.signal(number)
        process.wait_for("Stopping: ")
        gate.released.set()
        ended = process.wait_for_exit()
    assert process.seconds_since_signal < 20
    assert ended.code == 6
    assert list(git_checkout.remote_state.read_files()) == ["state.json"]
    assert list(git_checkout.state["records"]) == ["group.first"]
    assert git_checkout.run(*APPLY).exit == 0
    git_checkout.check_converged()


@pytest.mark.long
def test_a_run_interrupted_during_its_plan_releases_the_lock(git_checkout: Checkout) -> None:
    git_checkout.write_specs("first")
    git_checkout.server.app.faults.add(parse_fault("GET /v1/groups hang 60"))
    with (
        serve_blocking(
            git_checkout.server, lambda method, path: path.endswith("/groups"), is_released=True
        ) as (
            gate,
            url,
        ),
        git_checkout.start_command(url) as process,
    ):
        gate.await_arrivals(1)
        assert "state.json.lock" in git_checkout.remote_state.read_files()
        process.signal(signal.SIGINT)
        assert process.wait_for_exit().code == 130
    assert git_checkout.remote_state.read_files() == {}


def test_the_branch_never_contains_a_secret(git_checkout: Checkout, upstream: BareRepository) -> None:
    git_checkout.write_specs("orders", form=SECRET_PAIR)
    first, second = "the-first-secret-key", "the-second-secret-key"
    assert git_checkout.run(*APPLY, ORDERS_KEY=first).exit == 0
    plan = git_checkout.run("plan", "--detailed-exitcode", ORDERS_KEY=second)
    assert plan.exit == 0, "secrets cannot be compared without a key"
    assert not any("HMAC" in name or name.endswith(".key") for name in upstream.read_files())
    assert not list(git_checkout.folder.rglob("*.key"))
    everything = upstream.read_log()
    for hidden in (first, second, cli_harness.KEY, cli_harness.SECRET):
        assert hidden not in everything
    fingerprints = git_checkout.state["records"]["destination.orders"]["fingerprints"]
    assert not any(":" in str(each) for each in fingerprints["config"].values()), "no fingerprint was stored"


@pytest.mark.long
def test_secrets_are_compared_with_a_team_key(git_checkout: Checkout, upstream: BareRepository) -> None:
    settings = git_checkout.folder / "specs" / "reconciler.yaml"
    git_checkout.project.write(
        "specs/reconciler.yaml", settings.read_text() + 'fingerprint_key: {secret: "env:TEAM_KEY"}\n'
    )
    git_checkout.write_specs("orders", form=SECRET_PAIR)
    team = {"TEAM_KEY": "a-key-of-the-team"}
    assert git_checkout.run(*APPLY, ORDERS_KEY="the-first-secret-key", **team).exit == 0
    for key, code in (("the-first-secret-key", 0), ("the-second-secret-key", 2)):
        assert git_checkout.run("plan", "--detailed-exitcode", ORDERS_KEY=key, **team).exit == code
    assert "a-key-of-the-team" not in upstream.read_log()


def test_read_only_commands_take_no_lock_and_push_nothing(
    git_checkout: Checkout, upstream: BareRepository
) -> None:
    git_checkout.write_specs("first")
    assert git_checkout.run("plan").exit == 0
    assert upstream.read_files() == {}
    assert git_checkout.run(*APPLY).exit == 0
    before = upstream.list_subjects()
    for command in (("plan",), ("drift",), ("state", "list"), ("state", "show", "first")):
        assert git_checkout.run(*command).exit == 0
    assert upstream.list_subjects() == before


@pytest.mark.long
def test_state_commands_edit_a_remote_state(remote_checkout: Checkout) -> None:
    missing = remote_checkout.run("state", "list")
    assert (missing.exit, list_error_codes(missing.stderr)) == (1, ["no-state"])
    assert remote_checkout.run("state", "unlock").exit == 0
    remote_checkout.write_specs("first", "second")
    assert remote_checkout.run(*APPLY).exit == 0
    assert remote_checkout.run("state", "move", "first", "third").exit == 0
    assert remote_checkout.run("state", "forget", "second", "--auto-approve").exit == 0
    listed = remote_checkout.run("state", "list")
    assert listed.stdout.startswith(
        f"state {remote_checkout.remote_state.text} · account {remote_checkout.server.account_id}"
    )
    assert list(remote_checkout.state["records"]) == ["group.third"]
    assert remote_checkout.run("state", "show", "third").exit == 0
    assert list(remote_checkout.remote_state.read_files()) == ["state.json"]


@pytest.mark.long
def test_project_files_share_a_branch(git_checkout: Checkout, upstream: BareRepository) -> None:
    git_checkout.write_specs("first")
    settings = (git_checkout.folder / "specs" / "reconciler.yaml").read_text()
    git_checkout.project.write("specs/other.yaml", settings.replace("groups/", "others/"))
    git_checkout.project.write("specs/others/main.yaml", "version: 1\ngroups:\n  other: {}\n")
    assert git_checkout.run(*APPLY).exit == 0
    assert git_checkout.run(*APPLY, "--project", "specs/other.yaml").exit == 0
    assert list(upstream.read_files()) == ["other.state.json", "state.json"]


@pytest.mark.long
def test_project_files_of_the_same_name_share_a_branch(
    git_checkout: Checkout, upstream: BareRepository
) -> None:
    settings = (git_checkout.folder / "specs" / "reconciler.yaml").read_text()
    for name in ("prod", "dev"):
        git_checkout.project.write(f"envs/{name}/reconciler.yaml", settings)
        git_checkout.project.write(f"envs/{name}/groups/main.yaml", f"version: 1\ngroups:\n  {name}: {{}}\n")
        result = git_checkout.run(*APPLY, "--project", f"envs/{name}/reconciler.yaml")
        assert result.exit == 0, result.stdout + result.stderr
    assert list(upstream.read_files()) == ["envs.dev.state.json", "envs.prod.state.json"]
    for name in ("prod", "dev"):
        plan = git_checkout.run("plan", "--detailed-exitcode", "--project", f"envs/{name}/reconciler.yaml")
        assert plan.exit == 0, plan.stdout + plan.stderr


@pytest.mark.long
def test_a_secret_changed_after_a_killed_run_is_sent(
    git_checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = git_checkout.folder / "specs" / "reconciler.yaml"
    git_checkout.project.write(
        "specs/reconciler.yaml", settings.read_text() + 'fingerprint_key: {secret: "env:TEAM_KEY"}\n'
    )
    git_checkout.write_specs("orders", "last", form=SECRET_PAIR)
    team = {"TEAM_KEY": "a-key-of-the-team", "ORDERS_KEY": "the-first-secret-key"}
    last = lambda method, path: is_write(method, path) and path.endswith("destinations") and next(count) == 1  # noqa: E731
    count = iter(range(10))
    with serve_blocking(git_checkout.server, last) as (gate, url):
        with BackgroundProcess(
            *APPLY, directory=git_checkout.folder, **build_credentials(url), **team
        ) as process:
            gate.await_arrivals(1)
            process.signal(signal.SIGKILL)
            process.wait_for_exit()
        gate.released.set()
    with advance_clock(monkeypatch, minutes=7):
        same = git_checkout.run("plan", **team)
        assert "cannot be compared" not in same.stdout + same.stderr
        again = git_checkout.run(*APPLY, **{**team, "ORDERS_KEY": "the-second-secret-key"})
    assert again.exit == 0, again.stdout + again.stderr
    assert "2 updated" in again.stdout
    rotated = {**team, "ORDERS_KEY": "the-second-secret-key"}
    assert git_checkout.run("plan", "--detailed-exitcode", **rotated).exit == 0
    made = git_checkout.state["records"]["destination.orders"]["fingerprints"]
    assert all(":" in each for each in made["config"].values())


@pytest.mark.long
def test_the_sandbox_has_a_separate_state(git_checkout: Checkout, upstream: BareRepository) -> None:
    git_checkout.write_specs("first")
    assert git_checkout.run(*APPLY, "--sandbox").exit == 0
    assert upstream.read_files() == {}


def test_a_damaged_remote_state_is_reported_before_any_request(
    git_checkout: Checkout, upstream: BareRepository
) -> None:
    git_checkout.write_specs("first")
    backend = GitBackend(
        GitBranch(str(upstream.path), BRANCH, is_remote=False), build_context(git_checkout.folder)
    )
    for content, code in ((b"no JSON", "state-damaged"), (b'{"format": 99}', "state-newer")):
        backend.read("state.json")
        backend.write({"state.json": content}, "by hand")
        result = git_checkout.run(*APPLY)
        assert (result.exit, list_error_codes(result.stderr)) == (1, [code])
    assert git_checkout.server.calls == []
    assert list(upstream.read_files()) == ["state.json"]
