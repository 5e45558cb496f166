"""Explain why a change in the dashboard is refused."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.emulator.envelope import ErrorReply
from reconciler.model.suggestions import find_nearest

_MAX_CANDIDATES = 10


class DashboardError(Exception):
    """Error of a change that the account refuses. `status` is the status of an HTTP response about it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def to_dashboard_error(error: ErrorReply) -> DashboardError:
    """Convert a refusal of the API."""
    return DashboardError(error.reply.status, error.reply.message)


def build_unknown_error(what: str, text: str, candidates: Iterable[str], status: int = 404) -> DashboardError:
    """Build the error of an unknown name: it suggests the nearest candidate, or lists the candidates."""
    known = list(dict.fromkeys(candidates))
    suggestion = find_nearest(text, known)
    shown = ", ".join(f"`{name}`" for name in known[:_MAX_CANDIDATES])
    if suggestion:
        advice = f"did you mean `{suggestion}`?"
    elif len(known) > _MAX_CANDIDATES:
        advice = f"known are {shown} and {len(known) - _MAX_CANDIDATES} more"
    else:
        advice = f"known are {shown}" if known else "there is none yet"
    return DashboardError(status, f"there is no {what} `{text}`; {advice}")
