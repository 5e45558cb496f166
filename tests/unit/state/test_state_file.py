"""Test that a state survives failing processes, disks and users, or reports the damage."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.model.address import Address
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.instant import Instant
from reconciler.model.lock_info import LockInfo
from reconciler.model.plan import Action
from reconciler.model.record import Intent, Record, State
from reconciler.model.removal import CompletedRemoval, Extent
from reconciler.state.atomic_file import write_atomically
from reconciler.state.file import StateFile

GROUP, DESTINATION = Address("group", "orders"), Address("destination", "orders")
EMPTY = State("a-lineage", 0, "an_account")
HOLDER = LockInfo(4711, "runner-7", "ci", "2026-11-23T10:00:00+00:00", "reconciler apply")
NOON = Instant(datetime(2026, 11, 23, 12, tzinfo=UTC), datetime(2026, 11, 23, 12, 0, 3, tzinfo=UTC))
FULL = Record(
    id="decent_dropsy",
    applied={("service",): "snowflake", ("config", "port"): 443, ("config", "odd.name"): [1, {"a": None}]},
    fingerprints={("config", "password"): "00ff"},
    protected=True,
    unverified=True,
    intent=Intent(Action.CREATE, "Orders", ("a_b", "c_d"), NOON, NOON.add(timedelta(seconds=7))),
    applied_at="2026-11-23T10:00:01Z",
    earlier=(Intent(Action.CREATE, "Former", ("e_f",), Instant(NOON.own)),),
)


@pytest.fixture
def file(tmp_path: Path) -> StateFile:
    """Make a state file in a folder that does not exist yet."""
    return StateFile(tmp_path / "deep" / "state.json", "specs/.reconciler/state.json")


def snapshot_path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "state.json"


def journal_path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "state.json.journal"


def get_code(error: pytest.ExceptionInfo[ReconcilerError]) -> str:
    [diagnostic] = error.value.diagnostics
    assert "specs/.reconciler/state.json" in diagnostic.message
    assert diagnostic.help
    return diagnostic.code


def test_there_is_no_state_before_the_first_write(file: StateFile) -> None:
    assert file.read() is None


def test_staged_records_are_read_back_completely(file: StateFile) -> None:
    session = file.open(EMPTY)
    session.stage([(GROUP, FULL), (DESTINATION, Record())])
    session.close()
    state = file.read()
    assert state is not None
    assert state.records == {GROUP: FULL, DESTINATION: Record()}
    assert (state.lineage, state.account_id) == ("a-lineage", "an_account")


def test_a_session_without_close_loses_no_record(file: StateFile) -> None:
    session = file.open(EMPTY)
    session.stage([(GROUP, Record(id="first"))])
    session.stage([(GROUP, Record(id="second")), (DESTINATION, FULL)])
    session.release()
    state = file.read()
    assert state is not None
    assert state.records == {GROUP: Record(id="second"), DESTINATION: FULL}


def test_a_forgotten_record_stays_forgotten(file: StateFile) -> None:
    session = file.open(EMPTY)
    session.stage([(GROUP, FULL), (DESTINATION, FULL)])
    session.stage([(DESTINATION, None)])
    session.release()
    state = file.read()
    assert state is not None
    assert list(state.records) == [GROUP]


@pytest.mark.parametrize("closes", [True, False])
def test_a_removal_and_its_forgotten_records_are_one_line(
    file: StateFile, tmp_path: Path, closes: bool
) -> None:
    """After a crash, an address is never forgotten without its recorded removal."""
    removed = CompletedRemoval("decent_dropsy", Extent.PAIR)
    session = file.open(replace(EMPTY, removals={"other": CompletedRemoval("old_id", Extent.MANAGEMENT)}))
    session.stage([(GROUP, FULL), (DESTINATION, FULL)])
    session.stage([(DESTINATION, removed)])
    session.stage([(GROUP, removed)])
    assert len(journal_path(tmp_path).read_bytes().splitlines()) == 5, "a head, and one line for each entry"
    session.close() if closes else session.release()
    state = file.read()
    assert state is not None
    assert state.records == {}
    assert state.removals == {"other": CompletedRemoval("old_id", Extent.MANAGEMENT), "orders": removed}


def test_a_state_of_the_format_without_removals_is_read_with_its_journal(
    file: StateFile, tmp_path: Path
) -> None:
    session = file.open(EMPTY)
    session.stage([(GROUP, FULL)])
    session.release()
    for path in (snapshot_path(tmp_path), journal_path(tmp_path)):
        path.write_text(path.read_text().replace('"format": 2', '"format": 1'))
    old = json.loads(snapshot_path(tmp_path).read_text())
    del old["removals"]
    snapshot_path(tmp_path).write_text(json.dumps(old))
    lines = journal_path(tmp_path).read_text().replace(', "removed": null', "")
    journal_path(tmp_path).write_text(lines)
    assert '"format": 1' in lines and '"removed"' not in lines
    state = file.read()
    assert state is not None
    assert (state.records, state.removals) == ({GROUP: FULL}, {})


@pytest.mark.parametrize("lost", range(1, 60, 7))
def test_a_torn_last_line_of_the_journal_is_ignored(file: StateFile, tmp_path: Path, lost: int) -> None:
    session = file.open(EMPTY)
    session.stage([(GROUP, Record(id="first"))])
    session.stage([(DESTINATION, Record(id="second"))])
    session.release()
    content = journal_path(tmp_path).read_bytes()
    journal_path(tmp_path).write_bytes(content[:-lost])
    state = file.read()
    assert state is not None
    assert state.records == {GROUP: Record(id="first")}


def test_a_journal_of_an_older_snapshot_is_ignored(file: StateFile, tmp_path: Path) -> None:
    session = file.open(EMPTY)
    session.stage([(GROUP, Record(id="first"))])
    older = journal_path(tmp_path).read_bytes()
    session.stage([(GROUP, None)])
    session.close()
    journal_path(tmp_path).write_bytes(older)
    state = file.read()
    assert state is not None
    assert state.records == {}


def test_every_snapshot_has_a_higher_serial(file: StateFile) -> None:
    first = file.open(EMPTY)
    assert first.state.serial == 1
    first.close()
    state = file.read()
    assert state is not None
    assert state.serial == 2
    later = file.open(state)
    later.release()
    assert later.state.serial == 3


def test_state_files_are_readable_by_the_owner_only(file: StateFile, tmp_path: Path) -> None:
    session = file.open(EMPTY)
    session.close()
    modes = {stat.S_IMODE(each.stat().st_mode) for each in (snapshot_path(tmp_path), journal_path(tmp_path))}
    assert modes == {0o600}
    assert sorted(each.name for each in snapshot_path(tmp_path).parent.iterdir()) == [
        "state.json",
        "state.json.journal",
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"format": 1}',
        b'{"format": 1, "lineage": "x", "serial": -1, "account_id": "a", "records": {}}',
        b'{"format": 1, "lineage": "x", "serial": 1, "account_id": "a", "records": {"group": {}}}',
        b'{"format": 1, "lineage": "x", "serial": 1, "account_id": "a", "records": {}, "more": 1}',
        b'{"format": 2, "lineage": "x", "serial": 1, "account_id": "a", "written_at": "9999-12-31T23:59:59Z"}',
        b'{"format": 2, "lineage": "x", "serial": 1, "account_id": "a", "written_at": "2026-03-01T12:00:00"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_damaged_snapshot_is_an_error(file: StateFile, tmp_path: Path, content: bytes) -> None:
    snapshot_path(tmp_path).parent.mkdir()
    snapshot_path(tmp_path).write_bytes(content)
    with pytest.raises(ReconcilerError) as error:
        file.read()
    assert get_code(error) == "state-damaged"


def test_a_damaged_line_inside_the_journal_is_an_error(file: StateFile, tmp_path: Path) -> None:
    session = file.open(EMPTY)
    session.stage([(GROUP, FULL), (DESTINATION, FULL)])
    session.release()
    lines = journal_path(tmp_path).read_bytes().splitlines(keepends=True)
    journal_path(tmp_path).write_bytes(lines[0] + b'{"address": "group.orders"' + b"\n" + lines[2])
    with pytest.raises(ReconcilerError) as error:
        file.read()
    assert get_code(error) == "state-damaged"


def test_a_journal_of_another_state_is_an_error(file: StateFile, tmp_path: Path) -> None:
    file.open(EMPTY).close()
    head = {"format": 1, "lineage": "another", "serial": 2}
    journal_path(tmp_path).write_text(json.dumps(head) + "\n")
    with pytest.raises(ReconcilerError) as error:
        file.read()
    assert get_code(error) == "state-damaged"


def test_a_state_of_a_newer_format_stays_unchanged(file: StateFile, tmp_path: Path) -> None:
    snapshot_path(tmp_path).parent.mkdir()
    snapshot_path(tmp_path).write_text('{"format": 7, "something": "else"}')
    with pytest.raises(ReconcilerError) as error:
        file.read()
    assert get_code(error) == "state-newer"


def test_a_folder_instead_of_the_state_is_an_error(file: StateFile, tmp_path: Path) -> None:
    snapshot_path(tmp_path).mkdir(parents=True)
    with pytest.raises(ReconcilerError) as error:
        file.read()
    assert get_code(error) == "state-unusable"
    with pytest.raises(ReconcilerError) as error:
        file.open(EMPTY)
    assert get_code(error) == "state-unusable"


def test_a_failed_atomic_write_keeps_the_old_content(tmp_path: Path) -> None:
    target = tmp_path / "state.json"
    target.mkdir()
    (target / "in-the-way").touch()
    with pytest.raises(OSError, match="irectory"):
        write_atomically(target, b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"]


def test_leftovers_of_a_killed_write_are_removed_by_the_next_write(file: StateFile, tmp_path: Path) -> None:
    file.open(EMPTY).close()
    for name in (".state.json.4711.new", ".state.json.key.4711.new", "state.json.4711.new"):
        (tmp_path / "deep" / name).write_text("{")
    file.open(EMPTY).close()
    left = sorted(each.name for each in (tmp_path / "deep").iterdir() if each.name.endswith(".new"))
    assert left == [".state.json.key.4711.new", "state.json.4711.new"]


def test_nothing_is_written_after_the_lock_was_broken(file: StateFile, tmp_path: Path) -> None:
    with file.lock.hold(HOLDER):
        session = file.open(EMPTY)
        session.stage([(GROUP, FULL)])
        assert file.renew_and_flush()
        file.lock.path.unlink()
        other = StateFile(snapshot_path(tmp_path), "state.json")
        with other.lock.hold(HOLDER):
            assert not file.renew_and_flush()
            assert file.stop_reason is not None
            assert file.stop_reason.code == "lease-lost"
            theirs = other.open(EMPTY)
            before = {each.name: each.read_bytes() for each in (tmp_path / "deep").iterdir()}
            with pytest.raises(OSError, match="its lock was broken"):
                session.stage([(GROUP, None)])
            with pytest.raises(OSError, match="its lock was broken"):
                session.close()
            assert {each.name: each.read_bytes() for each in (tmp_path / "deep").iterdir()} == before
            assert other.renew_and_flush()
            theirs.close()
    assert file.renew_and_flush() is False
