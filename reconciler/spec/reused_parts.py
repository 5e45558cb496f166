"""Reuse parts of a loaded project to load another revision of it.

Two revisions differ in few files. A tree depends on the displayed path and the text of its file alone, and trees are
frozen: equal files get one tree, and equal entries one merged destination, so that later steps recognize an unchanged
entry by the identity of its destination.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from reconciler.spec.nodes import MappingNode
from reconciler.spec.schema import OverrideFile, SpecFile
from reconciler.spec.source import parse
from reconciler.spec.spec_text import SpecTexts, parse_texts

_Result = TypeVar("_Result")


class ResultsByTree(Generic[_Result]):
    """Results by the identities of the trees that they were made of. The trees stay alive with their result."""

    def __init__(self) -> None:
        self._results: dict[tuple[int, ...], tuple[tuple[MappingNode, ...], _Result]] = {}

    def get(self, *trees: MappingNode) -> _Result | None:
        """Get the result for these trees; None if there is none."""
        known = self._results.get(tuple(map(id, trees)))
        return known[1] if known is not None else None

    def add(self, result: _Result, *trees: MappingNode) -> _Result:
        """Add the result for these trees, and return it."""
        self._results[tuple(map(id, trees))] = (trees, result)
        return result


class ReusedParts:
    """Parts of all revisions of a project that are loaded with it. Only error-free parts are kept."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, str], SpecTexts] = {}
        self.contents: ResultsByTree[SpecFile | OverrideFile] = ResultsByTree()
        self.merged: ResultsByTree[MappingNode] = ResultsByTree()
        self.without_profile: ResultsByTree[MappingNode] = ResultsByTree()
        self.bases: ResultsByTree[MappingNode] = ResultsByTree()

    def parse(self, text: str, path: str) -> SpecTexts:
        """Parse a file as `parse_file`, once for each text."""
        if (path, text) not in self._texts:
            self._texts[path, text] = parse_file(text, path)
        return self._texts[path, text]


class ReparsedTrees(Mapping[str, MappingNode]):
    """Trees of files by displayed path. `kept` trees stay in memory; the trees of `texts`, which need many times the
    memory of their texts, are parsed again when a finding needs one."""

    def __init__(self, texts: Mapping[str, str], kept: Mapping[str, MappingNode]) -> None:
        self._texts = texts
        self._trees = dict(kept)

    def __getitem__(self, path: str) -> MappingNode:
        if path not in self._trees:
            self._trees[path] = parse_file(self._texts[path], path).root
        return self._trees[path]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._trees, *self._texts)))

    def __len__(self) -> int:
        return len(self._trees.keys() | self._texts.keys())

    def __contains__(self, path: object) -> bool:
        return path in self._trees or path in self._texts


def parse_file(text: str, path: str) -> SpecTexts:
    """Parse a file and its texts. `path` is the path that spans show. Raises ReconcilerError."""
    return parse_texts(parse(text, path), text)
