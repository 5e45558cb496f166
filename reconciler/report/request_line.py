"""Render a request that a server has handled, on one line."""

from __future__ import annotations

from datetime import datetime

from reconciler.model.sanitize import escape
from reconciler.report.style import BAD, GOOD, QUIET, WARN, StyledText

_MAX_TARGET = 400
_NO_STATUS = "-"


def render_request(
    *, at: datetime, method: str, target: str, status: int | None, seconds: float, note: str
) -> StyledText:
    """Render a request: time, method, status, duration, path with query, and a note if it is not as usual.

    `status` is None without a response, `method` is empty without a request.
    """
    if len(target) > _MAX_TARGET:
        target = f"{target[:_MAX_TARGET]}…"
    line = StyledText(f"{at.astimezone():%H:%M:%S}  ", style=QUIET)
    line.append(f"{escape(method) or _NO_STATUS:<6}  ", style="not dim")
    line.append(f"{status or _NO_STATUS:<3}", style=f"not dim {_choose_style(status)}")
    line.append(f"  {1000 * seconds:>6,.0f} ms  ")
    line.append(escape(target) or "connection", style="not dim")
    if status is None:
        line.append("  no response", style=f"not dim {BAD}")
    if note:
        line.append(f"  ({escape(note)})", style=f"not dim {WARN}")
    return line


def _choose_style(status: int | None) -> str:
    if status is None or status >= 500:
        return BAD
    return WARN if status >= 300 else GOOD
