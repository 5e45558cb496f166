"""Route methods and paths to handlers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter, Map, Rule

from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import Reply, error_reply

Handler: TypeAlias = Callable[[Account, ApiRequest], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint. `path` is a werkzeug rule, such as `/v1/groups/<id>`."""

    method: str
    path: str
    handler: Handler


class _AnyPathConverter(BaseConverter):
    """Part of a path that may hold slashes, even at its ends: hashes are base64."""

    regex = r"[\s\S]+"
    part_isolating = False


class Router:
    """Table of all endpoints."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._handlers: dict[str, dict[str, Handler]] = {}
        for route in routes:
            self._handlers.setdefault(route.path, {})[route.method] = route.handler
        # Methods are looked up here and not by werkzeug, which would respond to HEAD and OPTIONS by itself.
        rules = [Rule(path, endpoint=path) for path in self._handlers]
        table = Map(
            rules, strict_slashes=True, merge_slashes=False, converters={"anything": _AnyPathConverter}
        )
        self._matcher = table.bind("api.fivetran.com")

    def find(self, method: str, path: str) -> tuple[Handler, Mapping[str, str]]:
        """Find the handler and the variable parts of the path.

        Raises a 404 for an unknown path, a 405 for a method that the path does not have.
        """
        try:
            rule, arguments = self._matcher.match(path, method)
        except NotFound as error:
            raise error_reply(404, "NotFound", f"Path '{path}' does not exist") from error
        handlers = self._handlers[rule]
        if method not in handlers:
            raise error_reply(
                405,
                "MethodNotAllowed",
                f"Method '{method}' is not supported here",
                {"Allow": ", ".join(sorted(handlers))},
            )
        return handlers[method], arguments
