"""An example whose specs are in effect already: made once for a worker, copied for each story."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command_line import run
from pipelines.account import Account
from pipelines.forge import Forge


def by_hand(
    forge: Forge, account: Account, folder: Path, environ: Mapping[str, str], *arguments: str
) -> tuple[int, str]:
    """Run `reconciler` in a fresh clone of main, at the desk of a person with all rights."""
    forge.check_out(folder, "refs/heads/main", forge.main, depth=0)
    with forge.pushes(True):
        done = run(*arguments, directory=folder, **environ, FIVETRAN_API_URL=account.url)
    return done.code, done.out + done.err


@dataclass(frozen=True)
class FirstDay:
    """A repository on that day, and what is in the account."""

    forge: Path
    content: Any

    def again(self, folder: Path, account: Account) -> Forge:
        """A copy of the repository, and the account as it was."""
        account.begin(self.content)
        shutil.copytree(self.forge, folder / "forge")
        return Forge(folder / "forge")


def first_day(
    folder: Path, account: Account, example: Path, project: str, environ: Mapping[str, str]
) -> FirstDay:
    """Apply the specs of an example."""
    account.begin()
    forge = Forge(folder / "forge", example)
    code, text = by_hand(
        forge, account, folder / "desk", environ, "apply", "--auto-approve", "--project", project
    )
    assert code == 0, text
    return FirstDay(folder / "forge", account.written())
