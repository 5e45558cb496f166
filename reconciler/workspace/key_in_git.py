"""Warn about a key of the fingerprints that git knows, or would take up with `git add`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.runtime.git import GitError, GitRunner, find_work_tree

_TIMEOUT = 5.0  # seconds
_TRACKED, _UNTRACKED = b"H", b"?"
_REASON = "with the key, short secrets can be guessed from the fingerprints in the state"


def warn_key_in_git(key: Path, shown: str, environ: Mapping[str, str]) -> Iterator[Diagnostic]:
    """Warn if the key is in a work tree, and git tracks or does not ignore it. `shown` is its path for people.

    Without an answer of git there is no warning: other commands report that git cannot be run.
    """
    if not key.exists() or find_work_tree(key.parent.resolve()) is None:
        return
    try:
        runner = GitRunner(key.parent, environ, _TIMEOUT)
        result = runner.run("ls-files", "-z", "-t", "-c", "-o", "--exclude-standard", "--", key.name)
    except GitError:
        return
    # The files beside the state are its key, lock, journal and backups.
    files = f"{key.name.removesuffix('.key')}.*"
    mark = result.out[:1] if result.code == 0 else b""
    if mark == _TRACKED:
        yield _explain_key(
            f"git tracks the key `{shown}`, so everyone who can read the repository has it",
            f"run `git rm --cached {shown}`, add `{files}` to the `.gitignore` of its folder, and delete the key:"
            " the next apply makes another one",
        )
    elif mark == _UNTRACKED:
        yield _explain_key(
            f"git does not ignore the key `{shown}`, so `git add` would publish it",
            f"add `{files}` to the `.gitignore` of its folder",
        )


def _explain_key(message: str, advice: str) -> Diagnostic:
    return Diagnostic("key-in-git", message, severity=Severity.WARNING, notes=(_REASON,), help=advice)
