"""Replace and corrupt responses under faults."""

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
from reconciler.emulator.fault_kinds import LIST_FAULTS, FaultKind
from reconciler.emulator.faults import Fault
from reconciler.emulator.http_response import HTML_TYPE, HttpResponse, encode_reply
from reconciler.emulator.paging import encode_cursor

_ERROR_CODES = {
    400: "InvalidInput",
    401: "AuthFailed",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}
_PROXY_STATUSES = frozenset({502, 504, 520, 522, 524})
"""Statuses of a proxy before Fivetran. The proxy responds with a page of HTML."""
_FOREIGN_ID = "foreign_object"


def replace_response(fault: Fault) -> HttpResponse:
    """Replace the intended response by the response of a fault."""
    if fault.kind is FaultKind.REDIRECT:
        location = fault.options.get("to", "/v1/account/info")
        return HttpResponse(int(fault.number), b"", {"Location": location})
    status = int(fault.number)
    headers = {}
    if "retry-after" in fault.options:
        headers["Retry-After"] = fault.options["retry-after"]
    message = fault.options.get("message", _get_phrase(status))
    match fault.options.get("body", "html" if status in _PROXY_STATUSES else "envelope"):
        case "html":
            return HttpResponse(status, _render_html(status, message), headers, HTML_TYPE)
        case "text":
            return HttpResponse(status, message.encode(), headers, "text/plain;charset=UTF-8")
        case "empty":
            return HttpResponse(status, b"", headers)
    code = fault.options.get("code", _ERROR_CODES.get(status, "InternalServerError"))
    return encode_reply(Reply(status, message, code=code, headers=headers))


def corrupt(fault: Fault, reply: Reply, query: Mapping[str, str]) -> HttpResponse | None:
    """Corrupt the intended response.

    None if the fault does not apply: an error, or no list for a list fault.
    """
    if reply.status >= 400:
        return None
    if fault.kind in LIST_FAULTS:
        if not _is_page(reply.data):
            return None
        return encode_reply(replace(reply, data=_PAGE_FAULTS[fault.kind](reply.data, query)))
    return _BODY_FAULTS[fault.kind](fault, reply)


@lru_cache(maxsize=2)
def build_gzip_bomb(mebibytes: int) -> bytes:
    """Build a gzip bomb: a JSON text of `mebibytes`, compressed to about a thousandth of its size."""
    # 31 selects the gzip format with the largest window.
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(b'{"code":"Success","data":"')]
    parts += [packer.compress(b"A" * 2**20) for _ in range(mebibytes)]
    return b"".join([*parts, packer.compress(b'"}'), packer.flush()])


