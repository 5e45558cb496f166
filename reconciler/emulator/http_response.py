"""An answer as it goes out: status, headers and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from reconciler.emulator.envelope import Reply

JSON_TYPE = "application/json;charset=UTF-8"
HTML_TYPE = "text/html;charset=UTF-8"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What the client gets. The Content-Length is that of `body` unless `headers` say otherwise."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE

    @property
    def status_line(self) -> str:
        """`404 NOT FOUND`; statuses that only proxies know have a plain name."""
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return f"{self.status} Unknown"

    def build_headers(self) -> list[tuple[str, str]]:
        """All headers as WSGI wants them."""
        fixed = {
            "Content-Type": self.content_type,
            "Content-Length": str(len(self.body)),
            "Server": "nginx",
            "Cache-Control": "no-store",
        }
        return list({**fixed, **self.headers}.items())


def encode_reply(reply: Reply) -> HttpResponse:
    """The ordinary form of a reply."""
    return HttpResponse(reply.status, reply.encode(), reply.headers)
