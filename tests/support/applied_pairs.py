"""A project with a few applied pairs, for tests of what becomes of them."""

from __future__ import annotations

from pathlib import Path

from cli_harness import CommandResult, EmulatedFivetran, Project

PAIR = """\
  {key}:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {{project_id: acme, data_set_location: US}}
"""


class Team:
    """A project with a few applied pairs."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        self.project, self.server = project, server
        self.settings = ""
        self.declare("orders", "sales")
        assert self.apply().exit == 0

    def declare(self, *keys: str, removed: str = "", settings: str = "", extra: str = "") -> None:
        """Pairs by key, and whatever else stands in the files."""
        self.project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {self.server.account_id}\nspecs: ['groups/*.yaml']\n{settings}",
        )
        groups = "".join(PAIR.format(key=key) for key in keys)
        text = "version: 1\n" + (f"groups:\n{groups}{extra}" if groups or extra else "")
        self.project.write("specs/groups/main.yaml", text + (f"removed:\n{removed}" if removed else ""))

    def apply(self, *options: str) -> CommandResult:
        return self.project.run_against(self.server, "apply", "--auto-approve", *options)

    def plan(self, *options: str) -> CommandResult:
        return self.project.run_against(self.server, "plan", *options)

    def id_of(self, key: str) -> str:
        [id] = self.server.app.dashboard.find_group_ids(key)
        return id

    def writes_of(self, *options: str) -> list[str]:
        """Apply, which must succeed; the writes that it sent."""
        before = len(self.server.writes)
        result = self.apply(*options)
        assert result.exit == 0, result.stdout + result.stderr
        return self.server.writes[before:]

    @property
    def state(self) -> Path:
        return self.project.folder / "specs" / ".reconciler" / "state.json"


def get_error_code(result: CommandResult) -> str:
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error[")]
    return line.removeprefix("error[").partition("]")[0]
