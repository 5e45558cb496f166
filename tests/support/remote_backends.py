"""Provide remote backends for states: a bare git repository, and a bucket of an emulated S3."""

from __future__ import annotations

import os
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fake_clock import FakeClock
from git_repo import run_git

from reconciler.model.lock_info import LockInfo
from reconciler.state.backend import BackendContext

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

BRANCH = "fivetran-state"
LOCK = "state.json.lock"
HOLDER = LockInfo(4711, "runner-7", "ci", "2026-11-26T10:00:00+00:00", "reconciler apply")


def build_clock() -> FakeClock:
    """Build a clock at the time at which `HOLDER` began."""
    return FakeClock(start=datetime(2026, 11, 26, 10, tzinfo=UTC))


def build_context(
    folder: Path, holder: LockInfo = HOLDER, clock: FakeClock | None = None, **environ: str
) -> BackendContext:
    """Build the context of a run in a folder, with nothing in its environment but variables that git needs."""
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder), **environ}
    return BackendContext(folder, variables, clock or build_clock(), os.urandom, holder)


class BareRepository:
    """Bare repository."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        run_git(path, "init", "-q", "--bare")

    def clone(self, folder: Path) -> Path:
        """Clone into a folder: a repository with one commit of another user, and this repository as its `origin`."""
        folder.mkdir(exist_ok=True)
        run_git(folder, "init", "-q")
        (folder / "work.txt").write_text("work\n")
        run_git(folder, "add", "work.txt")
        run_git(folder, "commit", "-q", "-m", "work")
        run_git(folder, "remote", "add", "origin", str(self.path))
        run_git(folder, "push", "-q", "origin", "HEAD:refs/heads/main")
        return folder

    def read_files(self, branch: str = BRANCH) -> dict[str, str]:
        """Read all files of a branch. Returns no files if the branch is missing."""
        if not run_git(self.path, "branch", "--list", branch):
            return {}
        names = run_git(self.path, "ls-tree", "--name-only", branch).splitlines()
        return {name: run_git(self.path, "show", f"{branch}:{name}") for name in names}

    def list_subjects(self, branch: str = BRANCH) -> list[str]:
        """List the first lines of all commits, oldest first."""
        return run_git(self.path, "log", "--reverse", "--format=%s", branch).splitlines()

    def read_log(self) -> str:
        """Read the whole history, with authors and messages."""
        return run_git(self.path, "log", "-p", "--all", "--format=fuller")

    def add_hook(self, name: str, script: str) -> None:
        """Add a script that the server runs."""
        file = self.path / "hooks" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)


def build_s3_environ(endpoint: str) -> dict[str, str]:
    """Build the environment that leads to an emulated S3."""
    return {
        "AWS_ACCESS_KEY_ID": "testing-id",
        "AWS_SECRET_ACCESS_KEY": "testing-secret",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
    }


class S3Bucket:
    """Bucket of an emulated S3. `environ` has its address and credentials."""

    name = "states"

    def __init__(self, endpoint: str) -> None:
        import boto3

        self.environ: Mapping[str, str] = build_s3_environ(endpoint)
        self._client: Any = boto3.client(
            "s3",
            region_name="eu-west-1",
            endpoint_url=endpoint,
            aws_access_key_id="testing-id",
            aws_secret_access_key="testing-secret",
        )
        self._client.create_bucket(
            Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )

    def read_files(self) -> dict[str, str]:
        """Read all objects that are not empty."""
        objects = self._client.list_objects_v2(Bucket=self.name).get("Contents", [])
        contents = {item["Key"]: self._read_object(item["Key"]) for item in objects}
        return {key: content for key, content in contents.items() if content}

    def list_keys(self) -> list[str]:
        """List the keys of all objects, also of empty objects."""
        objects = self._client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return [item["Key"] for item in objects]

    def put(self, key: str, content: str) -> None:
        """Write an object without a condition."""
        self._client.put_object(Bucket=self.name, Key=key, Body=content.encode())

    def remove(self, key: str) -> None:
        """Delete an object."""
        self._client.delete_object(Bucket=self.name, Key=key)

    def _read_object(self, key: str) -> str:
        body = self._client.get_object(Bucket=self.name, Key=key)["Body"]
        with body:
            return str(body.read().decode())


class S3Proxy:
    """Proxy before an S3 with faults: it drops `dropped_headers` of a request, answers the next write with a
    `wrong_tag`, calls `after_write` before the answer to the next write, or is `silent`, so that no request is ever
    answered."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.dropped_headers: frozenset[str] = frozenset()
        self.wrong_tag = ""
        self.after_write: Callable[[], None] | None = None
        self.silent = threading.Event()
        self.waiting = threading.Event()
        self.stopped = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def go(self) -> None:
                proxy._forward(self)

            do_GET = do_HEAD = do_PUT = go  # noqa: N815 - the names that the library looks for

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> S3Proxy:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def _forward(self, handler: BaseHTTPRequestHandler) -> None:
        request_body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        if self.silent.is_set():
            self.waiting.set()
            self.stopped.wait(60)
            handler.close_connection = True
            return
        connection = HTTPConnection(self.endpoint.removeprefix("http://"), timeout=30)
        headers = {
            name: value for name, value in handler.headers.items() if name.lower() not in self.dropped_headers
        }
        connection.request(handler.command, handler.path, request_body, headers)
        response = connection.getresponse()
        body = response.read()
        response_headers = response.getheaders()
        if handler.command == "PUT" and self.after_write is not None:
            callback, self.after_write = self.after_write, None
            callback()
        if handler.command == "PUT" and self.wrong_tag:
            response_headers = [
                (name, self.wrong_tag if name.lower() == "etag" else value)
                for name, value in response_headers
            ]
            self.wrong_tag = ""
        handler.send_response(response.status)
        for name, value in response_headers:
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                handler.send_header(name, value)
        handler.send_header("content-length", str(response.getheader("content-length") or len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        connection.close()


def _serialize(app: WSGIApplication) -> WSGIApplication:
    """Handle one request at a time. S3 checks a condition and writes in one step; the emulated S3 does so in two, and
    two writes that meet there both succeed."""
    lock = threading.Lock()

    def handle(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with lock:
            return app(environ, start_response)

    return handle


@contextmanager
def open_bucket() -> Iterator[S3Bucket]:
    """Open an emulated S3 on a loopback socket, with an empty bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    assert server._server is not None
    server._server.app = _serialize(server._server.app)
    host, port = server.get_host_and_port()
    try:
        endpoint = f"http://{host}:{port}"
        # All servers of a process share one memory.
        with urllib.request.urlopen(f"{endpoint}/moto-api/reset", data=b"", timeout=30):
            yield S3Bucket(endpoint)
    finally:
        server.stop()
