"""Test the size of pushes to a git state: a change costs the same in a small and in a large state."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from git_repo import run_git
from remote_backends import BRANCH, BareRepository, build_context

from reconciler.model.address import DESTINATION, Address
from reconciler.model.record import Record, State
from reconciler.model.state_location import GitBranch, parse_state_location
from reconciler.state.codec import encode_state
from reconciler.state.git import GitBackend

SIZES = (100, 3_000)
MAX_BYTES_PER_CHANGE = 1_500
NAME = "state.json"


def build_record(number: int) -> Record:
    return Record(
        id=f"group_{number}",
        applied={
            ("service",): "snowflake",
            ("region",): "AWS_US_EAST_1",
            ("config", "host"): "acme.snowflakecomputing.com",
            ("config", "user"): f"U_{number}",
        },
        fingerprints={("config", "password"): sha256(str(number).encode()).hexdigest()},
        applied_at="2026-01-01T00:00:00Z",
    )


@pytest.fixture
def pushed(tmp_path: Path) -> Path:
    """Create a clone whose pushes are copied to the file `pushed`."""
    upstream = BareRepository(tmp_path / "upstream.git")
    clone = upstream.clone(tmp_path / "clone")
    program = tmp_path / "receive"
    program.write_text(f'#!/bin/sh\ntee "{tmp_path}/pushed" | git receive-pack "$@"\n')
    program.chmod(0o755)
    run_git(clone, "config", "remote.origin.receivepack", str(program))
    return tmp_path / "pushed"


@pytest.mark.parametrize("size", SIZES)
def test_a_change_of_one_record_is_a_small_push(size: int, pushed: Path) -> None:
    location = parse_state_location(f"git:origin/{BRANCH}")
    assert isinstance(location, GitBranch)
    records = {Address(DESTINATION, f"team_{number}"): build_record(number) for number in range(size)}
    state = State(lineage="lineage", serial=1, account_id="account", records=records)
    folder = pushed.parent / "clone"
    first = GitBackend(location, build_context(folder))
    first.read(NAME)
    first.write({NAME: encode_state(state)}, "serial 1")
    whole = pushed.stat().st_size
    assert whole > 20 * size, "the file is the copy of the push"

    address = Address(DESTINATION, "team_50")
    applied = {**records[address].applied, ("region",): "GCP_US_EAST4"}
    changed = {**records, address: replace(records[address], applied=applied)}
    # Another run, which knows the last commit only.
    second = GitBackend(location, build_context(folder))
    second.read(NAME)
    second.write({NAME: encode_state(replace(state, serial=2, records=changed))}, "serial 2")
    assert pushed.stat().st_size < MAX_BYTES_PER_CHANGE
    diff = run_git(pushed.parent / "upstream.git", "diff", "--numstat", f"{BRANCH}~1", BRANCH).split()
    assert diff == ["2", "2", NAME], "the serial and the changed line"
