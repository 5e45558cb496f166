"""`drift --accept` takes what was changed outside into the specs, and leaves all other text as it is."""

from __future__ import annotations

import pytest
from applied_project import AppliedProject, get_error_code
from cli_harness import CommandResult, EmulatedFivetran, Project

PROFILES = """\
version: 1
profiles:
  warehouse:  # of the platform team
    service: snowflake
    region: AWS_US_EAST_1
    config:
      host: acme.snowflakecomputing.com
      port: 443
      auth: PASSWORD
      user: FIVETRAN
"""
ENTRIES = """\
  orders:  # owned by sales
    name: Orders
    destination:
      profile: warehouse
      time_zone_offset: "-5"   # New York
      config:
        database: ORDERS  # one per team
        role: LOADER
        password: {secret: "env:ORDERS_PASSWORD"}
  lake:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {project_id: acme, data_set_location: "US"}
"""
PASSWORD = "hunter2-of-the-orders"


class AcceptingProject(AppliedProject):
    """Applied project with a profile, whose account is changed outside."""

    def accept(self, *arguments: str) -> CommandResult:
        """Accept drift without a question, and assert that nothing but GET is sent and that the state stays."""
        state = self.state_file.read_bytes()
        result, writes = self.run_and_list_writes("drift", "--accept", "--yes", *arguments)
        assert writes == [] and self.state_file.read_bytes() == state
        return result

    def change(self, name: str, **fields: object) -> None:
        """Change the destination of a group in the dashboard."""
        self.dashboard.change_destination(self.ids[name], **fields)

    def read(self, file: str = "main") -> str:
        return (self.folder / "specs" / "groups" / f"{file}.yaml").read_text()


@pytest.fixture
def accepting(project: Project, server: EmulatedFivetran) -> AcceptingProject:
    """Applied entries `orders`, with a profile and a secret, and `lake`."""
    accepting = AcceptingProject(project, server, {"ORDERS_PASSWORD": PASSWORD})
    project.write("specs/groups/profiles.yaml", PROFILES)
    accepting.apply_once(ENTRIES)
    return accepting


def test_a_value_is_replaced_at_its_place(accepting: AcceptingProject) -> None:
    before = accepting.read()
    accepting.change("Orders", time_zone_offset="+1", config={"database": "SALES: EU"})
    accepting.change("lake", config={"project_id": "acme-2"})
    result = accepting.accept()
    assert result.exit == 0
    assert accepting.read() == before.replace('"-5"', '"+1"').replace("ORDERS  #", '"SALES: EU"  #').replace(
        "project_id: acme,", "project_id: acme-2,"
    )
    assert accepting.is_converged()


def test_all(accepting: AcceptingProject) -> None:
    accepting.change("Orders", config={"port": 8443, "role": None})
    accepting.dashboard.rename_group(accepting.ids["Orders"], "Orders (EU)")
    accepting.dashboard.remove("destination", accepting.ids["lake"])
    result = accepting.accept()
    from pathlib import Path

    p = accepting.run("plan", "-v")
    Path("/tmp/w/out").write_text(
        f"{result.stdout}\n{result.stderr}\n--\n{accepting.read()}\n---\n{p.stdout}{p.stderr}"
    )
    assert 0
