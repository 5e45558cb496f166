"""An example whose specs are in effect already: made once for a worker, copied for each story."""

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
    """Run `reconciler` in a fresh clone of main, at the desk of a person with all rights."""
    git_server.check_out(folder, "refs/heads/main", git_server.main_commit, depth=0)
    with git_server.set_push_access(True):
        completed = run(*arguments, directory=folder, **environ, FIVETRAN_API_URL=account.url)
    return completed.code, completed.out + completed.err


@dataclass(frozen=True)
class AppliedExample:
    """A repository on that day, and what is in the account."""

    repository: Path
    content: Any

    def restore(self, folder: Path, account: AccountProcess) -> GitServer:
        """A copy of the repository, and the account as it was."""
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
