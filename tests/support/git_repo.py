"""Create git repositories for tests of commands that read earlier revisions."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

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


def write_distrusting_git(folder: Path) -> dict[str, str]:
    """Write a git that treats every repository as owned by another user. Returns the variable by
    which it is found. It works for every user who runs the tests: only root can give a repository away."""
    folder.mkdir()
    program = folder / "git"
    program.write_text(f'#!/bin/sh\nGIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec "{shutil.which("git")}" "$@"\n')
    program.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def trust(folder: Path) -> dict[str, str]:
    """Return the variables by which git trusts a repository of another user."""
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": str(folder),
    }


def set_variables(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    """Set variables of the environment for the rest of the test."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
