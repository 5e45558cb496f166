"""The calls that this program makes, one method each.

No method repeats a call; that is up to the sender (see `courier`). For writes that failed, see
`ApiError.may_have_taken_effect`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from reconciler.api.errors import LONGEST_NAME, Exchange, Unintelligible, Unsendable, harmless
from reconciler.api.transport import Answer, Patience, Request, Sender
from reconciler.api.wire import (
    ID_PATTERN,
    Account,
    Connection,
    Destination,
    DestinationSummary,
    Group,
    Page,
    SetupRun,
)

# Version 2 calls the networking field of a config `connection_type`; lists and deletes have one version only.
VERSION_2 = "application/json;version=2"

PAGE_SIZE = 1000
MOST_PAGES = 1000

_Model = TypeVar("_Model", bound=BaseModel)
_Object = TypeVar("_Object", Group, Destination, SetupRun)
_Listed = TypeVar("_Listed", Group, Connection, DestinationSummary)


class Client:
    """Typed calls over a sender. Safe to share between threads.

    Every method raises `ApiError`s. Bodies are mappings in the API's own terms; values in them may
    be `Secret`.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def with_notice(self, before_leaving: Callable[[], None]) -> Client:
        """A client that calls this right before each of its requests leaves; it may raise an `ApiError` instead."""
        return Client(_WithNotice(self._sender, before_leaving))

    def account(self) -> Account:
        """The account of the credentials; the cheapest call there is."""
        return self._call(Account, Request("GET", "/account/info"))

    def groups(self) -> list[Group]:
        """Every group of the account, each id once."""
        return self._list(Group, "/groups")

    def group(self, group_id: str) -> Group:
        """One group. Raises `NotFound`."""
        return self._about(group_id, Group, Request("GET", _path("GET", "/groups", group_id)))

    def create_group(self, name: str) -> Group:
        """Make a group. Not idempotent: a repeat makes a second one of the same name."""
        return self._call(Group, Request("POST", "/groups", body={"name": name}))

    def rename_group(self, group_id: str, name: str) -> Group:
        """Give a group another name; its id stays."""
        request = Request("PATCH", _path("PATCH", "/groups", group_id), body={"name": name})
        return self._about(group_id, Group, request)

    def delete_group(self, group_id: str) -> None:
        """Remove a group. Raises `NotFound` where it is gone already."""
        self._sender.send(Request("DELETE", _path("DELETE", "/groups", group_id)))

    def group_connections(self, group_id: str) -> list[Connection]:
        """Every connection of a group. Raises `NotFound`."""
        return self._list(Connection, _path("GET", "/groups", group_id, "/connections"))

    def delete_connection(self, connection_id: str) -> None:
        """Remove a connection. Raises `NotFound` where it is gone already."""
        self._sender.send(Request("DELETE", _path("DELETE", "/connections", connection_id)))

    def destinations(self) -> list[DestinationSummary]:
        """Every destination of the account, each id once, without `config`."""
        return self._list(DestinationSummary, "/destinations")

    def destination(self, destination_id: str) -> Destination:
        """One destination with its config. Raises `NotFound`."""
        request = Request("GET", _path("GET", "/destinations", destination_id), accept=VERSION_2)
        return self._about(destination_id, Destination, request)

    def create_destination(self, body: Mapping[str, Any]) -> Destination:
        """Make the destination of the group `body["group_id"]`; its id is that of the group.

        Fivetran runs setup tests unless the body says `run_setup_tests: false`; that takes minutes.
        """
        request = Request("POST", "/destinations", body=body, accept=VERSION_2, patience=_patience(body))
        answer = self._sender.send(request)
        made = _parsed(Destination, answer, answer.data)
        if made.group_id != body.get("group_id"):
            raise _misunderstood(answer, f"the answer is about another group, `{made.group_id}`")
        return made

    def update_destination(self, destination_id: str, body: Mapping[str, Any]) -> Destination:
        """Change the given fields only; keys of `config` are merged one by one.

        Setup tests run as for `create_destination`.
        """
        path = _path("PATCH", "/destinations", destination_id)
        request = Request("PATCH", path, body=body, accept=VERSION_2, patience=_patience(body))
        return self._about(destination_id, Destination, request)

    def delete_destination(self, destination_id: str) -> None:
        """Remove a destination; its group stays. Raises `NotFound` where it is gone already."""
        self._sender.send(Request("DELETE", _path("DELETE", "/destinations", destination_id)))

    def test_destination(
        self, destination_id: str, *, trust_certificates: bool = False, trust_fingerprints: bool = False
    ) -> SetupRun:
        """Run the setup tests, which takes up to minutes, and wait for their results.

        With a trust flag Fivetran approves by itself what it meets. Only the status and the tests of
        the answer are given, since its other fields can be stale.
        """
        flags = {"trust_certificates": trust_certificates, "trust_fingerprints": trust_fingerprints}
        request = Request(
            "POST",
            _path("POST", "/destinations", destination_id, "/test"),
            body={name: True for name, wanted in flags.items() if wanted},
            accept=VERSION_2,
            patience=Patience.SETUP_TESTS,
        )
        return self._about(destination_id, SetupRun, request)

    def _call(self, model: type[_Model], request: Request) -> _Model:
        answer = self._sender.send(request)
        return _parsed(model, answer, answer.data)

    def _about(self, asked: str, model: type[_Object], request: Request) -> _Object:
        """Call, and refuse an answer about another object. A test run may come without an id."""
        answer = self._sender.send(request)
        found = _parsed(model, answer, answer.data)
        if found.id is not None and found.id != asked:
            other = harmless(found.id, LONGEST_NAME)
            raise _misunderstood(answer, f"the answer is about another object, `{other}`")
        return found

    def _list(self, model: type[_Listed], path: str) -> list[_Listed]:
        """All pages of a list, with every id once.

        An item comes twice where the list changes between two pages. A cursor that comes twice
        would go on for ever.
        """
        found: dict[str, _Listed] = {}
        cursors: set[str] = set()
        query = {"limit": str(PAGE_SIZE)}
        while True:
            answer = self._sender.send(Request("GET", path, query=query))
            page = _parsed(Page, answer, answer.data)
            for number, item in enumerate(page.items):
                each = _parsed(model, answer, item, place=f"items.{number}.")
                found.setdefault(each.id, each)
            if not page.next_cursor:
                return list(found.values())
            if page.next_cursor in cursors or len(cursors) >= MOST_PAGES:
                raise _misunderstood(answer, "the list never ends: its cursors go round, or are too many")
            cursors.add(page.next_cursor)
            query = {"limit": str(PAGE_SIZE), "cursor": page.next_cursor}


