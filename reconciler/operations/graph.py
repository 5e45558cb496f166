"""Build the graph of groups and destinations, for `graph`."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import replace

from reconciler.kinds.destination import SERVICE
from reconciler.model.address import DESTINATION, GROUP, Address, get_entry_sort_key
from reconciler.model.graph import GraphNode
from reconciler.model.plan import Action, Change, Plan
from reconciler.model.resource import Desired
from reconciler.workspace.specs import Specs


def build_declared_graph(specs: Specs) -> tuple[GraphNode, ...]:
    """Build the graph of the specs, without reading the account."""
    return _sort_nodes(_build_node(desired) for desired in (*specs.groups, *specs.destinations))


def build_planned_graph(specs: Specs, plan: Plan) -> tuple[GraphNode, ...]:
    """Build the graph of a plan, each node with its action.

    Entries that the specs remove are nodes below their groups. Entries that the plan omits are nodes
    without an action.
    """
    declared = {node.address: node for node in build_declared_graph(specs)}
    changes = {change.address: change for change in plan.changes}
    actions: dict[Address, Action | None] = {address: change.action for address, change in changes.items()}
    actions |= dict.fromkeys(address for address in plan.unplanned if address in declared)
    nodes = (
        _restrict_node(declared.get(address) or _build_removed_node(changes[address]), actions, action)
        for address, action in actions.items()
    )
    return _sort_nodes(
        replace(node, setup_status=changes[node.address].facts.setup_status)
        if node.address in changes
        else node
        for node in nodes
    )


def _build_node(desired: Desired) -> GraphNode:
    if desired.address.kind == GROUP:
        title = desired.name if desired.name != desired.address.key else ""
    else:
        title = str(desired.fields.get(SERVICE) or "")
    return GraphNode(desired.address, title, desired.depends_on)


def _build_removed_node(change: Change) -> GraphNode:
    address, live = change.address, change.live
    if address.kind == DESTINATION:
        return GraphNode(address, live.service if live is not None else "", (Address(GROUP, address.key),))
    return GraphNode(address, live.name if live is not None and live.name != address.key else "", ())


def _restrict_node(node: GraphNode, known: Container[Address], action: Action | None) -> GraphNode:
    """Set the action of a node, and restrict its dependencies to nodes of the plan."""
    return replace(
        node, action=action, depends_on=tuple(parent for parent in node.depends_on if parent in known)
    )


def _sort_nodes(nodes: Iterable[GraphNode]) -> tuple[GraphNode, ...]:
    return tuple(sorted(nodes, key=lambda node: get_entry_sort_key(node.address)))
