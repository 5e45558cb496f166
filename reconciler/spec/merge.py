"""Merging mappings leaf by leaf: defaults, profile, entry, overrides."""

from __future__ import annotations

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.spec.reference import is_atom
from reconciler.spec.tree import Entry, Node, Scalar, Table

UNSET = "unset"


def merge(base: Table, over: Table) -> Table:
    """`over` laid on `base`; every leaf keeps the span of where it was written.

    Mappings merge, everything else replaces: scalars, lists, `null` (which stays as a leaf) and
    references as a whole. `{unset: true}` drops what `base` has. The result holds no `unset`
    provided that `base` holds none.
    """
    entries = dict(base.entries)
    for key, entry in over.entries.items():
        if isinstance(entry.node, Table) and UNSET in entry.node:
            entries.pop(key, None)  # malformed ones too: that is told by `unset_findings`
            continue
        below = entries[key].node if key in entries else None
        entries[key] = Entry(entry.key, _laid_on(below, entry.node))
    return Table(entries, over.span)


def unset_findings(base: Table, over: Table) -> list[Diagnostic]:
    """What is odd about the `{unset: true}` in `over`: malformed ones (errors), idle ones (warnings)."""
    findings = []
    for key, entry in over.entries.items():
        node = entry.node
        if not isinstance(node, Table):
            continue
        below = base.get(key)
        if _is_unset(node):
            if below is None:
                findings.append(_idle(key, entry))
        elif UNSET in node:
            findings.append(_malformed(node))
        else:
            findings += unset_findings(below if isinstance(below, Table) else _nothing(node), node)
    return findings


def _laid_on(below: Node | None, node: Node) -> Node:
    if not isinstance(node, Table) or is_atom(node):
        return node
    mergeable = isinstance(below, Table) and not is_atom(below)
    return merge(below if mergeable and isinstance(below, Table) else _nothing(node), node)


def _nothing(at: Table) -> Table:
    return Table({}, at.span)


def _is_unset(node: Node) -> bool:
    if not isinstance(node, Table) or len(node.entries) != 1:
        return False
    held = node.get(UNSET)
    return isinstance(held, Scalar) and held.value is True


def _idle(key: str, entry: Entry) -> Diagnostic:
    return Diagnostic(
        "unset-nothing",
        f"`{key}` is unset here, but nothing is inherited under this key",
        entry.key.span,
        severity=Severity.WARNING,
        help="remove the line, or correct the key",
    )


def _malformed(node: Table) -> Diagnostic:
    return Diagnostic(
        "wrong-shape",
        "`unset` stands alone in its mapping and takes only `true`",
        node.entries[UNSET].key.span,
        help="write `{unset: true}`, or remove `unset`",
        secret=True,
    )
