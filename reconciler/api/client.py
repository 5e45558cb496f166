"""Send typed requests to the API, one method per endpoint.

No method repeats a request: the sender decides about retries (see `retrying`). For failed writes, see
`ApiError.is_ambiguous`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from reconciler.api.errors import (
    MAX_NAME_LENGTH,
    Exchange,
    InvalidRequestError,
    InvalidResponseError,
    sanitize,
)
from reconciler.api.responses import (
    ID_PATTERN,
    Account,
    ApprovalItem,
    Connection,
    Destination,
    DestinationSummary,
    Group,
    GroupPublicKey,
    GroupServiceAccount,
    HybridAgent,
    Page,
    PrivateLink,
    ProxyAgent,
    SecretsManagerConnection,
    SetupRun,
    UserAccount,
)
from reconciler.api.transport import Request, Response, Sender, TimeoutClass

# Version 2 calls the networking field of a config `connection_type`; lists and deletes have one version only.
VERSION_2 = "application/json;version=2"

PAGE_SIZE = 1000
MAX_PAGES = 1000

_Model = TypeVar("_Model", bound=BaseModel)
_Object = TypeVar("_Object", Group, Destination, SetupRun)
_ListItem = TypeVar(
    "_ListItem",
    Group,
    Connection,
    DestinationSummary,
    UserAccount,
    PrivateLink,
    HybridAgent,
    ProxyAgent,
    SecretsManagerConnection,
    ApprovalItem,
)


class ApprovalList(StrEnum):
    """List of the approvals of one kind of a destination. The values are parts of paths of the API."""

    CERTIFICATES = "/certificates"
    FINGERPRINTS = "/fingerprints"


class Client:
    """Client of the API over a sender. Safe to share between threads.

    Every method raises `ApiError`s. Bodies are mappings in the API's own terms, whose values may be `Secret`.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def with_before_send(self, before_send: Callable[[], None]) -> Client:
        """Return a client that calls `before_send` right before each request leaves.

        `before_send` may raise an `ApiError` to hold the request back.
        """
        return Client(_NotifyingSender(self._sender, before_send))

    def get_account(self) -> Account:
        """Get the account of the credentials. The cheapest request of the API."""
        return self._call(Account, Request("GET", "/account/info"))

    def list_groups(self) -> list[Group]:
        """List every group of the account, each id once."""
        return self._list(Group, "/groups")

    def get_group(self, group_id: str) -> Group:
        """Get a group. Raises NotFound."""
        return self._call_for_object(group_id, Group, Request("GET", _build_path("GET", "/groups", group_id)))

    def create_group(self, name: str) -> Group:
        """Create a group. Not idempotent: a repeated request creates a second group of the same name."""
        return self._call(Group, Request("POST", "/groups", body={"name": name}))

    def rename_group(self, group_id: str, name: str) -> Group:
        """Rename a group. Its id stays."""
        request = Request("PATCH", _build_path("PATCH", "/groups", group_id), body={"name": name})
        return self._call_for_object(group_id, Group, request)

    def delete_group(self, group_id: str) -> None:
        """Delete a group. Raises NotFound if it does not exist."""
        self._sender.send(Request("DELETE", _build_path("DELETE", "/groups", group_id)))

    def get_public_key(self, group_id: str) -> GroupPublicKey:
        """Get the SSH public key of a group, which the tunnel host of its destination has to admit. Raises NotFound."""
        return self._call(
            GroupPublicKey, Request("GET", _build_path("GET", "/groups", group_id, "/public-key"))
        )

    def get_service_account(self, group_id: str) -> GroupServiceAccount:
        """Get the Google service account of a group, which needs rights in the project of its destination. Raises
        NotFound."""
        path = _build_path("GET", "/groups", group_id, "/service-account")
        return self._call(GroupServiceAccount, Request("GET", path))

    def list_group_connections(self, group_id: str) -> list[Connection]:
        """List every connection of a group. Raises NotFound."""
        return self._list(Connection, _build_path("GET", "/groups", group_id, "/connections"))

    def delete_connection(self, connection_id: str) -> None:
        """Delete a connection. Raises NotFound if it does not exist."""
        self._sender.send(Request("DELETE", _build_path("DELETE", "/connections", connection_id)))

    def list_destinations(self) -> list[DestinationSummary]:
        """List every destination of the account, each id once, without `config`."""
        return self._list(DestinationSummary, "/destinations")

    def list_approvals(self, destination_id: str, approvals: ApprovalList) -> list[ApprovalItem]:
        """List every approved certificate or fingerprint of a destination. Raises NotFound."""
        return self._list(ApprovalItem, _build_path("GET", "/destinations", destination_id, approvals))

    def approve_server(self, destination_id: str, approvals: ApprovalList, body: Mapping[str, str]) -> None:
        """Approve a certificate or host key of a destination. `body` has its hash, and itself.

        A second approval of the same server changes nothing, or raises Conflict.
        """
        path = _build_path("POST", "/destinations", destination_id, approvals)
        self._sender.send(Request("POST", path, body=body))

    def revoke_server(self, destination_id: str, approvals: ApprovalList, approval_id: str) -> None:
        """Revoke an approval by the `id` of its item in the list. Raises NotFound if there is none."""
        path = _build_path("DELETE", "/destinations", destination_id, approvals)
        self._sender.send(Request("DELETE", f"{path}/{quote(approval_id, safe='')}"))

    def get_destination(self, destination_id: str) -> Destination:
        """Get a destination with its config. Raises NotFound."""
        request = Request("GET", _build_path("GET", "/destinations", destination_id), accept=VERSION_2)
        return self._call_for_object(destination_id, Destination, request)

    def create_destination(self, body: Mapping[str, Any]) -> Destination:
        """Create the destination of the group `body["group_id"]`. Its id is the group's id.

        Fivetran runs setup tests, which take minutes, unless the body has `run_setup_tests: false`.
        """
        request = Request(
            "POST", "/destinations", body=body, accept=VERSION_2, timeout_class=_choose_timeout_class(body)
        )
        response = self._sender.send(request)
        created = _parse(Destination, response, response.data)
        if created.group_id != body.get("group_id"):
            raise _build_response_error(response, f"the answer is about another group, `{created.group_id}`")
        return created

    def update_destination(self, destination_id: str, body: Mapping[str, Any]) -> Destination:
        """Update the given fields only. Keys of `config` are merged one by one.

        Setup tests run as in `create_destination`.
        """
        path = _build_path("PATCH", "/destinations", destination_id)
        request = Request(
            "PATCH", path, body=body, accept=VERSION_2, timeout_class=_choose_timeout_class(body)
        )
        return self._call_for_object(destination_id, Destination, request)

    def delete_destination(self, destination_id: str) -> None:
        """Delete a destination. Its group stays. Raises NotFound if it does not exist."""
        self._sender.send(Request("DELETE", _build_path("DELETE", "/destinations", destination_id)))

    def test_destination(
        self, destination_id: str, *, trust_certificates: bool = False, trust_fingerprints: bool = False
    ) -> SetupRun:
        """Run the setup tests and wait for their results, which can take minutes.

        With a trust flag, Fivetran approves unknown certificates or fingerprints by itself. Only status and
        tests of the response are returned, since its other fields can be stale.
        """
        flags = {"trust_certificates": trust_certificates, "trust_fingerprints": trust_fingerprints}
        request = Request(
            "POST",
            _build_path("POST", "/destinations", destination_id, "/test"),
            body={name: True for name, is_set in flags.items() if is_set},
            accept=VERSION_2,
            timeout_class=TimeoutClass.SETUP_TESTS,
        )
        return self._call_for_object(destination_id, SetupRun, request)

    def list_users(self) -> list[UserAccount]:
        """List every user of the account."""
        return self._list(UserAccount, "/users")

    def list_private_links(self) -> list[PrivateLink]:
        """List every private link of the account."""
        return self._list(PrivateLink, "/private-links")

    def list_hybrid_agents(self) -> list[HybridAgent]:
        """List every hybrid deployment agent of the account."""
        return self._list(HybridAgent, "/hybrid-deployment-agents")

    def list_proxy_agents(self) -> list[ProxyAgent]:
        """List every proxy agent of the account."""
        return self._list(ProxyAgent, "/proxy")

    def list_secrets_managers(self) -> list[SecretsManagerConnection]:
        """List every connection of Fivetran to a secrets manager."""
        return self._list(SecretsManagerConnection, "/external-secrets-managers")

    def _call(self, model: type[_Model], request: Request) -> _Model:
        response = self._sender.send(request)
        return _parse(model, response, response.data)

    def _call_for_object(self, object_id: str, model: type[_Object], request: Request) -> _Object:
        """Send a request, and refuse a response about another object. A test run may lack an id."""
        response = self._sender.send(request)
        parsed = _parse(model, response, response.data)
        if parsed.id is not None and parsed.id != object_id:
            other_id = sanitize(parsed.id, MAX_NAME_LENGTH)
            raise _build_response_error(response, f"the answer is about another object, `{other_id}`")
        return parsed

    def _list(self, model: type[_ListItem], path: str) -> list[_ListItem]:
        """List all pages, with every id once.

        An item occurs twice if the list changes between two pages. A repeated cursor would never end.
        """
        items_by_id: dict[str, _ListItem] = {}
        cursors: set[str] = set()
        query = {"limit": str(PAGE_SIZE)}
        while True:
            response = self._sender.send(Request("GET", path, query=query))
            page = _parse(Page, response, response.data)
            for index, item in enumerate(page.items):
                parsed = _parse(model, response, item, prefix=f"items.{index}.")
                items_by_id.setdefault(parsed.id, parsed)
            if not page.next_cursor:
                return list(items_by_id.values())
            if page.next_cursor in cursors or len(cursors) >= MAX_PAGES:
                raise _build_response_error(
                    response, "the list never ends: its cursors repeat, or are too many"
                )
            cursors.add(page.next_cursor)
            query = {"limit": str(PAGE_SIZE), "cursor": page.next_cursor}


