"""Find the place in the files of a project that decides about a field of an entry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reconciler.importing.accept_model import FieldSource
from reconciler.model.address import DESTINATION
from reconciler.spec.characters import BYTE_ORDER_MARK
from reconciler.spec.edit import FileText, read_file_text
from reconciler.spec.files import SpecPath
from reconciler.spec.load import find_files_by_kind
from reconciler.spec.merge import UNSET
from reconciler.spec.merge_files import PROFILE
from reconciler.spec.nodes import MappingNode, Node, Scalar
from reconciler.spec.project import Project
from reconciler.spec.source import parse
from reconciler.spec.spec_text import parse_texts


@dataclass(frozen=True, slots=True)
class FieldPlace:
    """Place in the files that decides about a field.

    `location` are the keys that lead to the field, `node` is what the file has there, None for a field that the entry
    does not have. `source` decides about the field so far, `profile` is its profile. `is_inherited` says that another
    place gives the field a value if this place does not.
    """

    file: FileText
    location: tuple[str, ...]
    node: Node | None
    source: FieldSource
    profile: str = ""
    is_inherited: bool = False


@dataclass(frozen=True, slots=True)
class _Layer:
    """File that describes an entry, with its tree, whose variables are not filled."""

    file: FileText
    root: MappingNode
    is_override: bool


@dataclass(frozen=True, slots=True)
class _Base:
    """Value that an entry inherits: from its profile or from the defaults."""

    source: FieldSource
    profile: str = ""


class SpecLayers:
    """Layers of all entries of a project: defaults, profiles, spec files, override files."""

    def __init__(self, project: Project, shown_from: Path) -> None:
        """Read all files of a project. Raises ReconcilerError."""
        files = find_files_by_kind(project, shown_from)
        self.project_file = read_file_text(SpecPath(project.path, project.shown))
        self._defaults = _get(_parse(self.project_file), ("defaults", "destination"))
        self._layers = [
            *(_read_layer(path, is_override=False) for path in files.specs),
            *(_read_layer(path, is_override=True) for path in files.overrides),
        ]

    @property
    def files(self) -> tuple[FileText, ...]:
        """All files, as they were read, the project file first."""
        return (self.project_file, *(layer.file for layer in self._layers))

    def find_place(self, location: tuple[str, ...]) -> FieldPlace | None:
        """Find the place of a field, by the keys that lead to it from the top of a spec file: in the last layer that
        has the field, else in the entry. Returns None if no file describes the entry: only a later revision does."""
        layers = [layer for layer in self._layers if _get(layer.root, location[:2]) is not None]
        if not layers:
            return None
        own = [layer for layer in layers if _get(layer.root, location) is not None]
        target = own[-1] if own else layers[0]
        base = self._find_base(layers, location) if location[2:3] == (DESTINATION,) else None
        values = sum(_is_set(_get(layer.root, location)) for layer in own)
        if not own and base is not None:
            source, profile = base.source, base.profile
        else:
            source, profile = FieldSource.OVERRIDE if target.is_override else FieldSource.ENTRY, ""
        node = _get(target.root, location)
        return FieldPlace(target.file, location, node, source, profile, base is not None or values > 1)

    def _find_base(self, layers: list[_Layer], location: tuple[str, ...]) -> _Base | None:
        """Find the profile or the defaults that give a field to an entry."""
        below = location[3:]
        profile = self._find_profile(layers, location[:3])
        if profile is not None:
            nodes = (_get(layer.root, ("profiles", profile, *below)) for layer in self._layers)
            node = next((node for node in nodes if node is not None), None)
            if node is not None:
                return _Base(FieldSource.PROFILE, profile) if _is_set(node) else None
        return _Base(FieldSource.DEFAULTS) if _is_set(_get(self._defaults, below)) else None

    def _find_profile(self, layers: Iterable[_Layer], location: tuple[str, ...]) -> str | None:
        nodes = [_get(layer.root, (*location, PROFILE)) for layer in layers]
        names = [str(node.value) for node in nodes if isinstance(node, Scalar)]
        return names[-1] if names else None


def _read_layer(path: SpecPath, *, is_override: bool) -> _Layer:
    file = read_file_text(path)
    return _Layer(file, _parse(file), is_override)


def _parse(file: FileText) -> MappingNode:
    text = file.text.removeprefix(BYTE_ORDER_MARK)
    return parse_texts(parse(text, file.path.shown), text).root


def _get(node: Node | None, location: Iterable[str]) -> Node | None:
    for step in location:
        node = node.get(step) if isinstance(node, MappingNode) else None
    return node


def _is_set(node: Node | None) -> bool:
    """Return whether a place declares a value, and does not drop an inherited value."""
    return node is not None and not (isinstance(node, MappingNode) and UNSET in node)
