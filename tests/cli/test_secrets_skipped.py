"""Every command with and without `--secrets skip`, whatever is remembered and whatever is to be done.

A run that may not read secrets plans with them all the same: what it cannot know it leaves open, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project
from remote_backends import BRANCH, BareRepository

PAIR = """\
  orders:
    destination:
      service: snowflake
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      config:
        host: orders.example
        database: ORDERS
        user: LOADER
        auth: PASSWORD
        password: {secret: "env:PASSWORD"}
"""
PASSWORD = 'auth: PASSWORD\n        password: {secret: "env:PASSWORD"}'
KEY = 'auth: KEY_PAIR\n        private_key: {secret: "env:PRIVATE_KEY"}'
SECRETS = {"PASSWORD": "first-password-of-orders", "PRIVATE_KEY": "first-private-key-of-orders"}
ROTATED = {name: f"rotated-{value}" for name, value in SECRETS.items()}
FINGERPRINT_KEY = {"FINGERPRINT_KEY": "a-key-that-the-team-shares"}


@dataclass(frozen=True)
class Situation:
    """Specs beside those that were applied, what plan and graph say of them, and the secrets of that day."""

    groups: str
    symbol: str
    action: str
    secrets: Mapping[str, str]
    applied_before: str = PAIR


SITUATIONS = {
    "create": Situation(PAIR, "+", ":::create", SECRETS, applied_before="  other: {}\n"),
    "replace": Situation(
        PAIR.replace("snowflake", "redshift").replace("        auth: PASSWORD\n", "        port: 5439\n")
        + "      lifecycle: {allow_replace: true}\n",
        "-/+",
        ":::replace",
        ROTATED,
    ),
    "update": Situation(PAIR.replace("database: ORDERS", "database: SALES"), "~", ":::update", ROTATED),
    # Another login sends its secret with it, whether it can be compared or not.
    "login": Situation(PAIR.replace(PASSWORD, KEY), "~", ":::update", ROTATED),
    "unchanged": Situation(PAIR, "", "flowchart", SECRETS),
}


class Team:
    """A project that has been applied once."""

    def __init__(self, project: Project, server: EmulatedFivetran | None, settings: str) -> None:
        self.project, self.server = project, server
        account = f"account_id: {server.account_id}\n" if server is not None else ""
        project.write("specs/reconciler.yaml", f"version: 1\n{account}specs: ['groups/*.yaml']\n{settings}")

    def run(self, *arguments: str, environ: Mapping[str, str]) -> CommandResult:
        if self.server is None:
            in_sandbox = () if arguments[0] in ("show", "validate") else ("--sandbox",)
            return self.project.run(*arguments, *in_sandbox, environ=environ)
        return self.project.run_against(self.server, *arguments, environ=environ)

    def must(self, *arguments: str, environ: Mapping[str, str], code: int = 0) -> str:
        """Run a command that has to end with this code; what it prints."""
        result = self.run(*arguments, environ=environ)
        assert result.exit == code, (arguments, result.exit, result.stdout, result.stderr)
        assert "Traceback" not in result.stderr
        return result.stdout

    @property
    def memory(self) -> Path:
        folder = self.project.folder / "specs" / ".reconciler"
        return (folder if self.server is not None else folder / "sandbox") / "state.json"


def nothing(team: Team) -> None:
    """All as the apply has left it."""


def without_key(team: Team) -> None:
    team.memory.with_name("state.json.key").unlink()


def without_state(team: Team) -> None:
    without_key(team)
    team.memory.unlink()


@dataclass(frozen=True)
class Memory:
    """Where a state is, and what is done to it before anything is planned."""

    settings: str = ""
    afterwards: Callable[[Team], None] = nothing


MEMORIES = {
    "absent": Memory(afterwards=without_state),
    "with-key": Memory(),
    "without-key": Memory(afterwards=without_key),
    "fingerprint-key": Memory('fingerprint_key: {secret: "env:FINGERPRINT_KEY"}\n'),
    "git": Memory(f"state: git:origin/{BRANCH}\n"),
}
IN_SANDBOX = ("absent", "with-key", "without-key")  # which knows no other state
ROWS = (*product(["emulator"], MEMORIES), *product(["sandbox"], IN_SANDBOX))
CASES = [
    (place, memory, name, mode)
    for (place, memory), name, mode in product(ROWS, SITUATIONS, ["resolve", "skip"])
    # Git is slow, and has no key as other states have none; a secret that is sent there is the case of its own.
    if memory != "git" or name == "login"
]
KNOWN_AGAIN = {("emulator", "with-key"), ("emulator", "fingerprint-key")}
"""Where a rotated secret that nobody looked at is noticed by the next run that does."""


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_every_command_ends_as_it_should(
    case: tuple[str, str, str, str], project: Project, server: EmulatedFivetran, tmp_path: Path
) -> None:
    place, kept, name, mode = case
    situation, memory = SITUATIONS[name], MEMORIES[kept]
    if memory.settings.startswith("state:"):
        BareRepository(tmp_path / "upstream.git").clone(project.folder)
    team = Team(project, server if place == "emulator" else None, memory.settings)
    environ = {**SECRETS, **FINGERPRINT_KEY}
    project.write_groups(situation.applied_before)
    team.must("apply", "--auto-approve", environ=environ)
    memory.afterwards(team)
    project.write_groups(
        situation.groups if name != "create" else situation.applied_before + situation.groups
    )
    environ |= situation.secrets
    reads = environ if mode == "resolve" else {}  # a job for comments has no secret but that of Fivetran
    changes = 2 if situation.symbol else 0
    line = f"{situation.symbol} destination.orders" if situation.symbol else "No changes."

    plan = ("plan", "--secrets", mode, "--out", "saved", "--detailed-exitcode")
    assert line in team.must(*plan, environ=reads, code=changes)
    document = json.loads(team.must("plan", "--secrets", mode, "--format", "json", environ=reads))
    assert bool(document["changes"]) == bool(situation.symbol)
    team.must("drift", environ={})
    assert situation.action in team.must("graph", "--secrets", mode, environ=reads)
    team.must("graph", "--offline", environ={})
    team.must("validate", environ={})
    assert line in team.must("show", "saved", environ={})
    known = 1 if kept == "absent" else 0
    team.must("state", "list", environ={}, code=known)
    team.must("state", "show", situation.applied_before.strip(" ").partition(":")[0], environ={}, code=known)

    if situation.symbol:
        team.must("apply", "saved", environ=environ)
        team.must("apply", "saved", environ=environ, code=4)
    team.must("apply", "--auto-approve", "--secrets", mode, environ=environ)
    team.must("plan", "--secrets", "skip", "--detailed-exitcode", environ={})
    is_left = name == "update" and mode == "skip" and (place, kept) in KNOWN_AGAIN
    team.must("plan", "--detailed-exitcode", environ=environ, code=2 if is_left else 0)
    team.must("apply", "--auto-approve", environ=environ)
    team.must("plan", "--detailed-exitcode", environ=environ)
