"""Prepare a project after its first apply, and a saved plan with a change of each kind."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from applied_project import AppliedProject
from cli_harness import CommandResult, EmulatedFivetran, Project, serve_fivetran
from secret_leak_detector import allow_values

from reconciler.emulator.store import Kind

PROJECT = """\
version: 1
account_id: fjord_zephyr
specs: [profiles.yaml, 'groups/*.yaml']
defaults:
  destination: {time_zone_offset: "0"}
limits: {changed_fraction: 1.0}
"""
PROFILES = """\
version: 1
profiles:
  postgres:
    service: postgres_rds_warehouse
    region: AWS_US_EAST_1
    config: {port: 5432, database: warehouse, user: loader}
"""
OTHER_GROUP = """\
version: 1
groups:
  other:
    destination:
      profile: postgres
      config: {host: other.example, password: {secret: "env:OTHER_PASSWORD"}}
"""
SPECS_BEFORE = """\
version: 1
groups:
  half: {}
  old:
    destination: {service: big_query, region: GCP_US_EAST4, config: {project_id: old, data_set_location: US}}
  orders:
    destination:
      profile: postgres
      config:
        host: orders.example
        user: {value: "env:ORDERS_USER"}
        password: {secret: "env:ORDERS_PASSWORD"}
  sales:
    destination:
      profile: postgres
      config: {host: sales.example, password: {secret: "env:SALES_PASSWORD"}}
"""
SPECS_AFTER = """\
version: 1
groups:
  fresh:
    destination:
      profile: postgres
      config: {host: fresh.example, password: {secret: "env:FRESH_PASSWORD"}}
  half:
    destination:
      profile: postgres
      config: {host: half.example, password: {secret: "env:HALF_PASSWORD"}}
  orders:
    destination:
      profile: postgres
      region: AWS_US_WEST_2
      config:
        host: orders.example
        user: {value: "env:ORDERS_USER"}
        password: {secret: "env:ORDERS_PASSWORD"}
  sales:
    destination:
      profile: postgres
      config: {host: sales.example, password: {secret: "env:SALES_PASSWORD"}}
removed:
  - {group: old, id: OLD, with_platform_connection: true}
