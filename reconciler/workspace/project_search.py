"""Find the project file of a folder: in the folder itself, or in a folder above in the same git repository."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from reconciler.model.project_names import DEFAULT_PROJECT, PROJECT_NAMES
from reconciler.runtime.git import find_work_tree

_FOLDERS_OF_TOOLS = frozenset({"node_modules", "site-packages", "__pycache__"})


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


def find_all_projects(folder: Path) -> tuple[Path, ...]:
    """Find every project file of the repository of a folder, or below a folder outside of a repository.

    The paths are relative to `folder`, and sorted. Hidden folders, folders behind links and other repositories inside
    the repository are left out.
    """
    top = find_work_tree(folder) or folder
    found = sorted(_walk(top, is_top=True))
    return tuple(Path(os.path.relpath(file, folder)) for file in found)


def _walk(folder: Path, *, is_top: bool = False) -> Iterator[Path]:
    """List the project files of a folder and of its folders. A folder that cannot be read has none."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    if not is_top and any(entry.name == ".git" for entry in entries):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith(".") and entry.name not in _FOLDERS_OF_TOOLS:
                yield from _walk(Path(entry.path))
        elif entry.name == Path(DEFAULT_PROJECT).name:
            yield Path(entry.path)


def _list_folders(folder: Path) -> Iterator[Path]:
    """List a folder and the folders above it, up to the top of the repository."""
    top = find_work_tree(folder) or folder
    for parent in (folder, *folder.parents):
        yield parent
        if parent == top:
            return
