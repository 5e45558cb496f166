"""The emulator on a socket, for this machine only."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from reconciler.emulator.envelope import Reply

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


_POLL = 0.02
"""Seconds until a server notices that it shall stop."""


class NotLoopbackError(ValueError):
    """The emulator lets everyone in, so it does not listen where others can reach it."""


def serve(
    app: WSGIApplication, *, host: str = "127.0.0.1", port: int = 0, on_ready: Callable[[str], None]
) -> None:
    """Serve until interrupted. `on_ready` gets the base URL once connections are taken; port 0 takes a
    free one. Raises NotLoopbackError, or OSError where the port is taken."""
    server = _server(app, host, port)
    on_ready(_url(server))
    server.serve_forever()


@contextmanager
def serving(app: WSGIApplication, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve from a thread for the length of a block, which gets the base URL."""
    server = _server(app, host, port)
    thread = threading.Thread(target=server.serve_forever, args=(_POLL,), name="emulator", daemon=True)
    thread.start()
    try:
        yield _url(server)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(WSGIRequestHandler):
    """Silent, and with an envelope even for what is no HTTP."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Nothing below the command line prints."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The base class would answer with a page of HTML."""
        body = Reply(code, message or HTTPStatus(code).phrase, code="BadRequest").encoded()
        self.send_response(code, message)
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def _server(app: WSGIApplication, host: str, port: int) -> BaseWSGIServer:
    if host != "localhost" and not _is_loopback(host):
        raise NotLoopbackError(f"{host} is not an address of this machine alone")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Bound here: werkzeug would print a message of its own and end the process where the port is taken.
    with socket.create_server((host, port), family=family) as listener:
        return make_server(host, port, app, threaded=True, request_handler=_Handler, fd=listener.fileno())


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _url(server: BaseWSGIServer) -> str:
    name = f"[{server.host}]" if ":" in server.host else server.host
    return f"http://{name}:{server.port}/v1"
