"""Record the project file of a saved plan, and recognise another project.

The record only explains: a saved plan is an expectation and no instruction, so it never selects the project file of an
apply. A forged plan could otherwise select a project with looser limits, policies or protection.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class PathStart(StrEnum):
    """Folder in which a recorded path starts."""

    REPOSITORY = "repository"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class PlanProject:
    """Path of the project file of a plan: from the root of its git repository, or from the folder of the plan file if
    there is no repository. The same project has the same path in each clone."""

    path: str
    start: PathStart


def record_project(project_file: Path, plan_file: Path) -> PlanProject:
    """Build the record of a project file for a plan file. Both paths are absolute."""
    file = _resolve(project_file)
    root = find_repository(file.parent)
    if root is not None:
        return PlanProject(file.relative_to(root).as_posix(), PathStart.REPOSITORY)
    start = _resolve(plan_file).parent
    return PlanProject(Path(os.path.relpath(file, start)).as_posix(), PathStart.PLAN)


def find_other_project(recorded: PlanProject | None, project_file: Path, plan_file: Path) -> Path | None:
    """Find the project file that a plan belongs to, if it is certainly another file than `project_file`, which need not
    exist. None if it is the same file, or if that is unknown: a plan or a checkout may have been moved."""
    if recorded is None or not _can_be_a_path(recorded.path):
        return None
    file, plan_folder = _resolve(project_file), _resolve(plan_file).parent
    match recorded.start:
        case PathStart.PLAN:
            other = _resolve(plan_folder / recorded.path)
            return other if other != file and is_file(other) else None
        case PathStart.REPOSITORY:
            root = find_repository(file.parent)
            if root is None and not is_file(file):
                root = find_repository(plan_folder)
            other = _resolve(root / recorded.path) if root is not None else file
            return other if other != file else None


def find_repository(folder: Path) -> Path | None:
    """Find the root of the git repository of a folder; None outside of a repository. Runs no git."""
    return next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), None)


def is_file(path: Path) -> bool:
    """Return whether a path leads to a file; false, not an error, for a path that no file can have."""
    return os.path.isfile(path)  # noqa: PTH113


def _can_be_a_path(text: str) -> bool:
    """Return whether a file can have this path: a forged plan may contain any text."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _resolve(path: Path) -> Path:
    """Resolve symbolic links, as far as they lead to a file: links that form a circle are no error here."""
    return Path(os.path.realpath(path))
