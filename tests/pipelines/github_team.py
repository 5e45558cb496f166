"""A team that works with `examples/03-github-actions`: its repository at GitHub, two Fivetran accounts, and people."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import ROOT
from pipelines.account import Account
from pipelines.actions import REPOSITORY, Event, Run, Runner, Server
from pipelines.first_day import by_hand
from pipelines.forge import Branch, Edit, Forge, Pushed
from pipelines.hub import BOT, EMPTY, new_id, opened

EXAMPLE = ROOT / "examples" / "03-github-actions"
ACCOUNTS = {"dev": "intently_yarn_dev", "prod": "intently_yarn"}


@dataclass(frozen=True)
class Pull:
    """A pull request."""

    number: int
    branch: Branch
    from_fork: bool

    @property
    def event(self) -> Event:
        """What GitHub tells a workflow about it."""
        owner = "somebody-else/fivetran" if self.from_fork else REPOSITORY
        data = {
            "pull_request": {
                "number": self.number,
                "head": {"sha": self.branch.head, "repo": {"full_name": owner}},
                "base": {"sha": self.branch.base},
            }
        }
        return Event(
            "pull_request",
            f"refs/pull/{self.number}/merge",
            self.branch.merge,
            data,
            from_fork=self.from_fork,
        )


class Team:
    """People and machines, seen from outside."""

    def __init__(self, folder: Path, accounts: Mapping[str, Account], forge: Forge, **only: str) -> None:
        self.accounts = accounts
        self.secrets = secrets_of(accounts)
        self.forge = forge
        self._folder = folder
        self._numbers = itertools.count(1)
        self._hub = folder / "hub.json"
        self._hub.write_text(json.dumps(EMPTY))
        settings = {
            environment: {"FIVETRAN_API_URL": account.url}
            for name, account in accounts.items()
            for environment in (name, f"{name}-plan", f"{name}-night")
        }
        self.runner = Runner(folder / "runner", Server(self.forge, self._hub, self.secrets, settings, only))

    def hub(self) -> dict[str, Any]:
        """What GitHub keeps beside the repository."""
        content: dict[str, Any] = json.loads(self._hub.read_text())
        return content

    def open_pull(self, name: str, edit: Edit, *, from_fork: bool = False) -> Pull:
        """Propose an edit."""
        with opened(self._hub) as hub:
            number = new_id(hub)
        branch = self.forge.propose(name, edit, merge_ref=f"refs/pull/{number}/merge")
        with opened(self._hub) as hub:
            hub["pulls"].append(
                {
                    "number": number,
                    "head": {"sha": branch.head},
                    "base": {"ref": "main"},
                    "merged_at": None,
                    "merge_commit_sha": branch.merge,
                }
            )
        return Pull(number, branch, from_fork)

    def push_again(self, pull: Pull, edit: Edit) -> Pull:
        """One more commit for a pull request."""
        branch = self.forge.propose(pull.branch.name, edit, merge_ref=f"refs/pull/{pull.number}/merge")
        return Pull(pull.number, branch, pull.from_fork)

    def check(self, pull: Pull) -> Run:
        """What GitHub does with a pull request."""
        return self.runner.run("pull-request.yaml", pull.event)

    def plan(self, pull: Pull) -> Run:
        """The same without `validate`, for stories that are not about it."""
        return self.runner.run("pull-request.yaml", pull.event, jobs={"plan"})

    def merge(self, pull: Pull) -> Event:
        """Press the button. What happens then waits for `apply`."""
        pushed = self.forge.merge(pull.branch)
        with opened(self._hub) as hub:
            for each in hub["pulls"]:
                if each["number"] == pull.number:
                    each |= {"merged_at": "2026-01-05T09:00:00Z", "merge_commit_sha": pushed.after}
        return self.pushed(pushed)

    def pushed(self, pushed: Pushed) -> Event:
        """What GitHub tells a workflow about new commits on main."""
        return Event("push", "refs/heads/main", pushed.after, {"before": pushed.before})

    def apply(self, event: Event, attempt: int = 1) -> Run:
        """What GitHub does after a merge; the same event again is a re-run."""
        return self.runner.run("apply.yaml", event, attempt)

    def dispatched(self, project: str, digest: str, ref: str = "refs/heads/main", **more: str) -> Event:
        """Somebody starts `apply` by hand."""
        inputs = {"project": project, "digest": digest, **more}
        return Event("workflow_dispatch", ref, self.forge.main, {"inputs": inputs}, inputs)

    def night(self) -> Run:
        """What happens at night."""
        return self.runner.run("nightly.yaml", Event("schedule", "refs/heads/main", self.forge.main))

    def is_converged(self) -> bool:
        """Whether a plan of everything is empty."""
        desk = self._folder / f"desk-{next(self._numbers)}"
        options = ("plan", "--detailed-exitcode", "--project", "specs/prod.yaml")
        code, text = by_hand(self.forge, self.accounts["prod"], desk, self.secrets["prod"], *options)
        assert code in (0, 2), text
        return code == 0

    def comments(self, pull: Pull, project: str = "prod") -> list[str]:
        """What the bot has written below a pull request about a project file."""
        marker = f"<!-- reconciler plan specs/{project}.yaml -->"
        return [
            each["body"]
            for each in self.hub()["comments"]
            if each["issue"] == pull.number
            and each["user"]["login"] == BOT
            and each["body"].startswith(marker)
        ]

    def say(self, pull: Pull, body: str) -> None:
        """Somebody else writes a comment."""
        with opened(self._hub) as hub:
            user = {"login": "mallory"}
            hub["comments"].append({"id": new_id(hub), "issue": pull.number, "user": user, "body": body})


def secrets_of(accounts: Mapping[str, Account]) -> dict[str, dict[str, str]]:
    """What the environments of the repository hold: each account has a key that only reads, and one that writes, and
    the environment of pull requests has nothing else."""
    held: dict[str, dict[str, str]] = {}
    for name in accounts:
        specs = {
            "FINGERPRINT_KEY": f"fingerprint-key-of-{name}",
            "SALES_PRIVATE_KEY": private_key(f"sales of {name}"),
            "MARKETING_KEY": f'{{"private_key_id": "marketing of {name}"}}',
        }
        held[name] = {**_keys(name, "writes"), **specs}
        held[f"{name}-night"] = {**_keys(name, "reads"), **specs}
        held[f"{name}-plan"] = _keys(name, "reads")
    return held


def _keys(name: str, right: str) -> dict[str, str]:
    return {
        "FIVETRAN_APIKEY": f"key-that-{right}-{name}",
        "FIVETRAN_APISECRET": f"secret-that-{right}-{name}",
    }


def private_key(name: str) -> str:
    """Something that looks like a key."""
    body = f"made up for the {name} ".replace(" ", "+") * 4
    return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
