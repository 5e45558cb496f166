"""What the API key sees: a key with a role of its own may see only a part of the account.

A group is seen or hidden with its destination, its connections and its members. The dashboard is no client, and sees
everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from reconciler.emulator.account import Account
from reconciler.emulator.envelope import Refusal, not_found, refusal
from reconciler.emulator.ids import digest
from reconciler.emulator.store import Kind

_ALL: Final = "all"
_GROUP_OF: Mapping[Kind, str] = {Kind.GROUP: "id", Kind.DESTINATION: "id", Kind.CONNECTION: "group_id"}
"""The key of a document under which it has the id of its group."""
_IN_PATH = {"groups": Kind.GROUP, "destinations": Kind.DESTINATION, "connections": Kind.CONNECTION}
_IN_BODY = {
    "group_id": Kind.GROUP,
    "destination_id": Kind.DESTINATION,
    "connection_id": Kind.CONNECTION,
}


def is_restricted(account: Account, kind: Kind) -> bool:
    """Whether some objects of this kind may be hidden from the key."""
    return kind in _GROUP_OF and account.behaviour.visible_groups != _ALL


def visible(account: Account, kind: Kind, documents: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The documents that the key sees."""
    return [each for each in documents if _sees(account, each[_GROUP_OF[kind]])]


def show_to_its_maker(account: Account, group_id: str) -> None:
    """Let the key see the group that it has just made, whatever else it sees."""
    if is_restricted(account, Kind.GROUP):
        account.store.add(Kind.SIGHT, group_id, {}, parent=group_id)


def refuse_hidden(account: Account, path: str, arguments: Mapping[str, str], body: Mapping[str, Any]) -> None:
    """Raise `Refusal` for a request about an object that the key does not see, or about what is to be made in one."""
    if not is_restricted(account, Kind.GROUP):
        return
    for kind, identifier in _named(path, arguments, body):
        document = account.store.find(kind, identifier)
        if not _sees(account, identifier if document is None else document[_GROUP_OF[kind]]):
            raise _hidden(account, kind, identifier)


def _named(path: str, arguments: Mapping[str, str], body: Mapping[str, Any]) -> Iterator[tuple[Kind, str]]:
    """The objects that a request is about."""
    kind = _IN_PATH.get(path.split("/")[2])
    if kind is not None and "id" in arguments:
        yield kind, arguments["id"]
    for key, each in _IN_BODY.items():
        if isinstance(body.get(key), str):
            yield each, body[key]


def _sees(account: Account, group_id: str) -> bool:
    group = account.store.find(Kind.GROUP, group_id)
    if group is None or account.store.find(Kind.SIGHT, group_id) is not None:
        return True
    chosen = account.behaviour.visible_groups
    if chosen.endswith("%"):
        return int.from_bytes(digest("visible", group_id), "big") % 100 < int(chosen.removesuffix("%"))
    return chosen == _ALL or any(
        fnmatchcase(text, glob.strip()) for glob in chosen.split(",") for text in (group_id, group["name"])
    )


def _hidden(account: Account, kind: Kind, identifier: str) -> Refusal:
    if account.behaviour.hidden_answer == "forbidden":
        return refusal(403, "Forbidden", "The API key has no permission for this")
    return not_found(kind.title(), identifier)
