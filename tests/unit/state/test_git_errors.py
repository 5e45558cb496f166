"""Test the errors and the advice for a state at a wrong location in git or on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fake_clock import FakeClock
from git_repo import run_git
from remote_backends import BRANCH, HOLDER, BareRepository, build_clock, build_context

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.record import State
from reconciler.model.state_location import parse_state_location
from reconciler.runtime.git import Result
from reconciler.state.file import StateFile
from reconciler.state.git_errors import build_error
from reconciler.state.remote import build_remote_store
from reconciler.state.request_pacing import RATE_LIMIT_BUDGET

pytestmark = pytest.mark.sampled(every=4)


@contextmanager
def serve_status(statuses: list[int]) -> Iterator[tuple[str, list[str]]]:
    """Serve a git server that answers with these statuses, the last for good. The list holds the requests so far."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = statuses[min(len(requests), len(statuses) - 1)]
            requests.append(self.path)
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", "Basic")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}/acme.git", requests
    finally:
        listener.shutdown()
        listener.server_close()


def find_problem(text: str, folder: Path, clock: FakeClock | None = None) -> Diagnostic:
    """Find the problem of a run with its state at this location."""
    place = parse_state_location(text)
    with pytest.raises(ReconcilerError) as caught:
        store = build_remote_store(place, "state.json", build_context(folder, clock=clock))  # type: ignore[arg-type]
        store.read()
        with store.lock.hold(HOLDER):
            pass
    [problem] = caught.value.diagnostics
    return problem


@pytest.mark.parametrize(
    ("status", "says", "advises"),
    [
        (401, "could not read Username", "give git credentials for this repository"),
        (403, "returned error: 403", "see that these credentials may read the repository and push to it"),
        (404, "not found", "correct the address of the repository"),
        (500, "returned error: 500", "see whether the server has an outage"),
        (503, "returned error: 503", "see whether the server has an outage"),
    ],
)
def test_an_answer_of_a_git_server_has_its_own_advice(
    tmp_path: Path, status: int, says: str, advises: str
) -> None:
    with serve_status([status]) as (url, _):
        problem = find_problem(f"git:{url}/{BRANCH}", tmp_path)
    assert problem.code == "state-unreachable"
    assert says in problem.message
    assert problem.help is not None
    assert advises in problem.help


def test_a_git_server_that_limits_requests_is_asked_again_for_a_minute(tmp_path: Path) -> None:
    clock = build_clock()
    with serve_status([429]) as (url, requests):
        problem = find_problem(f"git:{url}/{BRANCH}", tmp_path, clock)
    assert "the server limits the rate of requests" in problem.message
    assert "let fewer runs use this state at the same time" in str(problem.help)
    assert 2 < len(requests) < 10
    assert RATE_LIMIT_BUDGET / 2 < clock.seconds <= RATE_LIMIT_BUDGET
    with serve_status([429, 429, 404]) as (url, requests):
        assert "not found" in find_problem(f"git:{url}/{BRANCH}", tmp_path).message
    assert len(requests) == 3


def test_a_push_that_a_limit_refuses_is_made_again(tmp_path: Path) -> None:
    upstream, clock = BareRepository(tmp_path / "upstream.git"), build_clock()
    upstream.add_hook(
        "pre-receive",
        'test -e twice && exit 0; test -e once && touch twice; touch once; echo "API rate limit exceeded"; exit 1',
    )
    place = parse_state_location(f"git:{upstream.path}/{BRANCH}")
    store = build_remote_store(place, "state.json", build_context(tmp_path, clock=clock))  # type: ignore[arg-type]
    with store.lock.hold(HOLDER):
        assert list(upstream.read_files()) == ["state.json.lock"]
    assert upstream.read_files() == {}
    assert clock.seconds > 2


