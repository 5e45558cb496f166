"""Write and replay the journal beside a snapshot. It has one line per changed record, on disk before the run goes on.

A journal belongs to one snapshot, which its first line names. A journal that continues an older snapshot of the same
lineage is left over from a crash between the two writes of a compaction, and its lines are in the newer snapshot
already.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import IO

from reconciler.model.address import Address
from reconciler.model.record import Record, State
from reconciler.model.removal import CompletedRemoval
from reconciler.state.codec import (
    DamagedStateError,
    JournalValue,
    decode_entry,
    decode_head,
    encode_entry,
    encode_head,
)

JournalEntry = tuple[Address, JournalValue]


def replay(state: State, content: bytes) -> State:
    """Replay all complete lines of a journal on a snapshot. Returns the new state. Raises DamagedStateError.

    A killed process may leave a last line without its end. That line is dropped: no request was sent before it was
    durable.
    """
    complete, _, _ = content.rpartition(b"\n")
    if not complete:
        return state
    head_line, *lines = complete.split(b"\n")
    head = decode_head(head_line)
    if head.lineage != state.lineage or head.serial > state.serial:
        raise DamagedStateError("its journal belongs to another state")
    if head.serial < state.serial:
        return state
    records, removals = dict(state.records), dict(state.removals)
    apply_entries(map(decode_entry, lines), records, removals)
    return replace(state, records=records, removals=removals)


def apply_entries(
    entries: Iterable[JournalEntry], records: dict[Address, Record], removals: dict[str, CompletedRemoval]
) -> None:
    """Apply entries to records and removals, in their order. A removed address has no record."""
    for address, entry in entries:
        if isinstance(entry, Record):
            records[address] = entry
            continue
        records.pop(address, None)
        if entry is not None:
            removals[address.key] = entry


class JournalWriter:
    """Writer of durable entries: after `append`, a crash of the machine does not lose them."""

    def __init__(self, path: Path, state: State) -> None:
        """Start an empty journal for a snapshot. Raises OSError."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file: IO[bytes] = os.fdopen(descriptor, "wb", buffering=0)
        self._write(encode_head(state))

    def append(self, entries: Iterable[JournalEntry]) -> None:
        """Write entries with one sync for all of them. Raises OSError."""
        self._write(b"".join(encode_entry(address, entry) for address, entry in entries))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, content: bytes) -> None:
        remaining = memoryview(content)
        while remaining:
            remaining = remaining[self._file.write(remaining) :]
        os.fsync(self._file.fileno())
