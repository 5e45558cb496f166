"""Plans against a snapshot: equal to plans against the account, without the account."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from all_services import SPECS, apply_all_services
from applied_project import PAIR, AppliedProject, get_error_code
from certificate_chain import make_chain
from cli_harness import ROOT, CommandResult, EmulatedFivetran, Project
from command_line import COMMAND, run

from reconciler.catalogue.load import load_service, load_service_names
from reconciler.emulator.seed import Seed
from reconciler.model.lock_info import LockInfo
from reconciler.state.file import StateFile

pytestmark = pytest.mark.sampled(every=6, tests=3)

OF_THE_RUN = ("digest", "requests", "seconds", "snapshot", "applyable", "warnings", "tool", "exit")
"""Keys that differ between two plans that do the same."""


class OfflineProject(AppliedProject):
    """Project with a snapshot of its account."""

    def take_snapshot(self, *options: str) -> None:
        result = self.run("snapshot", "--out", "account.yaml", "--force", *options)
        assert result.exit == 0, result.stderr

    def plan_against(self, *options: str, environ: Mapping[str, str] | None = None) -> CommandResult:
        """Plan against the snapshot, without credentials."""
        return self.project.run("plan", "--against", "account.yaml", *options, environ=environ)

    def serve_snapshot(self, *words: str) -> CommandResult:
        """Run a command against an emulator that serves the snapshot."""
        return self.project.run("emulate", "--seed", "account.yaml", "--", *COMMAND, *words)

    def list_files(self) -> dict[str, bytes]:
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}


@pytest.fixture
def offline(project: Project, server: EmulatedFivetran) -> OfflineProject:
    """Two applied pairs, `orders` and `sales`, and a snapshot of their account."""
    offline = OfflineProject(project, server)
    offline.apply_once(PAIR.format(key="orders") + PAIR.format(key="sales"))
    offline.take_snapshot()
    return offline


def strip_run(document: Mapping[str, Any]) -> dict[str, Any]:
    """Strip a plan of the keys that differ between two runs."""
    return {key: value for key, value in document.items() if key not in OF_THE_RUN}


def list_codes(document: Mapping[str, Any]) -> set[str]:
    return {warning["code"] for warning in document["warnings"]}


def strip_starred(document: Mapping[str, Any]) -> dict[str, Any]:
    """Strip a plan of the fields that a snapshot hides, since the catalogue describes no field of their services."""
    free_form = {
        f"destination.{name}"
        for name in load_service_names()
        if (service := load_service(name)) and service.free_form
    }
    assert len(free_form) == 7
    stripped: dict[str, Any] = deepcopy(strip_run(document))
    for change in stripped["changes"]:
        if change["address"] in free_form:
            assert change["uncomparable"] in ([], [["config", "host"]])
            del change["uncomparable"]
            change.pop("rewritten", None)
    return stripped


@pytest.mark.parametrize("has_state", [True, False], ids=["state", "no state"])
def test_a_plan_of_all_services_offline_is_the_plan_against_the_account(
    project: Project, server: EmulatedFivetran, has_state: bool
) -> None:
    applied_project = apply_all_services(project, server)
    offline = OfflineProject(project, server, applied_project.environ)
    # Every other entry drifts at Fivetran, every entry changes in the specs, one is removed, one is new.
    for id in server.list_ids("destinations")[::2]:
        offline.dashboard.change_destination(id, time_zone_offset="+3")
    offline.edit_file(SPECS, "region: AWS_US_EAST_1", "region: AWS_EU_WEST_1")
    text = (offline.folder / SPECS).read_text()
    gone, kept = text.index("  adls:"), text.index("  aiven_kafka_wh:")
    removed = f"removed:\n  - {{group: adls, id: {applied_project.ids['adls']}, name: adls}}\n"
    project.write(SPECS, f"{text[:gone]}{text[kept:]}  one_more: {{}}\n{removed}")
    offline.take_snapshot("--with", "connections")
    if not has_state:
        offline.state_file.unlink()
    before = offline.list_files()
    online = offline.plan("--secrets", "skip", "--format", "json").document
    against = offline.plan_against("--format", "json").document
    strip = strip_run if has_state else strip_starred
    assert strip(against) == strip(online)
    counts = {action: number for action, number in online["counts"].items() if number}
    assert counts == {"create": 1, "update": 41, "no-op" if has_state else "adopt": 41, "delete": 2}
    assert (against["applyable"], "applyable" in online) == (False, False)
    assert against["snapshot"].keys() == {"path", "taken_at"}
    assert datetime.fromisoformat(against["snapshot"]["taken_at"]).tzinfo is not None
    assert against["digest"] != online["digest"]
    assert list_codes(against) - list_codes(online) == {"snapshot-plan"}
    served = offline.serve_snapshot("plan", "--secrets", "skip", "--format", "json").document
    assert strip(served) == strip(online)
    assert served["digest"] == online["digest"]
    assert offline.list_files() == before


def test_a_served_snapshot_is_planned_like_the_account(offline: OfflineProject) -> None:
    offline.edit_file(SPECS, "project_id: acme", "project_id: other")
    online = offline.plan("--format", "json").document
    served = offline.serve_snapshot("plan", "--format", "json")
    assert served.exit == 0, served.stderr
    assert strip_run(served.document) == strip_run(online)
    assert served.document["digest"] == online["digest"]


def test_a_plan_against_a_snapshot_is_never_taken_by_apply(offline: OfflineProject) -> None:
    offline.edit_file(SPECS, "project_id: acme", "project_id: other")
    digest = offline.plan_against("--format", "json").document["digest"]
    result = offline.apply("--expect", digest)
    assert result.exit == 4, result.stdout
    assert offline.plan("--detailed-exitcode").exit == 2


def test_the_text_names_the_snapshot_and_its_time(offline: OfflineProject) -> None:
    offline.edit_file(SPECS, "project_id: acme", "project_id: other")
    result = offline.plan_against("--detailed-exitcode")
    assert result.exit == 2
    [heading] = [line for line in result.stdout.splitlines() if line.startswith("account ")]
    assert " in snapshot `account.yaml` of 20" in heading
    assert "UTC" in heading
    assert "against a snapshot: cannot be applied" in result.stdout
    assert "digest" not in result.stdout
    assert "warning[snapshot-plan]" in result.stderr


def test_other_formats_say_that_the_plan_cannot_be_applied(offline: OfflineProject) -> None:
    offline.edit_file(SPECS, "project_id: acme", "project_id: other")
    markdown = offline.plan_against("--format", "markdown").stdout
    assert "A plan against a snapshot cannot be applied." in markdown
    assert "Digest" not in markdown
    assert offline.plan_against("--format", "terraform-json").document["applyable"] is False
    assert "digest" not in offline.plan_against("--format", "terraform").stdout


def test_a_plan_against_a_snapshot_reads_no_secret(project: Project, server: EmulatedFivetran) -> None:
    entry = PAIR.replace(
        "{{project_id: acme, data_set_location: US}}",
        '{{project_id: acme, data_set_location: US, secret_key: {{secret: "file:key.json"}}}}',
    )
    offline = OfflineProject(project, server)
    project.write("specs/key.json", '{"private_key": "canary-of-the-file"}')
    offline.apply_once(entry.format(key="orders"))
    offline.take_snapshot()
    (offline.folder / "specs/key.json").unlink()
    result = offline.plan_against("--format", "json")
    assert (result.exit, result.document["changes"]) == (0, [])


def test_a_held_lock_does_not_stop_a_plan_against_a_snapshot(offline: OfflineProject) -> None:
    holder = LockInfo(1, "host", "user", "", "test")
    with StateFile(offline.state_file, "state.json").lock.hold(holder):
        before = offline.list_files()
        assert offline.plan_against("--detailed-exitcode").exit == 0
        assert offline.list_files() == before


def test_drift_is_found_by_the_records_of_the_state(offline: OfflineProject) -> None:
    offline.dashboard.change_destination(offline.ids["orders"], time_zone_offset="+3")
    offline.take_snapshot()
    result = offline.plan_against("--drift-only", "--format", "json")
    assert [change["address"] for change in result.document["changes"]] == ["destination.orders"]
    assert (result.document["applyable"], result.document["snapshot"]["path"]) == (False, "account.yaml")


@pytest.mark.parametrize("state", ["git:origin/no-such-branch", "s3://no-bucket/state.json"])
def test_a_state_that_cannot_be_read_is_a_warning(offline: OfflineProject, state: str) -> None:
    offline.write_settings(f"state: {state}\n")
    result = offline.plan_against("--format", "json", environ={"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert result.exit == 0
    assert {"state-not-read", "snapshot-plan"} <= list_codes(result.document)
    assert "state-elsewhere" not in list_codes(result.document)
    assert len(result.document["adopted"]) == 4  # found by their names


@pytest.mark.parametrize("name", ["state.json", "state.json.key"])
def test_a_damaged_state_is_a_warning_with_its_reason(offline: OfflineProject, name: str) -> None:
    offline.state_file.with_name(name).write_text("{")
    result = offline.plan_against()
    assert result.exit == 0
    assert "warning[state-not-read]" in result.stderr
    assert "is damaged" in result.stderr


def test_an_unreadable_destination_is_the_same_error_as_against_the_account(offline: OfflineProject) -> None:
    offline.add_faults(f"GET /v1/destinations/{offline.ids['orders']} before-effect status 403")
    taken = offline.run("snapshot", "--out", "account.yaml", "--force")
    assert (taken.exit, get_error_code(taken)) == (1, "snapshot-incomplete")
    online, against = offline.plan("--format", "json"), offline.plan_against("--format", "json")
    assert online.exit == against.exit == 1
    blockers = [
        [(each["code"], each["address"]) for each in run.document["blockers"]] for run in (online, against)
    ]
    assert blockers[0] == blockers[1] != []
    assert strip_run(against.document)["changes"] == strip_run(online.document)["changes"] == []


@pytest.mark.parametrize("lists", [(), ("--with", "connections")], ids=["without", "with"])
def test_connections_of_the_snapshot_block_deletions(offline: OfflineProject, lists: tuple[str, ...]) -> None:
    connection = {"id": "shop_connection", "service": "postgres", "schema": "shop"}
    group = {"id": "third", "name": "third", "connections": [connection]}
    offline.server.app.load_seed(Seed.model_validate({"version": 1, "groups": [group]}))
    offline.write_specs(
        PAIR.format(key="orders") + PAIR.format(key="sales"), "  - {group: third, id: third, name: third}\n"
    )
    offline.take_snapshot(*lists)
    document = offline.plan_against("--format", "json").document
    codes = {blocker["code"] for blocker in document["blockers"]}
    assert ("has-connections" in codes) is bool(lists)
    assert ("snapshot-lacks-connections" in list_codes(document)) is not bool(lists)


PINNED = """\
  pinned:
    destination:
      service: postgres_warehouse
      trust: {{certificates: [{{pem: root.pem}}, "{next_hash}"]}}
