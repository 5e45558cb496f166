"""Render the graph of dependencies as a Mermaid flowchart and as JSON objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.kinds.destination import BROKEN_STATUS, UNTESTED_STATUS, select_unhealthy_status
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.graph import GraphNode
from reconciler.model.plan import Action
from reconciler.model.sanitize import escape
from reconciler.report.diagnostics import serialize_diagnostics

_ARROW = " --> "
_SAFE_CHARACTERS = frozenset(" _-./,")
_COLOURS = {
    Action.CREATE: "fill:#d8f5d8,stroke:#2e8b2e,color:#000",
    Action.UPDATE: "fill:#fff3c4,stroke:#b8860b,color:#000",
    Action.REPLACE: "fill:#ffe0cc,stroke:#c04000,color:#000",
    Action.ADOPT: "fill:#d6f2f7,stroke:#1e7f91,color:#000",
    Action.VERIFY: "fill:#d6f2f7,stroke:#1e7f91,color:#000,stroke-dasharray:4",
    Action.APPROVE: "fill:#d8f5d8,stroke:#2e8b2e,color:#000,stroke-dasharray:4",
    Action.REVOKE: "fill:#fbd5d5,stroke:#b02020,color:#000,stroke-dasharray:4",
    Action.DELETE: "fill:#fbd5d5,stroke:#b02020,color:#000",
    Action.FORGET: "fill:#eeeeee,stroke:#888888,color:#000,stroke-dasharray:4",
    Action.NO_OP: "fill:#ffffff,stroke:#888888,color:#000",
}

_BORDERS = {
    UNTESTED_STATUS: "stroke:#b8860b,stroke-width:3px",
    BROKEN_STATUS: "stroke:#b02020,stroke-width:4px",
}


MAX_CHARACTERS, MAX_EDGES = 50_000, 500
"""Size of a text and number of arrows that Mermaid draws by default, on GitHub and GitLab too."""


def render_mermaid(nodes: Sequence[GraphNode]) -> str:
    """Render a flowchart: a box for each address, arrows from dependencies to dependents, a class for each action, and
    a mark for each destination that is not connected.

    Labels are escaped, so that no character of the data can end its label. A chart that Mermaid would not draw gets
    short ids of its boxes. If that is not enough, it leaves out unchanged entries, and says so; it may be too large
    even then.
    """
    # Keys have letters, digits and `_` only; the kind before the key avoids words of Mermaid's syntax.
    chart = _render_chart(nodes, {node.address: f"{node.address.kind}_{node.address.key}" for node in nodes})
    if fits_mermaid(chart):
        return chart
    short_ids = {node.address: f"n{number}" for number, node in enumerate(nodes)}
    chart = _render_chart(nodes, short_ids)
    changed = _select_changed(nodes)
    if fits_mermaid(chart) or not changed:
        return chart
    return f"{_render_chart(changed, short_ids)}\n{_render_rest(len(nodes) - len(changed))}"


def fits_mermaid(chart: str) -> bool:
    """Return whether Mermaid draws a flowchart by default."""
    return len(chart) <= MAX_CHARACTERS and chart.count(_ARROW) <= MAX_EDGES


def _render_chart(nodes: Sequence[GraphNode], ids: Mapping[Address, str]) -> str:
    lines = [
        *_render_nodes(nodes, ids),
        *_render_edges(nodes, ids),
        *_render_classes(nodes),
        *_render_marks(nodes, ids),
    ]
    return "\n".join(["flowchart LR", *lines])


def _select_changed(nodes: Sequence[GraphNode]) -> list[GraphNode]:
    """Select the changed and the unhealthy entries, and what they depend on."""
    changed = [
        node
        for node in nodes
        if node.action not in {None, Action.NO_OP} or select_unhealthy_status(node.setup_status)
    ]
    needed = {node.address for node in changed}.union(*(node.depends_on for node in changed))
    return [node for node in nodes if node.address in needed]


def _render_rest(count: int) -> str:
    return f'  rest["{count:,} unchanged entries are left out"]'


def serialize_graph(nodes: Sequence[GraphNode], warnings: Iterable[Diagnostic]) -> dict[str, Any]:
    """Serialize the addresses in reading order, each with its dependencies."""
    return {
        "nodes": [
            {
                "address": str(node.address),
                "title": node.title,
                "action": None if node.action is None else str(node.action),
                **({"setup_status": node.setup_status} if node.setup_status else {}),
                "depends_on": [str(address) for address in node.depends_on],
            }
            for node in nodes
        ],
        "warnings": serialize_diagnostics(warnings),
    }


def _render_nodes(nodes: Sequence[GraphNode], ids: Mapping[Address, str]) -> Iterator[str]:
    for node in nodes:
        mark = select_unhealthy_status(node.setup_status)
        label = "<br/>".join(_escape_label(text) for text in (str(node.address), node.title, mark) if text)
        yield f'  {ids[node.address]}["{label}"]' + (
            f":::{_format_class(node.action)}" if node.action else ""
        )


def _render_edges(nodes: Sequence[GraphNode], ids: Mapping[Address, str]) -> Iterator[str]:
    drawn = {node.address for node in nodes}
    for node in nodes:
        for parent in node.depends_on:
            if parent in drawn:
                yield f"  {ids[parent]}{_ARROW}{ids[node.address]}"


def _render_classes(nodes: Sequence[GraphNode]) -> Iterator[str]:
    used = {node.action for node in nodes}
    for action, colours in _COLOURS.items():
        if action in used:
            yield f"  classDef {_format_class(action)} {colours}"


def _render_marks(nodes: Sequence[GraphNode], ids: Mapping[Address, str]) -> Iterator[str]:
    """Give each destination that is not connected a second class, whose border shows its status."""
    for status, border in _BORDERS.items():
        marked = [ids[node.address] for node in nodes if node.setup_status == status]
        if marked:
            yield f"  classDef {status} {border}"
            yield f"  class {','.join(marked)} {status}"


def _format_class(action: Action) -> str:
    return str(action).replace("-", "_")


def _escape_label(text: str) -> str:
    """Escape a label, so that no character has a meaning to Mermaid: all but letters and digits become entities."""
    return "".join(
        character if character.isalnum() or character in _SAFE_CHARACTERS else f"#{ord(character)};"
        for character in escape(text)
    )
