"""Adapt a WSGI app to requests, in place of the network."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPHeaderDict, HTTPResponse


class WsgiAdapter(BaseAdapter):
    """Adapter that passes requests to a WSGI app of the same process: bytes in, bytes out, no socket.

    To the caller it behaves like a network: an app that raises is a server that hangs up, and a response
    shorter than its `Content-Length` is a broken connection. The app runs in the caller's thread.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        super().__init__()
        self._app = app

    def send(  # noqa: PLR0917 - the signature is that of requests
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Run the app. Raises `requests.ConnectionError` if it gives no response."""
        environ = _build_environ(request)
        response_heads: list[tuple[str, list[tuple[str, str]]]] = []
        chunks_written: list[bytes] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            response_heads[:] = [(status, headers)]
            return chunks_written.append

        try:
            chunks = self._app(environ, start_response)
            try:
                chunks_written.extend(chunks)
            finally:
                close = getattr(chunks, "close", None)
                if close:
                    close()
        except Exception as error:
            raise requests.ConnectionError("the app hung up", request=request) from error
        if not response_heads:
            raise requests.ConnectionError("the app never answered", request=request)
        status, headers = response_heads[0]
        return _build_response(request, status, headers, b"".join(chunks_written))

    def close(self) -> None:
        """Close nothing: the creator of the app owns it."""


def _build_environ(request: requests.PreparedRequest) -> dict[str, Any]:
    """Build the environ of PEP 3333."""
    parts = urlsplit(request.url or "")
    body = request.body or b""
    content = body.encode("utf-8") if isinstance(body, str) else bytes(body)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1"),
        "QUERY_STRING": parts.query,
        "SERVER_NAME": parts.hostname or "",
        "SERVER_PORT": str(parts.port or {"http": 80}.get(parts.scheme, 443)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": parts.netloc,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": parts.scheme,
        "wsgi.input": io.BytesIO(content),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        variable = name.upper().replace("-", "_")
        bare = variable in {"CONTENT_TYPE", "CONTENT_LENGTH"}
        environ[variable if bare else f"HTTP_{variable}"] = _to_native_string(value)
    return environ


def _to_native_string(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _build_response(
    request: requests.PreparedRequest, status: str, headers: list[tuple[str, str]], body: bytes
) -> requests.Response:
    code, _, reason = status.partition(" ")
    raw = HTTPResponse(
        body=io.BytesIO(body),
        headers=HTTPHeaderDict(headers),
        status=int(code),
        reason=reason,
        preload_content=False,
        decode_content=False,
        request_method=request.method,
    )
    response = requests.Response()
    response.status_code = raw.status
    response.headers = CaseInsensitiveDict(raw.headers)
    response.raw = raw
    response.reason = reason
    response.url = request.url or ""
    response.request = request
    return response
