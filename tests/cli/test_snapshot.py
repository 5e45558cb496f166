"""Snapshots of accounts: their content, and the values that they never contain."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from all_services import apply_all_services
from applied_project import AppliedProject, get_error_code
from cli_harness import CommandResult, EmulatedFivetran, Project, serve_fivetran
from secret_leak_detector import allow_values

from reconciler.catalogue.load import load_service
from reconciler.catalogue.normalize import normalize_destination
from reconciler.emulator.seed import Seed
from reconciler.emulator.switches import Behaviour
from reconciler.spec.nodes import to_plain
from reconciler.spec.source import parse

pytestmark = pytest.mark.sampled(every=6, tests=3)

STARS = "******"
TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ0123"
MOMENT = "2026-01-02T03:04:05.678901Z"
EVERYTHING: dict[str, Any] = {
    "version": 1,
    "account": {"id": "intently_yarn", "name": "Acme"},
    "groups": [
        {
            "id": "decent_dropsy",
            "name": "Zürich & \t\U0001f600 ",
            "created_at": MOMENT,
            "destination": {
                "service": "snowflake",
                "region_sent": False,
                "time_zone_offset": "-5",
                "daylight_saving_time_enabled": True,
                "networking_method": None,
                "setup_status": "broken",
                "hybrid_deployment_agent_id": "brisk_lantern",
                "config": {"host": "acme.snowflakecomputing.com", "port": 443, "role": ""},
            },
            "connections": [
                {
                    "id": "iodize_impressive",
                    "service": "postgres",
                    "schema": "shop",
                    "setup_state": "broken",
                    "paused": True,
                    "created_at": MOMENT,
                }
            ],
            "certificates": [
                {
                    "hash": "c2FsZXM=",
                    "name": "CN=db.acme.example",
                    "sha1": "ab" * 20,
                    "sha256": "cd" * 32,
                    "public_key": "Sun RSA public key, 2048 bits",
                    "validated_date": MOMENT,
                }
            ],
            "fingerprints": [
                {"hash": "aG9zdA==", "public_key": "ssh-rsa AAAA", "validated_date": MOMENT},
            ],
        },
        {"id": "bare_willow", "name": "bare", "created_at": MOMENT},
    ],
    "private_links": [
        {
            "id": "quiet_bridge",
            "name": "bridge",
            "region": "AWS_US_EAST_1",
            "service": "SNOWFLAKE_AWS",
            "state": "FAIL",
            "created_at": MOMENT,
        }
    ],
    "hybrid_agents": [
        {
            "id": "brisk_lantern",
            "display_name": "basement",
            "registered_at": MOMENT,
            "online": True,
            "group_id": "decent_dropsy",
            "deployment_type": "PODMAN",
        }
    ],
    "proxy_agents": [
        {
            "id": "amber_gate",
            "display_name": "gate",
            "registered_at": MOMENT,
            "online": False,
            "region": "AWS_EU_WEST_1",
        }
    ],
    "secrets_managers": [
        {
            "id": "sealed_chest",
            "type": "HASHICORP_VAULT",
            "name": "vault",
            "is_hybrid_deployment": True,
            "created_at": MOMENT,
            "updated_at": MOMENT,
        }
    ],
}


class Snapshots:
    """Account from a seed, and a project folder for its snapshots."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        self.project, self.server = project, server

    @property
    def file(self) -> Path:
        return self.project.folder / "account.yaml"

    def load(self, *groups: Any, **more: Any) -> None:
        """Load groups into the account, as Fivetran itself may have them."""
        self.server.app.load_seed(Seed.model_validate({"version": 1, "groups": groups, **more}))

    def load_config(self, service: str, **config: Any) -> None:
        """Load a destination with this config."""
        destination = {"service": service, "time_zone_offset": "0", "config": config}
        self.load({"id": "one_group", "name": "one", "destination": destination})

    def take(self, *options: str, **environ: str) -> CommandResult:
        return self.project.run_against(
            self.server, "snapshot", "--out", "account.yaml", *options, environ=environ
        )

    def must_take(self, *options: str, **environ: str) -> Any:
        """Take a snapshot, and read it as plain data."""
        result = self.take(*options, **environ)
        assert result.exit == 0, result.stderr
        return self.read()

    def read(self) -> Any:
        return to_plain(parse(self.file.read_text(), "account.yaml"))

    def take_config(self, **environ: str) -> Any:
        """Take a snapshot of the only destination. Returns its config."""
        [group] = self.must_take(**environ)["groups"]
        return group["destination"]["config"]


