"""The journal beside a snapshot: one line per record that changed, on disk before anything goes on.

A journal belongs to one snapshot, which its first line names. One that continues an older snapshot of the
same lineage is left over from a crash between the two writes of a compaction, and its lines are in the
newer snapshot already.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import IO

from reconciler.model.address import Address
from reconciler.model.record import Record, State
from reconciler.model.removal import Removed
from reconciler.state.document import (
    DamagedError,
    Remembered,
    decoded_entry,
    decoded_head,
    encoded_entry,
    encoded_head,
)

Entry = tuple[Address, Remembered]


def replayed(state: State, content: bytes) -> State:
    """The state after all complete lines of its journal. Raises DamagedError.

    A last line without its end is one that a killed process was writing; nothing relied on it yet.
    """
    complete, _, _ = content.rpartition(b"\n")
    if not complete:
        return state
    first, *lines = complete.split(b"\n")
    head = decoded_head(first)
    if head.lineage != state.lineage or head.serial > state.serial:
        raise DamagedError("its journal belongs to another state")
    if head.serial < state.serial:
        return state
    records, removals = dict(state.records), dict(state.removals)
    take_in(map(decoded_entry, lines), records, removals)
    return replace(state, records=records, removals=removals)


def take_in(entries: Iterable[Entry], records: dict[Address, Record], removals: dict[str, Removed]) -> None:
    """Bring records and removals to what entries say, in their order. What was removed has no record."""
    for address, entry in entries:
        if isinstance(entry, Record):
            records[address] = entry
            continue
        records.pop(address, None)
        if entry is not None:
            removals[address.key] = entry


class JournalWriter:
    """Appends entries durably: when `append` returns, a crash of the machine does not lose them."""

    def __init__(self, path: Path, state: State) -> None:
        """Start an empty journal for a snapshot. Raises OSError."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file: IO[bytes] = os.fdopen(descriptor, "wb", buffering=0)
        self._write(encoded_head(state))

    def append(self, entries: Iterable[Entry]) -> None:
        """Write entries with one sync for all of them. Raises OSError."""
        self._write(b"".join(encoded_entry(address, entry) for address, entry in entries))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _write(self, content: bytes) -> None:
        remaining = memoryview(content)
        while remaining:
            remaining = remaining[self._file.write(remaining) :]
        os.fsync(self._file.fileno())
