"""Store the account in SQLite: documents by kind and id, in the order of their creation.

One connection, one lock, one transaction per request: a request is all or nothing, requests have one order,
and server threads need no resources of their own.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

FORMAT = 2

_SCHEMA = f"""
CREATE TABLE documents (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    parent TEXT NOT NULL,
    label TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (kind, id)
);
CREATE INDEX documents_by_kind ON documents (kind);
CREATE INDEX documents_by_parent ON documents (kind, parent);
CREATE INDEX documents_by_label ON documents (kind, label);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE exchanges (sequence INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);
PRAGMA user_version = {FORMAT};
"""

_UPGRADE_FROM_1 = """
UPDATE documents SET label = json_extract(body, '$.user'), body = json_set(body, '$.group', parent, '$.created_at',
    (SELECT json_extract(body, '$.created_at') FROM documents AS groups
     WHERE groups.kind = 'group' AND groups.id = documents.parent)) WHERE kind = 'membership';
UPDATE documents SET body = json_set(body, '$.target', id) WHERE kind IN ('setup-script', 'surroundings');
PRAGMA user_version = 2;
"""


class Kind(StrEnum):
    """Kind of a document."""

    ACCOUNT = "account"
    GROUP = "group"
    DESTINATION = "destination"
    CONNECTION = "connection"
    USER = "user"
    MEMBERSHIP = "membership"
    USER_IN_CONNECTION = "user-in-connection"
    USER_IN_TEAM = "user-in-team"
    TEAM_IN_GROUP = "team-in-group"
    TEAM_IN_CONNECTION = "team-in-connection"
    VISIBILITY = "sight"
    TEAM = "team"
    WEBHOOK = "webhook"
    CERTIFICATE = "certificate"
    FINGERPRINT = "fingerprint"
    HYBRID_AGENT = "hybrid-agent"
    PROXY_AGENT = "proxy-agent"
    PRIVATE_LINK = "private-link"
    SECRETS_MANAGER = "secrets-manager"
    SETUP_SCRIPT = "setup-script"
    NETWORK = "surroundings"
    LINK_WORK = "link-work"


class Order(StrEnum):
    """Order of a list."""

    CREATION = "creation"
    ID = "id"
    NEWEST_FIRST = "newest-first"


_ORDER_BY = {Order.CREATION: "position", Order.ID: "id", Order.NEWEST_FIRST: "position DESC"}


_PreviousRow: TypeAlias = tuple[str, str, tuple[int, str, str, str] | None]
"""Kind and id of a document with its previous row, None for a new document."""


class UnusableDatabaseError(Exception):
    """Error of a file that is no database of the emulator, or of another version."""


class Store:
    """Documents, counters and the history in one database."""

    def __init__(self, database: str | Path) -> None:
        self._lock = threading.RLock()
        self._pending_writes: list[_PreviousRow] = []
        self._last_write: tuple[_PreviousRow, ...] = ()
        self.write_count = 0
        try:
            self._database = sqlite3.connect(
                database, isolation_level=None, check_same_thread=False, timeout=30.0
            )
        except sqlite3.Error as error:
            raise UnusableDatabaseError(f"{database}: {error}") from error
        try:
            self._prepare()
        except (sqlite3.Error, UnusableDatabaseError) as error:
            self._database.close()
            raise UnusableDatabaseError(f"{database}: {error}") from error

    def _prepare(self) -> None:
        # A killed process must leave a valid file; after a power cut the file may be lost. SQLite does not wait while
        # another process changes the mode of the file; the other process sets the same mode.
        with suppress(sqlite3.OperationalError):
            self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        with self.transaction():  # two processes may find the same new file
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            tables = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if version == FORMAT:
                return
            if version == 1:
                self._execute_script(_UPGRADE_FROM_1)
                return
            if version or tables:
                raise UnusableDatabaseError("the database was not made by this version of the emulator")
            self._execute_script(_SCHEMA)

    def _execute_script(self, script: str) -> None:
        """Execute statements within the current transaction, which `executescript` would commit."""
        for statement in script.split(";"):
            self._database.execute(statement)

    def close(self) -> None:
        """Close the database. The store cannot be used afterwards."""
        with self._lock:
            self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block as a transaction, alone: other threads wait.

        A nested transaction can be rolled back alone.
        """
        with self._lock:
            if self._database.in_transaction:
                yield from self._run_bracketed(
                    "SAVEPOINT part", "RELEASE part", "ROLLBACK TO part; RELEASE part"
                )
            else:
                yield from self._run_bracketed("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK")
                if self._pending_writes:
                    # Only a committed outermost transaction is a write that other requests have seen.
                    self._last_write, self._pending_writes = tuple(self._pending_writes), []
                    self.write_count += 1

    @contextmanager
    def rewind_last_write(self) -> Iterator[None]:
        """Rewind documents, for the block, to their state before the latest write transaction.

        Use it within a transaction. All changes inside the block are undone.
        """
        self._database.execute("SAVEPOINT past")
        try:
            # Newest first, so that a document that was written twice ends in its oldest state.
            for kind, identifier, row in reversed(self._last_write):
                self._database.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, identifier))
                if row is not None:
                    self._database.execute(
                        "INSERT INTO documents (position, kind, id, parent, label, body) VALUES (?, ?, ?, ?, ?, ?)",
                        (row[0], kind, identifier, *row[1:]),
                    )
            yield
        finally:
            self._database.execute("ROLLBACK TO past")
            self._database.execute("RELEASE past")

    def _run_bracketed(self, begin: str, commit: str, rollback: str) -> Iterator[None]:
        self._database.execute(begin)
        pending_count = len(self._pending_writes)
        try:
            yield
            self._database.execute(commit)
        except BaseException:
            # The failed part is rolled back, so it is no write that a stale read could miss.
            del self._pending_writes[pending_count:]
            for statement in rollback.split("; "):
                self._database.execute(statement)
            raise

    def add(
        self, kind: Kind, identifier: str, body: Mapping[str, Any], *, parent: str = "", label: str = ""
    ) -> None:
        """Add a document. `parent` and `label` are keys for lists."""
        with self._lock:
            self._pending_writes.append((kind, identifier, None))
            self._database.execute(
                "INSERT INTO documents (kind, id, parent, label, body) VALUES (?, ?, ?, ?, ?)",
                (kind, identifier, parent, label, _encode_body(body)),
            )

    def replace(self, kind: Kind, identifier: str, body: Mapping[str, Any], *, label: str = "") -> None:
        """Replace body and label of a document. Its place in lists stays."""
        with self._lock:
            self._record_previous(kind, identifier)
            self._database.execute(
                "UPDATE documents SET body = ?, label = ? WHERE kind = ? AND id = ?",
                (_encode_body(body), label, kind, identifier),
            )

    def remove(self, kind: Kind, identifier: str) -> bool:
        """Delete a document. False if there was none."""
        with self._lock:
            self._record_previous(kind, identifier)
            cursor = self._database.execute(
                "DELETE FROM documents WHERE kind = ? AND id = ?", (kind, identifier)
            )
            return cursor.rowcount > 0

    def remove_documents(self, kind: Kind, *, parent: str | None = None, label: str | None = None) -> None:
        """Delete all documents of a kind with this parent and this label."""
        where, values = _build_where(kind, parent, label)
        with self._lock:
            found = self._database.execute(
                f"SELECT id FROM documents WHERE {where}",  # noqa: S608
                values,
            ).fetchall()
            for (identifier,) in found:
                self.remove(kind, identifier)

    def _record_previous(self, kind: Kind, identifier: str) -> None:
        """Record the current row of a document for `rewind_last_write`."""
        row = self._database.execute(
            "SELECT position, parent, label, body FROM documents WHERE kind = ? AND id = ?",
            (kind, identifier),
        ).fetchone()
        if row is not None:
            self._pending_writes.append((kind, identifier, row))

    def clear(self) -> None:
        """Delete every document, counter and history entry."""
        with self._lock:
            # sqlite_sequence too: positions and sequence numbers start at 1 again, as in a new database.
            for table in ("documents", "counters", "exchanges", "sqlite_sequence"):
                self._database.execute(f"DELETE FROM {table}")  # noqa: S608

    def find(self, kind: Kind, identifier: str) -> dict[str, Any] | None:
        """Find the body of a document, None if there is none."""
        with self._lock:
            row = self._database.execute(
                "SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, identifier)
            ).fetchone()
        return _decode_body(row[0]) if row else None

    def list_documents(
        self,
        kind: Kind,
        *,
        skip: int = 0,
        limit: int = -1,
        parent: str | None = None,
        label: str | None = None,
        order: Order = Order.CREATION,
    ) -> list[dict[str, Any]]:
        """List the bodies of documents, by default in the order of their creation."""
        where, values = _build_where(kind, parent, label)
        with self._lock:
            rows = self._database.execute(
                f"SELECT body FROM documents WHERE {where} ORDER BY {_ORDER_BY[order]} LIMIT ? OFFSET ?",  # noqa: S608
                (*values, limit, skip),
            ).fetchall()
        return [_decode_body(row[0]) for row in rows]

    def has(self, kind: Kind, *, parent: str | None = None, label: str | None = None) -> bool:
        """Check whether any such document exists."""
        where, values = _build_where(kind, parent, label)
        with self._lock:
            row = self._database.execute(
                f"SELECT EXISTS (SELECT 1 FROM documents WHERE {where})",  # noqa: S608
                values,
            ).fetchone()
        return bool(row[0])

    def increment(self, counter: str) -> int:
        """Increment a counter and return it: 1, 2, 3, … A rolled-back transaction returns its numbers."""
        with self._lock:
            row = self._database.execute(
                "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 "
                "RETURNING value",
                (counter,),
            ).fetchone()
        return int(row[0])

    def append_entry(self, body: Mapping[str, Any]) -> int:
        """Append an entry to the history. Returns its sequence number, from 1 without gaps."""
        with self._lock:
            cursor = self._database.execute("INSERT INTO exchanges (body) VALUES (?)", (_encode_body(body),))
            return int(cursor.lastrowid or 0)

    def drop_entries(self, before: int) -> None:
        """Drop the history before a sequence number. The entry of this number stays."""
        with self._lock:
            self._database.execute("DELETE FROM exchanges WHERE sequence < ?", (before,))

    def list_entries(self, after: int) -> list[tuple[int, dict[str, Any]]]:
        """List the history after a sequence number: sequence number and body of each entry."""
        with self._lock:
            rows = self._database.execute(
                "SELECT sequence, body FROM exchanges WHERE sequence > ? ORDER BY sequence", (after,)
            ).fetchall()
        return [(row[0], _decode_body(row[1])) for row in rows]

    def list_newest_entries(self, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """List the newest entries of the history, newest first: sequence number and body of each entry."""
        with self._lock:
            rows = self._database.execute(
                "SELECT sequence, body FROM exchanges ORDER BY sequence DESC LIMIT ?", (limit,)
            ).fetchall()
        return [(row[0], _decode_body(row[1])) for row in rows]


def _build_where(kind: Kind, parent: str | None, label: str | None) -> tuple[str, tuple[str, ...]]:
    where, values = "kind = ?", [str(kind)]
    if parent is not None:
        where += " AND parent = ?"
        values.append(parent)
    if label is not None:
        where += " AND label = ?"
        values.append(label)
    return where, tuple(values)


def _encode_body(body: Mapping[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"))


def _decode_body(text: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(text)
    return body
