"""From spec files to an account and back, with the real command line over real HTTP."""

from __future__ import annotations

import re
import shutil

import pytest
from cli_harness import ROOT, EmulatedFivetran, Project
from secret_leak_detector import allow_values

from reconciler.emulator.setup_tests import SetupTest

PAIR = """\
  orders:
    destination:
      service: postgres_rds_warehouse
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      config:
        host: orders.example
        port: 5432
        database: orders
        user: fivetran
        password: {secret: "env:ORDERS_PASSWORD"}
"""
SECRETS = {"ORDERS_PASSWORD": "a-password-nobody-sees"}


@pytest.fixture
def orders(project: Project, server: EmulatedFivetran) -> Project:
    """A project with one pair, for the account of the server."""
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
    )
    project.write_groups(PAIR)
    return project


def test_a_first_plan_creates_both_objects_and_sends_reads_only(
    orders: Project, server: EmulatedFivetran
) -> None:
    result = orders.run_against(server, "plan", "--detailed-exitcode", environ=SECRETS)
    assert result.exit == 2
    assert "Plan: 2 to add, 0 to change, 0 to destroy." in result.stdout.splitlines()
    assert server.writes == []
    assert "a-password-nobody-sees" not in result.stdout + result.stderr


def test_apply_creates_the_group_then_its_destination_then_runs_setup_tests(
    orders: Project, server: EmulatedFivetran
) -> None:
    result = orders.run_against(server, "apply", "--auto-approve", environ=SECRETS)
    assert result.exit == 0, result.stderr
    [group] = server.list_ids("groups")
    assert server.writes == [
        "POST /v1/groups",
        "POST /v1/destinations",
        f"POST /v1/destinations/{group}/test",
    ]
    [body] = server.list_bodies("POST", "/v1/destinations")
    assert body == {
        "group_id": group,
        "service": "postgres_rds_warehouse",
        "region": "AWS_US_EAST_1",
        "time_zone_offset": "0",
        "config": {
            "host": "orders.example",
            "port": 5432,
            "database": "orders",
            "user": "fivetran",
            "password": "a-password-nobody-sees",
        },
        "trust_certificates": False,
        "trust_fingerprints": False,
        "run_setup_tests": False,
    }


def test_a_second_plan_has_no_changes(orders: Project, server: EmulatedFivetran) -> None:
    orders.run_against(server, "apply", "--auto-approve", environ=SECRETS)
    result = orders.run_against(server, "plan", "--detailed-exitcode", environ=SECRETS)
    assert result.exit == 0
    assert "No changes." in result.stdout.splitlines()


def test_an_update_sends_only_the_changed_declared_fields(orders: Project, server: EmulatedFivetran) -> None:
    orders.run_against(server, "apply", "--auto-approve", environ=SECRETS)
    orders.write_groups(
        PAIR.replace("orders.example", "orders-2.example").replace("AWS_US_EAST_1", "AWS_US_WEST_2")
    )
    result = orders.run_against(server, "apply", "--auto-approve", environ=SECRETS)
    assert result.exit == 0, result.stderr
    [group] = server.list_ids("groups")
    assert server.list_bodies("PATCH", f"/v1/destinations/{group}") == [
        {
            "region": "AWS_US_WEST_2",
            "config": {"host": "orders-2.example"},
            "time_zone_offset": "0",
            "run_setup_tests": False,
        }
    ]


def test_a_rename_is_one_patch_of_the_same_group(orders: Project, server: EmulatedFivetran) -> None:
    orders.run_against(server, "apply", "--auto-approve", environ=SECRETS)
    [group] = server.list_ids("groups")
    orders.write_groups(
        PAIR.replace("  orders:\n", f"  orders:\n    id: {group}\n    name: Orders of today\n")
    )
    before = len(server.writes)
    assert orders.run_against(server, "apply", "--auto-approve", environ=SECRETS).exit == 0
    assert server.writes[before:] == [f"PATCH /v1/groups/{group}"]
    assert server.list_ids("groups") == [group]


def test_a_group_without_its_destination_is_completed(orders: Project, server: EmulatedFivetran) -> None:
    orders.write_groups("  orders: {}\n")
    orders.run_against(server, "apply", "--auto-approve", environ=SECRETS)
    orders.write_groups(PAIR)
    result = orders.run_against(server, "apply", "--auto-approve", environ=SECRETS)
    assert result.exit == 0, result.stderr
    assert server.writes.count("POST /v1/groups") == 1
    assert server.writes.count("POST /v1/destinations") == 1


def test_a_plan_sends_one_account_request_two_lists_and_one_read_per_destination(
    orders: Project, server: EmulatedFivetran
) -> None:
    orders.run_against(server, "apply", "--auto-approve", environ=SECRETS)
    [group] = server.list_ids("groups")
    before = len(server.calls)
    result = orders.run_against(server, "plan", "--format", "json", environ=SECRETS)
    assert server.calls[before:] == [
        "GET /v1/account/info",
        "GET /v1/groups",
        "GET /v1/destinations",
        f"GET /v1/destinations/{group}",
    ]
    assert result.document["requests"] == 4


