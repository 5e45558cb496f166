"""Test the memory of reads: a file beside the state, and a file of this machine in its place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.read_coverage import TimesPlace
from reconciler.state.read_times import LocalTimesFile, ReadTimes, Times, decode_times
from reconciler.workspace.read_times import MAX_CLOCK_SKEW, ReadTimesMemory

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALL = ("a", "b", "c")


@pytest.fixture
def memory(tmp_path: Path) -> ReadTimesMemory:
    shared, local = (LocalTimesFile(tmp_path / name / "reads", name) for name in ("shared", "local"))
    return ReadTimesMemory(shared, local, NOON)


def read(file: LocalTimesFile) -> Times:
    content = file.read()
    return {} if content is None else decode_times(content).reads


def make_unwritable(file: LocalTimesFile) -> None:
    """Put a file in the place of the folder."""
    file.path.parent.write_text("")


def test_times_that_another_run_wrote_after_the_load_are_kept(memory: ReadTimesMemory) -> None:
    assert memory.load() == (ReadTimes(), ())
    assert memory.save(ReadTimes({"b": NOON - HOUR, "c": NOON}), ALL, "") == TimesPlace("shared")
    assert memory.save(ReadTimes({"a": NOON, "b": NOON}), ALL, "") == TimesPlace("shared")
    assert memory.load() == (ReadTimes({"a": NOON, "b": NOON, "c": NOON}), ())


def test_unknown_destinations_are_forgotten(memory: ReadTimesMemory) -> None:
    memory.save(ReadTimes(dict.fromkeys(ALL, NOON)), ALL, "")
    memory.save(ReadTimes(), ("a", "d"), "")
    assert read(memory.shared) == {"a": NOON}


def test_times_of_both_files_count_and_move_to_the_shared_file(memory: ReadTimesMemory) -> None:
    memory.save(ReadTimes({"a": NOON - HOUR, "b": NOON}), ALL, "")
    memory.local.update(lambda content: memory.shared.read() or b"", "")
    memory.save(ReadTimes({"a": NOON}), ALL, "")
    assert not memory.local.path.exists()
    memory.local.path.write_bytes(b'{"format": 1, "reads": {"c": "2026-03-01T11:00:00+00:00"}}')
    times, _ = memory.load()
    assert times == ReadTimes({"a": NOON, "b": NOON, "c": NOON - HOUR})


def test_without_a_writable_place_the_times_are_lost(memory: ReadTimesMemory) -> None:
    make_unwritable(memory.shared)
    place = memory.save(ReadTimes({"a": NOON}), ALL, "")
    assert (place.name, place.is_shared, place.reason) == ("local", False, "Not a directory")
    assert read(memory.local) == {"a": NOON}
    memory.local.path.unlink()
    memory.local.path.parent.joinpath(".gitignore").unlink(missing_ok=True)
    memory.local.path.parent.rmdir()
    make_unwritable(memory.local)
    assert memory.save(ReadTimes({"a": NOON}), ALL, "") == TimesPlace(
        "", is_shared=False, reason="Not a directory"
    )
    assert memory.load() == (ReadTimes(), ())


def test_a_newer_file_is_refused_and_never_overwritten(memory: ReadTimesMemory) -> None:
    newer = b'{"format": 9}'
    memory.save(ReadTimes(), ALL, "")
    memory.shared.path.write_bytes(newer)
    with pytest.raises(ReconcilerError) as raised:
        memory.load()
    assert [error.code for error in raised.value.diagnostics] == ["reads-newer"]
    place = memory.save(ReadTimes({"a": NOON}), ALL, "")  # a newer version wrote it during this run
    assert (place.name, place.is_shared) == ("local", False)
    assert memory.shared.path.read_bytes() == newer


def test_each_damaged_file_is_a_warning(memory: ReadTimesMemory) -> None:
    for file in (memory.shared, memory.local):
        file.path.parent.mkdir()
        file.path.write_bytes(b"\x00")
    times, warnings = memory.load()
    assert times == ReadTimes()
    assert [warning.code for warning in warnings] == ["reads-damaged"] * 2
    assert memory.save(ReadTimes({"a": NOON}), ALL, "") == TimesPlace("shared")
    assert read(memory.shared) == {"a": NOON}


@pytest.mark.parametrize(("ahead", "counts"), [(MAX_CLOCK_SKEW, True), (MAX_CLOCK_SKEW + HOUR, False)])
def test_times_far_in_the_future_are_dropped(ahead: timedelta, counts: bool, memory: ReadTimesMemory) -> None:
    memory.shared.path.parent.mkdir()
    time = (NOON + ahead).isoformat()
    memory.shared.path.write_text(f'{{"format": 1, "reads": {{"a": "{time}"}}}}')
    assert memory.load() == (ReadTimes({"a": NOON + ahead} if counts else {}), ())
    memory.save(ReadTimes({"a": NOON}), ALL, "")
    assert read(memory.shared) == {"a": NOON + ahead if counts else NOON}
