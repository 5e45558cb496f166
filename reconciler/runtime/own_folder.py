"""Make the folder `.reconciler`, in which a project keeps files of its own, and hide it from git."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

NAME = ".reconciler"
IGNORE_FILE = ".gitignore"
_IGNORE_TEXT = "# State, keys and locks of reconciler. They do not belong in git.\n*\n"


def make_folder(folder: Path) -> None:
    """Make a folder and its parents. A `.reconciler` among them gets a `.gitignore`, unless it has one.

    Raises OSError if the folder cannot be made. A missing `.gitignore` stops nothing: a key that git does not ignore is
    a warning of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own_folder = next((each for each in (folder, *folder.parents) if each.name == NAME), None)
    if own_folder is not None:
        with suppress(OSError):
            # Private, as every file in this folder.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(own_folder / IGNORE_FILE, flags, 0o600), "w", encoding="utf-8") as file:
                file.write(_IGNORE_TEXT)
