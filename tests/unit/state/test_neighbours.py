"""Test which states beside a state are found, read and named."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from emulated_objects import AzureStorage, GoogleStorage, ObjectServer, Refusal, S3Storage, serve_objects
from remote_backends import BRANCH, BareRepository, build_context

from reconciler.model.address import Address
from reconciler.model.record import Record, State
from reconciler.model.state_location import ObjectKey, parse_state_location
from reconciler.state.codec import encode_entry, encode_head, encode_state
from reconciler.state.file import StateFile
from reconciler.state.neighbours import FolderFiles, NeighbourReader, StoredState
from reconciler.state.remote import build_remote_store

ACCOUNT = "tidy_acorn"
ORDERS = Address("group", "orders")
OWN = State("own", 3, ACCOUNT)
THEIRS = State("theirs", 5, ACCOUNT, {ORDERS: Record(id="decent_dropsy")})
NEWER = encode_state(THEIRS).replace(b'"format": 2', b'"format": 99')


class CountingFiles(FolderFiles):
    """Files of a folder, with the names that were loaded."""

    def __init__(self, path: Path, display_name: str) -> None:
        super().__init__(path, display_name)
        self.loaded: list[str] = []

    def load(self, names: Collection[str]) -> dict[str, StoredState | OSError]:
        self.loaded += names
        return super().load(names)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "state.json").write_bytes(encode_state(OWN))
    return tmp_path


def read_folder(folder: Path, lineage: str | None = "own") -> Mapping[str, State]:
    found = StateFile(folder / "state.json", "specs/state.json").neighbours.read(ACCOUNT, lineage)
    assert found.unreadable == ()
    return found.states


def test_a_missing_folder_has_no_states(tmp_path: Path) -> None:
    assert read_folder(tmp_path / "missing") == {}


@pytest.mark.parametrize("name", ["b.state.json", "prod.json"])
def test_states_are_found_by_their_content_and_named_by_their_paths(folder: Path, name: str) -> None:
    (folder / name).write_bytes(encode_state(THEIRS))
    assert read_folder(folder) == {f"`specs/{name}`": THEIRS}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("b.state.json", encode_state(replace(THEIRS, account_id="another"))),
        ("b.state.json", encode_state(replace(THEIRS, lineage="own"))),
        ("state.json.lock", encode_state(THEIRS)),
        ("state.json.rescued-3", encode_state(THEIRS)),
        ("b.state.json.key", b"00"),
        ("plan.json", b'{"seal": "1"}'),
        ("other.json", b'{"account_id": "tidy_acorn", "plan": 1}'),
        ("broken.json", b"{"),
        ("other.json", b'{"account_id": "tidy_acorn", "format": 99}'),
        ("b.state.json", encode_state(replace(THEIRS, account_id="another")).replace(b"records", b"recs")),
    ],
)
def test_other_files_are_left_out(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    assert read_folder(folder) == {}


def test_a_state_that_was_formatted_by_hand_is_read(folder: Path) -> None:
    text = encode_state(THEIRS).decode()
    (folder / "b.state.json").write_text(text.replace("\n", ""))
    (folder / "c.state.json").write_text(
        text.replace("{\n", '{ "format": 2,', 1).replace('"format": 2,\n', "")
    )
    assert set(read_folder(folder)) == {"`specs/b.state.json`", "`specs/c.state.json`"}


def test_the_journal_of_a_running_or_killed_run_counts(folder: Path) -> None:
    (folder / "b.state.json").write_bytes(encode_state(THEIRS))
    purchases = Address("group", "purchases")
    lines = (
        encode_head(THEIRS),
        encode_entry(purchases, Record(id="sunny_vole")),
        encode_entry(ORDERS, None),
    )
    (folder / "b.state.json.journal").write_bytes(b"".join(lines))
    [state] = read_folder(folder).values()
    assert state.records == {purchases: Record(id="sunny_vole")}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("b.state.json", b"{", "it is damaged: it is not valid JSON"),
        ("b.state.json", b"", "it is damaged: it is not valid JSON"),
        ("b.state.json", rb'{"account_id": "\x"}', "it is damaged: it is not valid JSON"),
        ("b.state.json", b'{"account_id": "\xff"}', "it is damaged: it is not valid JSON"),
        ("b.state.json", NEWER, "it is newer than this program: its format is 99, this version knows 6"),
        ("prod.json", NEWER, "it is newer than this program: its format is 99, this version knows 6"),
        (
            "prod.json",
            encode_state(THEIRS).replace(b"5", b"-5"),
            "it is damaged: it has not the shape of a state at serial",
        ),
    ],
)
def test_an_unreadable_state_is_named_with_the_reason(
    folder: Path, name: str, content: bytes, reason: str
) -> None:
    (folder / name).write_bytes(content)
    found = StateFile(folder / "state.json", "specs/state.json").neighbours.read(ACCOUNT, "own")
    assert found.states == {}
    [unreadable] = found.unreadable
    assert (unreadable.place, unreadable.reason) == (f"`specs/{name}`", reason)


def test_a_state_is_loaded_again_only_after_a_change(folder: Path) -> None:
    for name in ("b.state.json", "c.state.json"):
        (folder / name).write_bytes(encode_state(replace(THEIRS, lineage=name)))
    files = CountingFiles(folder / "state.json", "state.json")
    reader = NeighbourReader(files)
    first = reader.read(ACCOUNT, "own")
    assert sorted(files.loaded) == ["b.state.json", "c.state.json"]
    assert reader.read(ACCOUNT, "own") == first
    assert len(files.loaded) == 2
    (folder / "b.state.json").write_bytes(encode_state(replace(THEIRS, lineage="b", serial=66)))
    (folder / "c.state.json").unlink()
    assert [state.serial for state in reader.read(ACCOUNT, "own").states.values()] == [66]
    assert files.loaded[2:] == ["b.state.json"]
    (folder / "b.state.json.journal").write_bytes(encode_head(replace(THEIRS, lineage="b", serial=66)))
    reader.read(ACCOUNT, "own")
    assert files.loaded[3:] == ["b.state.json"]


def test_a_branch_has_the_states_of_all_its_projects(tmp_path: Path) -> None:
    upstream = BareRepository(tmp_path / "upstream.git")
    location, context = parse_state_location(f"git:{upstream.path}/{BRANCH}"), build_context(tmp_path)
    own, other, third = (
        build_remote_store(location, name, context)  # type: ignore[arg-type]
        for name in ("state.json", "teams.b.state.json", "c.state.json")
    )
    assert own.read() is None
    assert own.neighbours.read(ACCOUNT, None).states == {}
    for store, state in ((other, THEIRS), (third, replace(THEIRS, account_id="another"))):
        with store.lock.hold(context.holder):
            store.read()
            store.replace(state)
    assert own.neighbours.read(ACCOUNT, None).states == {}  # as of the last request
    own.read()
    found = own.neighbours.read(ACCOUNT, None)
    assert found.states == {f"`teams.b.state.json` in `git:{upstream.path}/{BRANCH}`": THEIRS}
    assert found.unreadable == ()


def test_a_push_shows_the_states_that_were_pushed_before_it(tmp_path: Path) -> None:
    """Two runs that write their states and then look at the other one: one of them at least sees the other."""
    upstream = BareRepository(tmp_path / "upstream.git")
    location, context = parse_state_location(f"git:{upstream.path}/{BRANCH}"), build_context(tmp_path)
    own, other = (build_remote_store(location, name, context) for name in ("state.json", "b.state.json"))  # type: ignore[arg-type]
    with own.lock.hold(context.holder), other.lock.hold(context.holder):
        assert own.read() is other.read() is None
        other.replace(THEIRS)
        assert own.neighbours.read(ACCOUNT, None).states == {}
        own.replace(OWN)
        assert list(own.neighbours.read(ACCOUNT, None).states.values()) == [THEIRS]


@pytest.fixture(params=[S3Storage, GoogleStorage, AzureStorage], ids=["s3", "gs", "az"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    with serve_objects(request.param()) as opened:
        for name, value in opened.environ.items():
            monkeypatch.setenv(name, value)
        opened.write_interval = 0.0
        yield opened


def open_bucket_reader(server: ObjectServer, folder: Path, key: str = "fivetran/a.json") -> NeighbourReader:
    context = build_context(folder, **server.environ)
    return build_remote_store(ObjectKey(server.scheme, server.bucket, key), key, context).neighbours


def test_a_bucket_has_the_states_up_to_the_last_slash(server: ObjectServer, tmp_path: Path) -> None:
    for key in (
        "fivetran/a.json",
        "fivetran/b.json",
        "fivetran/x/c.json",
        "other/d.json",
        "fivetran/b.json.lock",
    ):
        server.put(key, encode_state(THEIRS).decode())
    server.put("fivetran/removed.json", "")
    found = open_bucket_reader(server, tmp_path).read(ACCOUNT, "own")
    assert found.states == {f"`{server.scheme}://states/fivetran/b.json`": THEIRS}
    assert found.unreadable == ()
    assert server.lists == 1


def test_a_bucket_without_folders_is_a_place_too(server: ObjectServer, tmp_path: Path) -> None:
    for key in ("a.json", "b.json", "fivetran/c.json"):
        server.put(key, encode_state(THEIRS).decode())
    found = open_bucket_reader(server, tmp_path, "a.json").read(ACCOUNT, "own")
    assert list(found.states) == [f"`{server.scheme}://states/b.json`"]


def test_a_second_reading_of_a_bucket_costs_one_list(server: ObjectServer, tmp_path: Path) -> None:
    for key in ("fivetran/b.json", "fivetran/c.json"):
        server.put(key, encode_state(replace(THEIRS, lineage=key)).decode())
    reader = open_bucket_reader(server, tmp_path)
    first = reader.read(ACCOUNT, "own")
    server.refusals.append(Refusal(403, "AccessDenied", name="fivetran/b.json"))
    assert reader.read(ACCOUNT, "own") == first
    assert server.lists == 2
    server.put("fivetran/b.json", encode_state(replace(THEIRS, serial=66)).decode())
    [unreadable] = reader.read(ACCOUNT, "own").unreadable
    assert unreadable.place == f"`{server.scheme}://states/fivetran/b.json`"
    server.refusals.clear()
    assert reader.read(ACCOUNT, "own").unreadable == ()


def test_a_bucket_that_may_not_be_listed_is_named(server: ObjectServer, tmp_path: Path) -> None:
    server.refusals.append(Refusal(403, "AccessDenied", name=""))
    [unreadable] = open_bucket_reader(server, tmp_path).read(ACCOUNT, "own").unreadable
    assert unreadable.is_place
    assert unreadable.place == f"`{server.scheme}://states/fivetran`"
