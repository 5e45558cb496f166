"""Recognise a fresh project: its globs match no file, and no spec file exists that a corrected glob would match."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path, PurePosixPath

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.spec.files import GLOB_CHARACTERS, matches_any
from reconciler.spec.project import Project
from reconciler.spec.unlisted_files import has_unlisted_files


def is_fresh(project: Project, excluded: Iterable[Path]) -> bool:
    """Return whether a project is fresh. Its globs do not find the `excluded` files.

    A path without a glob names a file that must exist, and only files below the project file can be searched for a
    mistyped glob. A folder that cannot be listed may have specs. Any other project may have lost its specs, and a
    pattern without a match is an error.
    """
    patterns, skipped = project.content.specs, list(excluded)
    return (
        all(_is_local_glob(str(pattern.value)) for pattern in patterns)
        and all(_can_list(_find_folder(project.directory, str(pattern.value))) for pattern in patterns)
        and not any(matches_any(pattern, project.area, skipped) for pattern in patterns)
        and not has_unlisted_files(project)
    )


def warn_fresh(project: Project) -> Diagnostic:
    """Warn that a project has no spec file yet, with the next step."""
    return Diagnostic(
        "no-specs",
        "this project has no spec file yet, so it describes no group",
        project.content.specs[0].span,
        severity=Severity.WARNING,
        help="`reconciler import` writes specs of the groups of your account;"
        " `reconciler catalogue show SERVICE --example` prints a spec for a new group",
    )


def _is_local_glob(pattern: str) -> bool:
    path = PurePosixPath(pattern)
    return bool(GLOB_CHARACTERS & set(pattern)) and not path.is_absolute() and ".." not in path.parts


def _find_folder(directory: Path, pattern: str) -> Path:
    """Find the folder where the search of a glob starts: the part before its first glob character."""
    parts = PurePosixPath(pattern).parts
    return directory.joinpath(*takewhile(lambda part: not GLOB_CHARACTERS & set(part), parts))


def _can_list(folder: Path) -> bool:
    """Return whether a folder can be listed, or does not exist."""
    if not os.path.lexists(folder):
        return True
    try:
        os.scandir(folder).close()
    except OSError:  # no permission, a broken link, or no folder
        return False
    return True
