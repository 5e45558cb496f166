"""Find the files that a project names by paths and globs."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.source import Span
from reconciler.runtime.git import find_work_tree
from reconciler.spec.nodes import Scalar
from reconciler.spec.unsaved import NO_UNSAVED_FILES, UnsavedFiles

GLOB_CHARACTERS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class SpecPath:
    """File of a project: its path, its displayed path, and the place in the project file that names it, maybe by a
    glob."""

    file: Path
    shown: str
    declared_at: Span | None = None
    is_by_glob: bool = False


@dataclass(frozen=True, slots=True)
class RevisionCopy:
    """Copy of files of an earlier revision, in `folder`, which stands for the folder `root` of the work tree.

    It has only the files that the project names; `read` reads any other file of the revision, by its path from the
    root, and returns None for a file that the revision does not have. `has_other_files` is false if the revision has no
    other YAML file below the project file either.
    """

    folder: Path
    root: Path
    read: Callable[[str], bytes | None]
    has_other_files: bool = True


@dataclass(frozen=True, slots=True)
class SearchArea:
    """Folders in which the files of a project are searched.

    Relative patterns start in `directory` and stay inside `root`: the repository of the project, or `directory` if the
    project is in no repository. In a `copy`, absolute patterns below its root stand for files of the copy. `unsaved`
    files are found as if they were written.
    """

    directory: Path
    root: Path
    is_repository: bool
    copy: RevisionCopy | None = None
    unsaved: UnsavedFiles = NO_UNSAVED_FILES


def build_search_area(
    directory: Path, copy: RevisionCopy | None = None, unsaved: UnsavedFiles = NO_UNSAVED_FILES
) -> SearchArea:
    """Build the search area of the project in a directory."""
    if copy is not None:
        return SearchArea(directory, resolve_path(copy.folder), is_repository=True, copy=copy)
    resolved = resolve_path(directory)
    work_tree = find_work_tree(resolved)
    return SearchArea(directory, work_tree or resolved, is_repository=work_tree is not None, unsaved=unsaved)


def display_path(file: Path, shown_from: Path) -> str:
    """Return the path that a user would type: relative to `shown_from` if the file is below it, else absolute.

    A path through `..`, as to the files of a project that was found above, is made shorter if that leads to the same
    file, which a symbolic link may prevent.
    """
    shown = file.relative_to(shown_from) if file.is_relative_to(shown_from) else file
    if not shown.is_absolute() and ".." not in shown.parts:
        return str(shown)
    resolved, start = resolve_path(file), resolve_path(shown_from)
    if resolved.is_relative_to(start):
        return str(resolved.relative_to(start))
    shorter = Path(os.path.normpath(shown))
    return str(shorter if resolve_path(shown_from / shorter) == resolved else shown)


def find_files(
    patterns: Iterable[Scalar], area: SearchArea, shown_from: Path, exclude: Iterable[Path] = ()
) -> list[list[SpecPath]]:
    """Find the files of each pattern, sorted by path. Raises ReconcilerError with one finding per bad pattern.

    Relative patterns stay inside the root of the area, also through symbolic links; absolute patterns may lead
    anywhere. A glob finds no directories and no hidden files, and leaves out `exclude`. A file that several patterns
    match belongs to the first pattern.
    """
    excluded = {resolve_path(skipped_path) for skipped_path in exclude}
    seen: set[Path] = set()
    found: list[list[SpecPath]] = []
    findings: list[Diagnostic] = []
    for pattern in patterns:
        try:
            matches = _match_pattern(pattern, area, excluded)
        except ReconcilerError as error:
            findings += error.diagnostics
            continue
        is_by_glob = bool(GLOB_CHARACTERS & {*str(pattern.value)})
        new_matches = [match for match in matches if resolve_path(match) not in seen]
        seen.update(resolve_path(match) for match in matches)
        found.append(
            [
                SpecPath(match, display_match(match, shown_from, area), pattern.span, is_by_glob)
                for match in new_matches
            ]
        )
    if findings:
        raise ReconcilerError(findings)
    return found


def matches_any(pattern: Scalar, area: SearchArea, exclude: Iterable[Path]) -> bool:
    """Return whether a glob matches any file, unsaved files too. Raises ReconcilerError if it leaves the area or is no
    glob."""
    start, relative = _split_pattern(pattern, area)
    matches = _expand_glob(pattern, start, relative, {resolve_path(path) for path in exclude})
    return bool(matches) or any(area.unsaved.find_new(start, relative))


def find_in_repository(pattern: str, root: Path) -> str | None:
    """Find the path, from the root of a repository, that an absolute pattern names; None if it leads elsewhere.

    Folders before the first glob may be reached through symbolic links.
    """
    path = Path(pattern)
    globs = (position for position, part in enumerate(path.parts) if GLOB_CHARACTERS & set(part))
    fixed = min(next(globs, len(path.parts)), len(path.parts) - 1)
    folder = resolve_path(Path(*path.parts[:fixed]))
    if not folder.is_relative_to(root):
        return None
    return posixpath.normpath(posixpath.join(folder.relative_to(root).as_posix(), *path.parts[fixed:]))


def display_match(match: Path, shown_from: Path, area: SearchArea) -> str:
    """Return the path of a found file for people: also relative if it is only in the same repository."""
    start, file = resolve_path(shown_from), resolve_path(match.parent) / match.name
    shown = display_path(match, shown_from)
    if Path(shown).is_absolute() and all(path.is_relative_to(area.root) for path in (start, file)):
        return os.path.relpath(file, start)
    return shown


def _match_pattern(pattern: Scalar, area: SearchArea, excluded: set[Path]) -> list[Path]:
    text = str(pattern.value)
    start, relative = _split_pattern(pattern, area)
    is_glob = bool(GLOB_CHARACTERS & set(relative))
    unsaved_matches = [
        match
        for match in sorted(area.unsaved.find_new(start, relative))
        if not is_glob or _is_visible(match, start, relative, excluded)
    ]
    matches = (
        _expand_glob(pattern, start, relative, excluded)
        if is_glob
        else []
        if unsaved_matches
        else [start / relative]
    )
    matches = sorted([*matches, *unsaved_matches])
    if not matches or not all(os.path.lexists(match) or match in unsaved_matches for match in matches):
        raise ReconcilerError([_explain_no_match(pattern)])
    is_free = start == Path(start.anchor)  # absolute by intent
    if not is_free and not all(resolve_path(match).is_relative_to(area.root) for match in matches):
        raise ReconcilerError(
            [
                _explain_outside(
                    pattern,
                    f"a symbolic link leads from `{text}` out of the {_describe_root(area)}",
                    area,
                )
            ]
        )
    return matches


def _split_pattern(pattern: Scalar, area: SearchArea) -> tuple[Path, str]:
    """Split a pattern into the folder where it starts, and the rest. Raises ReconcilerError if it leaves the area.

    A `..` takes back the part of the pattern before it, whether that part is a link or not, as in the tree of a commit.
    """
    text = str(pattern.value)
    path = Path(text)
    if path.is_absolute():
        in_copy = None if area.copy is None else find_in_repository(text, area.copy.root)
        return (
            (Path(path.anchor), str(path.relative_to(path.anchor)))
            if in_copy is None
            else (area.root, in_copy)
        )
    relative = posixpath.normpath(text)
    if not relative.startswith("../"):
        return area.directory, relative
    directory = resolve_path(area.directory)
    if area.is_repository and directory.is_relative_to(area.root):
        from_root = posixpath.normpath(posixpath.join(directory.relative_to(area.root).as_posix(), relative))
        if not from_root.startswith(".."):
            return area.root, from_root
        message = f"`{text}` leads out of the repository of the project"
    else:
        message = f"`{text}` has a `..`, which may lead out of the project's directory"
    raise ReconcilerError([_explain_outside(pattern, message, area)])


def _expand_glob(pattern: Scalar, start: Path, relative: str, excluded: set[Path]) -> list[Path]:
    try:
        # `Path.glob` does not follow links to directories under `**`, so that loops end.
        matches = sorted(start.glob(relative))
    except (ValueError, NotImplementedError, OSError):
        raise ReconcilerError([_explain_no_match(pattern)]) from None
    return [
        match
        for match in matches
        if _is_visible(match, start, relative, excluded) and not os.path.isdir(match)  # noqa: PTH112 - false, not an error, in an unreadable folder
    ]


def _is_visible(match: Path, start: Path, relative: str, excluded: set[Path]) -> bool:
    """Return whether a glob may find a file: a hidden file only if the glob names a hidden part itself."""
    wants_hidden = any(part.startswith(".") for part in Path(relative).parts)
    return (wants_hidden or not _is_hidden(match, start)) and resolve_path(match) not in excluded


def _is_hidden(match: Path, start: Path) -> bool:
    return any(part.startswith(".") for part in match.relative_to(start).parts)


def resolve_path(path: Path) -> Path:
    """Resolve symbolic links; a path whose links form a loop stays as it is."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path


def _explain_no_match(pattern: Scalar) -> Diagnostic:
    return Diagnostic(
        "no-match",
        f"`{pattern.value}` matches no file",
        pattern.span,
        notes=("paths are relative to the project file",),
        help="correct the path, or remove it from the list",
    )


def _describe_root(area: SearchArea) -> str:
    return "repository of the project" if area.is_repository else "project's directory"


def _explain_outside(pattern: Scalar, message: str, area: SearchArea) -> Diagnostic:
    place = "into the repository" if area.is_repository else "below the project file"
    return Diagnostic(
        "outside-project",
        message,
        pattern.span,
        help=f"move the file {place}, or name it by an absolute path",
    )
