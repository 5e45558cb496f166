"""Find the anchors that have to move, since the data of their nodes changes and aliases elsewhere keep it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from reconciler.spec.data_pairs import GONE, are_same, is_same_kind, pair_elements
from reconciler.spec.text_nodes import AnyTextNode, TextAlias, TextParent, iterate_nodes


@dataclass(frozen=True, slots=True)
class AnchorMoves:
    """Moves by the identities of nodes: `released` nodes lose their anchors, `carriers` are the aliases that become
    the anchored copies, with the names of the anchors."""

    released: frozenset[int]
    carriers: dict[int, str]


def find_anchor_moves(root: TextParent, wanted: Any) -> AnchorMoves:
    """Find the anchors whose data changes, and the first alias of each that stays."""
    comparison = _AnchorComparison()
    comparison.compare(root, wanted)
    released: set[int] = set()
    carriers: dict[int, str] = {}
    for alias in comparison.staying:
        target = alias.target
        if id(target) in comparison.changed and id(target) not in released and target.anchor is not None:
            released.add(id(target))
            carriers[id(alias)] = target.anchor
    return AnchorMoves(frozenset(released), carriers)


@dataclass(slots=True)
class _AnchorComparison:
    """Anchored nodes with other data, by identity, and the aliases that keep their data."""

    changed: dict[int, AnyTextNode] = field(default_factory=dict)
    staying: list[TextAlias] = field(default_factory=list)

    def compare(self, node: AnyTextNode, wanted: Any) -> None:
        """Compare a node and everything below with the data wanted."""
        is_same = are_same(node.data, wanted)
        if isinstance(node, TextAlias):
            if is_same:
                self.staying.append(node)
            return
        if not is_same:
            self._mark(node)
        if not isinstance(node, TextParent):
            return
        if not is_same_kind(node, wanted):
            self._mark_below(node)
            return
        for element, below in pair_elements(node, wanted):
            if below is GONE:
                self._mark(element.value)
                self._mark_below(element.value)
            else:
                self.compare(element.value, below)

    def _mark(self, node: AnyTextNode) -> None:
        if node.anchor is not None:
            self.changed[id(node)] = node

    def _mark_below(self, node: AnyTextNode) -> None:
        for below in iterate_nodes(node):
            if below is not node:
                self._mark(below)
