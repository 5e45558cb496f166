"""Every command with and without `--secrets skip`, for each kind of state and of change.

A run without access to secrets still plans them: only comparisons that need their values stay open.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from applied_project import AppliedProject
from cli_harness import CommandResult, EmulatedFivetran, Project
from remote_backends import BRANCH, BareRepository

pytestmark = pytest.mark.sampled(every=6)

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
class SpecChange:
    """New specs beside the applied ones, their symbol in plans and their class in graphs, and the new secrets."""

    groups: str
    symbol: str
    action: str
    secrets: Mapping[str, str]
    applied_before: str = PAIR


SPEC_CHANGES = {
    "create": SpecChange(PAIR, "+", ":::create", SECRETS, applied_before="  other: {}\n"),
    "replace": SpecChange(
        PAIR.replace("snowflake", "redshift").replace("        auth: PASSWORD\n", "        port: 5439\n")
        + "      lifecycle: {allow_replace: true}\n",
        "-/+",
        ":::replace",
        ROTATED,
    ),
    "update": SpecChange(PAIR.replace("database: ORDERS", "database: SALES"), "~", ":::update", ROTATED),
    # A change of the login sends its secret too, whether the secret can be compared or not.
    "login": SpecChange(PAIR.replace(PASSWORD, KEY), "~", ":::update", ROTATED),
    "unchanged": SpecChange(PAIR, "", "flowchart", SECRETS),
}


class SecretsProject(AppliedProject):
    """A project applied once, whose runs have different secrets."""

    def must_run(self, *arguments: str, environ: Mapping[str, str], code: int = 0) -> str:
        """Run a command, assert its exit code, and return its standard output."""
        result = self.run(*arguments, **environ)
        assert result.exit == code, (arguments, result.exit, result.stdout, result.stderr)
        assert "Traceback" not in result.stderr
        return result.stdout


class SandboxProject(SecretsProject):
    """A project in the sandbox, without an account on a server."""

    def write_settings(self, settings: str = "") -> None:
        self.project.write("specs/reconciler.yaml", f"version: 1\nspecs: ['groups/*.yaml']\n{settings}")

    def run(self, *arguments: str, **environ: str) -> CommandResult:
        in_sandbox = () if arguments[0] in ("show", "validate") else ("--sandbox",)
        return self.project.run(*arguments, *in_sandbox, environ=environ)

    @property
    def state_file(self) -> Path:
        return self.folder / "specs" / ".reconciler" / "sandbox" / "state.json"


PROJECTS = {"emulator": SecretsProject, "sandbox": SandboxProject}


def keep_state(_: SecretsProject) -> None:
    """Keep the state of the apply."""


def lose_key(applied_project: SecretsProject) -> None:
    applied_project.state_file.with_name("state.json.key").unlink()


def lose_state(applied_project: SecretsProject) -> None:
    lose_key(applied_project)
    applied_project.state_file.unlink()


@dataclass(frozen=True)
class StateCase:
    """The settings of a state, and the damage to it before the plan."""

    settings: str = ""
    damage: Callable[[SecretsProject], None] = keep_state


STATES = {
    "absent": StateCase(damage=lose_state),
    "with-key": StateCase(),
    "without-key": StateCase(damage=lose_key),
    "fingerprint-key": StateCase('fingerprint_key: {secret: "env:FINGERPRINT_KEY"}\n'),
    "git": StateCase(f"state: git:origin/{BRANCH}\n"),
}
IN_SANDBOX = ("absent", "with-key", "without-key")  # the sandbox has no other state
ROWS = (*product(["emulator"], STATES), *product(["sandbox"], IN_SANDBOX))
CASES = [
    (place, state, name, mode)
    for (place, state), name, mode in product(ROWS, SPEC_CHANGES, ["resolve", "skip"])
    # Git is slow, and a missing key is covered by other states; one case sends a secret there.
    if state != "git" or name == "login"
]
NOTICED_LATER = {("emulator", "with-key"), ("emulator", "fingerprint-key")}
"""States by which the next run that reads secrets notices a rotated secret."""


@pytest.mark.sampled(every=9)
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_every_command_exits_with_the_expected_code(
    case: tuple[str, str, str, str], project: Project, server: EmulatedFivetran, tmp_path: Path
) -> None:
    place, state, name, mode = case
    spec_change, state_case = SPEC_CHANGES[name], STATES[state]
    if state_case.settings.startswith("state:"):
        BareRepository(tmp_path / "upstream.git").clone(project.folder)
    applied_project = PROJECTS[place](project, server)
    applied_project.write_settings(state_case.settings)
    environ = {**SECRETS, **FINGERPRINT_KEY}
    project.write_groups(spec_change.applied_before)
    applied_project.must_run("apply", "--auto-approve", environ=environ)
    state_case.damage(applied_project)
    project.write_groups(
        spec_change.groups if name != "create" else spec_change.applied_before + spec_change.groups
    )
    environ |= spec_change.secrets
    reads = environ if mode == "resolve" else {}  # a comment job has no secret but the Fivetran key
    changes = 2 if spec_change.symbol else 0
    line = f"{spec_change.symbol} destination.orders" if spec_change.symbol else "No changes."

    plan = ("plan", "--secrets", mode, "--out", "saved", "--detailed-exitcode")
    assert line in applied_project.must_run(*plan, environ=reads, code=changes)
    document = json.loads(
        applied_project.must_run("plan", "--secrets", mode, "--format", "json", environ=reads)
    )
    assert bool(document["changes"]) == bool(spec_change.symbol)
    applied_project.must_run("drift", environ={})
    assert spec_change.action in applied_project.must_run("graph", "--secrets", mode, environ=reads)
    applied_project.must_run("graph", "--offline", environ={})
    applied_project.must_run("validate", environ={})
    assert line in applied_project.must_run("show", "saved", environ={})
    known = 1 if state == "absent" else 0
    applied_project.must_run("state", "list", environ={}, code=known)
    applied_project.must_run(
        "state", "show", spec_change.applied_before.strip(" ").partition(":")[0], environ={}, code=known
    )

    if spec_change.symbol:
        applied_project.must_run("apply", "saved", environ=environ)
        applied_project.must_run("apply", "saved", environ=environ, code=4)
    applied_project.must_run("apply", "--auto-approve", "--secrets", mode, environ=environ)
    applied_project.must_run("plan", "--secrets", "skip", "--detailed-exitcode", environ={})
    is_left = name == "update" and mode == "skip" and (place, state) in NOTICED_LATER
    applied_project.must_run("plan", "--detailed-exitcode", environ=environ, code=2 if is_left else 0)
    applied_project.must_run("apply", "--auto-approve", environ=environ)
    applied_project.must_run("plan", "--detailed-exitcode", environ=environ)
