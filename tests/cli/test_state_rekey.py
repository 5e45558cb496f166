"""`state rekey`: fingerprints with another key, computed from the secrets behind the references."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from applied_project import AppliedProject, get_error_code
from cli_harness import CommandResult, EmulatedFivetran, Project
from filelock import FileLock
from scripted_server import ReceivedRequest, ServerConnection, serve_script
from state_places import GIT, open_places
from vault_stub import Engine, VaultStub, build_settings

pytestmark = pytest.mark.sampled(every=6, tests=2)

PAIR = """\
  {key}:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {{project_id: acme, data_set_location: US, secret_key: {{secret: "env:{variable}"}}}}
"""
ORDERS, SALES = PAIR.format(key="orders", variable="ORDERS"), PAIR.format(key="sales", variable="SALES")
SECRETS = {"ORDERS": "first-secret-of-orders", "SALES": "first-secret-of-sales"}
KEYS = {"OLD_KEY": "the-old-key-of-fingerprints", "NEW_KEY": "the-new-key-of-fingerprints"}
OLD, NEW = (f'fingerprint_key: {{secret: "env:{name}_KEY"}}\n' for name in ("OLD", "NEW"))


class KeyProject(AppliedProject):
    """Two applied pairs, each with a secret."""

    def rekey(self, *options: str, **environ: str) -> CommandResult:
        """Rekey without credentials of Fivetran: no request is sent."""
        before = len(self.server.calls)
        result = self.project.run("state", "rekey", *options, environ={**self.environ, **environ})
        assert self.server.calls[before:] == []
        return result

    def rekey_to_document(self, *options: str, **environ: str) -> Any:
        result = self.rekey("--format", "json", "--auto-approve", *options, **environ)
        assert result.exit == 0, result.stdout
        return result.document["rekeyed"]

    def get_key_name(self, key: str) -> str:
        """Return the name of the key of a stored fingerprint; empty without a fingerprint."""
        fingerprints = self.read_state()["records"][f"destination.{key}"]["fingerprints"]
        return str(fingerprints["config"]["secret_key"]).partition(":")[0]


@pytest.fixture(params=["", OLD], ids=["key beside the state", "key in the project"])
def keyed(request: pytest.FixtureRequest, project: Project, server: EmulatedFivetran) -> KeyProject:
    """Two applied pairs, each with a secret, whose project file names a new key now."""
    keyed = KeyProject(project, server, {**SECRETS, **KEYS})
    keyed.apply_once(ORDERS + SALES, request.param)
    keyed.write_settings(NEW)
    return keyed


def test_secrets_are_compared_with_the_new_key(keyed: KeyProject) -> None:
    assert "config.secret_key" in keyed.plan().stdout, "secrets cannot be compared with another key"
    before = {key: keyed.get_key_name(key) for key in ("orders", "sales")}
    document = keyed.rekey_to_document()
    assert (document["renewed"], document["kept"], document["changed"], document["lost"]) == (2, 0, [], [])
    assert all(keyed.get_key_name(key) != before[key] for key in before)
    unchanged = keyed.plan("--detailed-exitcode")
    assert unchanged.exit == 0, unchanged.stdout
    assert "config.secret_key" not in unchanged.stdout
    rotated = keyed.run("plan", "--detailed-exitcode", ORDERS="second-secret-of-orders")
    assert rotated.exit == 2


def test_secrets_are_read_at_the_same_time(project: Project, server: EmulatedFivetran) -> None:
    vault = VaultStub({"kv/": Engine(2, {name: {"value": secret} for name, secret in SECRETS.items()})})
    is_together, together = threading.Event(), threading.Barrier(2)

    def answer(wire: ServerConnection, request: ReceivedRequest) -> None:
        if is_together.is_set() and request.target.startswith("/v1/kv/"):
            together.wait(20)  # each answer waits for the other request
        vault.answer(wire, request)

    with serve_script(answer) as running:
        keyed = KeyProject(project, server, {**build_settings(running), **KEYS})
        pairs = (ORDERS + SALES).replace("env:ORDERS", "vault:kv/ORDERS#value")
        keyed.apply_once(pairs.replace("env:SALES", "vault:kv/SALES#value"), OLD)
        keyed.write_settings(NEW)
        is_together.set()
        assert keyed.rekey_to_document()["renewed"] == 2


def test_a_second_rekey_changes_nothing(keyed: KeyProject) -> None:
    keyed.rekey_to_document()
    before = keyed.read_state()
    document = keyed.rekey_to_document()
    assert (document["renewed"], document["kept"]) == (0, 2)
    assert keyed.read_state() == before


def test_the_former_key_is_not_needed(keyed: KeyProject) -> None:
    (keyed.state_file.parent / "state.json.key").unlink(missing_ok=True)
    assert keyed.rekey_to_document(OLD_KEY="")["renewed"] == 2
    assert keyed.is_converged()


def test_a_dry_run_writes_nothing_and_takes_no_lock(keyed: KeyProject) -> None:
    before = keyed.state_file.read_bytes()
    with FileLock(keyed.state_file.parent / "state.json.lock"):
        document = keyed.rekey_to_document("--dry-run")
        assert keyed.rekey().exit == 5
    assert (document["written"], document["renewed"]) == (False, 2)
    assert keyed.state_file.read_bytes() == before


def test_a_secret_that_cannot_be_read_is_named_and_confirmed(keyed: KeyProject) -> None:
    before = keyed.state_file.read_bytes()
    refused = keyed.rekey(SALES="")
    assert (refused.exit, get_error_code(refused)) == (64, "no-terminal")
    assert "destination.sales: config.secret_key: " in refused.stdout
    assert keyed.state_file.read_bytes() == before
    [lost] = keyed.rekey_to_document(SALES="")["lost"]
    assert (lost["address"], lost["path"]) == ("destination.sales", ["config", "secret_key"])
    assert "`env:SALES`" in lost["reason"]
    assert keyed.get_key_name("sales") == ""
    plan = keyed.plan("--format", "json").document
    assert plan["changes"] == [], "a lost fingerprint sends nothing"


def test_an_entry_without_a_spec_loses_its_fingerprint(keyed: KeyProject) -> None:
    keyed.write_specs(ORDERS)
    document = keyed.rekey_to_document()
    assert document["renewed"] == 1
    assert [each["reason"] for each in document["lost"]] == ["no spec declares it"]


def test_a_project_without_a_fingerprint_key_has_nothing_to_rekey(keyed: KeyProject) -> None:
    keyed.write_settings()
    refused = keyed.rekey()
    assert (refused.exit, get_error_code(refused)) == (1, "no-fingerprint-key")


def test_a_new_key_that_cannot_be_read_stops_the_command(keyed: KeyProject) -> None:
    before = keyed.state_file.read_bytes()
    refused = keyed.rekey(NEW_KEY="")
    assert (refused.exit, get_error_code(refused)) == (1, "secret-unavailable")
    assert keyed.state_file.read_bytes() == before


def test_a_rotated_secret_is_found_by_the_key_beside_the_state(
    project: Project, server: EmulatedFivetran
) -> None:
    keyed = KeyProject(project, server, {**SECRETS, **KEYS})
    keyed.apply_once(ORDERS + SALES)
    keyed.write_settings(NEW)
    keyed.environ["ORDERS"] = "second-secret-of-orders"
    document = keyed.rekey_to_document()
    assert (document["compared_with_former_key"], document["renewed"]) == (True, 1)
    assert [each["address"] for each in document["changed"]] == ["destination.orders"]
    writes = keyed.list_apply_writes()
    assert writes[0] == f"PATCH /v1/destinations/{keyed.ids['orders']}"
    assert all(keyed.ids["orders"] in write for write in writes)
    assert keyed.is_converged()


def test_without_the_former_key_the_present_values_count_as_sent(
    project: Project, server: EmulatedFivetran
) -> None:
    keyed = KeyProject(project, server, {**SECRETS, **KEYS})
    keyed.apply_once(ORDERS, OLD)
    keyed.write_settings(NEW)
    keyed.environ["ORDERS"] = "second-secret-of-orders"
    result = keyed.rekey()
    assert result.exit == 0, result.stderr
    assert "The former key is not at hand" in result.stdout
    assert keyed.is_converged()


def test_a_rekey_at_a_place_without_a_state_creates_none(project: Project, server: EmulatedFivetran) -> None:
    keyed = KeyProject(project, server, {**SECRETS, **KEYS})
    keyed.write_settings(NEW)
    keyed.write_specs(ORDERS)
    refused = keyed.rekey()
    assert (refused.exit, get_error_code(refused)) == (1, "no-state")
    assert not keyed.state_file.parent.exists()


def test_a_rotated_secret_is_found_after_a_move_to_git(
    project: Project, server: EmulatedFivetran, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The key file stays beside the usual file when the state moves to a place without keys."""
    keyed = KeyProject(project, server, {**SECRETS, **KEYS})
    with open_places(project, tmp_path_factory.mktemp("server")):
        keyed.apply_once(ORDERS + SALES)
        assert keyed.run("state", "migrate", "--to", GIT).exit == 0
        keyed.write_settings(f"state: {GIT}\n{NEW}")
        keyed.environ["ORDERS"] = "second-secret-of-orders"
        document = keyed.rekey_to_document()
    assert (document["compared_with_former_key"], document["renewed"]) == (True, 1)
    assert [each["address"] for each in document["changed"]] == ["destination.orders"]
