"""Keep imported entries from inheriting settings that the live destinations do not have."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from reconciler.catalogue.load import load_destination_facts
from reconciler.catalogue.normalize import CONFIG
from reconciler.kinds.destination_spec import EXTRA_CONFIG
from reconciler.model.value import FieldPath
from reconciler.spec.merge import UNSET
from reconciler.spec.nodes import MappingNode


def list_inherited(defaults: MappingNode | None) -> frozenset[FieldPath]:
    """List the fields that the defaults of a project set, by their places in the block of a destination."""
    return frozenset(_iter_inherited(defaults)) if defaults is not None else frozenset()


def _iter_inherited(defaults: MappingNode) -> Iterator[FieldPath]:
    for key, node in defaults.items():
        if key in (CONFIG, EXTRA_CONFIG) and isinstance(node, MappingNode):
            yield from ((key, name) for name in node.entries)
        elif key in load_destination_facts().fields:
            yield (key,)


def unset_inherited(block: dict[str, Any], inherited: Collection[FieldPath]) -> None:
    """Unset the inherited fields that the block of a destination does not declare itself."""
    for *parents, name in sorted(inherited):
        target = block
        for parent in parents:
            target = target.setdefault(parent, {})
        target.setdefault(name, {UNSET: True})