"""


@pytest.mark.parametrize("lists", [(), ("--with", "trust")], ids=["without", "with"])
def test_pins_are_compared_with_the_snapshot(offline: OfflineProject, lists: tuple[str, ...]) -> None:
    root, other = make_chain("acme")[-1], make_chain("next")[-1]
    dashboard = offline.server.app.dashboard
    id = dashboard.add_group("pinned")
    dashboard.add_destination(id, "postgres_warehouse", config={"host": "db"}, setup_status="connected")
    offline.project.write("specs/root.pem", root.pem)
    offline.write_specs(PINNED.format(next_hash=other.hash))
    offline.take_snapshot(*lists)
    document = offline.plan_against("--format", "json").document
    changes = [each["address"] for each in document["changes"]]
    assert ("destination.pinned" in changes) is bool(lists)
    assert ("snapshot-lacks-approvals" in list_codes(document)) is not bool(lists)


LAKE = """\
  lake:
    destination:
      service: managed_data_lake
      config: {should_write_delta: true}
"""


def test_a_field_that_answers_leave_out_has_no_default_offline(offline: OfflineProject) -> None:
    """A lake that is older than the field answers null; the default of a new lake is false."""
    config = {"bucket": "acme", "should_write_delta": None}
    destination = {"service": "managed_data_lake", "time_zone_offset": "0", "config": config}
    group = {"id": "lake_group", "name": "lake", "destination": {**destination, "setup_status": "connected"}}
    offline.server.app.load_seed(Seed.model_validate({"version": 1, "groups": [group]}))
    offline.write_specs(LAKE + PAIR.format(key="orders") + PAIR.format(key="sales"))
    offline.take_snapshot()
    online, against = offline.plan("--format", "json"), offline.plan_against("--format", "json")
    assert strip_run(against.document) == strip_run(online.document)
    assert online.document["changes"] == []


def test_another_account_is_refused(offline: OfflineProject) -> None:
    seed = offline.folder / "account.yaml"
    offline.project.write(
        "account.yaml", seed.read_text().replace(offline.server.account_id, "other_account")
    )
    result = offline.plan_against()
    assert (result.exit, get_error_code(result)) == (1, "other-account")
    assert "the snapshot is for account `other_account`" in result.stderr
    offline.project.write("specs/reconciler.yaml", "version: 1\nspecs: ['groups/*.yaml']\n")
    by_state = offline.plan_against()
    assert (by_state.exit, get_error_code(by_state)) == (1, "other-account")


FOREIGN = {
    "spec": "version: 1\ngroups:\n  orders: {}\n  sales: {}\n",
    "yaml": "a: [1\n",
    "empty": "",
    "list": "- 1\n",
    "plan": '{"format": 1, "plan": {}}',
    "other version": "version: 2\naccount: {id: one}\ngroups: []\n",
    "no account": "version: 1\ngroups: []\n",
    "half": 'version: 1\naccount:\n  id: "one"\ngroups:\n  - id: "a',
    "twins": "version: 1\naccount: {id: one}\ngroups:\n  - {id: a, name: x}\n  - {id: a, name: y}\n",
}


@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_is_no_snapshot_is_one_error(offline: OfflineProject, text: str) -> None:
    offline.project.write("account.yaml", text)
    result = offline.plan_against()
    assert (result.exit, get_error_code(result)) == (1, "snapshot-unusable")
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_missing_extra_is_reported_with_the_install_command(
    offline: OfflineProject, tmp_path: Path
) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "werkzeug.py").write_text("raise ModuleNotFoundError('blocked', name='werkzeug')")
    path = f"{blocked}{os.pathsep}{ROOT}"
    done = run("plan", "--against", "account.yaml", directory=offline.folder, PYTHONPATH=path)
    assert done.code == 1
    assert "error[sandbox-not-installed]" in done.err


def test_a_missing_snapshot_is_one_error(offline: OfflineProject) -> None:
    (offline.folder / "account.yaml").unlink()
    assert get_error_code(offline.plan_against()) == "file-unreadable"


@pytest.mark.parametrize(
    "options",
    [("--out", "plan.json"), ("--sandbox",), ("--resend-secret", "*"), ("--secrets", "resolve")],
    ids=lambda options: options[0],
)
def test_options_of_another_plan_are_wrong_usage(offline: OfflineProject, options: tuple[str, ...]) -> None:
    before = offline.list_files()
    result = offline.plan_against(*options)
    assert (result.exit, get_error_code(result)) == (64, "wrong-usage")
    assert offline.list_files() == before


def test_skipped_secrets_are_no_contradiction(offline: OfflineProject) -> None:
    assert offline.plan_against("--secrets", "skip").exit == 0


def test_a_dump_of_the_emulator_serves_as_a_snapshot(offline: OfflineProject) -> None:
    offline.project.write("account.yaml", json.dumps(offline.server.app.dump()))
    result = offline.plan_against()
    assert result.exit == 0
    assert "of an unknown time" in result.stdout
