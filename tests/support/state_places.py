"""Provide places of a state: two files, a branch of a bare repository, and a bucket of an emulated S3."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cli_harness import CommandResult, Project
from git_repo import run_git
from remote_backends import BRANCH, BareRepository, S3Bucket, open_bucket

from reconciler.model.address import Address
from reconciler.model.instant import Instant
from reconciler.model.plan import Action
from reconciler.model.record import Exemption, Intent, Record, State
from reconciler.model.removal import CompletedRemoval, Extent
from reconciler.state.codec import encode_state

FILE, OTHER_FILE = ".reconciler/state.json", "../states/prod.json"
GIT, S3 = f"git:origin/{BRANCH}", "s3://states/fivetran/state.json"

GROUP, DESTINATION, PENDING = (
    Address("group", "orders"),
    Address("destination", "orders"),
    Address("group", "sales"),
)
STATE = State(
    lineage="0123456789abcdef",
    serial=7,
    account_id="tidy_acorn",
    records={
        GROUP: Record(id="decent_dropsy", applied={("name",): "orders"}, protected=True),
        DESTINATION: Record(
            id="decent_dropsy",
            applied={("service",): "big_query", ("config", "project_id"): "acme"},
            fingerprints={("config", "secret_key"): "0badcafe:00:destination.orders:config.secret_key"},
            unverified=True,
        ),
        PENDING: Record(
            intent=Intent(
                Action.CREATE,
                "sales",
                namesakes=("sunny_vole",),
                begun=Instant(datetime(2026, 11, 23, 10, tzinfo=UTC)),
                sent=Instant(datetime(2026, 11, 23, 10, 1, tzinfo=UTC)),
            )
        ),
    },
    exemptions=(Exemption("ada", "2026-11-23T10:00:00+00:00", ("deletes=3",), "a clean-up", "d1"),),
    removals={"old": CompletedRemoval("quiet_fox", Extent.PAIR)},
)
"""State with a record of each kind: protected, unverified, and with an unanswered request."""


class StatePlaces:
    """Project in a clone, and all places of its state."""

    def __init__(self, project: Project, upstream: BareRepository, bucket: S3Bucket | None) -> None:
        self.project, self.upstream, self._bucket = project, upstream, bucket
        run_git(project.folder, "init", "-q")
        run_git(project.folder, "remote", "add", "origin", str(upstream.path))
        self.name_place("")

    @property
    def environ(self) -> Mapping[str, str]:
        return self._bucket.environ if self._bucket is not None else {}

    def name_place(self, place: str, settings: str = "") -> None:
        """Write the project file with this place of the state; empty for none."""
        line = f"state: {place}\n" if place else ""
        self.project.write("specs/reconciler.yaml", f"version: 1\nspecs: ['groups/*.yaml']\n{line}{settings}")

    def put(self, place: str, state: State = STATE) -> None:
        """Store a state at a place, as a run does."""
        content = encode_state(state)
        if place == GIT:
            self._push(content.decode())
        elif place == S3:
            assert self._bucket is not None
            self._bucket.put("fivetran/state.json", content.decode())
        else:
            file = self.get_file(place)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def _push(self, content: str) -> None:
        """Replace the branch by one commit with a state."""
        with TemporaryDirectory() as folder:
            clone = Path(folder)
            run_git(clone, "init", "-q")
            (clone / "state.json").write_text(content)
            run_git(clone, "add", "state.json")
            run_git(clone, "commit", "-q", "-m", "by hand")
            run_git(clone, "push", "-q", "--force", str(self.upstream.path), f"HEAD:refs/heads/{BRANCH}")

    def read(self, place: str) -> Any:
        """Read and parse the state at a place; None if there is none."""
        if place == GIT:
            content = self.upstream.read_files().get("state.json")
        elif place == S3:
            assert self._bucket is not None
            content = self._bucket.read_files().get("fivetran/state.json")
        else:
            file = self.get_file(place)
            content = file.read_text() if file.exists() else None
        return None if content is None else json.loads(content)

    def get_file(self, place: str) -> Path:
        return self.project.folder / "specs" / place

    def run(self, *arguments: str, environ: Mapping[str, str] | None = None) -> CommandResult:
        return self.project.run(*arguments, environ={**self.environ, **(environ or {})})

    def migrate(self, place: str, *options: str) -> CommandResult:
        return self.run("state", "migrate", "--to", place, *options)

    def must_migrate(self, place: str) -> CommandResult:
        result = self.migrate(place)
        assert result.exit == 0, result.stdout + result.stderr
        return result

    def is_in_force(self, place: str) -> bool:
        """Return whether a run goes on with the state at a place."""
        self.name_place(place)
        return self.run("state", "list").exit == 0


def get_content(document: Any) -> Any:
    """Return the content of a state that a migration keeps: everything but its mark, serial, time and format."""
    changing = {"relocation", "serial", "written_at", "format"}
    return {name: value for name, value in document.items() if name not in changing}


@contextmanager
def open_places(project: Project, folder: Path, *places: str) -> Iterator[StatePlaces]:
    """Open the places of a state. An emulated S3 is started only for a place in it."""
    upstream = BareRepository(folder / "upstream.git")
    if S3 not in places:
        yield StatePlaces(project, upstream, None)
        return
    with open_bucket() as bucket:
        yield StatePlaces(project, upstream, bucket)
