"""Finding the commit of a repository that a run works with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from reconciler.runtime.git import GitError, GitRunner

_TIMEOUT = 5.0
_HASH = re.compile(r"[0-9a-f]{40,64}")


def find_commit(folder: Path, environ: Mapping[str, str]) -> str | None:
    """The hash of the commit that a folder is at. None outside a repository, before its first commit, and if git is
    not installed or does not trust the repository: a log without the commit is better than no run."""
    try:
        result = GitRunner(folder, environ, _TIMEOUT).run("rev-parse", "HEAD")
    except GitError:
        return None
    commit = result.out.decode("ascii", "replace").strip()
    return commit if result.code == 0 and _HASH.fullmatch(commit) else None
