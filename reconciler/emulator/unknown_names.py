"""Explain names that an account does not have, to the people who control it."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.emulator.envelope import ErrorReply, conflict, error_reply, invalid_input
from reconciler.model.suggestions import find_nearest

_MAX_CANDIDATES = 10


def build_unknown_object(what: str, name: str, candidates: Iterable[str]) -> ErrorReply:
    """Build a 404 for an object that does not exist. It suggests the nearest name, or lists the names."""
    return error_reply(404, "NotFound", _explain(what, name, candidates))


def build_unknown_value(what: str, name: str, candidates: Iterable[str]) -> ErrorReply:
    """Build a 400 for a name or value that is not possible. It suggests the nearest, or lists the possible."""
    return invalid_input(_explain(what, name, candidates))


def build_ambiguous_object(what: str, name: str, ids: Iterable[str]) -> ErrorReply:
    """Build a 409 for a name that several objects have. It lists their ids."""
    return conflict(f"several {what}s are called `{name}`; choose one by its id: {', '.join(ids)}")


def _explain(what: str, name: str, candidates: Iterable[str]) -> str:
    known = list(dict.fromkeys(candidates))
    suggestion = find_nearest(name, known)
    shown = ", ".join(f"`{candidate}`" for candidate in known[:_MAX_CANDIDATES])
    if suggestion:
        advice = f"did you mean `{suggestion}`?"
    elif len(known) > _MAX_CANDIDATES:
        advice = f"known are {shown} and {len(known) - _MAX_CANDIDATES} more"
    else:
        advice = f"known are {shown}" if known else "there is none yet"
    return f"there is no {what} `{name}`; {advice}"
