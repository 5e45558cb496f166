"""Record the history: each request with its response and its effects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.emulator.store import Store

READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods without effects."""

MAX_ENTRIES = 20_000
"""Length of the history. Older entries are dropped, so that long runs need no more space."""

_PRUNE_INTERVAL = 1_000


@dataclass(frozen=True, slots=True)
class Effect:
    """Effect of a request on the account: `created` `group` `decent_dropsy`."""

    verb: str
    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.verb} {self.kind} {self.id}"


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """Entry of the history: a request with its response.

    `body` is the parsed JSON with every secret in clear, so that a test can compare it; None for an empty
    body or no JSON. `failure` is the traceback of a 500. `fault` is the fault that struck: `status` is then
    the status of the intended response, 0 if there was none. `effect_of` is the sequence number of an earlier
    request that takes effect in this entry, 0 for a request of its own.
    """

    sequence: int
    at: str
    method: str
    path: str
    query: Mapping[str, str]
    accept: str
    body: Any
    status: int
    code: str
    effects: tuple[Effect, ...] = ()
    failure: str = ""
    fault: str = ""
    effect_of: int = 0

    @property
    def is_mutating(self) -> bool:
        """Return whether the method may write."""
        return self.method not in READ_METHODS


class History:
    """The bounded log of requests."""

    def __init__(self, store: Store, max_entries: int = MAX_ENTRIES) -> None:
        self._store = store
        self._max_entries = max_entries

    def record(  # one argument per column of the log
        self,
        *,
        at: str,
        method: str,
        path: str,
        query: Mapping[str, str],
        accept: str,
        body: Any,
        status: int,
        code: str,
        effects: Iterable[Effect],
        failure: str,
        fault: str = "",
        effect_of: int = 0,
    ) -> int:
        """Append an entry and return its sequence number."""
        sequence = self._store.append_entry(
            {
                "at": at,
                "method": method,
                "path": path,
                "query": dict(query),
                "accept": accept,
                "body": body,
                "status": status,
                "code": code,
                "effects": [[effect.verb, effect.kind, effect.id] for effect in effects],
                "failure": failure,
                "fault": fault,
                "effect_of": effect_of,
            }
        )
        # Pruned in batches, since a deletion per request would double the writes.
        if sequence % _PRUNE_INTERVAL == 0:
            self._store.drop_entries(sequence - self._max_entries + 1)
        return sequence

    def list_since(self, sequence: int = 0) -> list[HistoryEntry]:
        """List the entries after a sequence number, oldest first."""
        return [_build_entry(number, body) for number, body in self._store.list_entries(sequence)]

    def list_newest(self, limit: int) -> list[HistoryEntry]:
        """List the newest entries, newest first."""
        return [_build_entry(number, body) for number, body in self._store.list_newest_entries(limit)]


def _build_entry(sequence: int, body: Mapping[str, Any]) -> HistoryEntry:
    effects = tuple(Effect(*effect) for effect in body["effects"])
    return HistoryEntry(sequence=sequence, **{**body, "effects": effects})
