"""Answer the requests of browsers for the page, its style sheet and script, and its forms."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.wrappers import Request

from reconciler.emulator.account import Account
from reconciler.emulator.dashboard import Dashboard
from reconciler.emulator.envelope import ErrorReply
from reconciler.emulator.faults import Faults
from reconciler.emulator.history import History
from reconciler.emulator.http_response import HTML_TYPE, HttpResponse
from reconciler.emulator.page.access import FORM_TOKEN, check_form, check_reader
from reconciler.emulator.page.actions import execute, is_action
from reconciler.emulator.page.content import collect_content, collect_requests
from reconciler.emulator.page.paths import INDEX, PARTS, READ_METHODS, ROOT
from reconciler.emulator.page.settings_form import drop_secrets
from reconciler.emulator.store import Kind

_ASSET_TYPES: Final = MappingProxyType(
    {
        "page.css": "text/css;charset=UTF-8",
        "page.js": "text/javascript;charset=UTF-8",
        "icon.svg": "image/svg+xml",
    }
)
_HEADERS: Final = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        # Browsers send `Origin: null` with the forms of a page that has the policy `no-referrer`.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
)
_MAX_NOTICES = 50
_DESTINATION_FORMS = frozenset({"change-destination", "delete-destination"})
_GROUP_FORMS = frozenset({"rename-group", "delete-group"})


@dataclass(frozen=True, slots=True)
class PageMessage:
    """Message about a form, shown at its place.

    A place is a part of the page or the name of a form. `submitted` are the texts of a refused form, empty after a
    success.
    """

    place: str = ""
    text: str = ""
    submitted: Mapping[str, str] = field(default_factory=dict)


class DashboardPage:
    """Page of an emulated account. The history gets no entry, and faults and quotas do not apply."""

    def __init__(self, account: Account, dashboard: Dashboard, history: History, faults: Faults) -> None:
        self._account = account
        self._dashboard = dashboard
        self._history = history
        self._faults = faults
        self._notices: dict[str, PageMessage] = {}

    def handle(self, request: Request) -> HttpResponse:
        """Answer one request."""
        try:
            check_reader(request)
            response = self._dispatch(request)
        except HTTPException as error:
            response = _render_error(error)
        return replace(response, headers={**_HEADERS, **response.headers})

    def _dispatch(self, request: Request) -> HttpResponse:
        name = request.path.removeprefix(PARTS)
        if is_action(name):
            _check_method(request, "POST")
            check_form(request)
            return self._submit(name, request)
        _check_method(request, *READ_METHODS)
        match name:
            case "requests":
                return self._show_requests(request)
            case _ if name in _ASSET_TYPES:
                return _send_asset(name)
        if request.path == INDEX:
            return _redirect(ROOT)
        if request.path == ROOT:
            return self._show(request)
        raise NotFound("There is no such page.")

    def _show(self, request: Request) -> HttpResponse:
        query = request.args
        return self._render_page(
            200,
            open_group=query.get("open", ""),
            first=_parse_number(query.get("from", "")),
            live=_parse_number(query.get("live", "")),
            message=self._notices.pop(query.get("notice", ""), PageMessage()),
        )

    def _show_requests(self, request: Request) -> HttpResponse:
        """Show the list of requests alone, nothing if the reader has the newest request already."""
        requests = collect_requests(self._history)
        if request.args.get("known") == str(requests.total):
            return HttpResponse(200, b"", content_type=HTML_TYPE)
        return _render(200, "requests.html", requests=requests)

    def _submit(self, name: str, request: Request) -> HttpResponse:
        """Execute a form. A refused form is shown again, with the error and the submitted texts."""
        form, group_id = request.form, request.form.get("group", "")
        try:
            message = execute(name, self._dashboard, form)
        except ErrorReply as error:
            problem = PageMessage(self._find_place(name, group_id), error.reply.message, drop_secrets(form))
            return self._render_page(422, open_group=group_id, message=problem)
        return self._keep_notice(self._find_place(name, group_id, is_done=True), group_id, message)

    def _keep_notice(self, place: str, group_id: str, message: str) -> HttpResponse:
        """Keep a message for the next view of the page, and redirect to it. No link can forge a message."""
        key = secrets.token_urlsafe(9)
        self._notices[key] = PageMessage(place, message)
        for outdated in list(self._notices)[:-_MAX_NOTICES]:
            self._notices.pop(outdated, None)
        query = {"open": group_id, "notice": key} if place == "group" else {"notice": key}
        return _redirect(f"{ROOT}?{urlencode(query, errors='replace')}")

    def _find_place(self, name: str, group_id: str, *, is_done: bool = False) -> str:
        """Find the place of a message: the form of an error, or the next larger part of the page that still exists."""
        if name == "approve":
            return "waiting"
        if self._account.store.find(Kind.GROUP, group_id) is None:
            return "page"
        has_destination = self._account.store.find(Kind.DESTINATION, group_id) is not None
        has_form = name in _GROUP_FORMS or (has_destination and name in _DESTINATION_FORMS)
        return name if has_form and not is_done else "group"

    def _render_page(
        self,
        status: int,
        *,
        open_group: str,
        first: int = 0,
        live: int = 0,
        message: PageMessage,
    ) -> HttpResponse:
        content = collect_content(
            self._account, self._history, self._faults.active(), first=first, open_group=open_group
        )
        return _render(
            status,
            "page.html",
            content=content,
            requests=content.requests,
            open_group=open_group,
            live=live,
            message=message,
            token=FORM_TOKEN,
        )


def _check_method(request: Request, *allowed: str) -> None:
    if request.method not in allowed:
        raise MethodNotAllowed(allowed, f"This address takes {' and '.join(allowed)} only.")


def _redirect(location: str) -> HttpResponse:
    return HttpResponse(303, b"", {"Location": location}, HTML_TYPE)


def _send_asset(name: str) -> HttpResponse:
    content = files("reconciler.emulator.page").joinpath("assets", name).read_bytes()
    return HttpResponse(200, content, content_type=_ASSET_TYPES[name])


def _render(status: int, template: str, /, **content: Any) -> HttpResponse:
    # Imported here: jinja2 takes long to load, and most emulators never show a page.
    from reconciler.emulator.page.rendering import render

    return HttpResponse(status, render(template, **content), content_type=HTML_TYPE)


def _render_error(error: HTTPException) -> HttpResponse:
    status = error.code or 400
    allowed = {name: value for name, value in error.get_headers() if name == "Allow"}
    response = _render(status, "error.html", status=status, name=error.name, message=error.description)
    return replace(response, headers=allowed)


def _parse_number(text: str) -> int:
    """Parse a number in the address, 0 for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
