"""Serve scripted answers on loopback, byte by byte, for tests of the HTTP layer."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ReceivedRequest:
    """Request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class ServerConnection:
    """Server's end of one connection, for scripts."""

    sock: socket.socket
    closing: threading.Event
    keep_alive: bool = False

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, pause: float = 0.02) -> None:
        """Send one byte at a time, until all bytes are sent or the client has closed the connection."""
        for byte in data:
            if self.closing.wait(pause):
                return
            self.sock.sendall(bytes([byte]))

    def hang(self) -> None:
        """Send nothing until the end of the test."""
        self.closing.wait(10)

    def unwrap_tls(self) -> socket.socket:
        """Return the connection below TLS."""
        self.sock = socket.socket(fileno=self.sock.detach())
        return self.sock

    def reset(self) -> None:
        """Cut the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.sock.close()


Script = Callable[[ServerConnection, ReceivedRequest], None]


@dataclass
class ScriptedServer:
    """Server that runs a script for every request; `requests` are in the order of their arrival."""

    script: Script
    tls: ssl.SSLContext | None = None
    greeting: Callable[[ServerConnection], None] | None = None
    tunnel: bool = False
    requests: list[ReceivedRequest] = field(default_factory=list)
    port: int = 0
    connections: int = 0
    _closing: threading.Event = field(default_factory=threading.Event)
    _sockets: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/v1"

    def wait_until_closed(self) -> None:
        """Wait until every connection whose script has ended is closed on this side."""
        for thread in self._threads:
            thread.join(5)

    def list_methods(self) -> list[str]:
        return [request.method for request in self.requests]

    def _accept(self, listener: socket.socket) -> None:
        while not self._closing.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            if self.greeting:
                self.greeting(ServerConnection(sock, self._closing))
                return
            if self.tunnel:
                connect_request = _read_request(sock, number)
                if connect_request is None:
                    return
                self.requests.append(connect_request)
                sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
                self._sockets.append(sock)
            while True:
                request = _read_request(sock, number)
                if request is None:
                    return
                self.requests.append(request)
                connection = ServerConnection(sock, self._closing)
                self.script(connection, request)
                sock = connection.sock
                if not connection.keep_alive:
                    return
        except OSError:
            return
        finally:
            sock.close()


def _read_request(sock: socket.socket, number: int) -> ReceivedRequest | None:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(65536)
        if not chunk:
            return None
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += sock.recv(65536)
    return ReceivedRequest(method, target, headers, body, number)


@contextmanager
def serve_script(
    script: Script,
    tls: ssl.SSLContext | None = None,
    greeting: Callable[[ServerConnection], None] | None = None,
    tunnel: bool = False,
) -> Iterator[ScriptedServer]:
    """Serve until the block ends."""
    server = ScriptedServer(script, tls, greeting, tunnel)
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]
    acceptor = threading.Thread(target=server._accept, args=(listener,), daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        server._closing.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for sock in server._sockets:
            close_quietly(sock.close)
        for thread in (acceptor, *server._threads):
            thread.join(5)


def close_quietly(close: Callable[[], None]) -> None:
    try:
        close()
    except OSError:
        return


def find_free_port() -> int:
    """Find a port of loopback that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def build_response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Build a whole answer with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def build_envelope(data: Any = None, code: str = "Success", message: str | None = None) -> bytes:
    """Build the API's envelope as JSON."""
    content: dict[str, Any] = {"code": code}
    if message is not None:
        content["message"] = message
    if data is not None:
        content["data"] = data
    return json.dumps(content).encode()
