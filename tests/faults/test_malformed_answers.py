"""Test S-20, S-24 and S-25 with malformed answers on a real socket, at every kind of call of the real command line.

A server stands before the emulator. It passes all requests on, and answers one kind of call with a malformed answer,
once or always. The run has to end with a named error or in spite of the answer, without a traceback, without a blind
second write, and within the time of one call.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cli_harness
import pytest
from cli_harness import KEY, SECRET, CommandResult, Project, build_credentials
from fake_clock import HastyClock
from malformed_answers import MalformedAnswer, build_malformed_answer
from scripted_server import ReceivedRequest, ServerConnection, build_response, serve_script
from werkzeug.test import Client as Caller

from reconciler.emulator.app import Emulator, create_app

pytestmark = pytest.mark.filterwarnings("error")

COUNT = 510
TIMEOUTS = "timeouts: {read: 3}\n"
"""Silence takes real time."""
LEAP, LEAP_OF_TESTS = 150.0, 1000.0
"""Seconds by which the clock of a run leaps in the middle of an endless answer: more than the call may take, also with
setup tests, and less than its repeats could take if each had a time of its own."""
MAX_REQUESTS, MAX_LIMITED_REQUESTS = 5, 25
"""Attempts of one call; after a 429 only the pauses bound them."""
MAX_READS = 12
"""Reads of the same path in one run: the plan, six looks at most after a lost answer, and the check at the end."""
MAX_SECONDS = 30
"""Real seconds of a run. A run without a fault takes less than one, and silence costs three."""

PAIR = {
    "service": "postgres_rds_warehouse",
    "time_zone_offset": "0",
    "config": {"host": "old.example", "port": 5432, "database": "d", "user": "u"},
}
PASSWORD = {"WAREHOUSE_PASSWORD": "canary-of-malformed-answers-41c9"}


@dataclass(frozen=True)
class Beginning:
    """Hold the account at the beginning of a run as a seed, and its ids by name."""

    seed: dict[str, Any]
    ids: dict[str, str]
    account_id: str


@cache
def beginning() -> Beginning:
    app = create_app(credentials=(KEY, SECRET), clock=HastyClock().now)
    ids = {}
    for name in ("beta", "delta", "gamma", "stranger"):
        ids[name] = app.dashboard.add_group(name)
        app.dashboard.add_destination(ids[name], PAIR["service"], config=dict(PAIR["config"]))
    app.dashboard.add_connection(ids["gamma"], "fivetran_log", "fivetran_metadata")
    try:
        return Beginning(app.dump(show_secrets=True), ids, app.dashboard.identity.account_id)
    finally:
        app.close()


def declare(project: Project) -> None:
    """Write specs whose apply makes every kind of call."""
    ids = beginning().ids
    secret = {"secret": "env:WAREHOUSE_PASSWORD"}
    changed = {**PAIR, "config": {**PAIR["config"], "host": "new.example"}}
    groups = {
        "alpha": {
            "name": "Alpha",
            "destination": {
                **PAIR,
                "config": {**PAIR["config"], "password": secret},
                "trust": {"certificates": "any", "fingerprints": "any"},
            },
        },
        "beta": {"id": ids["beta"], "destination": changed},
        "delta": {"id": ids["delta"], "name": "Delta renamed", "destination": PAIR},
    }
    removed = [{"group": "gamma", "id": ids["gamma"], "name": "gamma", "with_platform_connection": True}]
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {beginning().account_id}\nspecs: [main.yaml]\n"
        f"limits: {{deletes: 9, changed_fraction: 1}}\n{TIMEOUTS}",
    )
    project.write("specs/main.yaml", json.dumps({"version": 1, "groups": groups, "removed": removed}))


KINDS = {
    "account": r"GET /v1/account/info",
    "groups": r"GET /v1/groups\?limit=\d+",
    "groups, a later page": r"GET /v1/groups\?.*cursor=.*",
    "destinations": r"GET /v1/destinations\?.*",
    "destination": r"GET /v1/destinations/<beta>",
    "connections": r"GET /v1/groups/<gamma>/connections.*",
    "create of a group": r"POST /v1/groups",
    "create of a destination": r"POST /v1/destinations",
    "rename": r"PATCH /v1/groups/<delta>",
    "update": r"PATCH /v1/destinations/<beta>",
    "setup tests": r"POST /v1/destinations/<beta>/test",
    "approvals": r"POST /v1/destinations/(?!<beta>)\w+/test",
    "delete of a connection": r"DELETE /v1/connections/\w+",
    "delete of a destination": r"DELETE /v1/destinations/<gamma>",
    "delete of a group": r"DELETE /v1/groups/<gamma>",
}
"""Each kind of call as a pattern of its requests."""


def compile_kind(kind: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"<(\w+)>", lambda name: beginning().ids[name[1]], KINDS[kind]))


@dataclass
class MalformingServer:
    """Pass requests on to an emulator, but answer requests that match `pattern` with malformed answers."""

    app: Emulator
    pattern: re.Pattern[str]
    random: Random
    is_lasting: bool
    takes_effect: bool
    answers: list[MalformedAnswer] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)

    def __call__(self, wire: ServerConnection, request: ReceivedRequest) -> None:
        self.requests.append(f"{request.method} {urlsplit(request.target).path}")
        target = f"{request.method} {request.target}"
        self.targets.append(target)
        is_struck = self.pattern.fullmatch(target) is not None
        if not is_struck or (self.answers and not self.is_lasting):
            status, content = self._pass_on(request)
            wire.send(build_response(content, f"{status} Some"))
            return
        state = self.random.getstate()
        status, content = (200, b'{"code": "Success", "data": {"items": [], "id": "some_id"}}')
        answer = build_malformed_answer(self.random, status, content)
        # A 429 is a promise that nothing has happened.
        if answer.status != 429 and (self.takes_effect or request.method == "GET"):
            self.random.setstate(state)
            answer = build_malformed_answer(self.random, *self._pass_on(request))
        is_test = request.target.endswith("/test")
        if is_test and answer.is_silent:
            answer = MalformedAnswer(answer.name, answer.head)  # setup tests may be silent for long
        self.answers.append(answer)
        answer.send(wire, partial(LeapingClock.leap, LEAP_OF_TESTS if is_test else LEAP))

    def _pass_on(self, request: ReceivedRequest) -> tuple[int, bytes]:
        parts = urlsplit(request.target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if "limit" in query:
            query["limit"] = "2"  # so that lists have pages
        headers = {
            name: request.headers[name]
            for name in ("authorization", "accept", "content-type")
            if name in request.headers
        }
        response = Caller(self.app).open(
            parts.path, method=request.method, query_string=query, headers=headers, data=request.body
        )
        return response.status_code, response.data


class LeapingClock(HastyClock):
    """Let a hasty clock leap for all runs at once."""

    leaped = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + LeapingClock.leaped

    @classmethod
    def leap(cls, seconds: float) -> None:
        LeapingClock.leaped += seconds


@contextmanager
def serve_malformed(kind: str, number: int) -> Iterator[tuple[MalformingServer, str]]:
    random = Random(f"{kind} {number}")
    app = create_app(credentials=(KEY, SECRET), clock=HastyClock().now)
    assert Caller(app).post("/_emulator/reset", json=beginning().seed).status_code == 200
    proxy = MalformingServer(app, compile_kind(kind), random, random.random() < 0.5, random.random() < 0.7)
    try:
        with serve_script(proxy) as server:
            yield proxy, server.url
    finally:
        app.close()


def apply(project: Project, url: str) -> CommandResult:
    return project.run(
        "apply", "--auto-approve", "--format", "json", "--parallelism", "1",
        environ={**build_credentials(url), **PASSWORD},
    )  # fmt: skip


def list_errors(document: Any) -> set[str]:
    """List the codes of all errors of a document."""
    if isinstance(document, dict):
        own = {document["code"]} if document.get("severity") == "error" and "code" in document else set()
        return own.union(*map(list_errors, document.values()))
    return set().union(*map(list_errors, document)) if isinstance(document, list) else set()


CASES = [
    pytest.param(kind, number, id=f"{number}: {kind}")
    for number, kind in zip(range(COUNT), tuple(KINDS) * (COUNT // len(KINDS) + 1), strict=False)
]


@pytest.mark.sampled(every=31)
@pytest.mark.parametrize(("kind", "number"), CASES)
def test_a_malformed_answer_is_a_named_error_and_no_blind_repeat(
    project: Project, monkeypatch: pytest.MonkeyPatch, kind: str, number: int
) -> None:
    monkeypatch.setattr(cli_harness, "HastyClock", LeapingClock)
    declare(project)
    with serve_malformed(kind, number) as (proxy, url):
        began = time.monotonic()
        result = apply(project, url)
        seconds = time.monotonic() - began
        assert proxy.answers, "the malformed answer was never asked for"
        name = " / ".join(answer.name for answer in proxy.answers)

        assert result.exit in {0, 1, 6, 7}, (name, result.stderr)
        assert "Traceback" not in result.stderr, name
        assert 'File "' not in result.stderr, name
        errors = list_errors(result.document)
        applied = result.document.get("applied") or {}
        assert bool(errors or applied.get("remaining")) == (result.exit in {1, 6}), (name, result.stdout)
        assert errors <= NAMED_ERRORS, (name, errors)

        assert seconds < MAX_SECONDS, name
        struck = [target for target in proxy.targets if proxy.pattern.fullmatch(target)]
        limited = any(answer.status == 429 for answer in proxy.answers)
        calls = MAX_READS if struck[0].startswith("GET ") else 1
        assert len(struck) <= calls * (MAX_LIMITED_REQUESTS if limited else MAX_REQUESTS), name
        if proxy.answers[0].endless:
            # One budget: what has lasted for a whole call is not asked for again.
            assert len(proxy.answers) == 1, name
        check_creates(proxy, name)


NAMED_ERRORS = {
    "unreachable", "unintelligible-answer", "outcome-unknown", "server-fault", "rate-limited", "api-refused",
    "redirected", "conflict", "not-found", "setup-tests-not-run", "held", "skipped",
}  # fmt: skip


def check_creates(proxy: MalformingServer, name: str) -> None:
    """Check O1: no object is created twice, and no create follows another create without a look.

    A 429 promises that the request had no effect, so a create may follow it.
    """
    effects = [effect for entry in proxy.app.read_history() for effect in entry.effects]
    created = [effect.kind for effect in effects if effect.verb == "created"]
    assert created.count("group") <= 1, name
    assert created.count("destination") <= 1, name
    if any(answer.status == 429 for answer in proxy.answers):
        return
    for path in ("/v1/groups", "/v1/destinations"):
        assert proxy.requests.count(f"POST {path}") <= 1, name
    for test in {request for request in proxy.requests if request.endswith("/test")}:
        places = [index for index, request in enumerate(proxy.requests) if request == test]
        look = f"GET {test.removeprefix('POST ').removesuffix('/test')}"
        assert len(places) <= 2, name
        assert len(places) == 1 or look in proxy.requests[places[0] : places[1]], name


def test_without_a_malformed_answer_the_apply_makes_every_kind_of_call(project: Project) -> None:
    declare(project)
    with serve_malformed("account", 0) as (proxy, url):
        proxy.pattern = re.compile("nothing")
        result = apply(project, url)
    assert result.exit == 0, result.stdout
    assert [
        kind for kind in KINDS if not any(compile_kind(kind).fullmatch(target) for target in proxy.targets)
    ] == []
