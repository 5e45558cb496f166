"""Serve the emulator on a socket, for this machine only."""

from __future__ import annotations

import io
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from reconciler.emulator.connection_faults import CLIENT_SOCKET_KEY, BrokenDelivery, break_delivery
from reconciler.emulator.envelope import Reply
from reconciler.emulator.fault_kinds import FaultKind
from reconciler.emulator.faults import Fault, Faults
from reconciler.emulator.local_callers import is_loopback

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_POLL_INTERVAL = 0.02
"""Seconds between two checks for a stop of the server."""

_MAX_READ_BYTES = 16 * 1024 * 1024
"""Bytes of a body that are read before the app runs. A longer body stays unread, and its connection is closed."""

_LINGER_RESET = struct.pack("ii", 1, 0)


class NotLoopbackError(ValueError):
    """Error of a host that is no address of this machine.

    The emulator has no access control, so it serves no other machine.
    """


def serve(
    app: WSGIApplication, *, host: str = "127.0.0.1", port: int = 0, on_ready: Callable[[str], None]
) -> None:
    """Serve until interrupted. `on_ready` gets the base URL once the server accepts connections.

    Port 0 selects a free port. Raises NotLoopbackError, or OSError if the port is taken.
    """
    with _create_server(app, host, port) as server:
        on_ready(_build_url(server))
        try:
            server.serve_forever()
        finally:
            server.close_connections()