class _WithNotice:
    """A sender whose requests give notice before they leave."""

    def __init__(self, sender: Sender, before_leaving: Callable[[], None]) -> None:
        self._sender = sender
        self._before_leaving = before_leaving

    def send(self, request: Request) -> Answer:
        """Send a request. Raises `ApiError`s."""
        return self._sender.send(replace(request, before_leaving=self._before_leaving))


def _path(method: str, collection: str, object_id: str, below: str = "") -> str:
    """The path of one object. The id is checked, since it may come from a spec or a file."""
    if not isinstance(object_id, str) or not re.fullmatch(ID_PATTERN, object_id):
        shown = harmless(str(object_id), LONGEST_NAME)
        raise Unsendable(
            Exchange(method, f"{collection}/…{below}", message=f"`{shown}` cannot be an id at Fivetran")
        )
    return f"{collection}/{quote(object_id, safe='')}{below}"


def _patience(body: Mapping[str, Any]) -> Patience:
    """How long a write may take: setup tests run unless they are declined."""
    return Patience.ORDINARY if body.get("run_setup_tests") is False else Patience.SETUP_TESTS


def _parsed(model: type[_Model], answer: Answer, data: Any, place: str = "") -> _Model:
    """The data as a model. What does not fit is named by its place, never by its value."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_context=False, include_url=False)[0]
    where = place + ".".join(str(step) for step in problem["loc"])
    raise _misunderstood(answer, f"`{harmless(where or 'data', LONGEST_NAME)}`: {problem['msg'].lower()}")


def _misunderstood(answer: Answer, why: str) -> Unintelligible:
    return Unintelligible(replace(answer.exchange, message=why))
