"""Compare the requests that a plan announces with the requests that its apply sends.

The announcement is read from the JSON of the plan alone; the sent requests are read from the history of the emulator.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.emulator.history import HistoryEntry

Path = tuple[str, ...]


@dataclass(frozen=True)
class SentRequest:
    """Request by method, object and the fields of its body."""

    method: str
    object: str
    fields: frozenset[Path]


@dataclass(frozen=True)
class Announcement:
    """Announced requests: the `certain` requests, and requests that an apply may send with some of these fields."""

    certain: frozenset[SentRequest]
    possible: frozenset[SentRequest]

    def check(self, sent: Iterable[SentRequest], *, is_complete: bool = True) -> None:
        """Check that every sent request was announced, and that no certain request is missing from a complete run."""
        requests = set(sent)
        surprises = [each for each in requests - self.certain if not self._may_be(each)]
        assert surprises == []
        if is_complete:
            assert self.certain - requests == frozenset()

    def _may_be(self, request: SentRequest) -> bool:
        return any(
            (request.method, request.object) == (each.method, each.object) and request.fields <= each.fields
            for each in self.possible
        )


def read_announcement(changes: Iterable[Mapping[str, Any]]) -> Announcement:
    """Read the announced requests from `changes` of a plan's JSON."""
    by_certainty: dict[bool, set[SentRequest]] = {False: set(), True: set()}
    for change in changes:
        for request in change["requests"]:
            fields = frozenset(tuple(path) for path in (*request["fields"], *request["carried"]))
            by_certainty[request["may"]].add(SentRequest(request["method"], request["object"], fields))
    return Announcement(frozenset(by_certainty[False]), frozenset(by_certainty[True]))


def read_sent(
    history: Iterable[HistoryEntry], changes: Iterable[Mapping[str, Any]], keys_by_name: Mapping[str, str]
) -> list[SentRequest]:
    """Read the mutating requests of a history. Objects get the addresses of the plan: existing objects by their ids,
    new groups by their names (`keys_by_name`)."""
    entries = list(history)
    keys = {change["id"]: change["address"].partition(".")[2] for change in changes if change["id"]}
    keys |= {
        effect.id: keys_by_name[entry.body["name"]]
        for entry in entries
        for effect in entry.effects
        if (effect.verb, effect.kind) == ("created", "group")
    }
    return [
        SentRequest(
            entry.method, _name_object(entry, keys, keys_by_name), frozenset(list_paths(entry.body or {}))
        )
        for entry in entries
        if entry.is_mutating
    ]


def _name_object(entry: HistoryEntry, keys: Mapping[str, str], keys_by_name: Mapping[str, str]) -> str:
    match entry.path.split("/")[2:]:
        case ["groups"]:
            return f"group.{keys_by_name[entry.body['name']]}"
        case ["groups", id]:
            return f"group.{keys[id]}"
        case ["destinations"]:
            return f"destination.{keys[entry.body['group_id']]}"
        case ["destinations", id]:
            return f"destination.{keys[id]}"
        case ["destinations", id, "test"]:
            return f"destination.{keys[id]}/test"
        case ["destinations", id, kind]:
            return f"destination.{keys[id]}/{kind}"
        case ["destinations", id, kind, approval]:
            padded = approval + "=" * (-len(approval) % 4)
            return f"destination.{keys[id]}/{kind}/{urlsafe_b64decode(padded).decode()}"
        case ["connections", id]:
            return f"connection {id}"
    raise AssertionError(f"no plan can announce {entry.method} {entry.path}")


def list_paths(body: Mapping[str, Any]) -> Iterable[Path]:
    """List the fields of a body."""
    for name, value in body.items():
        if name in {"config", "external_secrets_keys_config"}:
            yield from ((name, key) for key in value)
        else:
            yield (name,)
