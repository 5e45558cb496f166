"""Render the result of a snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from rich.text import Text

from reconciler.model.instant import format_utc
from reconciler.model.sanitize import escape
from reconciler.report.style import QUIET, STRONG, StyledText, format_count, join_lines


class SnapshotFacts(Protocol):
    """Facts about a written snapshot. A count is None if its lists were not read."""

    @property
    def account_id(self) -> str: ...
    @property
    def account_name(self) -> str: ...
    @property
    def taken_at(self) -> datetime: ...
    @property
    def groups(self) -> int: ...
    @property
    def destinations(self) -> int: ...
    @property
    def links_and_agents(self) -> int: ...
    @property
    def secrets_managers(self) -> int: ...
    @property
    def connections(self) -> int | None: ...
    @property
    def approvals(self) -> int | None: ...
    @property
    def stars(self) -> int: ...
    @property
    def requests(self) -> int: ...
    @property
    def unreadable(self) -> Iterable[str]: ...


def render_snapshot(facts: SnapshotFacts, file: str) -> StyledText:
    """Render the account, the counts, and the next command."""
    name, id = escape(facts.account_name), escape(facts.account_id)
    counts = [
        format_count(facts.groups, "group"),
        format_count(facts.destinations, "destination"),
        "1 link or agent" if facts.links_and_agents == 1 else f"{facts.links_and_agents:,} links and agents",
        *([format_count(facts.secrets_managers, "secrets manager")] if facts.secrets_managers else []),
    ]
    counts += [format_count(facts.connections, "connection")] if facts.connections is not None else []
    counts += [format_count(facts.approvals, "approval")] if facts.approvals is not None else []
    hidden = (
        f"{format_count(facts.stars, 'value')} hidden by stars · {format_count(facts.requests, 'request')}"
    )
    return join_lines(
        [
            Text.assemble("account ", (f"{name} ({id})" if name else id, STRONG), f" · {', '.join(counts)}"),
            Text(f"Snapshot of {format_utc(facts.taken_at)} written to {escape(file)}.", STRONG),
            Text(hidden, QUIET),
        ]
    )


def serialize_snapshot(facts: SnapshotFacts, file: str) -> dict[str, Any]:
    """Serialize the result of a snapshot. A count is null if its lists were not read."""
    return {
        "account": {"id": facts.account_id, "name": facts.account_name},
        "file": file,
        "taken_at": facts.taken_at.isoformat(timespec="seconds"),
        "counts": {
            "groups": facts.groups,
            "destinations": facts.destinations,
            "links_and_agents": facts.links_and_agents,
            "secrets_managers": facts.secrets_managers,
            "connections": facts.connections,
            "approvals": facts.approvals,
            "stars": facts.stars,
        },
        "requests": facts.requests,
        "unreadable": list(facts.unreadable),
    }
