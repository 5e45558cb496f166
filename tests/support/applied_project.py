"""Run commands in a project folder against an emulated account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli_harness import CommandResult, EmulatedFivetran, Project

from reconciler.emulator.dashboard import Dashboard
from reconciler.emulator.fault_text import parse_fault

PAIR = """\
  {key}:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {{project_id: acme, data_set_location: US}}
"""


class AppliedProject:
    """Project and its account. `apply_once` applies its first specs.

    `environ` is the environment of every run, `ids` are the ids of the groups of the first apply by their names.
    """

    def __init__(
        self, project: Project, server: EmulatedFivetran, environ: Mapping[str, str] | None = None
    ) -> None:
        self.project, self.server, self.environ = project, server, dict(environ or {})
        self.ids: dict[str, str] = {}

    @property
    def folder(self) -> Path:
        return self.project.folder

    @property
    def dashboard(self) -> Dashboard:
        """Return the dashboard, which changes the account without requests."""
        return self.server.app.dashboard

    @property
    def state_file(self) -> Path:
        return self.folder / "specs" / ".reconciler" / "state.json"

    def read_state(self) -> Any:
        """Read and parse the state file. Returns None if the file is absent."""
        return json.loads(self.state_file.read_text()) if self.state_file.exists() else None

    @property
    def id(self) -> str:
        """Return the id of the only group of the first apply."""
        [id] = self.ids.values()
        return id

    def find_id(self, name: str) -> str:
        """Find the id of the only group of this name in the account."""
        [id] = self.dashboard.find_group_ids(name)
        return id

    def write_settings(self, settings: str = "") -> None:
        """Write a project file for the account, with these lines after the usual ones."""
        head = f"version: 1\naccount_id: {self.server.account_id}\nspecs: ['groups/*.yaml']\n"
        self.project.write("specs/reconciler.yaml", head + settings)

    def write_specs(self, groups: str, removed: str = "") -> None:
        """Write the spec file, with the entries below `groups:` and `removed:` (two spaces of indent)."""
        text = (f"groups:\n{groups}" if groups else "") + (f"removed:\n{removed}" if removed else "")
        self.project.write("specs/groups/main.yaml", f"version: 1\n{text}")

    def declare(self, *keys: str, extra: str = "", removed: str = "", settings: str = "") -> None:
        """Write the project file, and a spec file with a pair for each key and with the `extra` entries."""
        self.write_settings(settings)
        self.write_specs("".join(PAIR.format(key=key) for key in keys) + extra, removed)

    def edit_file(self, name: str, old: str, new: str) -> None:
        """Replace a text that the file contains."""
        text = (self.folder / name).read_text()
        assert old in text
        self.project.write(name, text.replace(old, new))

    def run(self, *arguments: str, **environ: str) -> CommandResult:
        """Run a command line against the account."""
        return self.project.run_against(self.server, *arguments, environ={**self.environ, **environ})

    def plan(self, *options: str) -> CommandResult:
        return self.run("plan", *options)

    def apply(self, *options: str) -> CommandResult:
        return self.run("apply", "--auto-approve", *options)

    def must_apply(self, *options: str) -> CommandResult:
        """Apply, and assert that the apply succeeds."""
        result = self.apply(*options)
        assert result.exit == 0, result.stdout + result.stderr
        return result

    def apply_once(self, groups: str, settings: str = "") -> None:
        """Apply these group entries, as the first apply of the project."""
        self.write_settings(settings)
        self.write_specs(groups)
        self.must_apply()
        self.ids = {group["name"]: group["id"] for group in self.server.app.dump()["groups"]}

    def run_and_list_writes(self, *arguments: str) -> tuple[CommandResult, list[str]]:
        """Run a command. Returns its result and its writes as `METHOD path`."""
        before = len(self.server.writes)
        result = self.run(*arguments)
        return result, self.server.writes[before:]

    def list_apply_writes(self, *options: str) -> list[str]:
        """Apply, and assert that the apply succeeds. Returns its writes."""
        before = len(self.server.writes)
        self.must_apply(*options)
        return self.server.writes[before:]

    def add_faults(self, *faults: str) -> None:
        """Add faults to the account, in the syntax of `emulate --fault`."""
        self.server.app.faults.add(*map(parse_fault, faults))

    def is_converged(self) -> bool:
        """Return whether a plan succeeds and is empty."""
        return self.plan("--detailed-exitcode").exit == 0


def apply_pairs(project: Project, server: EmulatedFivetran) -> AppliedProject:
    """Apply two pairs, `orders` and `sales`."""
    applied_project = AppliedProject(project, server)
    applied_project.apply_once(PAIR.format(key="orders") + PAIR.format(key="sales"))
    return applied_project


def get_error_code(result: CommandResult) -> str:
    """Return the code of the only error of a run."""
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error[")]
    return line.removeprefix("error[").partition("]")[0]
