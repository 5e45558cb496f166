"""Restrict visibility: an API key with a restricted role sees only a part of the account.

A group is visible or hidden together with its destination, its connections and its members. The dashboard is
no client and sees everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from reconciler.emulator.account import Account
from reconciler.emulator.envelope import ErrorReply, error_reply, not_found
from reconciler.emulator.ids import digest
from reconciler.emulator.store import Kind

_ALL: Final = "all"
_GROUP_ID_KEYS: Mapping[Kind, str] = {Kind.GROUP: "id", Kind.DESTINATION: "id", Kind.CONNECTION: "group_id"}
"""Key of a document with the id of its group, by kind."""
_PATH_KINDS = {"groups": Kind.GROUP, "destinations": Kind.DESTINATION, "connections": Kind.CONNECTION}
_BODY_KINDS = {
    "group_id": Kind.GROUP,
    "destination_id": Kind.DESTINATION,
    "connection_id": Kind.CONNECTION,
}


def is_restricted(account: Account, kind: Kind) -> bool:
    """Check whether objects of this kind may be hidden from the key."""
    return kind in _GROUP_ID_KEYS and account.behaviour.visible_groups != _ALL


def filter_visible(account: Account, kind: Kind, documents: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Filter the documents that the key sees."""
    return [document for document in documents if _is_visible(account, document[_GROUP_ID_KEYS[kind]])]


def grant_to_creator(account: Account, group_id: str) -> None:
    """Grant the key access to a group that it has created, also if its role sees no such group."""
    if is_restricted(account, Kind.GROUP):
        account.store.add(Kind.VISIBILITY, group_id, {}, parent=group_id)


def refuse_hidden(account: Account, path: str, arguments: Mapping[str, str], body: Mapping[str, Any]) -> None:
    """Refuse a request about a hidden object, or for a new object inside a hidden object.

    Raises `ErrorReply`.
    """
    if not is_restricted(account, Kind.GROUP):
        return
    for kind, identifier in _list_requested(path, arguments, body):
        document = account.store.find(kind, identifier)
        if not _is_visible(account, identifier if document is None else document[_GROUP_ID_KEYS[kind]]):
            raise _build_hidden_error(account, kind, identifier)


def _list_requested(
    path: str, arguments: Mapping[str, str], body: Mapping[str, Any]
) -> Iterator[tuple[Kind, str]]:
    """List the objects that a request names."""
    kind = _PATH_KINDS.get(path.split("/")[2])
    if kind is not None and "id" in arguments:
        yield kind, arguments["id"]
    for key, body_kind in _BODY_KINDS.items():
        if isinstance(body.get(key), str):
            yield body_kind, body[key]


def _is_visible(account: Account, group_id: str) -> bool:
    group = account.store.find(Kind.GROUP, group_id)
    # A missing group is not hidden: its handler responds with the usual 404.
    if group is None or account.store.find(Kind.VISIBILITY, group_id) is not None:
        return True
    selection = account.behaviour.visible_groups
    if selection.endswith("%"):
        # A hash of the id decides, so that later groups change no visibility.
        return int.from_bytes(digest("visible", group_id), "big") % 100 < int(selection.removesuffix("%"))
    return selection == _ALL or any(
        fnmatchcase(text, glob.strip()) for glob in selection.split(",") for text in (group_id, group["name"])
    )


def _build_hidden_error(account: Account, kind: Kind, identifier: str) -> ErrorReply:
    if account.behaviour.hidden_answer == "forbidden":
        return error_reply(403, "Forbidden", "The API key has no permission for this")
    return not_found(kind.title(), identifier)