@pytest.fixture
def snapshots(project: Project, server: EmulatedFivetran) -> Snapshots:
    return Snapshots(project, server)


@pytest.fixture
def copy() -> Iterator[EmulatedFivetran]:
    """Serve a second account, for the content of a snapshot."""
    with serve_fivetran() as emulated:
        yield emulated


def view_destination(server: EmulatedFivetran, id: str) -> dict[tuple[str, ...], Any]:
    """Read a destination in normal form, without null values."""
    data = server.get(f"/destinations/{id}")
    fields: dict[tuple[str, ...], Any] = {
        (name,): value for name, value in data.items() if name not in {"config", "setup_tests"}
    }
    fields |= {("config", name): value for name, value in data["config"].items()}
    normal = normalize_destination(load_service(data["service"]), fields)
    return {path: value for path, value in normal.items() if value is not None}


def test_a_snapshot_of_all_services_is_the_account_but_for_stars(
    project: Project, server: EmulatedFivetran, copy: EmulatedFivetran
) -> None:
    applied_project = apply_all_services(project, server)
    before = len(server.calls)
    taken = applied_project.run("snapshot", "--out", "account.yaml", "--parallelism", "1")
    assert taken.exit == 0, taken.stderr
    ids = server.list_ids("destinations")
    # The account, two lists, four lists of objects that destinations refer to, and one read per destination.
    calls = server.calls[before : before + 7 + len(ids)]
    assert server.calls[before + len(calls)] == "GET /v1/destinations"  # the first call of this test itself
    assert all(call.startswith("GET ") for call in calls)
    seed = Snapshots(project, server).read()
    for destination in (group["destination"] for group in seed["groups"]):
        service = load_service(destination["service"])
        assert service is not None
        assert service.free_form or destination["config"].keys() <= service.fields.keys()
    copy.app.load_seed(Seed.model_validate(seed))
    assert server.get("/groups?limit=1000") == copy.get("/groups?limit=1000")
    for id in ids:
        original, copied = view_destination(server, id), view_destination(copy, id)
        assert original.keys() == copied.keys()
        assert {path for path in original if original[path] != copied[path]} <= {
            path for path, value in copied.items() if repr(value) == "(masked)"
        }


def test_a_snapshot_has_everything_that_a_seed_can_hold(snapshots: Snapshots) -> None:
    snapshots.server.app.load_seed(Seed.model_validate(EVERYTHING))
    seed = snapshots.must_take("--with", "connections,trust")
    origin = seed.pop("snapshot")
    assert (origin["connections"], origin["trust"], "unreadable" in origin) == (True, True, False)
    config = seed["groups"][0]["destination"].pop("config")
    expected = json.loads(json.dumps(EVERYTHING))
    sent = expected["groups"][0]["destination"].pop("config")
    del sent["role"]  # an empty value means nothing
    assert sent.items() <= config.items()  # the account answers defaults too
    assert seed == expected


def test_the_lists_on_demand_are_read_on_demand_only(snapshots: Snapshots) -> None:
    snapshots.server.app.load_seed(Seed.model_validate(EVERYTHING))
    seed = snapshots.must_take()
    assert seed["snapshot"].keys() == {"taken_at"}
    assert seed["groups"][0].keys() == {"id", "name", "created_at", "destination"}
    assert not [call for call in snapshots.server.calls if call.endswith(("connections", "certificates"))]


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_summary_has_the_account_and_the_counts(snapshots: Snapshots, form: str) -> None:
    snapshots.server.app.load_seed(Seed.model_validate(EVERYTHING))
    result = snapshots.take("--with", "connections", "--with", "trust", "--format", form)
    assert result.exit == 0
    if form == "text":
        counts_in_words = "3 links and agents, 1 secrets manager, 1 connection, 2 approvals"
        assert f"Acme (intently_yarn) · 2 groups, 1 destination, {counts_in_words}" in result.stdout
        return
    counts = {
        "groups": 2,
        "destinations": 1,
        "links_and_agents": 3,
        "secrets_managers": 1,
        "connections": 1,
        "approvals": 2,
        "stars": 0,
    }
    assert result.document["counts"] == counts
    assert (result.document["unreadable"], result.document["exit"]["code"]) == ([], 0)


