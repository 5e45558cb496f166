"""Find the files that a project names by paths and globs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.source import Span
from reconciler.spec.nodes import Scalar

GLOB_CHARACTERS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class SpecPath:
    """File of a project: its path, its displayed path, and the place in the project file that names it."""

    file: Path
    shown: str
    declared_at: Span | None = None


def display_path(file: Path, shown_from: Path) -> str:
    """Return the path that a user would type: relative to `shown_from` if the file is below it, else absolute."""
    for candidate, start in ((file, shown_from), (_resolve_path(file), _resolve_path(shown_from))):
        if candidate.is_relative_to(start):
            return str(candidate.relative_to(start))
    return str(file)


def find_files(
    patterns: Iterable[Scalar], directory: Path, shown_from: Path, exclude: Iterable[Path] = ()
) -> list[list[SpecPath]]:
    """Find the files of each pattern, sorted by path. Raises ReconcilerError with one finding per bad pattern.

    Relative patterns stay inside `directory`, also through symbolic links; absolute patterns may lead anywhere. A glob
    finds no directories and no hidden files, and leaves out `exclude`. A file that several patterns match belongs to
    the first pattern.
    """
    excluded = {_resolve_path(skipped_path) for skipped_path in exclude}
    seen: set[Path] = set()
    found: list[list[SpecPath]] = []
    findings: list[Diagnostic] = []
    for pattern in patterns:
        try:
            matches = _match_pattern(pattern, directory, excluded)
        except ReconcilerError as error:
            findings += error.diagnostics
            continue
        new_matches = [match for match in matches if _resolve_path(match) not in seen]
        seen.update(_resolve_path(match) for match in matches)
        found.append(
            [SpecPath(match, display_path(match, shown_from), pattern.span) for match in new_matches]
        )
    if findings:
        raise ReconcilerError(findings)
    return found


def _match_pattern(pattern: Scalar, directory: Path, excluded: set[Path]) -> list[Path]:
    text = str(pattern.value)
    path = Path(text)
    if not path.is_absolute() and ".." in path.parts:
        raise ReconcilerError(
            [_explain_outside(pattern, f"`{text}` has a `..`, which may lead out of the project's directory")]
        )
    matches = (
        _expand_glob(pattern, directory, excluded) if GLOB_CHARACTERS & set(text) else [directory / path]
    )
    if not matches or not all(os.path.lexists(match) for match in matches):
        raise ReconcilerError([_explain_no_match(pattern)])
    if not path.is_absolute():
        root = _resolve_path(directory)
        if not all(_resolve_path(match).is_relative_to(root) for match in matches):
            raise ReconcilerError(
                [
                    _explain_outside(
                        pattern, f"a symbolic link leads from `{text}` out of the project's directory"
                    )
                ]
            )
    return matches


def _expand_glob(pattern: Scalar, directory: Path, excluded: set[Path]) -> list[Path]:
    path = Path(str(pattern.value))
    start = Path(path.anchor) if path.is_absolute() else directory
    relative = path.relative_to(path.anchor) if path.is_absolute() else path
    wants_hidden = any(part.startswith(".") for part in relative.parts)
    try:
        # `Path.glob` does not follow links to directories under `**`, so that loops end.
        matches = sorted(start.glob(str(relative)))
    except (ValueError, NotImplementedError, OSError):
        raise ReconcilerError([_explain_no_match(pattern)]) from None
    return [
        match
        for match in matches
        if (wants_hidden or not _is_hidden(match, start))
        and not os.path.isdir(match)  # noqa: PTH112 - false, not an error, in an unreadable folder
        and _resolve_path(match) not in excluded
    ]


def _is_hidden(match: Path, start: Path) -> bool:
    return any(part.startswith(".") for part in match.relative_to(start).parts)


def _resolve_path(path: Path) -> Path:
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


def _explain_outside(pattern: Scalar, message: str) -> Diagnostic:
    return Diagnostic(
        "outside-project",
        message,
        pattern.span,
        help="move the file below the project file, or name it by an absolute path",
    )
