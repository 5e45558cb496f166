"""List and show the objects of one kind as they are stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import ErrorReply, Reply
from reconciler.emulator.paging import list_page
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind


@dataclass(frozen=True, slots=True)
class Collection:
    """Endpoints that list and show objects of one kind.

    `listed` is the message of the list. `build_missing_error` builds the 404 of an id.
    """

    kind: Kind
    listed: str
    build_missing_error: Callable[[Account, str], ErrorReply]

    def build_routes(self) -> tuple[Route, ...]:
        """Build the routes: list and show."""
        return (
            Route("GET", f"/v1/{self.kind}s", self.list_all),
            Route("GET", f"/v1/{self.kind}s/<id>", self.show),
        )

    def list_all(self, account: Account, request: ApiRequest) -> Reply:
        """List all objects, oldest first."""
        items, next_cursor = list_page(account, request, self.kind)
        return Reply(200, self.listed, {"items": items, **next_cursor})

    def show(self, account: Account, request: ApiRequest) -> Reply:
        """Show an object."""
        document = self.require(account, request.id)
        return Reply(200, f"{self.kind.title()} details retrieved successfully", document)

    def require(self, account: Account, identifier: str) -> dict[str, Any]:
        """Get an existing object. Raises a 404."""
        document = account.store.find(self.kind, identifier)
        if document is None:
            raise self.build_missing_error(account, identifier)
        return document