"""
ENVIRON = {
    "ORDERS_USER": "loader_of_orders",
    "ORDERS_PASSWORD": "nobody-sees-orders",
    "SALES_PASSWORD": "nobody-sees-sales",
    "FRESH_PASSWORD": "nobody-sees-fresh",
    "OTHER_PASSWORD": "nobody-sees-other",
    "HALF_PASSWORD": "nobody-sees-half",
    "PLAN_KEY": "a-key-that-signs-plans",
    "ANOTHER_KEY": "a-key-of-somebody-else",
}
MAIN_FILE, OTHER_FILE, PROFILES_FILE, PROJECT_FILE = (
    "specs/groups/main.yaml",
    "specs/groups/other.yaml",
    "specs/profiles.yaml",
    "specs/reconciler.yaml",
)
REVIEWED_CALLS = [
    "create group.fresh",
    "create destination.fresh",
    "create destination.half",
    "update destination.orders",
    "update destination.sales",
    "delete destination.old",
    "delete group.old",
]


class SavedPlanProject(AppliedProject):
    """A project after its first apply, whose specs ask for a change of each kind since: `fresh` is new, `half` gets its
    destination, `orders` another region, `sales` a rotated secret, `old` is deleted. `other` stays as it is.

    `old` and `orders` are the ids of their groups. Contexts that a test enters into `stack` end with it.
    """

    def __init__(self, project: Project, server: EmulatedFivetran, stack: ExitStack) -> None:
        super().__init__(project, server, ENVIRON)
        self.stack = stack
        self.old, self.orders = self.find_id("old"), self.find_id("orders")

    @property
    def plan_file(self) -> Path:
        return self.folder / "plan.json"

    def plan(self, *options: str) -> CommandResult:
        """Save a plan as `plan.json`."""
        return self.run("plan", "--out", "plan.json", *options)

    def apply(self, *options: str) -> CommandResult:
        """Apply the saved plan."""
        return self.run("apply", "plan.json", *options)

    def read_plan(self) -> Any:
        """Read the content of the saved plan."""
        return json.loads(self.plan_file.read_bytes())["content"]

    def forge_plan(self, change: Callable[[Any], None]) -> None:
        """Edit the content of the saved plan, and seal the result."""
        content = self.read_plan()
        change(content)
        self.plan_file.write_bytes(seal_content(content))


def seal_content(content: Any) -> bytes:
    """Return the bytes of a plan file with this content and a valid seal."""
    text = json.dumps(content, sort_keys=True, indent=1)
    sealed_part = f' "signature": null,\n "content": {text}}}\n'.encode()
    return b'{"seal": "%s",\n%s' % (hashlib.sha256(sealed_part).hexdigest().encode(), sealed_part)


def prepare_project(project: Project, factory: pytest.TempPathFactory) -> Iterator[SavedPlanProject]:
    """Prepare the project and its account. The first apply is made once in a process; specs, state and account are
    copied for each test."""
    allow_values(ENVIRON["ORDERS_USER"], "another_loader")  # by `{value: …}`
    template = factory.getbasetemp() / "saved-plans"
    account = template / "account.sqlite"
    if not account.exists():
        template.mkdir()
        project.write(PROJECT_FILE, PROJECT)
        project.write(PROFILES_FILE, PROFILES)
        project.write(OTHER_FILE, OTHER_GROUP)
        project.write(MAIN_FILE, SPECS_BEFORE)
        with serve_fivetran(database=account) as server:
            environ = {**ENVIRON, "SALES_PASSWORD": "nobody-sees-older-sales"}
            assert project.run_against(server, "apply", "--auto-approve", environ=environ).exit == 0
        shutil.copytree(project.folder, template / "project")
    shutil.copytree(template / "project", project.folder, dirs_exist_ok=True)
    copy = project.folder / "account.sqlite"
    shutil.copy(account, copy)
    with ExitStack() as stack:
        saved = SavedPlanProject(project, stack.enter_context(serve_fivetran(database=copy)), stack)
        project.write(MAIN_FILE, SPECS_AFTER.replace("OLD", saved.old))
        yield saved


def add_postgres(saved_project: SavedPlanProject, id: str, host: str, **config: Any) -> None:
    """Add a destination with the values of the profile, as a user does."""
    config = {"port": 5432, "database": "warehouse", "user": "loader", "host": host, **config}
    saved_project.dashboard.add_destination(
        id, "postgres_rds_warehouse", region="AWS_US_EAST_1", config=config
    )


def remove_objects(saved_project: SavedPlanProject, name: str, *kinds: Kind) -> None:
    id = saved_project.find_id(name)
    for kind in kinds:
        saved_project.dashboard.remove(kind, id)


def recreate_orders(saved_project: SavedPlanProject, region: str) -> None:
    """Delete `orders` and create it again under another id, as a user does."""
    remove_objects(saved_project, "orders", Kind.DESTINATION, Kind.GROUP)
    id = saved_project.dashboard.add_group("orders")
    add_postgres(saved_project, id, "orders.example", user="loader_of_orders")
    saved_project.dashboard.change_destination(id, region=region)


def forget_pair(saved_project: SavedPlanProject, key: str) -> None:
    """Delete the records of a pair from the state."""
    assert saved_project.run("state", "forget", f"group.{key}", "--auto-approve").exit == 0


def change_live(saved_project: SavedPlanProject, name: str, **fields: Any) -> None:
    saved_project.dashboard.change_destination(saved_project.find_id(name), **fields)


NEW_DESTINATION = {
    "region": "AWS_US_EAST_1",
    "run_setup_tests": False,
    "service": "postgres_rds_warehouse",
    "time_zone_offset": "0",
    "trust_certificates": False,
    "trust_fingerprints": False,
}
EXPECTED_WRITES: dict[str, Any] = {
    "DELETE /v1/destinations/old": None,
    "DELETE /v1/groups/old": None,
    "PATCH /v1/destinations/orders": {"region": "AWS_US_WEST_2", "run_setup_tests": False},
    "PATCH /v1/destinations/sales": {
        "config": {"password": "nobody-sees-sales"},
        "run_setup_tests": False,
    },
    "POST /v1/destinations fresh": NEW_DESTINATION
    | {
        "config": {
            "database": "warehouse",
            "host": "fresh.example",
            "password": "nobody-sees-fresh",
            "port": 5432,
            "user": "loader",
        }
    },
    "POST /v1/destinations half": NEW_DESTINATION
    | {
        "config": {
            "database": "warehouse",
            "host": "half.example",
            "password": "nobody-sees-half",
            "port": 5432,
            "user": "loader",
        }
    },
    "POST /v1/destinations/fresh/test": {},
    "POST /v1/destinations/half/test": {},
    "POST /v1/destinations/orders/test": {},
    "POST /v1/destinations/sales/test": {},
    "POST /v1/groups fresh": {"name": "fresh"},
}
"""The writes of the reviewed plan, with names for ids."""


def list_sent(saved_project: SavedPlanProject, before: int) -> dict[str, Any]:
    """List the writes after the first `before` writes, with names for ids. All writes differ."""
    names = {group["id"]: group["name"] for group in saved_project.server.app.dump()["groups"]}
    names |= {saved_project.old: "old", saved_project.orders: "orders"}
    sent: dict[str, Any] = {}
    for entry in [entry for entry in saved_project.server.app.read_history() if entry.method != "GET"][
        before:
    ]:
        path = "/".join(names.get(part, part) for part in entry.path.split("/"))
        body = dict(entry.body) if entry.body is not None else None
        is_new = path in {"/v1/groups", "/v1/destinations"}
        name = (body.get("name") or names[body.pop("group_id")]) if is_new and body else ""
        call = f"{entry.method} {path} {name}".strip()
        assert call not in sent
        sent[call] = body
    return sent
