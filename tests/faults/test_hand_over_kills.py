"""Kill a hand-over before every write: no record is ever in neither state, and the same command completes it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cli_harness import EmulatedFivetran, Project
from killable_run import KillSwitch, RunKilled
from owned_projects import PLACES, A, B, OwnedProjects, open_place

from reconciler.model.address import Address
from reconciler.model.record import Record
from reconciler.state import file
from reconciler.state.git import GitBackend
from reconciler.state.journal import JournalWriter
from reconciler.state.lease import CLOCK_SKEW, LEASE_TTL
from reconciler.state.object import ObjectBackend

pytestmark = pytest.mark.sampled(every=12)

LEASE_TIME = timedelta(seconds=LEASE_TTL + CLOCK_SKEW + 1)
MOVED = {Address("group", "orders"), Address("destination", "orders")}
KEPT = {Address("group", "sales"), Address("destination", "sales")}


@pytest.fixture(params=PLACES)
def projects(
    request: pytest.FixtureRequest,
    project: Project,
    server: EmulatedFivetran,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OwnedProjects]:
    with open_place(request.param, project.folder, tmp_path_factory.mktemp("server")) as place:
        yield OwnedProjects(project, server, place)


def hand_over_until(projects: OwnedProjects, monkeypatch: pytest.MonkeyPatch, allowed: int) -> KillSwitch:
    """Hand `orders` over, and kill the run after so many writes to files, journals, branches and objects."""
    switch = KillSwitch(allowed)
    with monkeypatch.context() as patch:
        patch.setattr(file, "write_atomically", switch.wrap("file", file.write_atomically))
        patch.setattr(JournalWriter, "_write", switch.wrap("journal", JournalWriter._write))
        patch.setattr(GitBackend, "_push", switch.wrap("push", GitBackend._push))
        patch.setattr(ObjectBackend, "_store", switch.wrap("object", ObjectBackend._store))
        try:
            result = projects.hand_over(A, B, "orders")
        except RunKilled:
            pass
        else:
            assert result.exit == 0, result.stdout + result.stderr
            assert len(switch.steps) <= allowed
    return switch


def read_records(projects: OwnedProjects, name: str) -> dict[Address, Record]:
    state = projects.read_state(name)
    return dict(state.records) if state is not None else {}


@pytest.mark.parametrize("has_state", [False, True], ids=["first", "later"])
def test_a_hand_over_may_be_killed_before_every_write(
    projects: OwnedProjects, monkeypatch: pytest.MonkeyPatch, has_state: bool
) -> None:
    projects.must_apply(A, "orders", "sales")
    if has_state:
        projects.must_apply(B, "lake")
    whole = read_records(projects, A)
    theirs = read_records(projects, B)
    owners = set[tuple[str, ...]]()
    for allowed in range(40):
        switch = hand_over_until(projects, monkeypatch, allowed)
        owners.add(check_records(projects, whole, theirs))
        if len(switch.steps) <= allowed:
            break
        projects.project.advance_time(LEASE_TIME)
        if allowed % 2 == 0:  # a run in between changes nothing of it
            assert projects.run(A, "plan").exit in {0, 3}
        completed = projects.hand_over(A, B, "orders")
        assert completed.exit == 0, completed.stdout + completed.stderr
        assert check_records(projects, whole, theirs) == (B,)
        assert projects.hand_over(B, A, "orders").exit == 0
        assert check_records(projects, whole, theirs) == (A,)
    assert owners == {(A,), (A, B), (B,)}
    assert len(switch.steps) >= 4


def check_records(
    projects: OwnedProjects, whole: dict[Address, Record], theirs: dict[Address, Record]
) -> tuple[str, ...]:
    """Check that each record is whole and in one state at least. Returns the states with the moving entry."""
    ours, received = read_records(projects, A), read_records(projects, B)
    assert {address: ours[address] for address in KEPT} == {address: whole[address] for address in KEPT}
    assert {address: record for address, record in received.items() if address not in MOVED} == theirs
    owners = []
    for name, records in ((A, ours), (B, received)):
        found = {address: records[address] for address in MOVED & records.keys()}
        assert found in ({}, {address: whole[address] for address in MOVED})
        owners += [name] if found else []
    assert owners
    return tuple(owners)


def test_an_interrupted_hand_over_releases_its_locks(
    project: Project, server: EmulatedFivetran, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any
) -> None:
    with open_place("git", project.folder, Path(tmp_path_factory.mktemp("server"))) as place:
        projects = OwnedProjects(project, server, place)
        projects.must_apply(A, "orders")
        pushes: list[None] = []
        push = GitBackend._push

        def push_until_interrupt(*arguments: Any) -> Any:
            pushes.append(None)
            if len(pushes) == 4:  # both locks, the receiving state; then the giving state
                raise KeyboardInterrupt
            return push(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(GitBackend, "_push", push_until_interrupt)
            interrupted = projects.hand_over(A, B, "orders")
        assert interrupted.exit == 130
        assert "run the same command again" in interrupted.stderr
        assert projects.hand_over(A, B, "orders").exit == 0
        assert projects.list_addresses(A) == []
        assert projects.list_addresses(B) == ["destination.orders", "group.orders"]
