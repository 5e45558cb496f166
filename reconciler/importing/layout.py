"""Choose the spec file of each new entry and profile."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reconciler.importing.model import FactoredEntries, ImportedEntry
from reconciler.importing.options import ImportOptions, Layout
from reconciler.model.diagnostic import ReconcilerError
from reconciler.spec.files import GLOB_CHARACTERS, SearchArea, find_files, resolve_path
from reconciler.spec.nodes import Scalar
from reconciler.spec.project import Project
from reconciler.spec.unsaved import UnsavedFiles

DEFAULT_SUFFIX = ".yaml"
WITHOUT_DESTINATION = "without-destination"
PROFILES = "profiles"
SINGLE_FILE = "groups"

_UNUSUAL_CHARACTERS = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class SpecContent:
    """New entries and profiles of one spec file. `users` are the keys of entries that need its profiles."""

    entries: tuple[ImportedEntry, ...] = ()
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    users: frozenset[str] = frozenset()

    @property
    def keys(self) -> frozenset[str]:
        """The keys of all entries that need the file."""
        return self.users | {entry.key for entry in self.entries}


@dataclass(frozen=True, slots=True)
class SpecFolder:
    """Folder of new spec files, and the pattern of their names, with `*` in the place of the name."""

    path: Path
    pattern: str = f"*{DEFAULT_SUFFIX}"

    def get_file(self, name: str) -> Path:
        """Return the path of the file with a name."""
        return self.path / self.pattern.replace("*", name)


def choose_folder(project: Project) -> SpecFolder:
    """Choose the folder of new spec files: where the first glob for files of any name searches, else the folder of the
    first path below `specs`."""
    patterns = [str(pattern.value) for pattern in project.content.specs]
    globs = [pattern for pattern in patterns if _has_free_name(pattern)]
    chosen = Path(globs[0] if globs else patterns[0])
    name = chosen.name if globs else f"*{chosen.suffix or DEFAULT_SUFFIX}"
    return SpecFolder(project.directory.joinpath(*_list_fixed_parts(chosen)), name)


def place_entries(
    factored: FactoredEntries, folder: SpecFolder, options: ImportOptions, reserved: frozenset[Path]
) -> dict[Path, SpecContent]:
    """Choose the file of each entry and profile. `reserved` files are no spec files."""
    contents: dict[Path, SpecContent] = {}
    for entry in factored.entries:
        file = _avoid(options.into or folder.get_file(_choose_name(entry, options.layout)), reserved)
        before = contents.get(file, SpecContent())
        contents[file] = replace(before, entries=(*before.entries, entry))
    for name, profile in factored.profiles.items():
        users = {file: keys for file, content in contents.items() if (keys := _list_users(content, name))}
        # A profile of the entries of one file stands in that file.
        file = next(iter(users)) if len(users) == 1 else _avoid(folder.get_file(PROFILES), reserved)
        before = contents.get(file, SpecContent())
        contents[file] = replace(
            before,
            profiles={**before.profiles, name: profile},
            users=before.users.union(*users.values()),
        )
    return contents


def has_spec_files(project: Project) -> bool:
    """Return whether any path or glob below `specs` finds a file."""
    return any(_find(project.area, pattern, project) for pattern in project.content.specs)


def is_listed(project: Project, file: Path) -> bool:
    """Return whether a path or glob below `specs` finds a file, which may not exist yet."""
    area = replace(project.area, unsaved=UnsavedFiles({resolve_path(file): ""}))
    return any(resolve_path(file) in _find(area, pattern, project) for pattern in project.content.specs)


def find_missing_file(project: Project) -> Path | None:
    """Find the file that a project names as its only spec file, and that does not exist yet."""
    patterns = [str(pattern.value) for pattern in project.content.specs]
    if len(patterns) != 1 or GLOB_CHARACTERS & {*patterns[0]}:
        return None
    file = project.directory / patterns[0]
    return None if os.path.lexists(file) else file


def has_named_files(project: Project) -> bool:
    """Return whether any line below `specs` names a file, and is no glob."""
    return any(not GLOB_CHARACTERS & {*str(pattern.value)} for pattern in project.content.specs)


def can_be_listed(project: Project, file: Path) -> bool:
    """Return whether a relative path below `specs` may name a file, or a line finds it already."""
    resolved = resolve_path(file)
    return (
        resolved.is_relative_to(resolve_path(project.directory))
        or (project.area.is_repository and resolved.is_relative_to(project.area.root))
        or is_listed(project, file)
    )


def list_override_files(project: Project, file: Path | None = None) -> frozenset[Path]:
    """List the override files of a project; `file` may not exist yet."""
    texts = {resolve_path(file): ""} if file is not None else {}
    area = replace(project.area, unsaved=UnsavedFiles(texts))
    return frozenset().union(*(_find(area, pattern, project) for pattern in project.content.overrides))


def _find(area: SearchArea, pattern: Scalar, project: Project) -> frozenset[Path]:
    """Find the files of one path or glob, resolved. A pattern that leads nowhere finds none."""
    try:
        [found] = find_files([pattern], area, project.directory, [project.path])
    except ReconcilerError:
        return frozenset()
    return frozenset(resolve_path(spec.file) for spec in found)


def make_pattern(project: Project, file: Path) -> str:
    """Make the line below `specs` that names a file: relative to the project file, if the file is below its folder or
    in the same repository. Only a project with absolute lines has other files."""
    directory, resolved = resolve_path(project.directory), resolve_path(file)
    if resolved.is_relative_to(directory):
        return resolved.relative_to(directory).as_posix()
    if project.area.is_repository and resolved.is_relative_to(project.area.root):
        return Path(os.path.relpath(resolved, directory)).as_posix()
    return resolved.as_posix()


def _has_free_name(pattern: str) -> bool:
    name = Path(pattern).name
    return name.count("*") == 1 and not GLOB_CHARACTERS & {*name.replace("*", "")}


def _list_fixed_parts(pattern: Path) -> list[str]:
    """List the folders of a pattern before its first glob."""
    fixed: list[str] = []
    for part in pattern.parts[:-1]:
        if GLOB_CHARACTERS & {*part}:
            break
        fixed.append(part)
    return fixed


def _choose_name(entry: ImportedEntry, layout: Layout | None) -> str:
    match layout:
        case Layout.ONE:
            return SINGLE_FILE
        case Layout.GROUP:
            return entry.key
    destination = entry.live.destination
    service = str(destination.fields.get(("service",)) or "") if destination is not None else ""
    return _UNUSUAL_CHARACTERS.sub("_", service) or WITHOUT_DESTINATION


def get_profile(entry: ImportedEntry) -> str | None:
    """Return the profile that an entry names."""
    destination = entry.content.get("destination")
    return destination.get("profile") if isinstance(destination, Mapping) else None


def _list_users(content: SpecContent, profile: str) -> frozenset[str]:
    """List the keys of the entries that name a profile."""
    return frozenset(entry.key for entry in content.entries if get_profile(entry) == profile)


def _avoid(file: Path, reserved: frozenset[Path]) -> Path:
    """Return another file if a file is the project file or an override file."""
    while resolve_path(file) in reserved:
        file = file.with_stem(f"{file.stem}_groups")
    return file
