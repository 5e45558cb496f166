"""Places where runners share a state: a bare git repository, and a bucket of an emulated S3."""

from __future__ import annotations

import os
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event
from typing import Any

from git_folder import git

from reconciler.model.holder import Holder
from reconciler.state.shelf import Surroundings

BRANCH = "fivetran-state"
LOCK = "state.json.lock"
HOLDER = Holder(4711, "runner-7", "ci", "2026-11-26T10:00:00+00:00", "reconciler apply")


class StillClock:
    """A clock that stands still, unless somebody sleeps or moves it on. While its machine was `asleep` only the time of
    day went on."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.asleep = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 26, 10, tzinfo=UTC) + timedelta(seconds=self.seconds + self.asleep)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def wait(self, event: Event, seconds: float) -> bool:
        self.seconds += seconds
        return event.is_set()


def surroundings(
    folder: Path, holder: Holder = HOLDER, clock: StillClock | None = None, **environ: str
) -> Surroundings:
    """What a run in a folder knows, with nothing in its environment but what git needs."""
    given = {"PATH": os.environ["PATH"], "HOME": str(folder), **environ}
    return Surroundings(folder, given, clock or StillClock(), os.urandom, holder)


class Upstream:
    """A bare repository."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        git(path, "init", "-q", "--bare")

    def clone(self, folder: Path) -> Path:
        """A repository with one commit of somebody's work, and this one as its `origin`."""
        folder.mkdir(exist_ok=True)
        git(folder, "init", "-q")
        (folder / "work.txt").write_text("work\n")
        git(folder, "add", "work.txt")
        git(folder, "commit", "-q", "-m", "work")
        git(folder, "remote", "add", "origin", str(self.path))
        git(folder, "push", "-q", "origin", "HEAD:refs/heads/main")
        return folder

    def files(self, branch: str = BRANCH) -> dict[str, str]:
        """All files of a branch; none where there is no branch."""
        if not git(self.path, "branch", "--list", branch):
            return {}
        names = git(self.path, "ls-tree", "--name-only", branch).splitlines()
        return {name: git(self.path, "show", f"{branch}:{name}") for name in names}

    def subjects(self, branch: str = BRANCH) -> list[str]:
        """The first lines of all commits, oldest first."""
        return git(self.path, "log", "--reverse", "--format=%s", branch).splitlines()

    def everything(self) -> str:
        """All that was ever written, with who and why."""
        return git(self.path, "log", "-p", "--all", "--format=fuller")

    def hook(self, name: str, script: str) -> None:
        """Let the server run a script."""
        file = self.path / "hooks" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)


def cloud(endpoint: str) -> dict[str, str]:
    """The environment that leads to an emulated S3."""
    return {
        "AWS_ACCESS_KEY_ID": "testing-id",
        "AWS_SECRET_ACCESS_KEY": "testing-secret",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
    }


class Bucket:
    """A bucket of an emulated S3. `environ` leads there."""

    name = "states"

    def __init__(self, endpoint: str) -> None:
        import boto3

        self.environ: Mapping[str, str] = cloud(endpoint)
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

    def files(self) -> dict[str, str]:
        """All objects that hold anything."""
        listed = self._client.list_objects_v2(Bucket=self.name).get("Contents", [])
        found = {each["Key"]: self._content(each["Key"]) for each in listed}
        return {key: content for key, content in found.items() if content}

    def put(self, key: str, content: str) -> None:
        """Write an object without asking."""
        self._client.put_object(Bucket=self.name, Key=key, Body=content.encode())

    def remove(self, key: str) -> None:
        """Delete an object."""
        self._client.delete_object(Bucket=self.name, Key=key)

    def _content(self, key: str) -> str:
        body = self._client.get_object(Bucket=self.name, Key=key)["Body"]
        with body:
            return str(body.read().decode())


class Detour:
    """A way to an S3 that can be spoilt: it may take the conditions off what is sent, or be `silent`, so that nobody
    ever gets an answer."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.without: frozenset[str] = frozenset()
        self.silent = threading.Event()
        self.waiting = threading.Event()
        self.over = threading.Event()
        detour = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def go(self) -> None:
                detour._pass_on(self)

            do_GET = do_HEAD = do_PUT = go  # noqa: N815 - what the library looks for

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Detour:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def _pass_on(self, asked: BaseHTTPRequestHandler) -> None:
        given = asked.rfile.read(int(asked.headers.get("content-length") or 0))
        if self.silent.is_set():
            self.waiting.set()
            self.over.wait(60)
            asked.close_connection = True
            return
        line = HTTPConnection(self.endpoint.removeprefix("http://"), timeout=30)
        kept = {name: value for name, value in asked.headers.items() if name.lower() not in self.without}
        line.request(asked.command, asked.path, given, kept)
        answer = line.getresponse()
        body = answer.read()
        asked.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                asked.send_header(name, value)
        asked.send_header("content-length", str(answer.getheader("content-length") or len(body)))
        asked.end_headers()
        asked.wfile.write(body)
        line.close()


@contextmanager
def a_bucket() -> Iterator[Bucket]:
    """An emulated S3 on a loopback socket, with an empty bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        endpoint = f"http://{host}:{port}"
        # All servers of a process have one memory.
        with urllib.request.urlopen(f"{endpoint}/moto-api/reset", data=b"", timeout=30):
            yield Bucket(endpoint)
    finally:
        server.stop()
