"""Repeat a text of the switch `echo` in responses, as a server does that quotes what it was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.emulator.envelope import Reply
from reconciler.emulator.switches import ECHO_PLACES, NO_ECHO, Behaviour

_NAME_KEYS = frozenset({"name", "account_name", "schema"})
_TEST_KEYS = frozenset({"title", "message"})


def add_echo(reply: Reply, behaviour: Behaviour) -> Reply:
    """Add the echo to a reply, in the places of the switch `echo_places`. Ids and statuses stay."""
    text = behaviour.echo
    if text == NO_ECHO:
        return reply
    places = ECHO_PLACES if behaviour.echo_places == "all" else behaviour.echo_places.split(",")
    if "messages" in places:
        reply = replace(reply, message=f"{reply.message} {text}".lstrip())
    if "codes" in places and reply.status >= 400:
        reply = replace(reply, code=f"{reply.code}_{text}")
    if "headers" in places:
        line = " ".join(text.encode("ascii", "backslashreplace").decode("ascii").split())
        reply = replace(reply, headers={**reply.headers, "X-Request-Id": line, "X-Echo": line})
    return replace(reply, data=_echo_in_data(reply.data, text, places))


def _echo_in_data(value: Any, text: str, places: tuple[str, ...] | list[str]) -> Any:
    match value:
        case list():
            return [_echo_in_data(item, text, places) for item in value]
        case dict():
            members = {key: _echo_in_member(key, member, text, places) for key, member in value.items()}
            return {**members, f"echo {text}": text} if "keys" in places else members
    return value


def _echo_in_member(key: str, value: Any, text: str, places: tuple[str, ...] | list[str]) -> Any:
    if key == "config" and isinstance(value, dict) and "config" in places:
        return {name: _append(member, text) for name, member in value.items()}
    if key == "setup_tests" and isinstance(value, list) and "tests" in places:
        return [_echo_in_test(test, text) for test in value]
    if key in _NAME_KEYS and "names" in places:
        return _append(value, text)
    return _echo_in_data(value, text, places)


def _echo_in_test(test: Mapping[str, Any], text: str) -> dict[str, Any]:
    echoed = {key: _append(value, text) if key in _TEST_KEYS else value for key, value in test.items()}
    details = test.get("details")
    return {**echoed, "details": [*details, {"echo": text}] if isinstance(details, list) else details or text}


def _append(value: Any, text: str) -> Any:
    """Append the echo to a text. A mask stays, since a client recognises it."""
    return f"{value} {text}" if isinstance(value, str) and set(value) != {"*"} else value
