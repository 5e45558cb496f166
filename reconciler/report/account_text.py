"""Render an emulated account: its objects, its switches and its faults."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias

from reconciler.model.sanitize import escape
from reconciler.report.style import fold_lines, format_count

_WIDTH = 96
_INDENT = "    "
_COLUMNS = ("id", "group", "service", "region", "status", "connections")


def render_account(account: Mapping[str, Any]) -> str:
    """Render each group and its destination on a line. `account` has the form of a seed."""
    groups: Sequence[Mapping[str, Any]] = account.get("groups", ())
    identity = account["account"]
    heading = f"account {escape(identity['id'])} ({escape(identity['name'])})"
    with_destination = sum("destination" in group for group in groups)
    counts = f"{format_count(len(groups), 'group')}, {format_count(with_destination, 'destination')}"
    if not groups:
        return f"{heading}: empty"
    return "\n".join([f"{heading}: {counts}", "", *_align_columns([_COLUMNS, *map(_render_row, groups)])])


def _render_row(group: Mapping[str, Any]) -> tuple[str, ...]:
    destination = group.get("destination")
    destination_cells = ("-", "-", "-")
    if destination is not None:
        destination_cells = (
            destination["service"],
            destination.get("region", "GCP_US_EAST4"),
            destination.get("setup_status", "incomplete"),
        )
    connections = ", ".join(connection["schema"] for connection in group.get("connections", ())) or "-"
    return tuple(escape(str(cell)) for cell in (group["id"], group["name"], *destination_cells, connections))


def _align_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


SwitchFacts: TypeAlias = tuple[str, Sequence[str], str, str, str]
"""Name, values, default, meaning and evidence of a switch."""


def render_switches(switches: Iterable[SwitchFacts], width: int | None = None) -> str:
    """Render each switch with its values (the default first), its meaning, and the evidence for the default; folded to
    `width` cells."""
    fold_at = min(width or _WIDTH, _WIDTH)
    return "\n\n".join(fold_lines(_render_switch(switch, fold_at), width) for switch in switches)


def _render_switch(switch: SwitchFacts, fold_at: int) -> str:
    name, values, default, meaning, evidence = switch
    choices = " | ".join([f"{default} (default)", *_list_others(values, default)])
    paragraphs = (meaning, f"Evidence: {evidence}.")
    lines = [
        textwrap.wrap(
            text, fold_at, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False
        )
        for text in paragraphs
    ]
    return "\n".join([f"{name}: {choices}", *chain.from_iterable(lines)])


def render_switch_table(switches: Iterable[SwitchFacts]) -> str:
    """Render the switches as a Markdown table for the guide."""
    rows = [
        f"| `{name}` | {_format_choices(values, default)} | {evidence} |"
        for name, values, default, _, evidence in switches
    ]
    return "\n".join(
        ["| switch | values, the default first | evidence for the default |", "|--|--|--|", *rows]
    )


def _format_choices(values: Sequence[str], default: str) -> str:
    return ", ".join(f"`{value}`" for value in (default, *_list_others(values, default)))


def _list_others(values: Sequence[str], default: str) -> list[str]:
    return [value for value in values if value != default]


def render_faults(
    syntax: str,
    phases: Iterable[tuple[str, str]],
    kinds: Iterable[tuple[str, str, Sequence[str]]],
    footer: str,
) -> str:
    """Render the language of faults: its syntax, the phases, each kind with its meaning and its phases, and a
    footer."""
    parts = [syntax, "", "phases:"]
    parts += [f"  {name:<14} {meaning}" for name, meaning in phases]
    parts += ["", "kinds, each with its phases, the default first:"]
    for name, meaning, kind_phases in kinds:
        parts.append(f"  {name:<18} {meaning}")
        parts.append(f"  {'':<18} {', '.join(kind_phases)}")
    return "\n".join([*parts, "", footer])