def test_secrets_are_stars_whatever_the_api_answers(snapshots: Snapshots) -> None:
    # Fivetran answers this secret in clear, and this secret in stars.
    snapshots.load_config(
        "snowflake", storage_account_key="canary-clear", password="canary-masked", user="LOADER"
    )
    assert "canary-clear" in json.dumps(snapshots.server.get("/destinations/one_group"))
    config = snapshots.take_config()
    assert (config["storage_account_key"], config["password"], config["user"]) == (STARS, STARS, "LOADER")


def test_values_of_unknown_fields_and_services_are_stars(snapshots: Snapshots) -> None:
    snapshots.load_config("snowflake", novel_field="canary-1", novel_list=["canary-2"], novel_flag=False)
    config = snapshots.take_config()
    assert [config[name] for name in ("novel_field", "novel_list", "novel_flag")] == [STARS] * 3


def test_every_value_of_an_unknown_service_is_stars(snapshots: Snapshots) -> None:
    snapshots.load_config("warehouse_of_tomorrow", host="db.example.com", port=5432, empty="")
    assert snapshots.take_config() == {"host": STARS, "port": STARS}


def test_a_public_field_with_the_form_of_a_secret_is_stars(snapshots: Snapshots) -> None:
    snapshots.load_config("snowflake", role=TOKEN, user="LOADER")
    assert snapshots.take_config()["role"] == STARS


def test_a_secret_of_the_environment_is_in_no_snapshot(snapshots: Snapshots) -> None:
    allow_values("one_group")
    canary = "canary-of-the-environment"
    snapshots.load_config("snowflake", role=f"as {canary}", user="LOADER")
    snapshots.load({"id": "two_group", "name": f"of {canary}"})
    taken = snapshots.must_take(VAULT_TOKEN=canary)
    assert canary not in snapshots.file.read_text()
    assert taken["groups"][0]["destination"]["config"]["role"] == STARS


def test_values_of_secrets_managers_are_stars(snapshots: Snapshots) -> None:
    manager = {**EVERYTHING["secrets_managers"][0], "config": {"vault_address": "canary"}}
    snapshots.load(secrets_managers=[manager])
    [taken] = snapshots.must_take()["secrets_managers"]
    assert taken == {**manager, "config": {"vault_address": STARS}}


def test_values_of_private_links_are_stars(snapshots: Snapshots) -> None:
    link = {**EVERYTHING["private_links"][0], "config": {"connection_service_name": "canary"}}
    snapshots.load(private_links=[link])
    [taken] = snapshots.must_take()["private_links"]
    assert taken["config"] == {"connection_service_name": STARS}


def test_a_snapshot_is_for_its_owner_only(snapshots: Snapshots) -> None:
    snapshots.must_take()
    assert stat.S_IMODE(snapshots.file.stat().st_mode) == 0o600
    assert [file.name for file in snapshots.project.folder.iterdir() if file.is_file()] == ["account.yaml"]


def test_an_existing_file_is_replaced_with_force_only(snapshots: Snapshots) -> None:
    snapshots.project.write("account.yaml", "precious\n")
    result = snapshots.take()
    assert (result.exit, get_error_code(result)) == (1, "snapshot-exists")
    assert snapshots.file.read_text() == "precious\n"
    assert snapshots.server.calls == []
    assert snapshots.take("--force").exit == 0
    assert snapshots.read()["version"] == 1
    assert stat.S_IMODE(snapshots.file.stat().st_mode) == 0o600


def test_a_file_that_is_made_meanwhile_is_not_replaced(project: Project) -> None:
    file = project.folder / "account.yaml"
    with serve_fivetran(observe=lambda request: file.write_text("precious\n")) as server:
        result = Snapshots(project, server).take()
    assert get_error_code(result) == "snapshot-exists"
    assert file.read_text() == "precious\n"


