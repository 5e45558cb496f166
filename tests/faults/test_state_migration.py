"""Check that a migration may be killed before every write: one place is in force, and the next migration ends it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from applied_project import get_error_code
from cli_harness import Project
from killable_run import KillSwitch, RunKilled
from state_places import FILE, GIT, OTHER_FILE, S3, StatePlaces, get_content, open_places

from reconciler.state import file
from reconciler.state.git import GitBackend
from reconciler.state.lease import CLOCK_SKEW, LEASE_TTL
from reconciler.state.object import ObjectBackend
from reconciler.workspace import state_memory

pytestmark = pytest.mark.sampled(every=6)

LEASE_TIME = timedelta(seconds=LEASE_TTL + CLOCK_SKEW + 1)
"""Time after which the locks of a dead run in git and in buckets are free."""


def migrate_until(
    places: StatePlaces, monkeypatch: pytest.MonkeyPatch, target: str, allowed: int
) -> KillSwitch:
    """Migrate, and kill the run after so many writes to files, pushes and objects."""
    switch = KillSwitch(allowed)
    with monkeypatch.context() as patch:
        for module in (file, state_memory):
            patch.setattr(module, "write_atomically", switch.wrap("file", module.write_atomically))
        patch.setattr(GitBackend, "_push", switch.wrap("push", GitBackend._push))
        patch.setattr(ObjectBackend, "_store", switch.wrap("object", ObjectBackend._store))
        unlink = Path.unlink

        def unlink_or_die(path: Path, missing_ok: bool = False) -> None:
            if path.name.endswith(".journal"):
                switch.wrap("journal", unlink)(path, missing_ok)
            else:
                unlink(path, missing_ok)

        patch.setattr(Path, "unlink", unlink_or_die)
        try:
            result = places.migrate(target)
        except RunKilled:
            pass
        else:
            assert result.exit == 0, result.stdout + result.stderr
            assert len(switch.steps) <= allowed
    return switch


@pytest.fixture(
    params=[(FILE, OTHER_FILE), (FILE, GIT), (GIT, FILE), (GIT, S3), (S3, GIT), (S3, FILE)],
    ids="{0[0]} to {0[1]}".format,
)
def migration(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Old and new place."""
    source, target = request.param
    return source, target


@pytest.fixture
def places(
    project: Project, tmp_path_factory: pytest.TempPathFactory, migration: tuple[str, str]
) -> Iterator[StatePlaces]:
    """A project with its state at the old place."""
    with open_places(project, tmp_path_factory.mktemp("server"), *migration) as opened:
        opened.put(migration[0])
        yield opened


def test_a_migration_may_be_killed_before_every_write(
    places: StatePlaces, monkeypatch: pytest.MonkeyPatch, migration: tuple[str, str]
) -> None:
    source, target = migration
    content = get_content(places.read(source))
    seen: set[tuple[str, ...]] = set()
    for allowed in range(40):
        places.name_place(source)
        switch = migrate_until(places, monkeypatch, target, allowed)
        in_force = check_places(places, migration, content)
        seen.add(in_force)
        if len(switch.steps) <= allowed:
            break
        places.project.advance_time(LEASE_TIME)
        # If the old place is marked, the project file may name either place.
        places.name_place(source if source in in_force or allowed % 2 else target)
        places.must_migrate(target)
        assert check_places(places, migration, content) == (target,)
        assert get_content(places.read(target)) == content
        places.name_place(target)
        places.must_migrate(source)
    assert seen == {(source,), (), (target,)}
    assert len(switch.steps) >= 5


def check_places(places: StatePlaces, migration: tuple[str, str], content: Any) -> tuple[str, ...]:
    """Check that one place at most is in force, that all other places are refused, and that one place at least has the
    whole content. Returns the place in force."""
    found = [document for document in map(places.read, migration) if document is not None]
    assert content in map(get_content, found)
    in_force = []
    for place in migration:
        places.name_place(place)
        result = places.run("state", "list")
        if result.exit == 0:
            in_force.append(place)
        else:
            assert get_error_code(result) in {"state-moved", "state-arriving", "no-state"}
    assert len(in_force) <= 1
    assert in_force or {document["relocation"]["phase"] for document in found} == {"arriving", "departed"}
    return tuple(in_force)


@pytest.mark.parametrize("migration", [(FILE, GIT)], ids=str)
@pytest.mark.parametrize("after", [1, 2])
def test_an_interrupted_migration_releases_its_locks(
    places: StatePlaces, monkeypatch: pytest.MonkeyPatch, migration: tuple[str, str], after: int
) -> None:
    """Interrupt the push of the copy, and of the activation."""
    content = get_content(places.read(FILE))
    pushes: list[None] = []
    push = GitBackend._push

    def push_until_interrupt(*arguments: Any) -> Any:
        pushes.append(None)
        if len(pushes) == after + 1:
            raise KeyboardInterrupt
        return push(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(GitBackend, "_push", push_until_interrupt)
        interrupted = places.migrate(GIT)
    assert interrupted.exit == 130
    assert "run the same command again" in interrupted.stderr
    places.must_migrate(GIT)
    assert check_places(places, migration, content) == (GIT,)
