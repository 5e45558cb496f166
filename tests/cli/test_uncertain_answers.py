"""Facts with uncertain evidence: the client is right under every setting of their switches.

These are secrets that Fivetran may show in clear, a null for a field that cannot be cleared, a list of destinations
without daylight saving time, the region of a hybrid deployment, and Delta metadata of a lake.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cli_harness import EmulatedFivetran, Project, serve_fivetran
from secret_leak_detector import get_detector

from reconciler.emulator.switches import Behaviour

pytestmark = pytest.mark.sampled(every=2)

CANARY, ROTATED, FOREIGN = "canary-key-4711", "canary-key-4712", "canary-key-4713"
ENVIRON = {"KEY": CANARY, "PASSWORD": "canary-password-4714", "GCS": '{"private_key": "canary-key-4715"}'}
STAGED = """\
  sales:
    destination:
      service: snowflake
      time_zone_offset: "0"
      config: {host: h.example, database: d, user: u, auth: PASSWORD, password: {secret: "env:PASSWORD"},
        storage_account_name: acme, storage_account_key: {secret: "env:KEY"},
        gcs_service_account_credentials: {secret: "env:GCS"}}
  orders:
    destination:
      service: azure_sql_data_warehouse
      time_zone_offset: "0"
      config: {host: h.example, port: 1433, database: d, user: u, password: {secret: "env:PASSWORD"},
        storage_account_name: acme, storage_account_key: {secret: "env:KEY"}}
"""


@contextmanager
def serve(project: Project, **switches: str) -> Iterator[EmulatedFivetran]:
    """Serve an account with these switches, and let the project use it."""
    with serve_fivetran(behaviour=Behaviour(**switches)) as server:
        project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
        )
        yield server


def apply(project: Project, server: EmulatedFivetran, **environ: str) -> None:
    result = project.run_against(server, "apply", "--auto-approve", environ={**ENVIRON, **environ})
    assert result.exit == 0, result.stdout + result.stderr


def is_empty(project: Project, server: EmulatedFivetran, **environ: str) -> bool:
    """Return whether a plan has no change."""
    plan = project.run_against(server, "plan", "--detailed-exitcode", environ={**ENVIRON, **environ})
    assert plan.exit in {0, 2}, plan.stdout + plan.stderr
    return plan.exit == 0


both_answers = pytest.mark.parametrize("answer", ["clear", "masked"])


@both_answers
def test_a_secret_in_an_answer_is_compared_by_its_fingerprint(project: Project, answer: str) -> None:
    project.write_groups(STAGED)
    with serve(project, unmarked_secrets=answer) as server:
        apply(project, server)
        assert is_empty(project, server)
        assert not is_empty(project, server, KEY=ROTATED)
        apply(project, server, KEY=ROTATED)
        assert is_empty(project, server, KEY=ROTATED)
        kept = [server.app.dashboard.get_destination(each).config for each in server.list_ids("groups")]
        assert [config["storage_account_key"] for config in kept] == [ROTATED, ROTATED]


@both_answers
@pytest.mark.parametrize("form", ["text", "json", "markdown", "github", "terraform-json"])
def test_a_secret_that_no_spec_declares_is_never_shown(project: Project, answer: str, form: str) -> None:
    get_detector().add_environment({"FOREIGN": FOREIGN})
    with serve(project, unmarked_secrets=answer) as server:
        group = server.app.dashboard.add_group("sales")
        config = {"host": "h", "storage_account_key": FOREIGN, "auth": "PASSWORD", "password": FOREIGN}
        server.app.dashboard.add_destination(group, "snowflake", config=config)
        for service, config in (
            ("snowflake", "role: r"),
            ("big_query", "project_id: p, data_set_location: EU"),
        ):
            project.write_groups(
                f"  sales:\n    destination: {{service: {service}, time_zone_offset: '+1', "
                f"config: {{{config}}}, lifecycle: {{allow_replace: true}}}}\n"
            )
            result = project.run_against(server, "plan", "--format", form, environ=ENVIRON)
            assert result.exit == 0, result.stdout + result.stderr
            assert FOREIGN not in result.stdout + result.stderr


@pytest.mark.parametrize("null", ["ignored", "refused"])
def test_a_number_that_leaves_the_spec_is_left_alone(project: Project, null: str) -> None:
    tunnel = (
        "connection_type: SshTunnel, tunnel_host: t, tunnel_port: 22, tunnel_user: f, always_encrypted: true"
    )
    entry = """\
  sales:
    destination:
      service: postgres_warehouse
      time_zone_offset: "0"
      config: {{host: h, port: 5432, database: d, user: u, password: {{secret: "env:PASSWORD"}}{more}}}
"""
    with serve(project, unclearable_null=null) as server:
        project.write_groups(entry.format(more=f", {tunnel}"))
        apply(project, server)
        project.write_groups(entry.format(more=", connection_type: Directly, tunnel_host: null"))
        apply(project, server)
        assert is_empty(project, server)
        [body] = [
            body
            for each in server.list_ids("groups")
            for body in server.list_bodies("PATCH", f"/v1/destinations/{each}")
        ]
        assert body["config"] == {"connection_type": "Directly", "tunnel_host": None}


@pytest.mark.parametrize("listed", ["always-false", "true-to-state"])
def test_the_list_of_destinations_proves_no_drift(project: Project, listed: str) -> None:
    project.write_groups(
        "  sales:\n    destination: {service: big_query, time_zone_offset: '0', "
        "daylight_saving_time_enabled: true, config: {project_id: p, data_set_location: EU}}\n"
    )
    with serve(project, listed_daylight_saving=listed) as server:
        apply(project, server)
        assert is_empty(project, server)
        drift = project.run_against(server, "drift", "--detailed-exitcode", environ=ENVIRON)
        assert drift.exit == 0, drift.stdout


@pytest.mark.parametrize("region", ["", "region: AWS_US_EAST_1, ", "region: GCP_US_EAST4, "])
def test_a_hybrid_deployment_converges_with_and_without_a_region(project: Project, region: str) -> None:
    entry = (
        "  sales:\n    destination: {service: big_query, time_zone_offset: '0', {region}"
        "hybrid_deployment_agent_id: agent_one, config: {project_id: p, data_set_location: EU}}\n"
    )
    project.write_groups(entry.replace("{region}", region))
    with serve(project) as server:
        apply(project, server)
        assert is_empty(project, server)
        project.write_groups(entry.replace("{region}", "region: AWS_EU_WEST_1, "))
        assert not is_empty(project, server)
        apply(project, server)
        assert is_empty(project, server)
        [identifier] = server.list_ids("destinations")
        assert server.get(f"/destinations/{identifier}")["region"] == "AWS_EU_WEST_1"


@pytest.mark.parametrize("delta", ["", "should_write_delta: false, ", "should_write_delta: true, "])
def test_a_lake_converges_with_and_without_delta(project: Project, delta: str) -> None:
    entry = (
        "  lake:\n    destination: {service: managed_data_lake, time_zone_offset: '0', config: {storage_provider: AWS, "
        "bucket: b, region: eu-central-1, {delta}fivetran_role_arn: 'arn:aws:iam::123456789012:role/r'}}\n"
    )
    project.write_groups(entry.replace("{delta}", delta))
    with serve(project) as server:
        apply(project, server)
        assert is_empty(project, server)
        project.write_groups(entry.replace("{delta}", "should_write_delta: true, "))
        assert is_empty(project, server) == ("true" in delta)
        apply(project, server)
        assert is_empty(project, server)
