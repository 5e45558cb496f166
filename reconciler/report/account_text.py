"""What is in an emulated account, and how it can be made to behave, as people read it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconciler.report.neutral import neutral
from reconciler.report.style import counted

_WIDTH = 96
_COLUMNS = ("id", "group", "service", "region", "status", "connections")


def account_text(account: Mapping[str, Any]) -> str:
    """One line for each group with its destination. `account` has the form of a seed."""
    groups: Sequence[Mapping[str, Any]] = account.get("groups", ())
    identity = account["account"]
    heading = f"account {neutral(identity['id'])} ({neutral(identity['name'])})"
    with_destination = sum("destination" in group for group in groups)
    counts = f"{counted(len(groups), 'group')}, {counted(with_destination, 'destination')}"
    if not groups:
        return f"{heading}: empty"
    return "\n".join([f"{heading}: {counts}", "", *_table([_COLUMNS, *map(_row, groups)])])


def _row(group: Mapping[str, Any]) -> tuple[str, ...]:
    destination = group.get("destination")
    about = ("-", "-", "-")
    if destination is not None:
        about = (
            destination["service"],
            destination.get("region", "GCP_US_EAST4"),
            destination.get("setup_status", "incomplete"),
        )
    connections = ", ".join(each["schema"] for each in group.get("connections", ())) or "-"
    return tuple(neutral(str(cell)) for cell in (group["id"], group["name"], *about, connections))


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def switches_text(switches: Iterable[tuple[str, Sequence[str], str, str]]) -> str:
    """Every switch with its values, the default first, and its meaning."""
    return "\n\n".join(_switch(*switch) for switch in switches)


def _switch(name: str, values: Sequence[str], default: str, meaning: str) -> str:
    others = [value for value in values if value != default]
    told = " | ".join([f"{default} (default)", *others])
    return "\n".join(
        [f"{name}: {told}", *textwrap.wrap(meaning, _WIDTH, initial_indent="    ", subsequent_indent="    ")]
    )


def faults_text(
    shape: str,
    phases: Iterable[tuple[str, str]],
    kinds: Iterable[tuple[str, str, Sequence[str]]],
    remark: str,
) -> str:
    """The language of faults: its shape, the phases, each kind with its meaning and its phases, and a last remark."""
    parts = [shape, "", "phases:"]
    parts += [f"  {name:<14} {meaning}" for name, meaning in phases]
    parts += ["", "kinds, each with the phases that it has, the usual one first:"]
    for name, meaning, its_phases in kinds:
        parts.append(f"  {name:<18} {meaning}")
        parts.append(f"  {'':<18} {', '.join(its_phases)}")
    return "\n".join([*parts, "", remark])
