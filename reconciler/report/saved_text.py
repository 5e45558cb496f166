"""What is said around a plan that was saved."""

from __future__ import annotations

from datetime import datetime

from rich.text import Text

from reconciler.model.plan import Plan
from reconciler.model.sanitize import escape
from reconciler.report.plan_summary import SHORT_DIGEST_LENGTH, format_account
from reconciler.report.style import BAD, QUIET, STRONG, format_count, join_lines


def render_validity(created_at: datetime, expires_at: datetime, now: datetime, version: str) -> Text:
    """When a plan was made, and until when it may be applied."""
    made = f"Saved {_format_time(created_at)} by version {escape(version)}"
    if now >= expires_at:
        return Text.assemble((f"{made}, ", QUIET), (f"expired since {_format_time(expires_at)}.", BAD))
    return Text(f"{made}, valid until {_format_time(expires_at)}.", QUIET)


def render_save_notice(path: str, *, sandbox: bool) -> Text:
    """The last line of a plan that was saved."""
    option = " --sandbox" if sandbox else ""
    name = escape(path)
    return Text(f"Saved to {name}. Apply exactly this plan with: reconciler apply {name}{option}")


def render_still_current(reviewed: Plan, current: Plan) -> Text:
    """That a new plan is the reviewed one, and how much of it was in effect before."""
    applied = len(reviewed.effective) - len(current.effective)
    suffix = f", {format_count(applied, 'change')} in effect already" if applied else ""
    text = Text.assemble(
        ("Plan ", STRONG),
        (f"{reviewed.digest[:SHORT_DIGEST_LENGTH]}…", STRONG),
        f" · account {format_account(current)} · still current",
        (f" ({format_count(len(current.effective), 'change')} planned again{suffix})", QUIET),
    )
    return join_lines([text])


def _format_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