@pytest.mark.parametrize(
    ("text", "says", "advises"),
    [
        ("git:http://127.0.0.1:9/acme.git/states", "Failed to connect", "see that its host can be reached"),
        (
            "git:https://nowhere.invalid/acme.git/states",
            "Could not resolve host",
            "see that its host can be reached",
        ),
        ("git:/nowhere/acme.git/states", "does not appear to be a git repository", "correct the address"),
        ("git:origin/states", "git knows no remote `origin`", "see `git remote -v` there"),
    ],
)
def test_an_address_that_leads_nowhere_is_named(tmp_path: Path, text: str, says: str, advises: str) -> None:
    run_git(tmp_path, "init", "-q")
    problem = find_problem(text, tmp_path)
    assert problem.code == "state-unreachable"
    assert says in problem.message
    assert advises in str(problem.help)


def test_a_missing_branch_is_made_and_a_branch_of_other_files_is_refused(tmp_path: Path) -> None:
    upstream = BareRepository(tmp_path / "upstream.git")
    upstream.clone(tmp_path / "clone")
    problem = find_problem(f"git:{upstream.path}/main", tmp_path)
    assert problem.code == "state-unusable"
    assert "the branch holds other files, such as `work.txt`" in problem.message
    assert "a missing branch is created" in str(problem.help)
    place = parse_state_location(f"git:{upstream.path}/{BRANCH}")
    store = build_remote_store(place, "state.json", build_context(tmp_path))  # type: ignore[arg-type]
    assert store.read() is None
    with store.lock.hold(HOLDER):
        assert list(upstream.read_files()) == ["state.json.lock"]


def test_a_branch_that_may_not_be_pushed_to_is_named_with_the_words_of_the_server(tmp_path: Path) -> None:
    upstream = BareRepository(tmp_path / "upstream.git")
    upstream.add_hook("pre-receive", "echo 'GH013: Repository rule violations found'; exit 1")
    problem = find_problem(f"git:{upstream.path}/{BRANCH}", tmp_path)
    assert problem.code == "state-unreachable"
    assert "pre-receive hook declined" in problem.message
    assert problem.notes == ("the server says: GH013: Repository rule violations found",)
    assert f"see that these credentials may push to the branch `{BRANCH}`" in str(problem.help)


@pytest.mark.parametrize(
    ("words", "advises"),
    [
        (
            "fatal: unable to access 'x': SSL certificate problem: certificate is not yet valid",
            "set the clock",
        ),
        ("fatal: unable to access 'x': SSL certificate problem: certificate has expired", "set the clock"),
        ("fatal: unable to access 'x': SSL certificate problem: self-signed certificate", "`http.sslCAInfo`"),
        ("fatal: Authentication failed for 'x'", "a token may have expired"),
        ("remote: Permission to acme/infra.git denied to ci.", "may read the repository and push to it"),
        ("Host key verification failed.", "add the key of the host to `known_hosts`"),
        ("git@host: Permission denied (publickey).", "give SSH a key that the server knows"),
        ("fatal: something new", "the advice of the command"),
    ],
)
def test_words_of_git_lead_to_the_setting(words: str, advises: str) -> None:
    error = build_error(Result(128, b"", words.encode()), "the advice of the command")
    assert advises in error.advice


@pytest.mark.parametrize(
    ("obstacle", "says"),
    [("a folder in its place", "Is a directory"), ("a file in place of its folder", "Not a directory")],
)
def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path: Path, obstacle: str, says: str) -> None:
    path = tmp_path / "states" / "state.json"
    if obstacle == "a folder in its place":
        path.mkdir(parents=True)
    else:
        path.parent.write_text("in the way")
    store = StateFile(path, "states/state.json")
    with pytest.raises(ReconcilerError) as caught:
        store.read()
        with store.lock.hold(HOLDER):
            store.open(State("a-lineage", 0, "an_account"))
    [problem] = caught.value.diagnostics
    assert problem.code == "state-unusable"
    assert problem.message == f"the state `states/state.json` cannot be read: {says}"
    assert problem.help == "correct the permissions or the disk, then run again"