@contextmanager
def serve_in_thread(app: WSGIApplication, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve from a thread during the block, which gets the base URL."""
    with _create_server(app, host, port) as server:
        thread = threading.Thread(
            target=server.serve_forever, args=(_POLL_INTERVAL,), name="emulator", daemon=True
        )
        thread.start()
        try:
            yield _build_url(server)
        finally:
            server.shutdown()
            thread.join()
            server.close_connections()


class _Server(ThreadedWSGIServer):
    """Server with a thread per connection. Connections stay open between requests and end with the server."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, listener: socket.socket, host: str, port: int, app: WSGIApplication) -> None:
        super().__init__(host, port, app, handler=_Handler, fd=listener.fileno())
        self.stopping = threading.Event()
        self._connections_lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}

    @property
    def faults(self) -> Faults | None:
        """Return the faults of the app, None if the app is no emulator."""
        return getattr(self.app, "faults", None)

    def report_broken_connection(self, fault: Fault) -> None:
        """Report a connection that a fault breaks before its request."""
        report = getattr(self.app, "report_broken_connection", None)
        if report is not None:
            report(fault)

    def register(self, connection: socket.socket) -> None:
        """Register a connection with the current thread, which serves it."""
        with self._connections_lock:
            self._connections[connection] = threading.current_thread()

    def unregister(self, connection: socket.socket) -> None:
        """Remove a closed connection."""
        with self._connections_lock:
            self._connections.pop(connection, None)

    def close_connections(self) -> None:
        """Stop every wait, close every connection, and join the threads."""
        self.stopping.set()
        with self._connections_lock:
            remaining = dict(self._connections)
        for connection in remaining:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in remaining.values():
            # Bounded: a connection that is stuck must not keep the server from ending.
            thread.join(5.0)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: only the command line prints."""


class _Handler(WSGIRequestHandler):
    """Handler of one connection: silent, kept open, and broken as faults demand."""

    server: _Server
    disable_nagle_algorithm = True
    protocol_version = "HTTP/1.1"

    _fault: Fault | None = None

    def handle(self) -> None:
        """Serve requests until either side closes the connection."""
        self.server.register(self.connection)
        try:
            fault = self.server.faults.trigger_at_accept() if self.server.faults else None
            if fault is not None:
                self.server.report_broken_connection(fault)
                self._deliver(break_delivery(fault, b"", b""))
                return
            with suppress(OSError):
                super().handle()
        finally:
            self.server.unregister(self.connection)

    def run_wsgi(self) -> None:
        """Serve one request. The base class would close the connection after each request."""
        body = self._read_body()
        if body is None:
            self.close_connection = True
            return
        environ = self.make_environ()
        environ["wsgi.input"] = body
        environ[CLIENT_SOCKET_KEY] = self
        self._fault = None
        status, headers, content = _call_app(self.server.app, environ)
        # Unread bytes of the body would be parsed as the next request.
        if body is self.rfile or "HTTP_TRANSFER_ENCODING" in environ:
            self.close_connection = True
        if self.close_connection:
            headers.append(("Connection", "close"))
        head = self._encode_head(status, headers)
        if self._fault is not None:
            self._deliver(break_delivery(self._fault, head, content))
        else:
            self.connection.sendall(head + content)
            self._drain(body)

    def wait(self, seconds: float) -> None:
        """Wait in real time. Returns early if the server stops."""
        self.server.stopping.wait(seconds)

    def break_off(self, fault: Fault) -> None:
        """Deliver the response of this request as the fault demands."""
        self._fault = fault

    def _read_body(self) -> Any:
        """Read the body into a stream. None if the client closes the connection within the body.

        A body of unknown length or above the limit is not read: the stream of the connection is returned.
        """
        if self.headers.get("Expect", "").strip().lower() == "100-continue":
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "Transfer-Encoding" in self.headers:
            return self.rfile
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()) or int(length[:12]) > _MAX_READ_BYTES:
            return self.rfile
        body = self.rfile.read(int(length))
        return io.BytesIO(body) if len(body) == int(length) else None

    def _drain(self, body: Any) -> None:
        """Drain an unread body for a moment.

        A client that still writes would otherwise see a reset instead of the response.
        """
        if body is not self.rfile:
            return
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(0.5)
            while self.connection.recv(1 << 20):
                pass

    def _encode_head(self, status: str, headers: list[tuple[str, str]]) -> bytes:
        lines = [f"{name}: {value}" for name, value in headers]
        return "\r\n".join([f"{self.protocol_version} {status}", *lines, "", ""]).encode("latin-1", "replace")

    def _deliver(self, delivery: BrokenDelivery) -> None:
        """Deliver the bytes of a broken response, and end the connection as the fault demands."""
        self.close_connection = True
        with suppress(OSError):
            if delivery.rate:
                self._drip(delivery)
            else:
                self.connection.sendall(delivery.data)
        if delivery.seconds:
            self.wait(delivery.seconds)
        if delivery.kind is FaultKind.RESET:
            # The streams of the base class hold the descriptor. Only a detached socket sends the reset on close.
            raw_socket = socket.socket(fileno=self.connection.detach())
            with suppress(OSError):
                raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
            raw_socket.close()

    def _drip(self, delivery: BrokenDelivery) -> None:
        self.connection.sendall(delivery.data[: delivery.drip_start])
        # Ten portions a second at most: a fast drip must not cost more than a slow drip.
        portion = max(int(delivery.rate / 10), 1)
        for start in range(delivery.drip_start, len(delivery.data), portion):
            if self.server.stopping.wait(portion / delivery.rate):
                return
            self.connection.sendall(delivery.data[start : start + portion])

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Print nothing: only the command line prints."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Send an error in the envelope. The base class would send a page of HTML."""
        body = Reply(code, message or HTTPStatus(code).phrase, code="BadRequest").encode()
        self.send_response(code, message)
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True


def _call_app(app: WSGIApplication, environ: WSGIEnvironment) -> tuple[str, list[tuple[str, str]], bytes]:
    """Call a WSGI app and collect its status, headers and whole body."""
    started: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started[:] = [(status, headers)]
        return written.append

    typed_start_response: StartResponse = start_response
    written.extend(app(environ, typed_start_response))
    status, headers = started[0]
    return status, list(headers), b"".join(written)


def _create_server(app: WSGIApplication, host: str, port: int) -> _Server:
    if host != "localhost" and not is_loopback(host):
        raise NotLoopbackError(f"{host} is no loopback address of this machine")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Bound here: werkzeug would print its own message and end the process if the port is taken.
    with socket.create_server((host, port), family=family, backlog=128) as listener:
        return _Server(listener, host, port, app)


def _build_url(server: _Server) -> str:
    name = f"[{server.host}]" if ":" in server.host else server.host
    return f"http://{name}:{server.port}/v1"
