"""Find files beside the specs of a project that look like specs, and that no path or glob of the project names."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.spec.files import (
    GLOB_CHARACTERS,
    SpecPath,
    build_search_area,
    display_match,
    find_files,
    resolve_path,
)
from reconciler.spec.nodes import Scalar, Sequence
from reconciler.spec.project import Project
from reconciler.spec.source import parse, read_text

MAX_DEPTH = 5
MAX_ENTRIES = 10_000
MAX_FILES = 200
MAX_FINDINGS = 5
_READ_BYTES = 64 * 1024
YAML_SUFFIXES = {".yaml": ".yml", ".yml": ".yaml"}
_FOREIGN_FOLDERS = frozenset({"node_modules", "__pycache__", "venv", "vendor"})
_VERSION = re.compile(rb"^version:", re.MULTILINE)
_SPEC_KEYS = re.compile(rb"^(?:groups|profiles|removed):", re.MULTILINE)
_PROJECT_KEYS = re.compile(rb"^specs:", re.MULTILINE)


def warn_unlisted_files(
    project: Project, listed: Collection[SpecPath], shown_from: Path
) -> Iterator[Diagnostic]:
    """Warn about unlisted files, with the line to add to `specs`: one warning for the files of one line.

    Looks into the folder of the project file and below it, and into the folders of its other files, within bounds. A
    file of another project in these folders is no finding.
    """
    by_line = _find_unlisted_files(project, listed)
    for line, files in list(by_line.items())[:MAX_FINDINGS]:
        yield _explain_unlisted(
            project, line, [display_match(file, shown_from, project.area) for file in files]
        )


def has_unlisted_files(project: Project) -> bool:
    """Return whether any file beside the project file looks like a spec, if its `specs` name no file at all."""
    return bool(_find_unlisted_files(project, ()))


def _find_unlisted_files(project: Project, listed: Collection[SpecPath]) -> dict[str, list[Path]]:
    """Find the unlisted files by the line to add to `specs`."""
    named = {resolve_path(spec.file) for spec in listed}
    found = _search(project.directory, {project.path, *(spec.file for spec in listed)})
    candidates = [file for file in found.specs if resolve_path(file) not in named]
    if candidates and found.projects:
        other_files = set(chain.from_iterable(map(_list_files_of, found.projects)))
        candidates = [file for file in candidates if resolve_path(file) not in other_files]
    twins = _find_twins(project, named, listed, candidates)
    by_line: dict[str, list[Path]] = {}
    for file in dict.fromkeys([*candidates, *twins]):
        by_line.setdefault(twins.get(file) or _suggest_line(file, project), []).append(file)
    return by_line


@dataclass(frozen=True, slots=True)
class _Found:
    """Files that look like specs, and other project files."""

    specs: list[Path]
    projects: list[Path]


def _search(directory: Path, skipped: Collection[Path]) -> _Found:
    """Search a folder and its subfolders, breadth first. A subfolder with a project file of its own is left out."""
    found = _Found([], [])
    pending = [(directory, 0)]
    entry_count = file_count = 0
    for folder, depth in pending:
        if entry_count >= MAX_ENTRIES or file_count >= MAX_FILES:
            break
        files, folders = _list_folder(folder)
        unknown_files = [file for file in files if file not in skipped][: MAX_FILES - file_count]
        specs, projects = _classify(unknown_files)
        entry_count += len(files) + len(folders)
        file_count += len(unknown_files)
        found.projects.extend(projects)
        if projects and folder != directory:
            continue
        found.specs.extend(specs)
        if depth < MAX_DEPTH:
            pending += [(subfolder, depth + 1) for subfolder in folders]
    return found


def _list_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """List the YAML files and the subfolders of a folder, without hidden entries and links."""
    try:
        with os.scandir(folder) as entries:
            visible = sorted(
                (entry.name, entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False))
                for entry in entries
                if not entry.name.startswith(".")
            )
    except OSError:
        return [], []
    return (
        [folder / name for name, _, is_file in visible if is_file and Path(name).suffix in YAML_SUFFIXES],
        [folder / name for name, is_folder, _ in visible if is_folder and name not in _FOREIGN_FOLDERS],
    )


def _classify(files: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Select the files that look like specs, and the files that look like project files, by their first lines."""
    specs, projects = [], []
    for file in files:
        with suppress(OSError), file.open("rb") as stream:
            head = stream.read(_READ_BYTES)
            if _VERSION.search(head) and _PROJECT_KEYS.search(head):
                projects.append(file)
            elif _VERSION.search(head) and _SPEC_KEYS.search(head):
                specs.append(file)
    return specs, projects


def _list_files_of(project_file: Path) -> Iterator[Path]:
    """List the files that another project names; an invalid project names none."""
    with suppress(ReconcilerError):
        root = parse(read_text(project_file, str(project_file)), str(project_file))
        area = build_search_area(project_file.parent)
        for key in ("specs", "overrides"):
            node = root.get(key)
            patterns = node.items if isinstance(node, Sequence) else ()
            for pattern in patterns:
                with suppress(ReconcilerError):
                    if isinstance(pattern, Scalar) and isinstance(pattern.value, str):
                        [found] = find_files([pattern], area, project_file.parent)
                        yield from (resolve_path(spec.file) for spec in found)


def _find_twins(
    project: Project, named: Collection[Path], listed: Collection[SpecPath], candidates: Collection[Path]
) -> dict[Path, str]:
    """Find the unlisted files that a glob of the project would find if it had the other suffix of YAML files, each with
    that glob."""
    if not candidates and not _may_have_twins_elsewhere(project, listed):
        return {}
    twins: dict[Path, str] = {}
    for pattern in project.content.specs:
        text = str(pattern.value)
        suffix = Path(text).suffix
        if suffix not in YAML_SUFFIXES or not GLOB_CHARACTERS & set(text):
            continue
        other = Scalar(text.removesuffix(suffix) + YAML_SUFFIXES[suffix], pattern.span)
        with suppress(ReconcilerError):
            [found] = find_files([other], project.area, project.directory, [project.path])
            specs, _ = _classify(spec.file for spec in found if resolve_path(spec.file) not in named)
            known = {resolve_path(file): file for file in candidates}
            twins |= {known.get(resolve_path(file), file): str(other.value) for file in specs}
    return twins


def _may_have_twins_elsewhere(project: Project, listed: Collection[SpecPath]) -> bool:
    """Whether a folder outside of the project's folder, in which files were found, has YAML files of both suffixes."""
    root = resolve_path(project.directory)
    folders = {resolve_path(spec.file.parent) for spec in listed}
    outside = [folder for folder in folders if not folder.is_relative_to(root)]
    return any(len({file.suffix for file in _list_folder(folder)[0]}) > 1 for folder in outside)


def _suggest_line(file: Path, project: Project) -> str:
    """Suggest the line for a file: a glob for its folder, or its own path beside the project file."""
    relative = file.relative_to(project.directory)
    folder = relative.parent.as_posix()
    return relative.as_posix() if folder == "." else f"{folder}/*{file.suffix}"


def _explain_unlisted(project: Project, line: str, files: list[str]) -> Diagnostic:
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    verb = "look like specs" if more else "looks like a spec"
    return Diagnostic(
        "unlisted-file",
        f"`{files[0]}`{more} {verb}, but no line of `specs` names {'them' if more else 'it'}",
        project.content.specs[-1].span,
        severity=Severity.WARNING,
        help=f"add `{line}` to `specs` in `{project.shown}`, or move the file elsewhere",
    )