def test_without_a_terminal_apply_requires_auto_approve_and_sends_nothing(
    orders: Project, server: EmulatedFivetran
) -> None:
    result = orders.run_against(server, "apply", environ=SECRETS)
    assert result.exit == 64
    assert "--auto-approve" in result.stderr
    assert server.calls == []


def test_failed_setup_tests_keep_the_destination_and_stay_in_the_plan(
    orders: Project, server: EmulatedFivetran
) -> None:
    failure = SetupTest("Host Connection", "FAILED", "no route to orders.example")
    server.app.dashboard.script_setup_tests(group_name="orders", finally_always=[failure])
    result = orders.run_against(server, "apply", "--auto-approve", environ=SECRETS)
    assert result.exit == 6
    assert "setup-tests-failed" in result.stdout + result.stderr
    assert "no route to orders.example" in result.stdout + result.stderr
    assert len(server.list_ids("destinations")) == 1
    assert orders.run_against(server, "plan", "--detailed-exitcode", environ=SECRETS).exit == 2
    server.app.dashboard.script_setup_tests(group_name="orders")
    assert orders.run_against(server, "apply", "--auto-approve", environ=SECRETS).exit == 0
    assert server.writes.count("POST /v1/destinations") == 1
    assert orders.run_against(server, "plan", "--detailed-exitcode", environ=SECRETS).exit == 0


def test_no_destination_of_the_demo_account_is_created_before_its_group(
    project: Project, server: EmulatedFivetran
) -> None:
    shutil.rmtree(project.folder / "specs")
    shutil.copytree(ROOT / "specs", project.folder / "specs", ignore=shutil.ignore_patterns(".*"))
    file = project.folder / "specs" / "reconciler.yaml"
    file.write_text(file.read_text().replace("intently_yarn", server.account_id))
    for spec in (project.folder / "specs" / "groups").iterdir():
        spec.write_text(re.sub(r'"file:[^"]*"', '"env:A_KEY"', spec.read_text()))
    specs = "".join(each.read_text() for each in file.parent.rglob("*.yaml"))
    references = re.findall(r'"env:(\w+)"', specs)
    allow_values(*(f"value-of-{name}" for name in re.findall(r'\{value: "env:(\w+)"', specs)))

    result = project.run_against(
        server, "apply", "--auto-approve", environ={name: f"value-of-{name}" for name in references}
    )

    assert result.exit == 0, result.stdout + result.stderr
    made: set[str] = set()
    destinations = 0
    for exchange in server.app.read_history():
        made |= {
            effect.id for effect in exchange.effects if (effect.verb, effect.kind) == ("created", "group")
        }
        if (exchange.method, exchange.path) == ("POST", "/v1/destinations"):
            destinations += 1
            assert exchange.body["group_id"] in made
    assert destinations >= 8
    assert len({body["service"] for body in server.list_bodies("POST", "/v1/destinations")}) >= 6


def test_an_undefined_variable_is_never_sent_and_an_escaped_mark_is_sent_as_text(
    orders: Project, server: EmulatedFivetran
) -> None:
    named = PAIR.replace("  orders:\n", "  orders:\n    name: ${TEAM} group\n", 1)
    orders.write_groups(named)
    refused = orders.run_against(server, "apply", "--auto-approve", environ=SECRETS)
    assert refused.exit == 1
    assert "error[undefined-variable]" in refused.stderr
    assert server.calls == []
    orders.write_groups(named.replace("${", "$${").replace("orders.example", '"{{ host }}$${X}"'))
    applied = orders.run_against(server, "apply", "--auto-approve", environ=SECRETS)
    assert applied.exit == 0, applied.stderr
    assert applied.stderr.count("warning[unexpanded-text]") == 1
    assert server.list_bodies("POST", "/v1/groups") == [{"name": "${TEAM} group"}]
    [created] = server.list_bodies("POST", "/v1/destinations")
    assert created["config"]["host"] == "{{ host }}${X}"
    assert "No changes." in orders.run_against(server, "plan", environ=SECRETS).stdout


def test_addresses_between_braces_are_sent_without_quotes(orders: Project, server: EmulatedFivetran) -> None:
    orders.write_groups("""\
  orders:
    destination: {service: postgres_rds_warehouse, region: AWS_US_EAST_1, time_zone_offset: "0", config: {
      host: db.example.com:5432, port: 5432, user: arn:aws:iam::1:role/x, database: s3://a?b=c,
      password: {secret: env:ORDERS_PASSWORD}}}
""")
    applied = orders.run_against(server, "apply", "--auto-approve", environ=SECRETS)
    assert applied.exit == 0, applied.stderr
    [created] = server.list_bodies("POST", "/v1/destinations")
    sent = [created["config"][name] for name in ("host", "user", "database", "password")]
    assert sent == ["db.example.com:5432", "arn:aws:iam::1:role/x", "s3://a?b=c", SECRETS["ORDERS_PASSWORD"]]
