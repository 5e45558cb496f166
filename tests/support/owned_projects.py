"""Two projects of one account, whose states are at one place: a folder, a branch, or the folder of a bucket."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import pytest
from applied_project import PAIR
from cli_harness import CommandResult, EmulatedFivetran, Project, build_credentials
from fake_clock import HastyClock
from git_repo import run_git
from remote_backends import BRANCH, BareRepository, S3Bucket, open_bucket

from reconciler.model.lock_info import LockInfo
from reconciler.model.record import State
from reconciler.spec.project import read_project
from reconciler.state.codec import decode_state
from reconciler.state.journal import replay
from reconciler.workspace.settings import Settings
from reconciler.workspace.store import build_store

A, B = "a", "b"
FOLDER, GIT, BUCKET = "folder", "git", "bucket"
PLACES = (FOLDER, GIT, BUCKET)


class SharedPlace(Protocol):
    """Place of the states of both projects."""

    environ: Mapping[str, str]

    def name_state(self, name: str) -> str:
        """Return the text of `state:` in a project file; empty for none."""

    def describe_state(self, name: str) -> str:
        """Return the words for a state in messages."""

    def read(self, name: str) -> bytes | None:
        """Read the file of a state; None if there is none."""

    def put(self, name: str, content: bytes) -> None:
        """Replace the file of a state, as another program."""


class FolderPlace:
    """Folder beside the project files."""

    environ: Mapping[str, str] = {}

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def name_state(self, name: str) -> str:
        return ""

    def describe_state(self, name: str) -> str:
        return f"`specs/.reconciler/{name}.state.json`"

    def read(self, name: str) -> bytes | None:
        file = self.get_file(name)
        return file.read_bytes() if file.exists() else None

    def put(self, name: str, content: bytes) -> None:
        file = self.get_file(name)
        file.parent.mkdir(exist_ok=True)
        file.with_name(f"{file.name}.journal").unlink(missing_ok=True)
        file.write_bytes(content)

    def get_file(self, name: str) -> Path:
        return self.folder / f"specs/.reconciler/{name}.state.json"


class BranchPlace:
    """Branch of a bare repository, which is the `origin` of the folder."""

    environ: Mapping[str, str] = {}

    def __init__(self, folder: Path, upstream: BareRepository) -> None:
        self.upstream = upstream
        run_git(folder, "init", "-q")
        run_git(folder, "remote", "add", "origin", str(upstream.path))

    def name_state(self, name: str) -> str:
        return f"git:origin/{BRANCH}"

    def describe_state(self, name: str) -> str:
        return f"`{name}.state.json` in `git:origin/{BRANCH}`"

    def read(self, name: str) -> bytes | None:
        content = self.upstream.read_files().get(f"{name}.state.json")
        return None if content is None else content.encode()

    def put(self, name: str, content: bytes) -> None:
        with TemporaryDirectory() as folder:
            clone = Path(folder)
            run_git(clone, "init", "-q")
            if self.upstream.read_files():
                run_git(clone, "pull", "-q", str(self.upstream.path), BRANCH)
            (clone / f"{name}.state.json").write_bytes(content)
            run_git(clone, "add", "-A")
            run_git(clone, "commit", "-q", "-m", "by hand")
            run_git(clone, "push", "-q", "--force", str(self.upstream.path), f"HEAD:refs/heads/{BRANCH}")


class BucketPlace:
    """Objects of an emulated S3."""

    def __init__(self, bucket: S3Bucket) -> None:
        self.bucket = bucket
        self.environ = bucket.environ

    def name_state(self, name: str) -> str:
        return f"s3://states/fivetran/{name}.json"

    def describe_state(self, name: str) -> str:
        return f"`s3://states/fivetran/{name}.json`"

    def read(self, name: str) -> bytes | None:
        content = self.bucket.read_files().get(f"fivetran/{name}.json")
        return None if content is None else content.encode()

    def put(self, name: str, content: bytes) -> None:
        self.bucket.put(f"fivetran/{name}.json", content.decode())


@contextmanager
def open_place(kind: str, folder: Path, server_folder: Path) -> Iterator[SharedPlace]:
    """Open a place for the states of the projects in a folder."""
    if kind == FOLDER:
        yield FolderPlace(folder)
    elif kind == GIT:
        yield BranchPlace(folder, BareRepository(server_folder / "upstream.git"))
    else:
        with open_bucket() as bucket:
            yield BucketPlace(bucket)


@contextmanager
def set_environ(environ: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process, which the library of object stores reads itself."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        yield


class OwnedProjects:
    """Projects `a` and `b`, with their files `specs/a.yaml` and `specs/b.yaml`."""

    def __init__(self, project: Project, server: EmulatedFivetran, place: SharedPlace) -> None:
        self.project, self.server, self.place = project, server, place
        for name in (A, B):
            self.declare(name)

    def declare(self, name: str, *keys: str, groups: str = "", removed: str = "", settings: str = "") -> None:
        """Write a project: a pair for each key, and these lines of `groups`, `removed` and of the project file."""
        state = self.place.name_state(name)
        line = f"state: {state}\n" if state else ""
        head = f"version: 1\naccount_id: {self.server.account_id}\nspecs: ['{name}/*.yaml']\n"
        self.project.write(f"specs/{name}.yaml", head + line + settings)
        groups = "".join(PAIR.format(key=key) for key in keys) + groups
        text = (f"groups:\n{groups}" if groups else "") + (f"removed:\n{removed}" if removed else "")
        file = self.project.write(f"specs/{name}/main.yaml", f"version: 1\n{text}")
        if not text:  # a fresh project has no spec file
            file.unlink()

    def run(self, name: str, *arguments: str) -> CommandResult:
        return self.project.run_against(
            self.server, *arguments, "--project", f"specs/{name}.yaml", environ=self.place.environ
        )

    def apply(self, name: str, *options: str) -> CommandResult:
        return self.run(name, "apply", "--auto-approve", *options)

    def must(self, name: str, *arguments: str) -> CommandResult:
        """Run a command that has to succeed."""
        result = self.run(name, *arguments)
        assert result.exit == 0, result.stdout + result.stderr
        return result

    def must_apply(self, name: str, *keys: str) -> None:
        """Declare pairs and apply them."""
        self.declare(name, *keys)
        self.must(name, "apply", "--auto-approve")

    def hand_over(self, name: str, receiver: str, *words: str) -> CommandResult:
        return self.run(name, "state", "move", "--to", f"specs/{receiver}.yaml", *words)

    def build_settings(self, name: str, url: str = "") -> Settings:
        """Build the settings of a run in this process, which reaches the account at `url`."""
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.project.folder)}
        return Settings(
            project=Path(f"specs/{name}.yaml"),
            directory=self.project.folder,
            environ={**environ, **build_credentials(url or self.server.url), **self.place.environ},
            clock=HastyClock(),
            entropy=os.urandom,
            holder=LockInfo(os.getpid(), "runner", f"owner of {name}", "", "test"),
            allowed={"changed_fraction": 1.0, "deletes": 9.0},
        )

    @contextmanager
    def hold_lock(self, name: str) -> Iterator[None]:
        """Hold the lock of a state, as another run does."""
        settings = self.build_settings(name)
        with set_environ(self.place.environ):
            store = build_store(read_project(settings.project, settings.directory), settings)
            with store.lock.hold(settings.holder):
                yield

    def read_state(self, name: str) -> State | None:
        """Read the state of a project, with the journal beside a local one."""
        content = self.place.read(name)
        if content is None:
            return None
        state = decode_state(content)
        if isinstance(self.place, FolderPlace):
            journal = self.place.get_file(name).with_name(f"{name}.state.json.journal")
            state = replay(state, journal.read_bytes()) if journal.exists() else state
        return state

    def list_addresses(self, name: str) -> list[str]:
        """List the addresses in the state of a project."""
        state = self.read_state(name)
        return sorted(map(str, state.records)) if state is not None else []

    def list_owned_ids(self, name: str) -> set[str]:
        """List the ids in the state of a project."""
        state = self.read_state(name)
        return {record.id for record in state.records.values() if record.id} if state is not None else set()

    def find_id(self, group_name: str) -> str:
        [id] = self.server.app.dashboard.find_group_ids(group_name)
        return id
