"""The WSGI application: one request from its first check to its last header."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

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
from reconciler.emulator.dashboard import Dashboard
from reconciler.emulator.envelope import Refusal, Reply, refusal
from reconciler.emulator.history import Effect, Exchange, History
from reconciler.emulator.ids import digest
from reconciler.emulator.quota import Quota
from reconciler.emulator.resources import account as account_resource
from reconciler.emulator.resources import connections, destinations, groups
from reconciler.emulator.routes import Router
from reconciler.emulator.store import Store

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LARGEST_BODY = 16 * 1024 * 1024

ROUTES = (*account_resource.ROUTES, *groups.ROUTES, *connections.ROUTES, *destinations.ROUTES)


def create_app(
    database: str | Path = ":memory:",
    *,
    credentials: tuple[str, str] | None = None,
    behaviour: Behaviour = AS_DOCUMENTED,
    clock: Callable[[], datetime],
    seed: int = 0,
) -> Emulator:
    """A Fivetran with one account, empty where the database is new.

    `credentials` are the only key and secret that are let in; None lets any Basic credentials in.
    `clock` must return times with a zone. The same seed and the same requests give the same ids.
    Raises `store.UnusableDatabaseError`.
    """
    store = Store(database)
    return Emulator(store, Account(store, behaviour=behaviour, clock=clock, seed=seed), credentials, clock)


@dataclass(frozen=True, slots=True)
class _Result:
    """What a request came to."""

    reply: Reply
    body: Any = None
    effects: tuple[Effect, ...] = ()
    failure: str = ""


class Emulator:
    """The account behind its REST API. Safe to call from many threads; requests take turns."""

    def __init__(
        self,
        store: Store,
        account: Account,
        credentials: tuple[str, str] | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._account = account
        self._credentials = credentials
        self._router = Router(ROUTES)
        self._history = History(store)
        self._quota = Quota(clock)
        self.dashboard = Dashboard(account)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        response = self._respond(request)
        return response(environ, start_response)

    def history(self, since: int = 0) -> list[Exchange]:
        """Requests with their effects, oldest first: all that are remembered, or those behind a
        sequence number."""
        return self._history.since(since)

    def close(self) -> None:
        """Let go of the database."""
        self._store.close()

    def _respond(self, request: Request) -> Response:
        request.max_content_length = LARGEST_BODY
        try:
            raw: bytes | HTTPException = request.get_data(cache=False)
        except HTTPException as error:  # too large, or the client went away
            raw = error
        with self._store.transaction():
            result = self._result(request, raw)
            sequence = self._history.record(
                at=self._account.now(),
                method=request.method,
                path=request.path,
                query=request.args.to_dict(),
                accept=request.headers.get("Accept", ""),
                body=result.body,
                status=result.reply.status,
                code=result.reply.code,
                effects=result.effects,
                failure=result.failure,
            )
            headers = {**self._quota.spend(), **_request_id(sequence), **result.reply.headers}
        return _response(result.reply, headers)

    def _result(self, request: Request, raw: bytes | HTTPException) -> _Result:
        """Run the handler. A refusal undoes what it did; so does a bug of ours, the only cause of a 500."""
        body: Any = None
        try:
            if isinstance(raw, HTTPException):
                raise refusal(raw.code or 400, "InvalidInput", raw.description or "The body cannot be read")
            body = _readable(raw)
            with self._store.transaction():
                reply = self._reply(request, raw)
            return _Result(reply, body, self._account.take_effects())
        except Refusal as error:
            self._account.take_effects()
            return _Result(error.reply, body)
        except Exception:
            self._account.take_effects()
            reply = Reply(500, "The emulator failed; see its history", code="InternalServerError")
            return _Result(reply, body, failure=traceback.format_exc())

    def _reply(self, request: Request, raw: bytes) -> Reply:
        """The checks in Fivetran's order, then the handler."""
        check_credentials(request.headers.get("Authorization"), self._credentials)
        check_content_type(request.method, request.headers.get("Content-Type"))
        version = accepted_version(request.headers.get("Accept"))
        handler, arguments = self._router.find(request.method, request.path)
        body: Mapping[str, Any] = object_body(parsed_body(raw)) if request.method in {"POST", "PATCH"} else {}
        return handler(self._account, Call(arguments, request.args.to_dict(), body, version))


def _readable(raw: bytes) -> Any:
    """The body for the history."""
    try:
        return parsed_body(raw)
    except Refusal:
        return None


def _request_id(sequence: int) -> dict[str, str]:
    return {"X-Request-Id": str(UUID(bytes=digest("request", sequence), version=4))}


def _response(reply: Reply, headers: Mapping[str, str]) -> Response:
    response = Response(reply.encoded(), reply.status, content_type="application/json;charset=UTF-8")
    response.headers["Server"] = "nginx"
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(headers)
    return response
