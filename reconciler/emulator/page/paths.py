"""Name the addresses of the page. Only these cost time if no browser ever asks for the page."""

from __future__ import annotations

from typing import Final

from werkzeug.wrappers import Request

INDEX: Final = "/_emulator"
ROOT: Final = "/_emulator/"
PARTS: Final = "/_emulator/page/"
READ_METHODS: Final = ("GET", "HEAD")


def is_page_request(request: Request) -> bool:
    """Check whether a request is for the page. A browser at `/_emulator` wants the page, a program wants JSON."""
    if request.path == INDEX:
        return request.method in READ_METHODS and "text/html" in request.headers.get("Accept", "")
    return request.path == ROOT or request.path.startswith(PARTS)
