"""`graph`: groups, destinations and what they depend on."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import replace

from reconciler.kinds.destination import SERVICE
from reconciler.model.address import DESTINATION, GROUP, Address, by_entry
from reconciler.model.graph import Node
from reconciler.model.plan import Action, Change, Plan
from reconciler.model.resource import Desired
from reconciler.operations.specs import Specs


def declared_graph(specs: Specs) -> tuple[Node, ...]:
    """What specs declare, without a look at the account."""
    return _sorted(_node(desired) for desired in (*specs.groups, *specs.destinations))


def planned_graph(specs: Specs, plan: Plan) -> tuple[Node, ...]:
    """What a plan is about, each with its action. What specs only give up is there too, below its group; what could
    not be seen is there without an action."""
    declared = {node.address: node for node in declared_graph(specs)}
    changes = {change.address: change for change in plan.changes}
    actions: dict[Address, Action | None] = {address: change.action for address, change in changes.items()}
    unseen = {each.address for each in plan.unseen}
    actions |= dict.fromkeys(
        address
        for address in declared
        if address in unseen or (Address(GROUP, address.key) in unseen and address not in actions)
    )
    return _sorted(
        _within(declared.get(address) or _given_up(changes[address]), actions, action)
        for address, action in actions.items()
    )


def _node(desired: Desired) -> Node:
    if desired.address.kind == GROUP:
        title = desired.name if desired.name != desired.address.key else ""
    else:
        title = str(desired.fields.get(SERVICE) or "")
    return Node(desired.address, title, desired.depends_on)


def _given_up(change: Change) -> Node:
    address, live = change.address, change.live
    if address.kind == DESTINATION:
        return Node(address, live.service if live is not None else "", (Address(GROUP, address.key),))
    return Node(address, live.name if live is not None and live.name != address.key else "", ())


def _within(node: Node, known: Container[Address], action: Action | None) -> Node:
    """A node with its action. Of what it depends on only that which the plan is about is drawn."""
    return replace(node, action=action, depends_on=tuple(each for each in node.depends_on if each in known))


def _sorted(nodes: Iterable[Node]) -> tuple[Node, ...]:
    return tuple(sorted(nodes, key=lambda node: by_entry(node.address)))