@pytest.mark.parametrize("place", ["missing/account.yaml", "specs"])
def test_a_place_that_cannot_be_written_is_one_error(snapshots: Snapshots, place: str) -> None:
    result = snapshots.project.run_against(snapshots.server, "snapshot", "--out", place, "--force")
    assert (result.exit, get_error_code(result)) == (1, "file-unwritable")
    assert snapshots.server.calls == []


def test_unreadable_objects_are_named_and_the_rest_is_written(snapshots: Snapshots) -> None:
    snapshots.server.app.load_seed(
        Seed.model_validate({**EVERYTHING, "snapshot": {"taken_at": MOMENT, "unreadable": ["decent_dropsy"]}})
    )
    AppliedProject(snapshots.project, snapshots.server).add_faults(
        "GET /v1/proxy before-effect status 403",
        "GET /v1/groups/bare_willow/connections before-effect status 403",
    )
    result = snapshots.take("--with", "connections,trust")
    assert (result.exit, get_error_code(result)) == (1, "snapshot-incomplete")
    named = [line for line in result.stderr.splitlines() if "= note: " in line]
    assert [line.partition("= note: ")[2].split(" of ")[0] for line in named] == [
        "destination",
        "connections",
        "proxy agents",
    ]
    seed = snapshots.read()
    assert seed["snapshot"]["unreadable"] == ["decent_dropsy"]
    assert seed["groups"][0]["destination"]["service"] == "snowflake"
    assert "config" not in seed["groups"][0]["destination"]
    assert "proxy_agents" not in seed


def test_an_account_that_cannot_be_read_leaves_no_file(snapshots: Snapshots) -> None:
    AppliedProject(snapshots.project, snapshots.server).add_faults("GET /v1/groups before-effect status 403")
    result = snapshots.take()
    assert (result.exit, get_error_code(result)) == (1, "forbidden")
    assert not snapshots.file.exists()


def test_a_snapshot_needs_no_project_and_reads_no_state(snapshots: Snapshots) -> None:
    (snapshots.project.folder / "specs/reconciler.yaml").unlink()
    snapshots.load_config("snowflake", user="LOADER")
    assert snapshots.must_take()["account"]["id"] == snapshots.server.account_id
    assert not list(snapshots.project.folder.rglob(".reconciler"))


def test_the_sandbox_has_snapshots_too(snapshots: Snapshots) -> None:
    snapshots.project.write_groups("  sales: {}\n")
    assert snapshots.project.run("apply", "--sandbox", "--auto-approve").exit == 0
    assert snapshots.project.run("snapshot", "--sandbox", "--out", "account.yaml").exit == 0
    assert [group["name"] for group in snapshots.read()["groups"]] == ["sales"]


def test_a_list_that_no_snapshot_has_is_wrong_usage(project: Project) -> None:
    result = project.run("snapshot", "--out", "account.yaml", "--with", "conections")
    assert result.exit == 64
    assert "did you mean `connections`?" in result.stderr


def test_a_group_outside_the_list_is_read_by_its_id(snapshots: Snapshots) -> None:
    snapshots.load_config("snowflake", user="LOADER")
    AppliedProject(snapshots.project, snapshots.server).add_faults("GET /v1/groups missing-item")
    [group] = snapshots.must_take()["groups"]
    assert group["destination"]["config"]["user"] == "LOADER"


def test_rewritten_values_of_private_links_stay(snapshots: Snapshots, copy: EmulatedFivetran) -> None:
    snapshots.server.app.behaviour = Behaviour()
    destination = {
        "service": "databricks",
        "time_zone_offset": "0",
        "networking_method": "PrivateLink",
        "private_link_id": "quiet_bridge",
        "config": {"server_host_name": "adb-1.azuredatabricks.net", "cloud_provider": "AZURE"},
    }
    snapshots.load({"id": "one_group", "name": "one", "destination": destination})
    answered = snapshots.server.get("/destinations/one_group")["config"]
    config = snapshots.take_config()
    assert config["server_host_name"] == answered["server_host_name"] != "adb-1.azuredatabricks.net"


def test_a_dash_is_no_file_of_a_snapshot(project: Project, server: EmulatedFivetran) -> None:
    result = project.run_against(server, "snapshot", "--out", "-")
    assert (result.exit, server.calls) == (64, [])
    assert "name a file, for example `--out account.yaml`" in result.stderr
    assert not (project.folder / "-").exists()
