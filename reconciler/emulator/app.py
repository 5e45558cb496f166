"""Run the WSGI application of the emulator: handle a request, with faults, latency, quota and history."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

from reconciler.emulator.account import Account
from reconciler.emulator.api_request import (
    ApiRequest,
    check_content_type,
    check_credentials,
    negotiate_version,
    parse_body,
    require_object,
)
from reconciler.emulator.connection_faults import (
    CLIENT_SOCKET_KEY,
    BrokenConnectionError,
    ClientSocket,
    deliver_in_process,
    leaves_headers,
)
from reconciler.emulator.control.bodies import DocumentReader, read_json
from reconciler.emulator.control.endpoint import ControlledEmulator, InitialState
from reconciler.emulator.control.handler import PREFIX, Control
from reconciler.emulator.dashboard import Dashboard
from reconciler.emulator.echoes import add_echo
from reconciler.emulator.endpoints import ROUTES
from reconciler.emulator.envelope import ErrorReply, Reply, error_reply
from reconciler.emulator.fault_kinds import CONNECTION_FAULTS, FaultKind, Phase
from reconciler.emulator.faults import Fault, Faults
from reconciler.emulator.handled_requests import HandledRequest, RequestObserver, build_target
from reconciler.emulator.history import READ_METHODS, Effect, History, HistoryEntry
from reconciler.emulator.http_response import HttpResponse, encode_reply
from reconciler.emulator.ids import digest
from reconciler.emulator.late_requests import LateRequest, LateRequests
from reconciler.emulator.latency import Latency, LatencyRules
from reconciler.emulator.page.paths import is_page_request
from reconciler.emulator.quota import UNLIMITED, Quota, QuotaProfile
from reconciler.emulator.response_faults import corrupt, replace_response
from reconciler.emulator.routes import Router
from reconciler.emulator.scenario import StartScenario, load_start
from reconciler.emulator.seed import Seed, dump, has_content, load_seed
from reconciler.emulator.store import Store
from reconciler.emulator.switches import AS_DOCUMENTED, Behaviour
from reconciler.emulator.visibility import refuse_hidden

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from reconciler.emulator.page.dashboard_page import DashboardPage

MAX_BODY_BYTES = 16 * 1024 * 1024


def create_app(
    database: str | Path = ":memory:",
    *,
    credentials: tuple[str, str] | None = None,
    behaviour: Behaviour = AS_DOCUMENTED,
    clock: Callable[[], datetime],
    seed: int = 0,
    faults: Iterable[Fault] = (),
    latencies: Iterable[Latency] = (),
    quota: QuotaProfile = UNLIMITED,
    wait: Callable[[float], None] | None = None,
    scenario: StartScenario | None = None,
    read_document: DocumentReader = read_json,
    observe: RequestObserver | None = None,
) -> Emulator:
    """Create an emulator with one account, empty if the database is new.

    `credentials` are the only accepted key and secret; None accepts any Basic credentials. `clock` must
    return times with a zone. The same seed and the same requests give the same ids and latencies. `wait` lets
    time pass, in seconds, in a process without sockets; without `wait`, responses come at once. On a socket
    the server waits. `scenario` is loaded now and after every reset. `read_document` reads the bodies of control
    requests that are no JSON. `observe` gets every handled request, from the thread of the request.
    Raises `store.UnusableDatabaseError`.
    """
    store = Store(database)
    account = Account(store, behaviour=behaviour, clock=clock, seed=seed)
    return Emulator(
        store,
        account,
        credentials,
        faults=Faults(faults),
        latencies=LatencyRules(latencies, seed=seed),
        quota=Quota(clock, quota),
        clock=clock,
        wait=wait or _skip_wait,
        scenario=scenario or StartScenario(),
        read_document=read_document,
        observe=observe or _skip_observation,
    )


def _skip_wait(seconds: float) -> None:
    """Skip a wait."""


def _skip_observation(request: HandledRequest) -> None:
    """Skip an observation."""


@dataclass(frozen=True, slots=True)
class _RequestResult:
    """Result of a request: the response, and the data for the history.

    `code` is the code of the envelope, empty if the response has no envelope.
    """

    response: HttpResponse
    code: str = ""
    body: Any = None
    effects: tuple[Effect, ...] = ()
    failure: str = ""
    seconds: float = 0.0
    fault: Fault | None = None

    @property
    def connection_fault(self) -> Fault | None:
        """Return the fault of this request if it breaks the connection, else None."""
        return self.fault if self.fault and self.fault.kind in CONNECTION_FAULTS else None

    @property
    def arriving_status(self) -> int | None:
        """Return the status that the client sees, None if its connection breaks before."""
        fault = self.connection_fault
        is_broken = fault is not None and not leaves_headers(fault)
        return None if is_broken else self.response.status


def _build_unreadable_fault(destination_id: str) -> Fault:
    return Fault(
        FaultKind.STATUS,
        path=f"/v1/destinations/{destination_id}",
        phase=Phase.BEFORE_EFFECT,
        argument="403",
        options={"code": "Forbidden"},
    )


class Emulator:
    """Emulator: an account behind its REST API. Safe to call from many threads; requests run one after the other.

    `faults`, `latencies` and `behaviour` may be changed at any time.
    """

    def __init__(
        self,
        store: Store,
        account: Account,
        credentials: tuple[str, str] | None,
        *,
        faults: Faults,
        latencies: LatencyRules,
        quota: Quota,
        clock: Callable[[], datetime],
        wait: Callable[[float], None],
        scenario: StartScenario,
        read_document: DocumentReader,
        observe: RequestObserver,
    ) -> None:
        self._store = store
        self._account = account
        self._credentials = credentials
        self._router = _build_router()
        self._history = History(store)
        self._quota = quota
        self._clock = clock
        self._wait = wait
        self._observe = observe
        self._scenario = scenario
        self.faults = faults
        self.latencies = latencies
        self._late_requests = LateRequests()
        self._dashboard = Dashboard(account)
        load_start(account, scenario)
        self._initial_write_count = store.write_count
        initial = InitialState(account.behaviour, tuple(each.fault for each in faults.active()), scenario)
        self._control = Control(
            ControlledEmulator(
                account,
                self._dashboard,
                self._history,
                faults,
                quota,
                self._late_requests,
                initial,
                read_document,
            )
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request.

        Raises BrokenConnectionError if a fault breaks the connection and the server has no socket to break.
        """
        request = Request(environ)
        request.max_content_length = MAX_BODY_BYTES
        self._execute_due()
        if is_page_request(request):
            return _send(self._page.handle(request), request, start_response)
        # Control requests bypass faults, quota and history: they must work even if faults break the emulated API.
        if request.path.startswith(PREFIX):
            return _send(self._handle_control(request), request, start_response)
        started = self._clock()
        client_socket: ClientSocket | None = environ.get(CLIENT_SOCKET_KEY)
        if client_socket is None:
            self._accept_connection()
        result = self._execute_and_record(request)
        wait = self._wait if client_socket is None else client_socket.wait
        if result.seconds:
            wait(result.seconds)
        self._report(request, started, result.arriving_status, str(result.fault or ""))
        if result.connection_fault is None:
            return _send(result.response, request, start_response)
        if client_socket is not None:
            # Only the server holds the socket, so it gets the whole response and breaks it while sending.
            client_socket.break_off(result.connection_fault)
            return _send(result.response, request, start_response)
        body = deliver_in_process(result.connection_fault, result.response, wait)
        start_response(result.response.status_line, result.response.build_headers())
        return [body]

    @cached_property
    def _page(self) -> DashboardPage:
        """Load the page at the first request for it: most emulators never show it."""
        from reconciler.emulator.page.dashboard_page import DashboardPage

        return DashboardPage(self._account, self._dashboard, self._history, self.faults)

    @property
    def behaviour(self) -> Behaviour:
        """Return the current switches."""
        return self._account.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self._account.behaviour = behaviour

    @property
    def dashboard(self) -> Dashboard:
        """Return the dashboard of the account, for changes outside the API. Due late requests take effect first."""
        self._execute_due()
        return self._dashboard

    def read_history(self, since: int = 0) -> list[HistoryEntry]:
        """Return requests with their effects, oldest first, that follow the sequence number `since`.

        The history is bounded: very old requests are dropped.
        """
        self._execute_due()
        return self._history.list_since(since)

    @property
    def has_content(self) -> bool:
        """Return whether the account has anything that a seed can describe, beside its owner."""
        self._execute_due()
        return has_content(self._account)

    def load_seed(self, seed: Seed) -> None:
        """Load a seed into the account, and the scenario of the start over it. The history gets no entry.

        A fault answers 403 to each request about a destination that the seed calls unreadable.
        """
        load_seed(self._account, seed)
        load_start(self._account, self._scenario)
        self.faults.add(*(_build_unreadable_fault(id) for id in seed.unreadable))

    def dump(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """Dump the account as a document that `load_seed` accepts.

        Secrets are masked unless `show_secrets`.
        """
        self._execute_due()
        return dump(self._account, show_secrets=show_secrets)

    def close(self) -> None:
        """Close the database."""
        self._store.close()

    def report_broken_connection(self, fault: Fault) -> None:
        """Report a connection that a fault breaks before its request."""
        self._observe(HandledRequest(self._clock(), "", "", None, 0.0, str(fault)))

    def _handle_control(self, request: Request) -> HttpResponse:
        started = self._clock()
        response = self._control.handle(request)
        # Reads change nothing, and a page may read every second.
        if request.method not in READ_METHODS:
            self._report(request, started, response.status)
        return response

    def _report(self, request: Request, started: datetime, status: int | None, note: str = "") -> None:
        """Report a request to the observer."""
        now = self._clock()
        target = build_target(request.path, request.args.items(multi=True))
        seconds = max((now - started).total_seconds(), 0.0)
        self._observe(HandledRequest(now, request.method, target, status, seconds, note))

    def _accept_connection(self) -> None:
        """Trigger connection faults. Without sockets, every request is a connection of its own."""
        fault = self.faults.trigger_at_accept()
        if fault is not None:
            self.report_broken_connection(fault)
            if fault.kind is FaultKind.HANG:
                self._wait(fault.number)
            raise BrokenConnectionError(str(fault))

    def _execute_and_record(self, request: Request) -> _RequestResult:
        """Execute a request and record it in the history, in one transaction. No time passes here."""
        try:
            raw: bytes | HTTPException = request.get_data(cache=False)
        except HTTPException as error:  # too large, or the client closed the connection
            raw = error
        with self._store.transaction():
            # One transaction holds the count of the fault, the effects and the history: readers of the history
            # never see an effect without its request, nor a request without its effects.
            writes = self._store.write_count - self._initial_write_count
            fault = self.faults.trigger_at_request(request.method, request.path, writes)
            result = self._execute(request, raw, fault)
            sequence = self._history.record(
                at=self._account.now(),
                method=request.method,
                path=request.path,
                query=request.args.to_dict(),
                accept=request.headers.get("Accept", ""),
                body=result.body,
                status=result.response.status,
                code=result.code,
                effects=result.effects,
                failure=result.failure,
                fault=str(result.fault or ""),
            )
            headers = {
                **self._build_date_header(),
                **self._quota.count_request(),
                **_build_request_id(sequence),
                **result.response.headers,
            }
            if fault is not None and fault.effect_after is not None and isinstance(raw, bytes):
                self._defer(request, raw, fault, sequence)
        seconds = result.seconds + self.latencies.sample(request.method, request.path, sequence)
        return replace(result, response=replace(result.response, headers=headers), seconds=seconds)

    def _defer(self, request: Request, raw: bytes, fault: Fault, sequence: int) -> None:
        """Defer the effect of a request whose response has been sent. A read has no effect to defer."""
        if request.method not in READ_METHODS and fault.effect_after is not None:
            due = self._account.read_clock() + timedelta(seconds=fault.effect_after)
            self._late_requests.add(LateRequest(due, sequence, request, raw, fault))

    def _execute_due(self) -> None:
        """Execute all due late requests, each at its own time. Their responses are dropped."""
        while self._late_requests:
            with self._store.transaction():
                # One transaction each: a late request sees the effects of the late requests before it.
                late = self._late_requests.pop_due(self._account.read_clock())
                if late is None:
                    return
                with self._account.freeze_time(late.due):
                    self._execute_late(late)

    def _execute_late(self, late: LateRequest) -> None:
        reply, effects, failure = self._handle(late.request, late.body, None)
        self._history.record(
            at=self._account.now(),
            method=late.request.method,
            path=late.request.path,
            query=late.request.args.to_dict(),
            accept=late.request.headers.get("Accept", ""),
            body=_parse_for_history(late.body),
            status=reply.status,
            code=reply.code,
            effects=effects,
            failure=failure,
            fault=str(late.fault),
            effect_of=late.sequence,
        )
        self._report(late.request, self._clock(), reply.status, f"late effect of request {late.sequence}")

    def _build_date_header(self) -> dict[str, str]:
        """Build the Date header by the switches."""
        behaviour = self._account.behaviour
        match behaviour.date_header:
            case "missing":
                return {}
            case "garbage":
                return {"Date": "yesterday"}
        moment = self._account.read_clock() + timedelta(seconds=behaviour.date_skew)
        return {"Date": format_datetime(moment.astimezone(UTC), usegmt=True)}

    def _execute(self, request: Request, raw: bytes | HTTPException, fault: Fault | None) -> _RequestResult:
        """Execute a request with the fault that strikes it, if any."""
        body = None if isinstance(raw, HTTPException) else _parse_for_history(raw)
        if fault is not None and fault.phase is Phase.BEFORE_EFFECT:
            no_response = HttpResponse(0, b"")
            response = no_response if fault.kind in CONNECTION_FAULTS else replace_response(fault)
            return _RequestResult(response, body=body, fault=fault)
        reply, effects, failure = self._handle(request, raw, fault)
        reply = add_echo(reply, self._account.behaviour)
        result = _RequestResult(encode_reply(reply), reply.code, body, effects, failure, reply.seconds)
        if fault is None:
            return result
        if fault.kind in CONNECTION_FAULTS or fault.kind is FaultKind.STALE:
            return replace(result, fault=fault)
        if fault.kind in (FaultKind.STATUS, FaultKind.REDIRECT):
            return replace(result, response=replace_response(fault), code="", fault=fault)
        corrupted_response = corrupt(fault, reply, request.args)
        return (
            result
            if corrupted_response is None
            else replace(result, response=corrupted_response, fault=fault)
        )

    def _handle(
        self, request: Request, raw: bytes | HTTPException, fault: Fault | None
    ) -> tuple[Reply, tuple[Effect, ...], str]:
        """Handle a request without faults: the reply, its effects, and the traceback of a bug.

        A refusal undoes all effects of the request. So does a bug of the emulator, which is the only cause of
        a 500.
        """
        try:
            if isinstance(raw, HTTPException):
                raise error_reply(
                    raw.code or 400, "InvalidInput", raw.description or "The body cannot be read"
                )
            with self._store.transaction():
                # A stale read sees the account before its last write. Reads have no effects to charge or to
                # record.
                if fault is not None and fault.kind is FaultKind.STALE:
                    with self._store.rewind_last_write():
                        return self._dispatch(request, raw), (), ""
                reply = self._dispatch(request, raw)
                effects = self._account.take_effects()
                # Charged inside the transaction, so that a refusal rolls the effects back.
                self._quota.charge(effects, self._account.behaviour.retry_after)
            return reply, effects, ""
        except ErrorReply as error:
            self._account.take_effects()
            return error.reply, (), ""
        except Exception:
            self._account.take_effects()
            reply = Reply(500, "The emulator failed; see its history", code="InternalServerError")
            return reply, (), traceback.format_exc()

    def _dispatch(self, request: Request, raw: bytes) -> Reply:
        """Run the checks in Fivetran's order, then the handler."""
        check_credentials(request.headers.get("Authorization"), self._credentials)
        self._quota.check_requests(self._account.behaviour.retry_after)
        check_content_type(request.method, request.headers.get("Content-Type"), raw)
        version = negotiate_version(request.headers.get("Accept"))
        handler, arguments = self._router.find(request.method, request.path)
        body: Mapping[str, Any] = (
            require_object(parse_body(raw)) if request.method in {"POST", "PATCH"} else {}
        )
        refuse_hidden(self._account, request.path, arguments, body)
        return handler(self._account, ApiRequest(arguments, request.args.to_dict(), body, version))


@cache  # werkzeug takes a tenth of a second to compile the paths, and they are the same for every account
def _build_router() -> Router:
    return Router(ROUTES)


def _parse_for_history(raw: bytes) -> Any:
    """Parse a body for the history, None if it is no JSON."""
    try:
        return parse_body(raw)
    except ErrorReply:
        return None


def _build_request_id(sequence: int) -> dict[str, str]:
    return {"X-Request-Id": str(UUID(bytes=digest("request", sequence), version=4))}


def _send(response: HttpResponse, request: Request, start_response: StartResponse) -> Iterable[bytes]:
    start_response(response.status_line, response.build_headers())
    return [] if request.method == "HEAD" else [response.body]
