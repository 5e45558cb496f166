"""Test the times of reads: their form, and files that several runs write at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from remote_backends import BRANCH, BareRepository, S3Bucket, build_context, open_bucket

from reconciler.model.state_location import GitBranch, ObjectKey
from reconciler.state.backend import Backend, ConflictError
from reconciler.state.git import GitBackend
from reconciler.state.object import ObjectBackend
from reconciler.state.read_times import (
    DamagedTimesError,
    LocalTimesFile,
    NewerTimesError,
    ReadTimes,
    RemoteTimesFile,
    Times,
    TimesFile,
    decode_times,
    encode_times,
    merge_times,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
NAME = "state.json.reads"


def test_times_are_read_back_in_utc() -> None:
    local = NOON.astimezone(timezone(timedelta(hours=2)))
    content = encode_times(ReadTimes({"b": local, "a": LATER}))
    assert decode_times(content) == ReadTimes({"a": LATER, "b": NOON})
    assert content.decode().splitlines() == [
        "{",
        ' "format": 1,',
        ' "reads": {',
        '  "a": "2026-03-01T13:00:00.000+00:00",',
        '  "b": "2026-03-01T12:00:00.000+00:00"',
        " }",
        "}",
    ]


def test_failed_reads_are_kept_beside_the_reads() -> None:
    times = ReadTimes({"a": NOON}, {"a": LATER, "b": NOON})
    assert decode_times(encode_times(times)) == times
    assert times.get_last_attempt("a") == LATER
    assert times.get_last_attempt("b") == NOON
    assert times.get_last_attempt("c") < NOON


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b"null",
        b"[]",
        b"{}",
        b'{"reads": {}, "more": 1}',
        b'{"reads": {"a": 1e400}}',
        b'{"reads": {"a": "2026-03-01T12:00:00"}}',
        b'{"format": 0, "reads": {}}',
        b'{"reads": {}, "failed": {"a": "soon"}}',
    ],
    ids=lambda content: repr(content[:24]),
)
def test_damaged_times_are_reported_without_their_content(content: bytes) -> None:
    with pytest.raises(DamagedTimesError) as raised:
        decode_times(content)
    assert "2026" not in str(raised.value)


def test_times_of_a_newer_format_are_not_damaged() -> None:
    with pytest.raises(NewerTimesError, match="its format is 2, this version knows 1"):
        decode_times(b'{"format": 2, "anything": []}')


def test_the_latest_time_of_each_destination_counts() -> None:
    sides = [{"a": NOON, "b": LATER}, {"a": LATER, "b": NOON}, {"c": NOON}]
    assert merge_times(*map(ReadTimes, sides)) == ReadTimes({"a": LATER, "b": LATER, "c": NOON})


def test_a_failure_counts_until_the_next_read() -> None:
    failed = ReadTimes({"a": NOON, "b": LATER}, {"a": LATER, "b": NOON, "c": NOON})
    assert merge_times(ReadTimes(), failed) == ReadTimes({"a": NOON, "b": LATER}, {"a": LATER, "c": NOON})
    assert merge_times(failed, ReadTimes({"a": LATER, "c": LATER})).failed == {}


def add_times(content: bytes | None, reads: dict[str, datetime]) -> bytes:
    return encode_times(merge_times(decode_times(content) if content else ReadTimes(), ReadTimes(reads)))


def add_read(file: TimesFile, id: str, time: datetime = NOON) -> None:
    """Add the time of one read to a file, as a run does."""
    file.update(
        lambda content: add_times(content, {id: time}),
        "1 of 1 destinations read",
    )


def read(file: TimesFile) -> Times:
    content = file.read()
    assert content is not None
    return decode_times(content).reads


def test_a_local_file_is_made_with_its_folder_and_updated(tmp_path: Path) -> None:
    file = LocalTimesFile(tmp_path / ".reconciler" / NAME, NAME)
    assert file.read() is None
    add_read(file, "a")
    add_read(file, "b")
    assert read(file) == {"a": NOON, "b": NOON}
    assert (tmp_path / ".reconciler" / ".gitignore").exists()
    assert sorted(path.name for path in (tmp_path / ".reconciler").iterdir()) == [".gitignore", NAME]


@pytest.fixture(scope="module")
def bucket() -> Iterator[S3Bucket]:
    with open_bucket() as bucket:
        yield bucket


@pytest.fixture(params=["git", "s3"])
def files(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[RemoteTimesFile]:
    """The same file as four runs see it, in a branch and in a bucket."""
    if request.param == "git":
        clone = BareRepository(tmp_path / "upstream.git").clone(tmp_path / "clone")
        backends: list[Backend] = [
            GitBackend(GitBranch("origin", BRANCH, is_remote=True), build_context(clone)) for _ in range(4)
        ]
        return [RemoteTimesFile(backend, NAME, NAME) for backend in backends]
    bucket: S3Bucket = request.getfixturevalue("bucket")
    for name, value in bucket.environ.items():
        monkeypatch.setenv(name, value)
    location = ObjectKey("s3", "states", f"{tmp_path.name}/state.json")
    backends = [ObjectBackend(location, build_context(tmp_path, **bucket.environ)) for _ in range(4)]
    return [RemoteTimesFile(backend, f"{location.key}.reads", NAME) for backend in backends]


def test_a_remote_file_keeps_the_times_of_all_runs(files: list[RemoteTimesFile]) -> None:
    first, second, *_ = files
    assert (first.read(), second.read()) == (None, None)
    add_read(first, "a")
    add_read(second, "b")
    assert read(first) == read(second) == {"a": NOON, "b": NOON}


def test_a_write_on_an_old_version_is_made_again_on_the_new_version(files: list[RemoteTimesFile]) -> None:
    first, second, *_ = files
    bases = []

    def update(content: bytes | None) -> bytes:
        bases.append(content)
        if len(bases) == 1:
            add_read(second, "b", LATER)  # between the read and the write of the first run
        return add_times(content, {"a": NOON})

    first.update(update, "because")
    assert bases == [None, encode_times(ReadTimes({"b": LATER}))]
    assert read(second) == {"a": NOON, "b": LATER}


def test_a_run_that_is_always_too_late_gives_up(files: list[RemoteTimesFile]) -> None:
    first, second, *_ = files

    def update(content: bytes | None) -> bytes:
        add_read(second, "b", NOON + timedelta(seconds=len(attempts)))
        attempts.append(content)
        return encode_times(ReadTimes({"a": NOON}))

    attempts: list[bytes | None] = []
    with pytest.raises(ConflictError):
        first.update(update, "because")
    assert len(attempts) == 8
    assert "a" not in read(second)


def test_simultaneous_runs_lose_no_times(files: list[RemoteTimesFile]) -> None:
    ids = [f"id_{number}" for number in range(len(files))]
    threads = [
        threading.Thread(target=add_read, args=(file, id), daemon=True)
        for file, id in zip(files, ids, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert sorted(read(files[0])) == ids
