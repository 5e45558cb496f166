"""Merge mappings of a destination, leaf by leaf: defaults, profile, entry, overrides."""

from __future__ import annotations

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.spec.nodes import KeyValue, MappingNode, Node, Scalar
from reconciler.spec.reference import is_reference

UNSET = "unset"


def merge(base: MappingNode, over: MappingNode) -> MappingNode:
    """Merge `over` into `base`; every leaf keeps its span.

    Mappings are merged. All other values replace the value of `base`: scalars, lists, `null` (which stays as a leaf)
    and references as a whole. `{unset: true}` drops the value of `base`. The result has no `unset` if `base` has no
    `unset`.
    """
    entries = dict(base.entries)
    for key, entry in over.entries.items():
        if isinstance(entry.node, MappingNode) and UNSET in entry.node:
            entries.pop(key, None)  # malformed entries too, which `check_unset` reports
            continue
        inherited = entries[key].node if key in entries else None
        entries[key] = KeyValue(entry.key, _merge_node(inherited, entry.node))
    return MappingNode(entries, over.span)


def check_unset(base: MappingNode, over: MappingNode) -> list[Diagnostic]:
    """Check every `{unset: true}` in `over`: malformed (errors) or without effect (warnings)."""
    findings = []
    for key, entry in over.entries.items():
        node = entry.node
        if not isinstance(node, MappingNode):
            continue
        inherited = base.get(key)
        if _is_unset(node):
            if inherited is None:
                findings.append(_explain_unused_unset(key, entry))
        elif UNSET in node:
            findings.append(_explain_malformed_unset(node))
        else:
            findings += check_unset(
                inherited if isinstance(inherited, MappingNode) else _make_empty_mapping(node), node
            )
    return findings


def _merge_node(inherited: Node | None, node: Node) -> Node:
    if not isinstance(node, MappingNode) or is_reference(node):
        return node
    mergeable = isinstance(inherited, MappingNode) and not is_reference(inherited)
    return merge(
        inherited if mergeable and isinstance(inherited, MappingNode) else _make_empty_mapping(node), node
    )


def _make_empty_mapping(at: MappingNode) -> MappingNode:
    return MappingNode({}, at.span)


def _is_unset(node: Node) -> bool:
    if not isinstance(node, MappingNode) or len(node.entries) != 1:
        return False
    flag = node.get(UNSET)
    return isinstance(flag, Scalar) and flag.value is True


def _explain_unused_unset(key: str, entry: KeyValue) -> Diagnostic:
    return Diagnostic(
        "unset-nothing",
        f"`{key}` is unset here, but nothing is inherited under this key",
        entry.key.span,
        severity=Severity.WARNING,
        help="remove the line, or correct the key",
    )


def _explain_malformed_unset(node: MappingNode) -> Diagnostic:
    return Diagnostic(
        "wrong-shape",
        "`unset` stands alone in its mapping and takes only `true`",
        node.entries[UNSET].key.span,
        help="write `{unset: true}`, or remove `unset`",
        secret=True,
    )
