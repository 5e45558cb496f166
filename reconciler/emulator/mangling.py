"""Faults that are answers: another answer in place of the right one, or the right one spoiled."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from reconciler.emulator.envelope import Reply
from reconciler.emulator.fault_kinds import ON_LISTS, Kind
from reconciler.emulator.faults import Fault
from reconciler.emulator.outgoing import HTML_TYPE, Outgoing, outgoing
from reconciler.emulator.paging import cursor

_CODES = {
    400: "InvalidInput",
    401: "AuthFailed",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}
_PAGES = frozenset({502, 504, 520, 522, 524})
"""Statuses that come from a proxy before Fivetran, with a page of its own."""
_FOREIGN = "somebody_else"


def instead(fault: Fault) -> Outgoing:
    """The answer of a fault that does not look at the right one."""
    if fault.kind is Kind.REDIRECT:
        to = fault.options.get("to", "/v1/account/info")
        return Outgoing(int(fault.number), b"", {"Location": to})
    status = int(fault.number)
    headers = {}
    if "retry-after" in fault.options:
        headers["Retry-After"] = fault.options["retry-after"]
    message = fault.options.get("message", _phrase(status))
    match fault.options.get("body", "html" if status in _PAGES else "envelope"):
        case "html":
            return Outgoing(status, _page(status, message), headers, HTML_TYPE)
        case "text":
            return Outgoing(status, message.encode(), headers, "text/plain;charset=UTF-8")
        case "empty":
            return Outgoing(status, b"", headers)
    code = fault.options.get("code", _CODES.get(status, "InternalServerError"))
    return outgoing(Reply(status, message, code=code, headers=headers))


def spoiled(fault: Fault, reply: Reply, query: Mapping[str, str]) -> Outgoing | None:
    """The right answer with the fault in it. None where it offers nothing to spoil: an error, or no list."""
    if reply.status >= 400:
        return None
    if fault.kind in ON_LISTS:
        if not _is_page(reply.data):
            return None
        return outgoing(replace(reply, data=_PAGE_FAULTS[fault.kind](reply.data, query)))
    return _ANSWER_FAULTS[fault.kind](fault, reply)


@lru_cache(maxsize=2)
def gzip_bomb(mebibytes: int) -> bytes:
    """A JSON text of so many MiB, packed to about a thousandth."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(b'{"code":"Success","data":"')]
    parts += [packer.compress(b"A" * 2**20) for _ in range(mebibytes)]
    return b"".join([*parts, packer.compress(b'"}'), packer.flush()])


def _missing_item(data: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    return {**data, "items": data["items"][:-1]}


def _item_twice(data: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    return {**data, "items": data["items"] + data["items"][-1:]}


def _cursor_loop(data: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    return {**data, "next_cursor": query.get("cursor") or cursor(0)}


def _empty_page(data: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    """What should be on this page is on the next one, since the cursor leads to the same place."""
    return {"items": [], "next_cursor": query.get("cursor") or cursor(0)}


def _empty_list(data: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    return {"items": []}


_PAGE_FAULTS: Mapping[Kind, Callable[[dict[str, Any], Mapping[str, str]], dict[str, Any]]] = MappingProxyType(
    {
        Kind.MISSING_ITEM: _missing_item,
        Kind.ITEM_TWICE: _item_twice,
        Kind.CURSOR_LOOP: _cursor_loop,
        Kind.EMPTY_PAGE: _empty_page,
        Kind.EMPTY_LIST: _empty_list,
    }
)


def _error_code(fault: Fault, reply: Reply) -> Outgoing:
    return outgoing(replace(reply, code=fault.text, data=None, message="Something went wrong"))


def _not_json(fault: Fault, reply: Reply) -> Outgoing:
    return Outgoing(reply.status, _page(reply.status, "Welcome"), reply.headers)


def _empty_body(fault: Fault, reply: Reply) -> Outgoing:
    return Outgoing(reply.status, b"", reply.headers)


def _duplicate_keys(fault: Fault, reply: Reply) -> Outgoing:
    return replace(outgoing(reply), body=_with_keys_twice(reply))


def _wrong_types(fault: Fault, reply: Reply) -> Outgoing:
    return outgoing(replace(reply, data=_retyped(reply.data)))


def _other_id(fault: Fault, reply: Reply) -> Outgoing:
    return outgoing(replace(reply, data=_renamed(reply.data)))


def _gzip_bomb(fault: Fault, reply: Reply) -> Outgoing:
    headers = {**reply.headers, "Content-Encoding": "gzip"}
    return Outgoing(reply.status, gzip_bomb(int(fault.number)), headers)


_ANSWER_FAULTS: Mapping[Kind, Callable[[Fault, Reply], Outgoing]] = MappingProxyType(
    {
        Kind.ERROR_CODE: _error_code,
        Kind.NOT_JSON: _not_json,
        Kind.EMPTY_BODY: _empty_body,
        Kind.DUPLICATE_KEYS: _duplicate_keys,
        Kind.WRONG_TYPES: _wrong_types,
        Kind.OTHER_ID: _other_id,
        Kind.GZIP_BOMB: _gzip_bomb,
    }
)


def _is_page(data: Any) -> bool:
    return isinstance(data, dict) and isinstance(data.get("items"), list)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "A timeout occurred" if status == 524 else "Unknown error"


def _page(status: int, message: str) -> bytes:
    return f"<html><head><title>{status} {message}</title></head><body>{message}</body></html>\n".encode()


def _with_keys_twice(reply: Reply) -> bytes:
    """Each key of the envelope, and of an object in it, once more at the end with a value that is wrong."""
    members = {"code": reply.code, "message": reply.message}
    pairs = [_pair(name, json.dumps(value)) for name, value in members.items()]
    again = [_pair("message", '"Duplicate"')]
    if isinstance(reply.data, dict):
        inner = [_pair(name, json.dumps(value)) for name, value in reply.data.items()]
        wrong = [_pair(name, json.dumps(_other(value))) for name, value in reply.data.items()]
        pairs.append(_pair("data", "{" + ",".join(inner + wrong) + "}"))
    else:
        again.append(_pair("code", '"Duplicate"'))
    return ("{" + ",".join(pairs + again) + "}").encode()


def _pair(name: str, value: str) -> str:
    return f"{json.dumps(name)}:{value}"


def _other(value: Any) -> Any:
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case str():
            return _FOREIGN
        case int() | float():
            return value + 1
        case list():
            return []
        case dict():
            return {}
    return value


def _retyped(value: Any) -> Any:
    """Texts become numbers, numbers texts, lists objects; objects keep their keys."""
    match value:
        case bool():
            return {"value": value}
        case str():
            return len(value)
        case int() | float():
            return [value]
        case list():
            return {str(index): _retyped(each) for index, each in enumerate(value)}
        case dict():
            return {name: _retyped(each) for name, each in value.items()}
    return {}


def _renamed(data: Any) -> Any:
    """The object, or the last one of a page, under a foreign id."""
    if _is_page(data):
        return {**data, "items": data["items"][:-1] + [_renamed(each) for each in data["items"][-1:]]}
    if not isinstance(data, dict):
        return data
    ids = ("id", "group_id", "account_id")
    return {name: _FOREIGN if name in ids else value for name, value in data.items()}
