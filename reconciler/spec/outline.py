"""Read the names that a project declares, without any check: completions of a shell must be quick and silent."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.model.diagnostic import ReconcilerError
from reconciler.spec.files import SpecPath, build_search_area, find_files
from reconciler.spec.nodes import MappingNode, Node, Scalar, Sequence
from reconciler.spec.source import parse, read_text

POLICY_OPTIONS = ("name", "level", "where", "because")
"""Keys of a policy beside its rule."""
_OVERRIDABLE = "soft"


@dataclass(frozen=True, slots=True)
class DeclaredEntry:
    """Entry with the displayed path of its file. A removed entry may have had a destination."""

    file: str
    has_destination: bool


@dataclass(frozen=True, slots=True)
class Outline:
    """Names that a project declares: entries by key, overridable policies, variables. Each is sorted."""

    entries: Mapping[str, DeclaredEntry] = field(default_factory=dict)
    policies: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()


def read_outline(project_file: Path, shown_from: Path, *, reads_specs: bool = True) -> Outline:
    """Read the names of a project. What cannot be read is left out; a project file that cannot be read has none.

    Without `reads_specs` there are no entries, and only the project file and its overrides are read.
    """
    path = Path(os.path.abspath(shown_from / project_file))  # noqa: PTH100 - keeps symbolic links
    root = _parse_file(SpecPath(path, str(project_file)))
    if root is None:
        return Outline()
    overrides = list(_find_files(root, "overrides", path, shown_from, []))
    override_roots = [tree for file in overrides if (tree := _parse_file(file)) is not None]
    entries: dict[str, DeclaredEntry] = {}
    if reads_specs:
        for file in _find_files(root, "specs", path, shown_from, [path, *(each.file for each in overrides)]):
            entries.update(_list_entries(file))
    variables = {name for tree in (root, *override_roots) for name in _get_mapping(tree, "vars")}
    return Outline(
        dict(sorted(entries.items())), tuple(sorted(set(_list_policies(root)))), tuple(sorted(variables))
    )


def _parse_file(file: SpecPath) -> MappingNode | None:
    try:
        return parse(read_text(file.file, file.shown), file.shown)
    except ReconcilerError:
        return None


def _find_files(
    root: MappingNode, key: str, project: Path, shown_from: Path, exclude: list[Path]
) -> Iterator[SpecPath]:
    area = build_search_area(project.parent)
    for pattern in _get_items(root, key):
        if isinstance(pattern, Scalar):
            try:
                [found] = find_files([pattern], area, shown_from, exclude)
            except ReconcilerError:
                continue
            yield from found


def _list_entries(file: SpecPath) -> Iterator[tuple[str, DeclaredEntry]]:
    root = _parse_file(file)
    if root is None:
        return
    for removed in _get_items(root, "removed"):
        key = removed.get("group") if isinstance(removed, MappingNode) else None
        if isinstance(key, Scalar) and isinstance(key.value, str):
            yield key.value, DeclaredEntry(file.shown, has_destination=True)
    for name, group in _get_mapping(root, "groups").items():
        has_destination = isinstance(group, MappingNode) and "destination" in group
        yield name, DeclaredEntry(file.shown, has_destination)


def _list_policies(root: MappingNode) -> Iterator[str]:
    """List the policies that an operator may override: by their names, or by their rules."""
    for policy in _get_items(root, "policies"):
        if not isinstance(policy, MappingNode):
            continue
        level, name = policy.get("level"), policy.get("name")
        if isinstance(level, Scalar) and level.value == _OVERRIDABLE:
            rules = (key for key in policy.entries if key not in POLICY_OPTIONS)
            yield str(name.value) if isinstance(name, Scalar) else next(rules, "")


def _get_mapping(root: MappingNode, key: str) -> dict[str, Node]:
    node = root.get(key)
    return dict(node.items()) if isinstance(node, MappingNode) else {}


def _get_items(root: MappingNode, key: str) -> tuple[Node, ...]:
    node = root.get(key)
    return node.items if isinstance(node, Sequence) else ()
