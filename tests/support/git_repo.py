"""Git repositories for tests of commands that read earlier revisions."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_OTHER_USER = 65534
_SETTINGS = {
    "user.name": "test",
    "user.email": "test@example.invalid",
    "commit.gpgsign": "false",
    "init.defaultBranch": "main",
    "core.autocrlf": "false",
    "protocol.file.allow": "always",
}


def run_git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, without the settings of the user who runs the tests. Returns its output. It must succeed."""
    options = [option for name, value in _SETTINGS.items() for option in ("-c", f"{name}={value}")]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    completed = subprocess.run(
        ["git", *options, *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout.strip()


def commit(folder: Path, tag: str) -> None:
    """Commit everything in a folder, with a tag; the first commit creates the repository."""
    if not (folder / ".git").exists():
        run_git(folder, "init", "-q")
        (folder / ".git" / "info" / "exclude").write_text(".reconciler/\n*.sqlite*\n")
    run_git(folder, "add", "-A")
    run_git(folder, "commit", "-q", "--allow-empty", "-m", tag)
    run_git(folder, "tag", tag)


def give_to_other_user(folder: Path) -> dict[str, str]:
    """Give a checkout to another user, so that git does not trust it. Returns the variables by which git trusts it
    again. Needs root."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, _OTHER_USER, _OTHER_USER, follow_symlinks=False)
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": str(folder),
    }
