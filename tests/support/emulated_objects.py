"""Serve S3, Google Cloud Storage and Azure Blob Storage on a loopback socket, for the client library of the product.

Google Cloud Storage takes one write per second of the same object, and answers 429 to the next one
(https://cloud.google.com/storage/docs/gcs429). Whether a write that its condition refuses counts is not documented, so
that is a switch.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

AZURE_ACCOUNT = "acmestates"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The well-known key of Microsoft's own emulator."""
GOOGLE_TOKEN = "ya29.token-of-the-tests"


@dataclass(frozen=True)
class StoredObject:
    """Content of an object, and the number of the write that it is of."""

    content: bytes
    generation: int


@dataclass(frozen=True)
class WriteAttempt:
    """A write of an object, with the status of its answer."""

    name: str
    status: int
    at: float


@dataclass
class Refusal:
    """Answer to the next requests of a method or for an object: `count` of them, or all."""

    status: int
    code: str
    message: str = ""
    method: str = ""
    detail: str = ""
    name: str = ""
    count: float = float("inf")
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ObjectResponse:
    """Response to a request."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class ObjectServer:
    """Buckets in memory. `environ` leads to the server.

    `write_interval` is the time between two writes of an object in seconds, by the clock `now`; `counts_refused` says
    whether a write counts that its condition refused. Without `obeys_conditions` all writes are taken. `refusals` are
    the answers to the next requests. `attempts` are all writes and `lists` the number of lists so far. While it is
    `silent`, no request is answered.
    """

    scheme: ClassVar[str]
    bucket: ClassVar[str] = "states"
    write_interval = 0.0
    counts_refused = True

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.obeys_conditions = True
        self.refusals: list[Refusal] = []
        self.attempts: list[WriteAttempt] = []
        self.lists = 0
        self.silent = threading.Event()
        self.url = ""
        self._objects: dict[str, StoredObject] = {}
        self._written_at: dict[str, float] = {}
        self._generation = 1_700_000_000_000_000
        self._lock = threading.Lock()

    @property
    def environ(self) -> dict[str, str]:
        """The variables that lead a client to this server."""
        raise NotImplementedError

    def read_files(self) -> dict[str, str]:
        """Read all objects that are not empty."""
        with self._lock:
            return {name: entry.content.decode() for name, entry in self._objects.items() if entry.content}

    def list_names(self) -> list[str]:
        """List the names of all objects, empty objects included."""
        with self._lock:
            return sorted(self._objects)

    def put(self, name: str, content: str) -> None:
        """Write an object as another client, without condition and limit."""
        with self._lock:
            self._store(name, content.encode())

    def count_writes(self, name: str, status: int = 200) -> int:
        """Count the writes of an object that were answered with this status."""
        return sum(attempt.name == name and attempt.status == status for attempt in self.attempts)

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> ObjectResponse:
        """Answer a request. Requests are handled one at a time."""
        with self._lock:
            bucket, _, name = unquote(urlsplit(target).path).lstrip("/").partition("/")
            refusal = self._take_refusal(method, name)
            if refusal is not None:
                return self._refuse(method, name, refusal)
            if bucket != self.bucket:
                return self._answer_error(method, *self._missing_bucket)
            if method in ("PUT", "DELETE"):
                answer = self._change(method, name, headers, body)
                self.attempts.append(WriteAttempt(name, answer.status, self.now()))
                return answer
            return self._get(method, name) if name else self._list(dict(parse_qsl(urlsplit(target).query)))

    def _take_refusal(self, method: str, name: str) -> Refusal | None:
        for refusal in self.refusals:
            if refusal.method in ("", method) and refusal.name in ("", name) and refusal.count > 0:
                refusal.count -= 1
                return refusal
        return None

    def _refuse(self, method: str, name: str, refusal: Refusal) -> ObjectResponse:
        if method == "PUT":
            self.attempts.append(WriteAttempt(name, refusal.status, self.now()))
        answer = self._answer_error(method, refusal.status, refusal.code, refusal.message, refusal.detail)
        return ObjectResponse(answer.status, {**answer.headers, **refusal.headers}, answer.body)

    def _get(self, method: str, name: str) -> ObjectResponse:
        found = self._objects.get(name)
        if found is None:
            return self._answer_error(method, *self._missing_object)
        headers = {**self._tags(found), "last-modified": formatdate(usegmt=True)}
        return ObjectResponse(200, headers, found.content)

    def _list(self, query: Mapping[str, str]) -> ObjectResponse:
        """Answer the list of the objects below a prefix, without those behind a further delimiter."""
        self.lists += 1
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "\0")
        listed = {
            name: stored
            for name, stored in sorted(self._objects.items())
            if name.startswith(prefix) and delimiter not in name.removeprefix(prefix)
        }
        return ObjectResponse(200, {"content-type": "application/xml"}, self._format_list(listed).encode())

    def _format_list(self, listed: Mapping[str, StoredObject]) -> str:
        rows = "".join(
            f"<Contents><Key>{name}</Key><LastModified>2026-11-26T10:00:00.000Z</LastModified>"
            f"<ETag>{escape(self._tags(stored)['etag'])}</ETag><Size>{len(stored.content)}</Size></Contents>"
            for name, stored in listed.items()
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"

    def _change(self, method: str, name: str, headers: Mapping[str, str], body: bytes) -> ObjectResponse:
        now = self.now()
        if now - self._written_at.get(name, float("-inf")) < self.write_interval:
            return self._answer_error(method, *self._rate_limit(name))
        is_refused = self.obeys_conditions and self._conflicts(self._objects.get(name), headers)
        if self.counts_refused or not is_refused:
            self._written_at[name] = now
        if is_refused:
            return self._answer_error(method, 412, self._condition_code, "A condition does not hold.")
        if method == "DELETE":
            self._objects.pop(name, None)
            return ObjectResponse(204)
        return ObjectResponse(200, self._tags(self._store(name, body)))

    def _store(self, name: str, content: bytes) -> StoredObject:
        self._generation += 1
        self._objects[name] = StoredObject(content, self._generation)
        return self._objects[name]

    def _answer_error(
        self, method: str, status: int, code: str, message: str = "", detail: str = ""
    ) -> ObjectResponse:
        """Answer as both services do: in XML, and without a body to HEAD."""
        text = (
            "<?xml version='1.0' encoding='UTF-8'?><Error>"
            f"<Code>{code}</Code><Message>{message}</Message>{self._format_detail(detail)}</Error>"
        )
        body = b"" if method == "HEAD" else text.encode()
        return ObjectResponse(status, {"content-type": "application/xml; charset=UTF-8"}, body)

    # What the services differ in

    _missing_bucket: ClassVar[tuple[int, str, str]]
    _missing_object: ClassVar[tuple[int, str, str]]
    _condition_code: ClassVar[str]

    def _rate_limit(self, name: str) -> tuple[int, str, str, str]:
        raise NotImplementedError

    def _tags(self, stored: StoredObject) -> dict[str, str]:
        raise NotImplementedError

    def _conflicts(self, stored: StoredObject | None, headers: Mapping[str, str]) -> bool:
        raise NotImplementedError

    def _format_detail(self, detail: str) -> str:
        raise NotImplementedError


class GoogleStorage(ObjectServer):
    """Google Cloud Storage with its XML API."""

    scheme = "gs"
    write_interval = 1.0
    _missing_bucket = (404, "NoSuchBucket", "The specified bucket does not exist.")
    _missing_object = (404, "NoSuchKey", "The specified key does not exist.")
    _condition_code = "PreconditionFailed"

    @property
    def environ(self) -> dict[str, str]:
        return {"GOOGLE_BASE_URL": self.url, "GOOGLE_BEARER_TOKEN": GOOGLE_TOKEN}

    def _rate_limit(self, name: str) -> tuple[int, str, str, str]:
        detail = (
            f"The object {self.bucket}/{name} exceeded the rate limit for object mutation operations (create, update,"
            " and delete). Please reduce your request rate. See https://cloud.google.com/storage/docs/gcs429."
        )
        return 429, "SlowDown", "Please reduce your request rate.", detail

    def _tags(self, stored: StoredObject) -> dict[str, str]:
        return {"etag": f'"{stored.generation:x}"', "x-goog-generation": str(stored.generation)}

    def _conflicts(self, stored: StoredObject | None, headers: Mapping[str, str]) -> bool:
        expected = headers.get("x-goog-if-generation-match")
        return expected is not None and int(expected) != (stored.generation if stored is not None else 0)

    def _format_detail(self, detail: str) -> str:
        return f"<Details>{detail}</Details>" if detail else ""


class AzureStorage(ObjectServer):
    """Azure Blob Storage."""

    scheme = "az"
    _missing_bucket = (404, "ContainerNotFound", "The specified container does not exist.")
    _missing_object = (404, "BlobNotFound", "The specified blob does not exist.")
    _condition_code = "ConditionNotMet"

    @property
    def environ(self) -> dict[str, str]:
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": AZURE_ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": AZURE_KEY,
            "AZURE_STORAGE_ENDPOINT": self.url,
            "AZURE_ALLOW_HTTP": "true",
        }

    def _rate_limit(self, name: str) -> tuple[int, str, str, str]:
        return 503, "ServerBusy", "The server is busy.", ""

    def _tags(self, stored: StoredObject) -> dict[str, str]:
        return {"etag": f'"0x{stored.generation:X}"'}

    def _conflicts(self, stored: StoredObject | None, headers: Mapping[str, str]) -> bool:
        if headers.get("if-none-match") == "*":
            return stored is not None
        expected = headers.get("if-match")
        return expected is not None and (stored is None or expected not in self._tags(stored).values())

    def _format_detail(self, detail: str) -> str:
        return f"<AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail>" if detail else ""

    def _format_list(self, listed: Mapping[str, StoredObject]) -> str:
        rows = "".join(
            f"<Blob><Name>{name}</Name><Properties><Last-Modified>{formatdate(usegmt=True)}</Last-Modified>"
            f"<Etag>{escape(self._tags(stored)['etag'])}</Etag><Content-Length>{len(stored.content)}</Content-Length>"
            "<Content-Type>application/json</Content-Type></Properties></Blob>"
            for name, stored in listed.items()
        )
        return f"<EnumerationResults><Blobs>{rows}</Blobs><NextMarker /></EnumerationResults>"

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> ObjectResponse:
        if method == "POST" and "comp=batch" in target:
            return self._delete_batch(headers, body)
        return super().handle(method, target, headers, body)

    def _delete_batch(self, headers: Mapping[str, str], body: bytes) -> ObjectResponse:
        """Answer a request that holds one request for a deletion."""
        match = re.search(rb"DELETE (\S+) HTTP", body)
        assert match is not None
        answer = super().handle("DELETE", match[1].decode(), {}, b"")
        boundary = "batchresponse_0"
        text = (
            f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\n"
            f"HTTP/1.1 {202 if answer.status == 204 else answer.status} Accepted\r\n\r\n--{boundary}--\r\n"
        )
        return ObjectResponse(202, {"content-type": f"multipart/mixed; boundary={boundary}"}, text.encode())


class S3Storage(ObjectServer):
    """S3, as far as a state needs it."""

    scheme = "s3"
    _missing_bucket = (404, "NoSuchBucket", "The specified bucket does not exist")
    _missing_object = (404, "NoSuchKey", "The specified key does not exist.")
    _condition_code = "PreconditionFailed"

    @property
    def environ(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "testing-id",
            "AWS_SECRET_ACCESS_KEY": "testing-secret",
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
        }

    def _rate_limit(self, name: str) -> tuple[int, str, str, str]:
        return 503, "SlowDown", "Please reduce your request rate.", ""

    def _tags(self, stored: StoredObject) -> dict[str, str]:
        return {"etag": f'"{stored.generation:032x}"'}

    def _conflicts(self, stored: StoredObject | None, headers: Mapping[str, str]) -> bool:
        if headers.get("if-none-match") == "*":
            return stored is not None
        expected = headers.get("if-match")
        return expected is not None and (stored is None or expected not in self._tags(stored).values())

    def _format_detail(self, detail: str) -> str:
        return detail

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> ObjectResponse:
        if method != "POST":
            return super().handle(method, target, headers, body)
        match = re.search(rb"<Key>([^<]+)</Key>", body)
        assert match is not None
        name = match[1].decode()
        answer = super().handle("DELETE", f"/{self.bucket}/{name}", {}, b"")
        result = (
            f"<Deleted><Key>{name}</Key></Deleted>"
            if answer.status == 204
            else f"<Error><Key>{name}</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        )
        text = f'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{result}</DeleteResult>'
        return ObjectResponse(200, {"content-type": "application/xml"}, text.encode())


@contextmanager
def serve_objects(server: ObjectServer) -> Iterator[ObjectServer]:
    """Serve buckets on a free loopback port."""
    stopped = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def go(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if server.silent.is_set():
                stopped.wait(60)
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = server.handle(self.command, self.path, headers, body)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = go  # noqa: N815 - the names that the library looks for

        def log_message(self, *_: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listener.server_port}"
    threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        stopped.set()
        listener.shutdown()
        listener.server_close()
