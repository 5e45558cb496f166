"""Read the states of other projects at the place of a state, so that no two projects manage one object.

A place is a folder of files, a branch in git, or the objects of a bucket up to the last `/` of a key. A place may hold
other files, too. A file is a state if it begins like one, or has the name of one. Only states of one account are read
in full, and each again only if its version has changed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Protocol, TypeAlias

from reconciler.model.record import State
from reconciler.model.sanitize import escape
from reconciler.state.backend import Backend
from reconciler.state.codec import DamagedStateError, NewerStateError, decode_state
from reconciler.state.journal import replay

_STATE_NAME = re.compile(r"(.*\.)?state\.json")
_HEADER = re.compile(rb'\{\s*"account_id":\s*("(?:[^"\\]|\\.)*")')
_HEADER_BYTES = 512
_MARK = b'"lineage"'


@dataclass(frozen=True, slots=True)
class UnreadableState:
    """State that cannot be read, so that it is unknown what it has. `place` names it as `NeighbourStates.states` does;
    with `is_place` the whole place cannot be listed."""

    place: str
    reason: str
    is_place: bool = False


@dataclass(frozen=True, slots=True)
class NeighbourStates:
    """States of other projects in one account. `states` are by their places in words, as `` `s3://states/b.json` ``."""

    states: Mapping[str, State] = field(default_factory=dict)
    unreadable: tuple[UnreadableState, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredState:
    """Bytes of a state: its snapshot, and the journal beside it if there is one."""

    snapshot: bytes
    journal: bytes = b""


_Loaded: TypeAlias = StoredState | OSError
_Judged: TypeAlias = State | UnreadableState | None


class NeighbourFiles(Protocol):
    """Files beside a state."""

    def list_versions(self) -> Mapping[str, str]:
        """List the files that may be states, each with a tag that changes with its content. The list is at least as new
        as the last read or write of the state. Raises OSError."""

    def load(self, names: Collection[str]) -> Mapping[str, _Loaded]:
        """Load files, each with its content or the error. A file that is missing or no state may be left out."""

    def describe(self, name: str) -> str:
        """Describe the place of a file in a message; without a name, the place of all files."""


class NeighbourReader:
    """Reader of the states beside one state. It remembers what it has read, so that a second reading costs one list."""

    def __init__(self, files: NeighbourFiles) -> None:
        self._files = files
        self._known: dict[str, tuple[str, _Judged]] = {}

    def read(self, account_id: str, lineage: str | None) -> NeighbourStates:
        """Read the states of an account. A state of the same `lineage` is a copy of the state itself, and left out."""
        try:
            versions = self._files.list_versions()
        except OSError as error:
            place = self._files.describe("")
            return NeighbourStates(
                unreadable=(UnreadableState(place, _describe_error(error), is_place=True),)
            )
        changed = [name for name in versions if self._known.get(name, ("",))[0] != versions[name]]
        loaded = self._files.load(changed)
        self._known = {name: known for name, known in self._known.items() if name in versions}
        for name, content in loaded.items():
            # A file that could not be read is read again: its error may be over.
            version = "" if isinstance(content, OSError) else versions[name]
            self._known[name] = version, self._judge(name, content, account_id)
        return self._select(lineage)

    def _select(self, lineage: str | None) -> NeighbourStates:
        results = {name: result for name, (_, result) in sorted(self._known.items())}
        return NeighbourStates(
            {
                self._files.describe(name): result
                for name, result in results.items()
                if isinstance(result, State) and result.lineage != lineage
            },
            tuple(result for result in results.values() if isinstance(result, UnreadableState)),
        )

    def _judge(self, name: str, loaded: _Loaded, account_id: str) -> _Judged:
        """Decode a file; None if it is no state, or the state of another account."""
        if isinstance(loaded, OSError):
            return UnreadableState(self._files.describe(name), _describe_error(loaded))
        if _read_account(loaded.snapshot) not in (None, account_id):
            return None
        try:
            state = decode_state(loaded.snapshot)
            state = replay(state, loaded.journal) if loaded.journal else state
        except (DamagedStateError, NewerStateError) as error:
            if not _looks_like_state(name, loaded.snapshot):
                return None
            kind = "newer than this program" if isinstance(error, NewerStateError) else "damaged"
            return UnreadableState(self._files.describe(name), f"it is {kind}: {error}")
        return state if state.account_id == account_id else None


class FolderFiles:
    """Files in the folder of a local state, which messages call `display_name`."""

    def __init__(self, path: Path, display_name: str) -> None:
        self._path = path
        self._display_name = display_name

    def list_versions(self) -> dict[str, str]:
        """List the files of the folder. A missing folder has none."""
        try:
            with os.scandir(self._path.parent) as entries:
                names = [entry.name for entry in entries if self._may_be_state(entry.name)]
        except FileNotFoundError:
            return {}
        return {name: _read_versions(self._path.with_name(name)) for name in names}

    def load(self, names: Collection[str]) -> dict[str, _Loaded]:
        """Load files with their journals. Other files are not read beyond their beginning."""
        loaded: dict[str, _Loaded] = {}
        for name in names:
            path = self._path.with_name(name)
            try:
                if not _begins_like_state(path):
                    continue
                # In this order: a snapshot that is written between the two reads has all entries of the journal.
                journal = _read_if_exists(path.with_name(f"{name}.journal"))
                loaded[name] = StoredState(path.read_bytes(), journal)
            except FileNotFoundError:
                continue
            except OSError as error:
                if _STATE_NAME.fullmatch(name):
                    loaded[name] = error
        return loaded

    def describe(self, name: str) -> str:
        """Describe a file by its path."""
        shown = PurePath(self._display_name)
        return f"`{escape(str(shown.with_name(name) if name else shown.parent))}`"

    def _may_be_state(self, name: str) -> bool:
        return name != self._path.name and PurePath(name).suffix in (".json", self._path.suffix)


class BackendFiles:
    """Files beside the file `name` of a backend, whose state messages call `display_name`."""

    def __init__(self, backend: Backend, name: str, display_name: str) -> None:
        self._backend = backend
        self._name = name
        self._place = display_name.removesuffix(name)
        self._is_path = display_name != self._place

    def list_versions(self) -> dict[str, str]:
        """List the files. Raises BackendError."""
        suffixes = (".json", PurePath(self._name).suffix)
        versions = self._backend.list_beside(self._name)
        return {name: version for name, version in versions.items() if PurePath(name).suffix in suffixes}

    def load(self, names: Collection[str]) -> dict[str, _Loaded]:
        """Load files."""
        contents = self._backend.read_beside(names) if names else {}
        return {
            name: StoredState(content) if isinstance(content, bytes) else content
            for name, content in contents.items()
        }

    def describe(self, name: str) -> str:
        """Describe a file by its address, or by its name in a branch."""
        if not name:
            folder = self._name.rpartition("/")[0]
            return f"`{escape(self._place + folder if self._is_path else self._place)}`"
        if self._is_path:
            return f"`{escape(self._place + name)}`"
        return f"`{escape(name)}` in `{escape(self._place)}`"


def _read_account(snapshot: bytes) -> str | None:
    """Read the account of a state without decoding it; None if the beginning does not name it."""
    match = _HEADER.match(snapshot)
    try:
        return str(json.loads(match[1])) if match is not None else None
    except ValueError:
        return None


def _looks_like_state(name: str, snapshot: bytes) -> bool:
    is_named = _STATE_NAME.fullmatch(PurePath(name).name) is not None
    return is_named or (_HEADER.match(snapshot) is not None and _MARK in snapshot)


def _begins_like_state(path: Path) -> bool:
    """Check whether a file begins like a state, or has the name of one. Raises OSError."""
    if _STATE_NAME.fullmatch(path.name):
        return path.is_file()
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _HEADER.match(file.read(_HEADER_BYTES)) is not None


def _read_if_exists(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _read_versions(path: Path) -> str:
    """Read a tag that changes with a snapshot and with its journal."""
    return " ".join(_read_version(each) for each in (path, path.with_name(f"{path.name}.journal")))


def _read_version(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return "-"
    return f"{status.st_ino}:{status.st_mtime_ns}:{status.st_size}"


def _describe_error(error: OSError) -> str:
    return error.strerror or str(error)
