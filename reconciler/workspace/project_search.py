"""Find the project file of a folder: in the folder itself, or in a folder above in the same git repository."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from reconciler.runtime.git import find_work_tree

DEFAULT_PROJECT = "specs/reconciler.yaml"
PROJECT_NAMES = (DEFAULT_PROJECT, "reconciler.yaml")


def find_project(folder: Path) -> Path:
    """Find the nearest project file, as a path relative to `folder`; the default name if there is none.

    Only the folders of a git repository are searched: outside of a repository, a file further up may be of another
    user.
    """
    found = next(filter(None, map(find_project_in, _list_folders(folder))), None)
    return Path(os.path.relpath(found or folder / DEFAULT_PROJECT, folder))


def find_project_in(folder: Path) -> Path | None:
    """Find the project file in exactly this folder. A file that cannot be read counts too: its error is clearer."""
    files = (folder / name for name in PROJECT_NAMES)
    return next((file for file in files if os.path.lexists(file)), None)


def _list_folders(folder: Path) -> Iterator[Path]:
    """List a folder and the folders above it, up to the top of the repository."""
    top = find_work_tree(folder) or folder
    for parent in (folder, *folder.parents):
        yield parent
        if parent == top:
            return
