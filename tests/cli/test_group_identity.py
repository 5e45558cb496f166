"""The SSH public key and the service account of Fivetran: read after a write that needs them, shown, and remembered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from applied_project import PAIR, AppliedProject
from cli_harness import EmulatedFivetran, Project, serve_fivetran

from reconciler.emulator.setup_tests import SetupTest
from reconciler.emulator.switches import Behaviour

pytestmark = pytest.mark.sampled(every=4, tests=3)

DIRECT = """\
  orders:
    destination:
      service: postgres_warehouse
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config:
        host: db.example.com
        port: 5432
        database: orders
        user: loader
        password: {secret: "env:PASSWORD"}
"""
HOST = """\
        tunnel_host: bastion.example.com
        tunnel_port: 22
        tunnel_user: fivetran
        always_encrypted: true
"""
TUNNELLED = DIRECT.replace("      config:\n", "      networking_method: SshTunnel\n      config:\n") + HOST
SALES = PAIR.format(key="sales")
FAILED = SetupTest("SSH Tunnel Connection", "FAILED", "permission denied")
ADVICE = {"ssh_public_key": "add it to ~/.ssh/authorized_keys", "service_account": "grant it the roles"}
LABELS = {"ssh_public_key": "SSH public key of Fivetran", "service_account": "service account of Fivetran"}


class IdentityProject(AppliedProject):
    """A project whose reads of the identity of groups are counted."""

    def list_reads(self) -> list[str]:
        """List the reads of the identity of groups, by the last parts of their paths."""
        names = [call.rpartition("/")[2] for call in self.server.calls if call.startswith("GET ")]
        return [name for name in names if name in {"public-key", "service-account"}]

    def fetch(self, key: str) -> str:
        """Fetch the shown text of a group from the account, as another client would."""
        name, part = ("orders", "public-key") if key == "ssh_public_key" else ("sales", "service-account")
        data: dict[str, str] = self.server.get(f"/groups/{self.find_id(name)}/{part}")
        return next(iter(data.values())).strip()

    def read_outcome(self, address: str, *options: str) -> dict[str, Any]:
        """Apply, and return the outcome of an address in the JSON document."""
        document = self.apply("--format", "json", *options).document
        [outcome] = [each for each in document["applied"]["outcomes"] if each["address"] == address]
        return dict(outcome)

    def show_record(self, address: str) -> dict[str, Any]:
        [record] = self.run("state", "show", address, "--format", "json").document["records"]
        return dict(record)

    def read_record(self, address: str) -> dict[str, Any]:
        """Return a record as the state file has it."""
        return dict(self.read_state()["records"][address])

    def fail_tests(self, name: str = "orders") -> None:
        """Let all setup tests of a destination fail from now on."""
        self.dashboard.script_setup_tests(group_name=name, finally_always=[FAILED])


@pytest.fixture
def identity(project: Project, server: EmulatedFivetran) -> IdentityProject:
    found = IdentityProject(project, server, {"PASSWORD": "password-of-the-loader"})
    found.write_settings()
    return found


CASES = {
    "ssh_public_key": (TUNNELLED, "destination.orders"),
    "service_account": (SALES, "destination.sales"),
}
each_part = pytest.mark.parametrize("key", CASES)


@each_part
def test_a_new_destination_shows_what_it_needs(identity: IdentityProject, key: str) -> None:
    groups, address = CASES[key]
    identity.write_specs(groups)
    text = identity.must_apply().stdout
    lines = [line.strip() for line in text.splitlines()]
    shown = identity.fetch(key)
    place = lines.index(f"{LABELS[key]}  {shown}")
    assert address in lines[place - 1]
    assert any("setup tests" in line for line in lines[place + 1 : place + 3])
    record = identity.run("state", "show", address).stdout
    label = LABELS[key].removesuffix(" of Fivetran")
    assert [line.partition(label)[2].strip() for line in record.splitlines() if label in line] == [shown]
    assert identity.show_record(address)[key] == shown
    assert identity.read_state()["format"] == 6
    assert identity.is_converged()


@each_part
def test_a_document_has_exactly_what_the_destination_needs(identity: IdentityProject, key: str) -> None:
    groups, address = CASES[key]
    identity.write_specs(groups)
    outcome = identity.read_outcome(address)
    assert {name: outcome[name] for name in LABELS if name in outcome} == {key: identity.fetch(key)}


@each_part
def test_one_read_follows_the_write_and_precedes_the_setup_tests(identity: IdentityProject, key: str) -> None:
    groups, _ = CASES[key]
    identity.write_specs(groups)
    identity.must_apply()
    calls = [call.rpartition("/")[2] for call in identity.server.calls]
    assert identity.list_reads() == [key.removeprefix("ssh_").replace("_", "-")]
    place = calls.index(identity.list_reads()[0])
    assert identity.server.calls[place - 1] == "POST /v1/destinations"
    assert calls[place + 1] == "test"


@each_part
def test_later_plans_and_applies_read_nothing(identity: IdentityProject, key: str) -> None:
    groups, address = CASES[key]
    identity.write_specs(groups)
    assert identity.plan().exit == 0
    assert identity.list_reads() == []
    identity.must_apply()
    identity.edit_file("specs/groups/main.yaml", "GCP_US_EAST4", "GCP_US_WEST1")
    outcome = identity.read_outcome(address)
    assert outcome["action"] == "update" and key not in outcome
    assert identity.must_apply().stdout.count("of Fivetran") == 0
    assert len(identity.list_reads()) == 1
    assert key in identity.show_record(address)


def test_destinations_without_a_need_cost_no_read(identity: IdentityProject) -> None:
    identity.write_specs(DIRECT)
    outcome = identity.read_outcome("destination.orders")
    assert not LABELS.keys() & outcome.keys()
    assert identity.list_reads() == []
    assert identity.read_state()["format"] == 2
    assert not LABELS.keys() & identity.show_record("destination.orders").keys()


@pytest.mark.parametrize("tests", ["true", "false"])
def test_an_update_that_turns_a_tunnel_on_shows_the_key(identity: IdentityProject, tests: str) -> None:
    option = f"      setup_tests: {{run: {tests}}}\n"
    identity.write_specs(DIRECT + option)
    identity.must_apply()
    assert identity.list_reads() == []
    identity.write_specs(TUNNELLED + option)
    result = identity.must_apply()
    assert f"{LABELS['ssh_public_key']}  {identity.fetch('ssh_public_key')}\n" in result.stdout
    assert ADVICE["ssh_public_key"] in result.stdout
    assert ("setup tests  4 passed" in result.stdout) is (tests == "true")
    record = identity.read_record("destination.orders")
    assert (record["ssh_public_key"], record["unverified"]) == (identity.fetch("ssh_public_key"), False)
    assert identity.is_converged()


def test_a_replacement_keeps_the_key_and_reads_only_what_is_new(identity: IdentityProject) -> None:
    allowed = "      lifecycle: {allow_replace: true}\n"
    identity.write_specs(TUNNELLED + allowed)
    identity.must_apply()
    key = identity.fetch("ssh_public_key")
    as_big_query = SALES.replace("sales", "orders") + allowed
    identity.write_specs(as_big_query)
    outcome = identity.read_outcome("destination.orders", "--allow", "replacements=1", "--reason", "moved")
    assert outcome["action"] == "replace"
    assert "service_account" in outcome and "ssh_public_key" not in outcome
    record = identity.show_record("destination.orders")
    assert (record["ssh_public_key"], record["service_account"]) == (key, outcome["service_account"])
    reads = len(identity.list_reads())
    identity.write_specs(TUNNELLED + allowed)
    identity.must_apply("--allow", "replacements=1", "--reason", "moved back")
    assert len(identity.list_reads()) == reads


def test_a_new_group_of_the_same_key_has_a_new_identity(identity: IdentityProject) -> None:
    identity.write_specs(TUNNELLED)
    identity.must_apply()
    former = identity.fetch("ssh_public_key")
    id = identity.find_id("orders")
    identity.server.delete(f"/destinations/{id}")
    identity.server.delete(f"/groups/{id}")
    identity.must_apply("--recreate", "orders")
    assert identity.show_record("destination.orders")["ssh_public_key"] == identity.fetch("ssh_public_key")
    assert identity.fetch("ssh_public_key") != former


@each_part
def test_failed_tests_show_it_again_with_an_advice(identity: IdentityProject, key: str) -> None:
    groups, address = CASES[key]
    identity.write_specs(groups)
    identity.fail_tests(address.partition(".")[2])
    first = identity.apply()
    assert first.exit == 6
    again = identity.apply()
    assert again.exit == 6
    tested = identity.run("test")
    assert tested.exit == 6
    assert len(identity.list_reads()) == 1
    for result in (first, again, tested):
        assert f"{LABELS[key]}  {identity.fetch(key)}\n" in result.stdout
        assert ADVICE[key] in result.stdout
    [result] = identity.run("test", "--format", "json").document["tests"]
    assert result[key] == identity.fetch(key)


@each_part
@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_failed_read_fails_nothing(identity: IdentityProject, key: str, status: int) -> None:
    groups, address = CASES[key]
    identity.write_specs(groups)
    part = key.removeprefix("ssh_").replace("_", "-")
    identity.add_faults(f"GET /v1/groups/*/{part} times 99 status {status}")
    outcome = identity.read_outcome(address)
    assert outcome["status"] == "done" and outcome["setup_tests"] and not outcome["diagnostics"]
    assert key not in outcome
    assert key not in identity.read_record(address)
    identity.server.app.faults.clear()
    assert identity.is_converged()
    identity.edit_file("specs/groups/main.yaml", "GCP_US_EAST4", "GCP_US_WEST1")
    assert identity.read_outcome(address)[key] == identity.fetch(key)


def test_a_repeated_test_reads_what_an_earlier_run_could_not(identity: IdentityProject) -> None:
    identity.write_specs(TUNNELLED)
    identity.fail_tests()
    identity.add_faults("GET /v1/groups/*/public-key #1 status 403")
    assert "ssh_public_key" not in identity.read_outcome("destination.orders")
    outcome = identity.read_outcome("destination.orders")
    assert (outcome["action"], outcome["ssh_public_key"]) == ("verify", identity.fetch("ssh_public_key"))


def test_what_was_read_is_remembered_without_a_result_of_the_tests(identity: IdentityProject) -> None:
    identity.write_specs(TUNNELLED)
    identity.add_faults("POST /v1/destinations/*/test times 99 status 400")
    outcome = identity.read_outcome("destination.orders")
    assert [each["code"] for each in outcome["diagnostics"]] == ["setup-tests-not-run"]
    record = identity.read_record("destination.orders")
    assert outcome["ssh_public_key"] == record["ssh_public_key"] == identity.fetch("ssh_public_key")
    assert record["unverified"]


def test_the_command_test_reads_nothing_more(identity: IdentityProject) -> None:
    identity.write_specs(TUNNELLED)
    identity.add_faults("GET /v1/groups/*/public-key status 403")
    identity.must_apply()
    reads = identity.list_reads()
    identity.fail_tests()
    assert "of Fivetran" not in identity.run("test").stdout
    assert identity.list_reads() == reads


def test_an_untested_destination_is_complete_without_its_read(identity: IdentityProject) -> None:
    """Only reads would have followed the write, so a stopped run leaves nothing to do."""
    identity.write_specs(TUNNELLED + "      setup_tests: {run: false}\n")
    outcome = identity.read_outcome("destination.orders", "--events", "events.jsonl")
    assert (outcome["status"], outcome["setup_tests"]) == ("done", None)
    assert outcome["ssh_public_key"] == identity.fetch("ssh_public_key")
    assert "setup-tests-started" not in (identity.folder / "events.jsonl").read_text()


@contextmanager
def open_with(project: Project, **behaviour: Any) -> Iterator[IdentityProject]:
    """Open a project whose account has these switches."""
    with serve_fivetran(behaviour=Behaviour(**behaviour)) as server:
        found = IdentityProject(project, server, {"PASSWORD": "password-of-the-loader"})
        found.write_settings()
        yield found


@pytest.mark.parametrize("ending", ["newline", "bare"])
def test_the_line_end_of_a_key_is_no_part_of_it(project: Project, ending: str) -> None:
    with open_with(project, public_key_ending=ending) as identity:
        identity.write_specs(TUNNELLED)
        outcome = identity.read_outcome("destination.orders")
    assert outcome["ssh_public_key"] == outcome["ssh_public_key"].strip()
    assert outcome["ssh_public_key"] == identity.read_record("destination.orders")["ssh_public_key"]


def test_a_service_account_that_repeats_a_secret_is_masked_and_not_recorded(project: Project) -> None:
    with open_with(project, service_account_project="password-of-the-loader") as identity:
        identity.write_specs(TUNNELLED + SALES)
        shown = identity.must_apply().stdout
    assert LABELS["service_account"] in shown
    assert "password-of-the-loader" not in shown
    assert "service_account" not in identity.read_record("destination.sales")


def test_the_summary_of_a_job_has_the_whole_key(identity: IdentityProject) -> None:
    identity.write_specs(TUNNELLED)
    summary, output = identity.folder / "summary.md", identity.folder / "output"
    files = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(output)}
    options = ("--auto-approve", "--format", "github")
    assert identity.run("apply", *options, **files, GITHUB_ACTIONS="true").exit == 0
    assert f"{LABELS['ssh_public_key']}  {identity.fetch('ssh_public_key')}\n" in summary.read_text()


@pytest.mark.parametrize("form", [3, 5])
def test_a_state_of_an_earlier_format_is_read_and_completed(identity: IdentityProject, form: int) -> None:
    identity.write_specs(TUNNELLED)
    identity.must_apply()
    state = identity.read_state()
    del state["records"]["destination.orders"]["ssh_public_key"]
    identity.state_file.write_text(json.dumps({**state, "format": form}))
    assert identity.is_converged()
    assert len(identity.list_reads()) == 1
    assert "ssh_public_key" not in identity.show_record("destination.orders")
    identity.edit_file("specs/groups/main.yaml", "GCP_US_EAST4", "GCP_US_WEST1")
    assert identity.read_outcome("destination.orders")["ssh_public_key"] == identity.fetch("ssh_public_key")
    assert identity.read_state()["format"] == 6
