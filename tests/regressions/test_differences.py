"""R2 to R11: values that differ in spelling only are no difference, and unknown values stop no run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cli_harness import EmulatedFivetran, Project, serve_fivetran

from reconciler.emulator.setup_tests import SetupTest
from reconciler.emulator.switches import Behaviour
from reconciler.model.plan import Action

pytestmark = pytest.mark.sampled(every=3, tests=2)


def declare(project: Project, service: str, config: dict[str, Any], **fields: Any) -> None:
    """Declare one pair, `orders`."""
    destination = {"service": service, "time_zone_offset": "0", **fields, "config": config}
    project.write_groups(f"  orders: {json.dumps({'destination': destination})}\n")


def create_live_pair(
    project: Project, server: EmulatedFivetran, service: str, config: dict[str, Any], **fields: Any
) -> str:
    """Create the pair outside the specs, with values as the API stores them."""
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
    )
    group = server.app.dashboard.add_group("orders")
    server.app.dashboard.add_destination(group, service, config=config, **fields)
    return group


def check_unchanged(project: Project, server: EmulatedFivetran) -> None:
    """Assert that a plan is empty and an apply sends nothing."""
    plan = project.run_against(server, "plan", "--detailed-exitcode")
    assert plan.exit == 0, plan.stdout + plan.stderr
    assert "No changes." in plan.stdout.splitlines()
    assert project.run_against(server, "apply", "--auto-approve").exit == 0
    assert server.writes == []


def list_changed_fields(project: Project, server: EmulatedFivetran) -> dict[str, tuple[Any, Any]]:
    """List the planned fields by dotted path, with before and after."""
    [change] = project.run_against(server, "plan", "--format", "json").document["changes"]
    assert change["action"] == Action.UPDATE
    return {".".join(field["path"]): (field["before"], field["after"]) for field in change["fields"]}


POSTGRES = {"host": "h", "port": 5432, "database": "d", "user": "u", "always_encrypted": True}
TUNNEL = {**POSTGRES, "tunnel_host": "t", "tunnel_port": 22, "tunnel_user": "u"}


@pytest.mark.parametrize("spelling", ["SshTunnel", "SSHTunnel", "SSH_TUNNEL", "ssh_tunnel"])
@pytest.mark.parametrize("answered", ["SshTunnel", "SSHTunnel", "SSH_TUNNEL"])
def test_r02_spellings_of_an_enum_member_are_no_change(
    project: Project, server: EmulatedFivetran, spelling: str, answered: str
) -> None:
    create_live_pair(project, server, "postgres_warehouse", {**TUNNEL, "connection_type": answered})
    declare(project, "postgres_warehouse", {**TUNNEL, "connection_type": spelling})
    check_unchanged(project, server)


def test_r02_an_unknown_enum_member_is_an_error_with_a_suggestion(project: Project) -> None:
    declare(project, "postgres_warehouse", {**TUNNEL, "connection_type": "SshTunel"})
    result = project.run("validate")
    assert result.exit == 1
    assert "error[unknown-value]" in result.stderr
    assert "did you mean `SshTunnel`?" in result.stderr


@pytest.mark.parametrize("form", ["absent", "null"])
@pytest.mark.parametrize("declared", [{}, {"networking_method": "Directly"}, {"networking_method": None}])
def test_r03_a_null_networking_method_is_no_change(
    project: Project, server: EmulatedFivetran, form: str, declared: dict[str, Any]
) -> None:
    server.app.behaviour = Behaviour(optional_ids=form)
    group = create_live_pair(project, server, "postgres_warehouse", POSTGRES, networking_method=None)
    assert server.get(f"/destinations/{group}").get("networking_method") is None
    declare(project, "postgres_warehouse", POSTGRES, **declared)
    check_unchanged(project, server)


@pytest.mark.parametrize("clearing", ["null", "empty"])
def test_r03_a_cleared_networking_method_converges_to_the_default(
    project: Project, server: EmulatedFivetran, clearing: str
) -> None:
    server.app.behaviour = Behaviour(clearing_ids=clearing)
    group = create_live_pair(project, server, "postgres_warehouse", POSTGRES, networking_method="ProxyAgent")
    declare(project, "postgres_warehouse", POSTGRES, networking_method=None)
    assert project.run_against(server, "apply", "--auto-approve").exit == 0
    assert server.get(f"/destinations/{group}")["networking_method"] == "Directly"
    assert project.run_against(server, "plan", "--detailed-exitcode").exit == 0


@pytest.mark.parametrize("form", ["renamed", "both", "kept"])
def test_r05_a_dataset_location_may_be_answered_under_another_name(
    project: Project, server: EmulatedFivetran, form: str
) -> None:
    server.app.behaviour = Behaviour(renamed_fields=form)
    create_live_pair(project, server, "big_query", {"project_id": "p", "data_set_location": "EU"})
    declare(project, "big_query", {"project_id": "p", "data_set_location": "EU"})
    check_unchanged(project, server)
    declare(project, "big_query", {"project_id": "p", "data_set_location": "US"})
    assert list_changed_fields(project, server) == {"config.data_set_location": ("EU", "US")}


@pytest.mark.parametrize("form", ["renamed", "both", "kept"])
def test_r05_a_dataset_location_in_another_spelling_is_no_change(
    project: Project, server: EmulatedFivetran, form: str
) -> None:
    server.app.behaviour = Behaviour(renamed_fields=form)
    location = {"project_id": "p", "data_set_location": "australia-southeast1"}
    create_live_pair(
        project, server, "managed_big_query", {**location, "data_set_location": "AUSTRALIA-SOUTHEAST1"}
    )
    declare(project, "managed_big_query", location)
    check_unchanged(project, server)


@pytest.mark.parametrize("form", ["echoed", "omitted"])
@pytest.mark.parametrize("unset", ["absent", "null", "empty"])
def test_r06_empty_values_omitted_by_the_api_are_no_change(
    project: Project, server: EmulatedFivetran, form: str, unset: str
) -> None:
    server.app.behaviour = Behaviour(empty_config=form, unset_config=unset)
    project.write("specs/reconciler.yaml", "version: 1\nspecs: ['groups/*.yaml']\n")
    create_live_pair(project, server, "aiven_kafka_wh", {"data_format": "JSON"})
    declare(
        project, "aiven_kafka_wh", {"bootstrap_servers": [], "schema_registry_url": "", "data_format": "JSON"}
    )
    check_unchanged(project, server)


@pytest.mark.parametrize("declared", [5432, "5432"])
@pytest.mark.parametrize("answered", [5432, "5432"])
def test_r07_numbers_equal_their_text_form(
    project: Project, server: EmulatedFivetran, declared: Any, answered: Any
) -> None:
    create_live_pair(project, server, "postgres_warehouse", {**POSTGRES, "port": answered})
    declare(project, "postgres_warehouse", {**POSTGRES, "port": declared})
    check_unchanged(project, server)


@pytest.mark.parametrize("declared", [True, "true", "True"])
@pytest.mark.parametrize("answered", [True, "true"])
def test_r07_booleans_equal_their_text_form(
    project: Project, server: EmulatedFivetran, declared: Any, answered: Any
) -> None:
    create_live_pair(project, server, "postgres_warehouse", {**POSTGRES, "always_encrypted": answered})
    declare(project, "postgres_warehouse", {**POSTGRES, "always_encrypted": declared})
    check_unchanged(project, server)


@pytest.mark.parametrize(
    ("written", "answered"), [("+8", "+8"), ("8", "+8"), (8, "+8"), (-8, "-8"), (0, "0"), ("+0", "0")]
)
def test_r07_time_zones_are_equal_in_every_spelling(
    project: Project, server: EmulatedFivetran, written: Any, answered: str
) -> None:
    create_live_pair(project, server, "postgres_warehouse", POSTGRES, time_zone_offset=answered)
    declare(project, "postgres_warehouse", POSTGRES, time_zone_offset=written)
    check_unchanged(project, server)


@pytest.mark.parametrize("offset", ["+13", 13, -12, "5:30", "UTC"])
def test_r07_a_time_zone_out_of_range_is_an_error(project: Project, offset: Any) -> None:
    declare(project, "postgres_warehouse", POSTGRES, time_zone_offset=offset)
    result = project.run("validate")
    assert result.exit == 1
    assert "error[bad-time-zone]" in result.stderr


def test_r08_a_set_in_another_order_is_no_change(project: Project, server: EmulatedFivetran) -> None:
    create_live_pair(project, server, "aiven_kafka_wh", {"bootstrap_servers": ["b:1", "a:1"]})
    declare(project, "aiven_kafka_wh", {"bootstrap_servers": ["a:1", "b:1"]})
    check_unchanged(project, server)


def test_r08_a_list_in_another_order_is_a_change(project: Project, server: EmulatedFivetran) -> None:
    create_live_pair(project, server, "clickhouse", {"steps": ["b", "a"]})
    declare(project, "clickhouse", {"steps": ["a", "b"]})
    assert list_changed_fields(project, server) == {"config.steps": (None, "not in the catalogue")}


@pytest.mark.parametrize("details", [None, "a text", ["a", {"b": 1}], {"a": [1]}, 7, True])
def test_r10_details_of_setup_tests_may_have_any_type(
    project: Project, server: EmulatedFivetran, details: Any
) -> None:
    server.app.dashboard.script_setup_tests([SetupTest("Some Test", "PASSED", "fine", details)])
    declare(project, "postgres_warehouse", {**POSTGRES, "auth_method": "ENTRA_ID"})
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
    )
    result = project.run_against(server, "apply", "--auto-approve")
    assert result.exit == 0, result.stdout + result.stderr


def test_r10_unknown_keys_of_an_answer_are_ignored(project: Project, server: EmulatedFivetran) -> None:
    create_live_pair(project, server, "clickhouse", {"brand_new": {"deep": [1, None]}, "host": "h"})
    declare(project, "clickhouse", {"host": "h"})
    check_unchanged(project, server)


def test_r11_an_unknown_service_is_a_warning_and_passed_through(
    project: Project, server: EmulatedFivetran
) -> None:
    create_live_pair(project, server, "brand_new_warehouse", {"host": "h", "api_token": "t", "retries": 3})
    declare(project, "brand_new_warehouse", {"host": "h", "retries": 3})
    plan = project.run_against(server, "plan", "--detailed-exitcode", "--verbose")
    assert plan.exit == 0, plan.stderr
    assert "warning[unknown-service]" in plan.stderr
    declare(project, "brand_new_warehouse", {"host": "other", "retries": 3})
    assert list_changed_fields(project, server) == {"config.host": (None, "not in the catalogue")}
    assert project.run_against(server, "apply", "--auto-approve").exit == 0


def test_r11_a_misspelled_service_is_an_error(project: Project) -> None:
    declare(project, "snowflak", {})
    result = project.run("validate")
    assert result.exit == 1
    assert "did you mean `snowflake`?" in result.stderr


def test_r11_an_unknown_service_refused_by_the_server_is_an_error(project: Project) -> None:
    with serve_fivetran() as server:
        project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
        )
        declare(project, "brand_new_warehouse", {"host": "h"})
        result = project.run_against(server, "apply", "--auto-approve")
        assert result.exit == 6
        assert "brand_new_warehouse" in result.stdout + result.stderr
        assert "Traceback" not in result.stderr
