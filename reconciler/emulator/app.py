"""The WSGI application: one request from its first check to its last header."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

from reconciler.emulator.account import Account
from reconciler.emulator.behaviour import AS_DOCUMENTED, Behaviour
from reconciler.emulator.call import (
    Call,
    accepted_version,
    check_content_type,
    check_credentials,
    object_body,
    parsed_body,
)
from reconciler.emulator.control import PREFIX, Control
from reconciler.emulator.dashboard import Dashboard
from reconciler.emulator.delivery import LINE, HungUpError, Line, without_a_socket
from reconciler.emulator.endpoints import ROUTES
from reconciler.emulator.envelope import Refusal, Reply, refusal
from reconciler.emulator.fault_kinds import ON_THE_LINE, Kind, Phase
from reconciler.emulator.faults import Fault, Faults
from reconciler.emulator.history import READING, Effect, Exchange, History
from reconciler.emulator.ids import digest
from reconciler.emulator.late import LateRequest, LateRequests
from reconciler.emulator.latency import Latencies, Latency
from reconciler.emulator.mangling import instead, spoiled
from reconciler.emulator.outgoing import Outgoing, outgoing
from reconciler.emulator.quota import OFF, Profile, Quota
from reconciler.emulator.routes import Router
from reconciler.emulator.seed import Seed, plant, written_down
from reconciler.emulator.store import Kind as StoredKind
from reconciler.emulator.store import Store
from reconciler.emulator.visibility import refuse_hidden

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LARGEST_BODY = 16 * 1024 * 1024


def create_app(
    database: str | Path = ":memory:",
    *,
    credentials: tuple[str, str] | None = None,
    behaviour: Behaviour = AS_DOCUMENTED,
    clock: Callable[[], datetime],
    seed: int = 0,
    faults: Iterable[Fault] = (),
    latencies: Iterable[Latency] = (),
    quota: Profile = OFF,
    wait: Callable[[float], None] | None = None,
) -> Emulator:
    """A Fivetran with one account, empty where the database is new.

    `credentials` are the only key and secret that are let in; None lets any Basic credentials in.
    `clock` must return times with a zone. The same seed and the same requests give the same ids and
    latencies. `wait` is how a process without sockets lets time pass, in seconds; without it answers
    come at once. On a socket the server waits. Raises `store.UnusableDatabaseError`.
    """
    store = Store(database)
    account = Account(store, behaviour=behaviour, clock=clock, seed=seed)
    return Emulator(
        store,
        account,
        credentials,
        faults=Faults(faults),
        latencies=Latencies(latencies, seed=seed),
        quota=Quota(clock, quota),
        wait=wait or _at_once,
    )


def _at_once(seconds: float) -> None:
    """No time passes."""


@dataclass(frozen=True, slots=True)
class _Result:
    """What a request came to. `code` is that of the envelope, if there is one."""

    answer: Outgoing
    code: str = ""
    body: Any = None
    effects: tuple[Effect, ...] = ()
    failure: str = ""
    seconds: float = 0.0
    struck_by: Fault | None = None

    @property
    def breaking(self) -> Fault | None:
        """The fault that the connection suffers, if it is one of those."""
        return self.struck_by if self.struck_by and self.struck_by.kind in ON_THE_LINE else None


class Emulator:
    """The account behind its REST API. Safe to call from many threads; requests take turns.

    `faults` may be changed at any time, and so may `latencies` and `behaviour`.
    """

    def __init__(
        self,
        store: Store,
        account: Account,
        credentials: tuple[str, str] | None,
        *,
        faults: Faults,
        latencies: Latencies,
        quota: Quota,
        wait: Callable[[float], None],
    ) -> None:
        self._store = store
        self._account = account
        self._credentials = credentials
        self._router = Router(ROUTES)
        self._history = History(store)
        self._quota = quota
        self._wait = wait
        self._writes_before = store.writes
        self.faults = faults
        self.latencies = latencies
        self._late = LateRequests()
        self._dashboard = Dashboard(account)
        self._control = Control(account, self._history, faults, quota, self._late)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request. Raises HungUpError where a fault breaks the connection and there is none."""
        request = Request(environ)
        request.max_content_length = LARGEST_BODY
        self._catch_up()
        if request.path.startswith(PREFIX):
            return _sent(self._control.answer(request), request, start_response)
        line: Line | None = environ.get(LINE)
        if line is None:
            self._accept()
        result = self._exchange(request)
        wait = self._wait if line is None else line.wait
        if result.seconds:
            wait(result.seconds)
        if result.breaking is None:
            return _sent(result.answer, request, start_response)
        if line is not None:
            line.break_off(result.breaking)
            return _sent(result.answer, request, start_response)
        body = without_a_socket(result.breaking, result.answer, wait)
        start_response(result.answer.status_line, result.answer.header_lines())
        return [body]

    @property
    def behaviour(self) -> Behaviour:
        """The switches as they stand."""
        return self._account.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self._account.behaviour = behaviour

    @property
    def dashboard(self) -> Dashboard:
        """What people do to the account without the API, as it is now."""
        self._catch_up()
        return self._dashboard

    def history(self, since: int = 0) -> list[Exchange]:
        """Requests with their effects, oldest first: all that are remembered, or those behind a
        sequence number."""
        self._catch_up()
        return self._history.since(since)

    @property
    def has_groups(self) -> bool:
        """Whether anything is in the account."""
        self._catch_up()
        return self._store.has(StoredKind.GROUP)

    def plant(self, content: Seed) -> None:
        """Put everything of a seed into the account. Nothing of it is in the history."""
        plant(self._account, content)

    def written_down(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """The account as a document that it can be planted from. Secrets are stars unless asked for."""
        self._catch_up()
        return written_down(self._account, show_secrets=show_secrets)

    def close(self) -> None:
        """Let go of the database."""
        self._store.close()

    def _accept(self) -> None:
        """Without sockets every request is a connection of its own."""
        fault = self.faults.at_accept()
        if fault is not None:
            if fault.kind is Kind.HANG:
                self._wait(fault.number)
            raise HungUpError(str(fault))

    def _exchange(self, request: Request) -> _Result:
        """Carry a request out and write it down, with its effects or not at all. No time passes here."""
        try:
            raw: bytes | HTTPException = request.get_data(cache=False)
        except HTTPException as error:  # too large, or the client went away
            raw = error
        with self._store.transaction():
            writes = self._store.writes - self._writes_before
            fault = self.faults.at_request(request.method, request.path, writes)
            result = self._result(request, raw, fault)
            sequence = self._history.record(
                at=self._account.now(),
                method=request.method,
                path=request.path,
                query=request.args.to_dict(),
                accept=request.headers.get("Accept", ""),
                body=result.body,
                status=result.answer.status,
                code=result.code,
                effects=result.effects,
                failure=result.failure,
                fault=str(result.struck_by or ""),
            )
            headers = {
                **self._date(),
                **self._quota.headers(),
                **_request_id(sequence),
                **result.answer.headers,
            }
            if fault is not None and fault.effect_after is not None and isinstance(raw, bytes):
                self._put_off(request, raw, fault, sequence)
        seconds = result.seconds + self.latencies.seconds(request.method, request.path, sequence)
        return replace(result, answer=replace(result.answer, headers=headers), seconds=seconds)

    def _put_off(self, request: Request, raw: bytes, fault: Fault, sequence: int) -> None:
        """Let a request that was just answered reach the account later. One that only reads has nothing to do there."""
        if request.method not in READING and fault.effect_after is not None:
            due = self._account.moment() + timedelta(seconds=fault.effect_after)
            self._late.add(LateRequest(due, sequence, request, raw, fault))

    def _catch_up(self) -> None:
        """Carry out what is due by now, each at its own time. Its answer goes nowhere."""
        while self._late:
            with self._store.transaction():
                late = self._late.take(self._account.moment())
                if late is None:
                    return
                with self._account.at(late.due):
                    self._carry_out(late)

    def _carry_out(self, late: LateRequest) -> None:
        reply, effects, failure = self._handled(late.request, late.raw, None)
        self._history.record(
            at=self._account.now(),
            method=late.request.method,
            path=late.request.path,
            query=late.request.args.to_dict(),
            accept=late.request.headers.get("Accept", ""),
            body=_readable(late.raw),
            status=reply.status,
            code=reply.code,
            effects=effects,
            failure=failure,
            fault=str(late.fault),
            effect_of=late.sequence,
        )

    def _date(self) -> dict[str, str]:
        """The time as the server has it."""
        behaviour = self._account.behaviour
        match behaviour.date_header:
            case "missing":
                return {}
            case "garbage":
                return {"Date": "yesterday"}
        moment = self._account.moment() + timedelta(seconds=behaviour.date_skew)
        return {"Date": format_datetime(moment.astimezone(UTC), usegmt=True)}

    def _result(self, request: Request, raw: bytes | HTTPException, fault: Fault | None) -> _Result:
        """Run the handler. A refusal undoes what it did; so does a bug of ours, the only cause of a 500."""
        body = None if isinstance(raw, HTTPException) else _readable(raw)
        if fault is not None and fault.phase is Phase.BEFORE_EFFECT:
            nothing = Outgoing(0, b"")
            answer = nothing if fault.kind in ON_THE_LINE else instead(fault)
            return _Result(answer, body=body, struck_by=fault)
        reply, effects, failure = self._handled(request, raw, fault)
        result = _Result(outgoing(reply), reply.code, body, effects, failure, reply.seconds)
        if fault is None:
            return result
        if fault.kind in ON_THE_LINE or fault.kind is Kind.STALE:
            return replace(result, struck_by=fault)
        if fault.kind in (Kind.STATUS, Kind.REDIRECT):
            return replace(result, answer=instead(fault), code="", struck_by=fault)
        changed = spoiled(fault, reply, request.args)
        return result if changed is None else replace(result, answer=changed, struck_by=fault)

    def _handled(
        self, request: Request, raw: bytes | HTTPException, fault: Fault | None
    ) -> tuple[Reply, tuple[Effect, ...], str]:
        """The right answer, with what the request did, and the traceback where we failed."""
        try:
            if isinstance(raw, HTTPException):
                raise refusal(raw.code or 400, "InvalidInput", raw.description or "The body cannot be read")
            with self._store.transaction():
                if fault is not None and fault.kind is Kind.STALE:
                    with self._store.before_last_write():
                        return self._reply(request, raw), (), ""
                reply = self._reply(request, raw)
                effects = self._account.take_effects()
                self._quota.charge(effects, self._account.behaviour.retry_after)
            return reply, effects, ""
        except Refusal as error:
            self._account.take_effects()
            return error.reply, (), ""
        except Exception:
            self._account.take_effects()
            reply = Reply(500, "The emulator failed; see its history", code="InternalServerError")
            return reply, (), traceback.format_exc()

    def _reply(self, request: Request, raw: bytes) -> Reply:
        """The checks in Fivetran's order, then the handler."""
        check_credentials(request.headers.get("Authorization"), self._credentials)
        self._quota.admit(self._account.behaviour.retry_after)
        check_content_type(request.method, request.headers.get("Content-Type"), raw)
        version = accepted_version(request.headers.get("Accept"))
        handler, arguments = self._router.find(request.method, request.path)
        body: Mapping[str, Any] = object_body(parsed_body(raw)) if request.method in {"POST", "PATCH"} else {}
        refuse_hidden(self._account, request.path, arguments, body)
        return handler(self._account, Call(arguments, request.args.to_dict(), body, version))


def _readable(raw: bytes) -> Any:
    """The body for the history."""
    try:
        return parsed_body(raw)
    except Refusal:
        return None


def _request_id(sequence: int) -> dict[str, str]:
    return {"X-Request-Id": str(UUID(bytes=digest("request", sequence), version=4))}


def _sent(answer: Outgoing, request: Request, start_response: StartResponse) -> Iterable[bytes]:
    start_response(answer.status_line, answer.header_lines())
    return [] if request.method == "HEAD" else [answer.body]
