"""An applied example: created once per worker, copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command_line import run
from pipelines.account_process import AccountProcess
from pipelines.git_server import GitServer


def run_manually(
    git_server: GitServer, account: AccountProcess, folder: Path, environ: Mapping[str, str], *arguments: str
) -> tuple[int, str]:
    """Run `reconciler` in a fresh clone of main, as an operator with all rights."""
    git_server.check_out(folder, "refs/heads/main", git_server.main_commit, depth=0)
    with git_server.set_push_access(True):
        completed = run(*arguments, directory=folder, **environ, FIVETRAN_API_URL=account.url)
    return completed.code, completed.out + completed.err


@dataclass(frozen=True)
class AppliedExample:
    """A repository and the content of its account after the apply."""

    repository: Path
    content: Any

    def restore(self, folder: Path, account: AccountProcess) -> GitServer:
        """Copy the repository and restore the account."""
        account.reset(self.content)
        shutil.copytree(self.repository, folder / "forge")
        return GitServer(folder / "forge")


def apply_example(
    folder: Path, account: AccountProcess, example: Path, project: str, environ: Mapping[str, str]
) -> AppliedExample:
    """Apply the specs of an example."""
    account.reset()
    git_server = GitServer(folder / "forge", example)
    code, text = run_manually(
        git_server, account, folder / "desk", environ, "apply", "--auto-approve", "--project", project
    )
    assert code == 0, text
    return AppliedExample(folder / "forge", account.dump())
