"""A team that works with `examples/03-github-actions`: its repository at GitHub and two Fivetran accounts."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli_harness import ROOT
from pipelines.account_process import AccountProcess
from pipelines.applied_example import run_manually
from pipelines.git_server import Branch, Edit, GitServer, PushedCommits
from pipelines.github_actions import REPOSITORY, Event, GitHubServer, Run, Runner
from pipelines.github_store import BOT, EMPTY, new_id, open_store

EXAMPLE = ROOT / "examples" / "03-github-actions"
ACCOUNTS = {"dev": "intently_yarn_dev", "prod": "intently_yarn"}


@dataclass(frozen=True)
class PullRequest:
    """A pull request."""

    number: int
    branch: Branch
    from_fork: bool

    @property
    def event(self) -> Event:
        """The event of a workflow for it."""
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


class GitHubTeam:
    """A team whose forge is GitHub: its pull requests, and the workflow runs that follow from them."""

    def __init__(
        self, folder: Path, accounts: Mapping[str, AccountProcess], forge: GitServer, **only: str
    ) -> None:
        self.accounts = accounts
        self.secrets = build_secrets(accounts)
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
        self.runner = Runner(
            folder / "runner", GitHubServer(self.forge, self._hub, self.secrets, settings, only)
        )

    def read_hub(self) -> dict[str, Any]:
        """The data of GitHub beside the repository."""
        content: dict[str, Any] = json.loads(self._hub.read_text())
        return content

    def open_pull(self, name: str, edit: Edit, *, from_fork: bool = False) -> PullRequest:
        """Propose an edit."""
        with open_store(self._hub) as hub:
            number = new_id(hub)
        branch = self.forge.propose(name, edit, merge_ref=f"refs/pull/{number}/merge")
        with open_store(self._hub) as hub:
            hub["pulls"].append(
                {
                    "number": number,
                    "head": {"sha": branch.head},
                    "base": {"ref": "main"},
                    "merged_at": None,
                    "merge_commit_sha": branch.merge,
                }
            )
        return PullRequest(number, branch, from_fork)

    def push_again(self, pull: PullRequest, edit: Edit) -> PullRequest:
        """One more commit for a pull request."""
        branch = self.forge.propose(pull.branch.name, edit, merge_ref=f"refs/pull/{pull.number}/merge")
        return PullRequest(pull.number, branch, pull.from_fork)

    def check(self, pull: PullRequest) -> Run:
        """Run the workflow of a pull request."""
        return self.runner.run("pull-request.yaml", pull.event)

    def plan(self, pull: PullRequest) -> Run:
        """Run the workflow of a pull request without `validate`."""
        return self.runner.run("pull-request.yaml", pull.event, jobs={"plan"})

    def merge(self, pull: PullRequest) -> Event:
        """Merge a pull request. The event waits for `apply`."""
        pushed = self.forge.merge(pull.branch)
        with open_store(self._hub) as hub:
            for each in hub["pulls"]:
                if each["number"] == pull.number:
                    each |= {"merged_at": "2026-01-05T09:00:00Z", "merge_commit_sha": pushed.after}
        return self.build_push(pushed)

    def build_push(self, pushed: PushedCommits) -> Event:
        """The event of a workflow for new commits on main."""
        return Event("push", "refs/heads/main", pushed.after, {"before": pushed.before})

    def apply(self, event: Event, attempt: int = 1) -> Run:
        """Run the workflow of a merge; the same event again is a re-run."""
        return self.runner.run("apply.yaml", event, attempt)

    def build_dispatch(self, project: str, digest: str, ref: str = "refs/heads/main", **more: str) -> Event:
        """The event of an `apply` that a user starts by hand."""
        inputs = {"project": project, "digest": digest, **more}
        return Event("workflow_dispatch", ref, self.forge.main_commit, {"inputs": inputs}, inputs)

    def run_nightly(self) -> Run:
        """Run the nightly workflow."""
        return self.runner.run("nightly.yaml", Event("schedule", "refs/heads/main", self.forge.main_commit))

    def is_converged(self) -> bool:
        """Whether a plan of everything is empty."""
        desk = self._folder / f"desk-{next(self._numbers)}"
        options = ("plan", "--detailed-exitcode", "--project", "specs/prod.yaml")
        code, text = run_manually(self.forge, self.accounts["prod"], desk, self.secrets["prod"], *options)
        assert code in (0, 2), text
        return code == 0

    def list_comments(self, pull: PullRequest, project: str = "prod") -> list[str]:
        """The comments of the bot on a pull request for a project file."""
        marker = f"<!-- reconciler plan specs/{project}.yaml -->"
        return [
            each["body"]
            for each in self.read_hub()["comments"]
            if each["issue"] == pull.number
            and each["user"]["login"] == BOT
            and each["body"].startswith(marker)
        ]

    def comment(self, pull: PullRequest, body: str) -> None:
        """Write a comment as another user."""
        with open_store(self._hub) as hub:
            user = {"login": "mallory"}
            hub["comments"].append({"id": new_id(hub), "issue": pull.number, "user": user, "body": body})


def build_secrets(accounts: Mapping[str, AccountProcess]) -> dict[str, dict[str, str]]:
    """Build the secrets of the environments: each account has a read-only key and a writing key; the environment of
    pull requests has the read-only key alone."""
    secrets_by_environment: dict[str, dict[str, str]] = {}
    for name in accounts:
        specs = {
            "FINGERPRINT_KEY": f"fingerprint-key-of-{name}",
            "SALES_PRIVATE_KEY": make_private_key(f"sales of {name}"),
            "MARKETING_KEY": f'{{"private_key_id": "marketing of {name}"}}',
        }
        secrets_by_environment[name] = {**_build_keys(name, "writes"), **specs}
        secrets_by_environment[f"{name}-night"] = {**_build_keys(name, "reads"), **specs}
        secrets_by_environment[f"{name}-plan"] = _build_keys(name, "reads")
    return secrets_by_environment


def _build_keys(name: str, right: str) -> dict[str, str]:
    return {
        "FIVETRAN_APIKEY": f"key-that-{right}-{name}",
        "FIVETRAN_APISECRET": f"secret-that-{right}-{name}",
    }


def make_private_key(name: str) -> str:
    """Make a text in the shape of a private key."""
    body = f"made up for the {name} ".replace(" ", "+") * 4
    return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
