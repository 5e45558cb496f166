"""What is said around a plan that was saved."""

from __future__ import annotations

from datetime import datetime

from rich.text import Text

from reconciler.model.plan import Plan
from reconciler.report.neutral import neutral
from reconciler.report.plan_words import DIGEST_SHOWN, account_text
from reconciler.report.style import BAD, QUIET, STRONG, counted, lines


def saved_text(created_at: datetime, expires_at: datetime, now: datetime, version: str) -> Text:
    """When a plan was made, and until when it may be applied."""
    made = f"Saved {_time(created_at)} by version {neutral(version)}"
    if now >= expires_at:
        return Text.assemble((f"{made}, ", QUIET), (f"expired since {_time(expires_at)}.", BAD))
    return Text(f"{made}, valid until {_time(expires_at)}.", QUIET)


def saved_to(path: str, *, sandbox: bool) -> Text:
    """The last line of a plan that was saved."""
    where = " --sandbox" if sandbox else ""
    name = neutral(path)
    return Text(f"Saved to {name}. Apply exactly this plan with: reconciler apply {name}{where}")


def still_current(reviewed: Plan, now: Plan) -> Text:
    """That a new plan is the reviewed one, and how much of it was in effect before."""
    done = len(reviewed.effective) - len(now.effective)
    rest = f", {counted(done, 'change')} in effect already" if done else ""
    head = Text.assemble(
        ("Plan ", STRONG),
        (f"{reviewed.digest[:DIGEST_SHOWN]}…", STRONG),
        f" · account {account_text(now)} · still current",
        (f" ({counted(len(now.effective), 'change')} planned again{rest})", QUIET),
    )
    return lines([head])


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