def _drop_last_item(data: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    return {**data, "items": data["items"][:-1]}


def _repeat_last_item(data: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    return {**data, "items": data["items"] + data["items"][-1:]}


def _loop_cursor(data: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    return {**data, "next_cursor": query.get("cursor") or encode_cursor(0)}


def _return_empty_page(data: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    """Return an empty page whose cursor leads to the skipped items."""
    return {"items": [], "next_cursor": query.get("cursor") or encode_cursor(0)}


def _return_empty_list(data: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    return {"items": []}


_PAGE_FAULTS: Mapping[FaultKind, Callable[[dict[str, Any], Mapping[str, str]], dict[str, Any]]] = (
    MappingProxyType(
        {
            FaultKind.MISSING_ITEM: _drop_last_item,
            FaultKind.ITEM_TWICE: _repeat_last_item,
            FaultKind.CURSOR_LOOP: _loop_cursor,
            FaultKind.EMPTY_PAGE: _return_empty_page,
            FaultKind.EMPTY_LIST: _return_empty_list,
        }
    )
)


def _return_error_code(fault: Fault, reply: Reply) -> HttpResponse:
    return encode_reply(replace(reply, code=fault.text, data=None, message="Something went wrong"))


def _return_html(fault: Fault, reply: Reply) -> HttpResponse:
    return HttpResponse(reply.status, _render_html(reply.status, "Welcome"), reply.headers)


def _return_empty_body(fault: Fault, reply: Reply) -> HttpResponse:
    return HttpResponse(reply.status, b"", reply.headers)


def _duplicate_keys(fault: Fault, reply: Reply) -> HttpResponse:
    return replace(encode_reply(reply), body=_encode_duplicate_keys(reply))


def _change_types(fault: Fault, reply: Reply) -> HttpResponse:
    return encode_reply(replace(reply, data=_retype_value(reply.data)))


def _change_id(fault: Fault, reply: Reply) -> HttpResponse:
    return encode_reply(replace(reply, data=_replace_id(reply.data)))


def _return_gzip_bomb(fault: Fault, reply: Reply) -> HttpResponse:
    headers = {**reply.headers, "Content-Encoding": "gzip"}
    return HttpResponse(reply.status, build_gzip_bomb(int(fault.number)), headers)


_BODY_FAULTS: Mapping[FaultKind, Callable[[Fault, Reply], HttpResponse]] = MappingProxyType(
    {
        FaultKind.ERROR_CODE: _return_error_code,
        FaultKind.NOT_JSON: _return_html,
        FaultKind.EMPTY_BODY: _return_empty_body,
        FaultKind.DUPLICATE_KEYS: _duplicate_keys,
        FaultKind.WRONG_TYPES: _change_types,
        FaultKind.OTHER_ID: _change_id,
        FaultKind.GZIP_BOMB: _return_gzip_bomb,
    }
)


def _is_page(data: Any) -> bool:
    return isinstance(data, dict) and isinstance(data.get("items"), list)


def _get_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "A timeout occurred" if status == 524 else "Unknown error"


def _render_html(status: int, message: str) -> bytes:
    return f"<html><head><title>{status} {message}</title></head><body>{message}</body></html>\n".encode()


def _encode_duplicate_keys(reply: Reply) -> bytes:
    """Encode the envelope, or the object in it, with every key repeated at the end with a wrong value."""
    members = {"code": reply.code, "message": reply.message}
    # No JSON encoder repeats a key, so the pairs are encoded one by one.
    pairs = [_encode_pair(name, json.dumps(value)) for name, value in members.items()]
    duplicates = [_encode_pair("message", '"Duplicate"')]
    if isinstance(reply.data, dict):
        data_pairs = [_encode_pair(name, json.dumps(value)) for name, value in reply.data.items()]
        corrupted_pairs = [
            _encode_pair(name, json.dumps(_change_value(value))) for name, value in reply.data.items()
        ]
        pairs.append(_encode_pair("data", "{" + ",".join(data_pairs + corrupted_pairs) + "}"))
    else:
        duplicates.append(_encode_pair("code", '"Duplicate"'))
    return ("{" + ",".join(pairs + duplicates) + "}").encode()


def _encode_pair(name: str, value: str) -> str:
    return f"{json.dumps(name)}:{value}"


def _change_value(value: Any) -> Any:
    """Change a value within its type."""
    match value:
        case bool():
            return not value
        case str():
            return _FOREIGN_ID
        case int() | float():
            return value + 1
        case list():
            return []
        case dict():
            return {}
    return value


def _retype_value(value: Any) -> Any:
    """Change the type of every value at any depth: texts become numbers, numbers lists, lists objects.

    Objects keep their keys.
    """
    match value:
        case bool():
            return {"value": value}
        case str():
            return len(value)
        case int() | float():
            return [value]
        case list():
            return {str(index): _retype_value(item) for index, item in enumerate(value)}
        case dict():
            return {name: _retype_value(item) for name, item in value.items()}
    return {}


def _replace_id(data: Any) -> Any:
    """Replace the id of an object, or of the last item of a page, with a foreign id."""
    if _is_page(data):
        return {**data, "items": data["items"][:-1] + [_replace_id(item) for item in data["items"][-1:]]}
    if not isinstance(data, dict):
        return data
    ids = ("id", "group_id", "account_id")
    return {name: _FOREIGN_ID if name in ids else value for name, value in data.items()}
