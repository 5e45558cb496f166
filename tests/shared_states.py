"""Places where runners share a state: a bare git repository, and a bucket of an emulated S3."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

from git_folder import git

from reconciler.model.holder import Holder
from reconciler.state.shelf import Surroundings

BRANCH = "fivetran-state"
HOLDER = Holder(4711, "runner-7", "ci", "2026-11-26T10:00:00+00:00", "reconciler apply")


class StillClock:
    """A clock that stands still, unless somebody sleeps or moves it on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 26, 10, tzinfo=UTC) + timedelta(seconds=self.seconds)

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
