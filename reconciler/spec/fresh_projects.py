"""Recognise a fresh project: its globs match no file, and no spec file exists that a corrected glob would match."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.spec.files import GLOB_CHARACTERS
from reconciler.spec.project import Project
from reconciler.spec.unlisted_files import has_unlisted_files


def is_fresh(project: Project, findings: Sequence[Diagnostic]) -> bool:
    """Return whether a project is fresh. `findings` are about its patterns, each of which matches no file.

    A path without a glob names a file that must exist, and only files below the project file can be searched for a
    mistyped glob. Any other project may have lost its specs, and the findings about its patterns are errors.
    """
    patterns = [str(pattern.value) for pattern in project.content.specs]
    return (
        len(findings) == len(patterns)
        and all(finding.code == "no-match" for finding in findings)
        and all(map(_is_local_glob, patterns))
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