class _NotifyingSender:
    """Sender that calls a function right before each request leaves."""

    def __init__(self, sender: Sender, before_send: Callable[[], None]) -> None:
        self._sender = sender
        self._before_send = before_send

    def send(self, request: Request) -> Response:
        """Send a request. Raises `ApiError`s."""
        return self._sender.send(replace(request, before_send=self._before_send))


def _build_path(method: str, collection: str, object_id: str, suffix: str = "") -> str:
    """Build the path of an object. The id is checked, since it may come from a spec or a state file."""
    if not isinstance(object_id, str) or not re.fullmatch(ID_PATTERN, object_id):
        sanitized_id = sanitize(str(object_id), MAX_NAME_LENGTH)
        raise InvalidRequestError(
            Exchange(
                method, f"{collection}/…{suffix}", message=f"`{sanitized_id}` cannot be an id at Fivetran"
            )
        )
    return f"{collection}/{quote(object_id, safe='')}{suffix}"


def _choose_timeout_class(body: Mapping[str, Any]) -> TimeoutClass:
    """Choose the timeouts of a write: setup tests run unless the body declines them."""
    return TimeoutClass.ORDINARY if body.get("run_setup_tests") is False else TimeoutClass.SETUP_TESTS


def _parse(model: type[_Model], response: Response, data: Any, prefix: str = "") -> _Model:
    """Parse data as a model. An error names the path of the invalid value, never the value."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_context=False, include_url=False)[0]
    location = prefix + ".".join(str(step) for step in problem["loc"])
    raise _build_response_error(
        response, f"`{sanitize(location or 'data', MAX_NAME_LENGTH)}`: {problem['msg'].lower()}"
    )


def _build_response_error(response: Response, reason: str) -> InvalidResponseError:
    return InvalidResponseError(replace(response.exchange, message=reason))
