"""Provide a project and an account in which everything is right, for the checks of `doctor` and `validate --online`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli_harness import CommandResult, EmulatedFivetran, Project, build_credentials

from reconciler.emulator.fault_text import parse_fault
from reconciler.model.record import State
from reconciler.state.codec import encode_state

PASSWORD = "correct-horse-battery"
PROJECT = "specs/reconciler.yaml"
SPEC = "specs/groups/main.yaml"
STATE = "specs/.reconciler/state.json"
ENTRY = """\
  orders:
    destination:
      service: postgres_warehouse
      region: GCP_US_EAST4
      time_zone_offset: "0"
      networking_method: PrivateLink
      private_link_id: {link}
      hybrid_deployment_agent_id: {agent}
      config:
        host: db.example.com
        port: 5432
        database: orders
        user: fivetran
        password: {{secret: "env:ORDERS_PASSWORD"}}
"""


@dataclass
class CheckedSetUp:
    """Project and account of a test. Files are written before the run, `environ` is added to its environment."""

    project: Project
    server: EmulatedFivetran
    group_id: str = ""
    link: str = ""
    agent: str = ""
    environ: dict[str, str] = field(default_factory=lambda: {"ORDERS_PASSWORD": PASSWORD})

    def add_fault(self, path: str, effect: str) -> None:
        """Let the server answer a GET in another way."""
        self.server.app.faults.add(parse_fault(f"GET /v1{path} {effect}"))

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text in a file of the project."""
        text = (self.project.folder / name).read_text()
        assert old in text
        self.project.write(name, text.replace(old, new))

    def write_project(self, settings: str = "", account_id: str | None = None) -> None:
        """Write the project file with more settings."""
        account_id = self.server.account_id if account_id is None else account_id
        line = f"account_id: {account_id}\n" if account_id else ""
        self.project.write(PROJECT, f"version: 1\n{line}specs: ['groups/*.yaml']\n{settings}")

    def write_state(self, account_id: str) -> None:
        """Write an empty state of an account."""
        file = self.project.folder / STATE
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(encode_state(State("0123456789abcdef", 3, account_id)))

    def run(self, *arguments: str, command: str = "doctor") -> CommandResult:
        """Run a command, which must neither send anything but GET, nor change a file."""
        sent, files = len(self.server.calls), read_tree(self.project.folder)
        result = self.project.run(
            command, *arguments, environ={**build_credentials(self.server.url), **self.environ}
        )
        assert {call.partition(" ")[0] for call in self.server.calls[sent:]} <= {"GET"}
        assert read_tree(self.project.folder) == files
        return result


def read_tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Read the content and the time of the last change of all files and folders."""
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    }


def build_right_set_up(project: Project, server: EmulatedFivetran) -> CheckedSetUp:
    """Build a group with its destination, a link and an agent, and a project for them."""
    set_up = CheckedSetUp(project, server)
    set_up.group_id = server.app.dashboard.add_group("orders")
    link = {"name": "pl_orders", "region": "GCP_US_EAST4", "service": "SOURCE_GCP", "config": {}}
    set_up.link = server.post("/private-links", link)["id"]
    server.app.dashboard.finish_private_link(set_up.link)
    agent = {"display_name": "dmz", "env_type": "DOCKER", "accept_terms": True}
    set_up.agent = server.post("/hybrid-deployment-agents", agent)["id"]
    server.app.dashboard.set_agent_online(set_up.agent, True)
    server.app.dashboard.add_destination(
        set_up.group_id, "postgres_warehouse", config={"host": "db.example.com", "password": PASSWORD}
    )
    set_up.write_project()
    project.write_groups(ENTRY.format(link=set_up.link, agent=set_up.agent))
    return set_up


def list_checks(result: CommandResult) -> dict[str, Any]:
    """List all checks of a JSON document by their names."""
    return {check["name"]: check for check in result.document["checks"]}
