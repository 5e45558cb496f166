"""The state between two runs: ids, applied values, and unfinished work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_harness import EmulatedFivetran, Project, serve_fivetran
from filelock import FileLock

from reconciler.emulator.fault_text import parse_fault
from reconciler.emulator.setup_tests import SetupTest
from reconciler.emulator.switches import Behaviour

pytestmark = pytest.mark.sampled(every=6, tests=3)

PAIR = """\
  orders:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {project_id: acme, data_set_location: US}
"""


@pytest.fixture
def orders(project: Project, server: EmulatedFivetran) -> Project:
    """A project with one pair, for the account of the server."""
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
    )
    project.write_groups(PAIR)
    return project


def get_state_file(project: Project) -> Path:
    return project.folder / "specs" / ".reconciler" / "state.json"


def apply(project: Project, server: EmulatedFivetran, environ: dict[str, str] | None = None) -> list[str]:
    """Apply, assert success, and return the sent writes."""
    before = len(server.writes)
    result = project.run_against(server, "apply", "--auto-approve", environ=environ or {})
    assert result.exit == 0, result.stdout + result.stderr
    return server.writes[before:]


def test_a_rename_is_one_patch_of_the_same_group(orders: Project, server: EmulatedFivetran) -> None:
    apply(orders, server)
    [group] = server.list_ids("groups")
    orders.write_groups(PAIR.replace("  orders:\n", "  orders:\n    name: Orders of today\n"))
    assert apply(orders, server) == [f"PATCH /v1/groups/{group}"]
    assert server.get(f"/groups/{group}")["name"] == "Orders of today"
    assert apply(orders, server) == []


def test_a_group_renamed_outside_gets_its_declared_name(orders: Project, server: EmulatedFivetran) -> None:
    apply(orders, server)
    [group] = server.list_ids("groups")
    server.app.dashboard.rename_group(group, "something else")
    assert apply(orders, server) == [f"PATCH /v1/groups/{group}"]
    assert server.list_ids("groups") == [group]


def test_an_existing_pair_is_adopted_without_writes_and_setup_tests(
    orders: Project, server: EmulatedFivetran
) -> None:
    group = server.app.dashboard.add_group("orders")
    server.app.dashboard.add_destination(
        group, "big_query", config={"project_id": "acme", "data_set_location": "US"}
    )
    plan = orders.run_against(server, "plan", "--detailed-exitcode")
    assert plan.exit == 0
    assert "No changes." in plan.stdout.splitlines()
    assert group in plan.stdout
    assert not get_state_file(orders).exists(), "a plan only reads"
    assert apply(orders, server) == []
    orders.write_groups(PAIR.replace("  orders:\n", "  orders:\n    name: Orders of today\n"))
    assert apply(orders, server) == [f"PATCH /v1/groups/{group}"]


def test_an_apply_that_only_adopts_ends_with_the_number_of_recorded_objects(
    orders: Project, server: EmulatedFivetran
) -> None:
    group = server.app.dashboard.add_group("orders")
    server.app.dashboard.add_destination(
        group, "big_query", config={"project_id": "acme", "data_set_location": "US"}
    )
    planned = orders.run_against(server, "plan")
    first, again = (orders.run_against(server, "apply", "--auto-approve") for _ in range(2))
    assert "Adopted: " not in planned.stdout + again.stdout
    assert first.stdout.splitlines()[-1] == "Adopted: 2 recorded in the state."
    get_state_file(orders).unlink()
    document = orders.run_against(server, "apply", "--auto-approve", "--format", "json").document
    assert (document["applied"], document["plan"]["counts"]["adopt"]) == (None, 2)


def test_a_lost_state_causes_no_second_create(orders: Project, server: EmulatedFivetran) -> None:
    apply(orders, server)
    get_state_file(orders).unlink()
    assert apply(orders, server) == []
    assert orders.run_against(server, "plan", "--detailed-exitcode").exit == 0


def test_the_state_is_private_and_holds_no_secret(orders: Project, server: EmulatedFivetran) -> None:
    orders.write_groups(PAIR.replace("US}", 'US, secret_key: {secret: "env:ORDERS_KEY"}}'))
    result = orders.run_against(
        server, "apply", "--auto-approve", environ={"ORDERS_KEY": "a-key-that-nobody-sees"}
    )
    assert result.exit == 0, result.stderr
    state = get_state_file(orders)
    kept = json.loads(state.read_text())["records"]["destination.orders"]
    assert kept["applied"]["config"] == {"project_id": "acme", "data_set_location": "US"}
    assert state.stat().st_mode & 0o077 == 0
    for file in state.parent.iterdir():
        assert "a-key-that-nobody-sees" not in file.read_text()


def test_the_state_of_another_account_is_refused(orders: Project, server: EmulatedFivetran) -> None:
    apply(orders, server)
    state = json.loads(get_state_file(orders).read_text())
    get_state_file(orders).write_text(json.dumps({**state, "account_id": "quite_another"}))
    result = orders.run_against(server, "plan")
    assert result.exit == 1
    assert "error[other-account]" in result.stderr
    assert server.calls[-1] == "GET /v1/account/info"


def test_a_damaged_state_is_reported_before_any_request(orders: Project, server: EmulatedFivetran) -> None:
    apply(orders, server)
    get_state_file(orders).write_text("{")
    before = len(server.calls)
    result = orders.run_against(server, "apply", "--auto-approve")
    assert result.exit == 1
    assert "error[state-damaged]" in result.stderr
    assert "specs/.reconciler/state.json" in result.stderr
    assert server.calls[before:] == []


def test_a_second_apply_names_the_lock_holder_and_sends_nothing(
    orders: Project, server: EmulatedFivetran
) -> None:
    apply(orders, server)
    lock = get_state_file(orders).with_name("state.json.lock")
    holder = {
        "pid": 4711,
        "host": "runner-7",
        "user": "ci",
        "since": "2026-11-23T10:00:00+00:00",
        "doing": "x",
    }
    lock.with_name("state.json.lock.holder").write_text(json.dumps(holder))
    before = len(server.calls)
    with FileLock(lock):
        result = orders.run_against(server, "apply", "--auto-approve")
        assert result.exit == 5
        assert "error[locked]" in result.stderr
        assert "runner-7" in result.stderr
        assert server.calls[before:] == []
        assert orders.run_against(server, "plan").exit == 0, "reading needs no lock"
    assert orders.run_against(server, "apply", "--auto-approve").exit == 0


def test_an_unwritable_state_stops_every_write(orders: Project, server: EmulatedFivetran) -> None:
    get_state_file(orders).mkdir(parents=True)
    result = orders.run_against(server, "apply", "--auto-approve")
    assert result.exit == 1
    assert "error[state-unusable]" in result.stderr
    assert server.writes == []


def test_required_setup_tests_stay_in_the_plan_until_they_pass(
    orders: Project, server: EmulatedFivetran
) -> None:
    failure = SetupTest("Permission Test", "FAILED", "no access to acme")
    server.app.dashboard.script_setup_tests(group_name="orders", finally_always=[failure])
    assert orders.run_against(server, "apply", "--auto-approve").exit == 6
    [group] = server.list_ids("groups")
    plan = orders.run_against(server, "plan", "--detailed-exitcode")
    assert plan.exit == 2
    assert "? destination.orders" in plan.stdout
    server.app.dashboard.script_setup_tests(group_name="orders")
    assert apply(orders, server) == [f"POST /v1/destinations/{group}/test"]
    assert orders.run_against(server, "plan", "--detailed-exitcode").exit == 0


def test_optional_setup_tests_leave_an_empty_plan(orders: Project, server: EmulatedFivetran) -> None:
    orders.write_groups(PAIR + "      setup_tests: {on_failure: warn}\n")
    failure = SetupTest("Permission Test", "FAILED", "no access to acme")
    server.app.dashboard.script_setup_tests(group_name="orders", finally_always=[failure])
    result = orders.run_against(server, "apply", "--auto-approve")
    assert result.exit == 0
    assert "no access to acme" in result.stdout
    assert orders.run_against(server, "plan", "--detailed-exitcode").exit == 0


def test_a_plan_names_the_origin_of_each_field_change(orders: Project, server: EmulatedFivetran) -> None:
    apply(orders, server)
    [group] = server.list_ids("groups")

    def list_origins() -> dict[str, str]:
        [change] = orders.run_against(server, "plan", "--format", "json").document["changes"]
        return {".".join(field["path"]): field["origin"] for field in change["fields"]}

    server.app.dashboard.change_destination(group, config={"project_id": "theirs"}, time_zone_offset="+2")
    assert list_origins() == {"time_zone_offset": "drift", "config.project_id": "drift"}
    orders.write_groups(PAIR.replace("project_id: acme", "project_id: ours"))
    assert list_origins() == {"time_zone_offset": "drift", "config.project_id": "conflict"}
    server.app.dashboard.change_destination(group, config={"project_id": "acme"}, time_zone_offset="0")
    assert list_origins() == {"config.project_id": "spec"}


def test_a_field_declared_later_is_recorded_without_a_write(
    orders: Project, server: EmulatedFivetran
) -> None:
    orders.write_groups(PAIR.replace(", data_set_location: US", ""))
    apply(orders, server)
    [group] = server.list_ids("groups")
    server.app.dashboard.change_destination(group, config={"data_set_location": "US"})
    orders.write_groups(PAIR)
    assert apply(orders, server) == []
    server.app.dashboard.change_destination(group, config={"data_set_location": "EU"})
    [change] = orders.run_against(server, "plan", "--format", "json").document["changes"]
    assert [field["origin"] for field in change["fields"]] == ["drift"]


def test_a_host_rewritten_by_fivetran_is_compared_with_the_applied_host(
    orders: Project, server: EmulatedFivetran
) -> None:
    databricks = """\
  orders:
    destination:
      service: databricks
      time_zone_offset: "0"
      config: {server_host_name: own.example, http_path: /sql, port: 443, catalog: main,
        personal_access_token: {secret: "env:DATABRICKS_TOKEN"}}
"""
    token = {"DATABRICKS_TOKEN": "a-token-nobody-sees"}
    orders.write_groups(databricks)
    apply(orders, server, token)
    [group] = server.list_ids("groups")
    server.app.dashboard.change_destination(
        group, config={"server_host_name": "rewritten.privatelink.example"}
    )
    assert apply(orders, server, token) == []
    orders.write_groups(databricks.replace("own.example", "other.example"))
    assert apply(orders, server, token)[0] == f"PATCH /v1/destinations/{group}"
    assert server.list_bodies("PATCH", f"/v1/destinations/{group}")[-1]["config"] == {
        "server_host_name": "other.example"
    }


SECRET_PAIR = PAIR.replace("US}", 'US, secret_key: {secret: "env:ORDERS_KEY"}}')


def build_environ(value: str) -> dict[str, str]:
    return {"ORDERS_KEY": value}


def test_a_rotated_secret_is_sent_alone_and_never_shown(orders: Project, server: EmulatedFivetran) -> None:
    orders.write_groups(SECRET_PAIR)
    orders.run_against(server, "apply", "--auto-approve", environ=build_environ("first-key"))
    [group] = server.list_ids("groups")
    plan = orders.run_against(server, "plan", environ=build_environ("second-key"))
    assert "config.secret_key" in plan.stdout
    assert "first-key" not in plan.stdout
    assert "second-key" not in plan.stdout
    result = orders.run_against(server, "apply", "--auto-approve", environ=build_environ("second-key"))
    assert result.exit == 0, result.stdout + result.stderr
    assert server.list_bodies("PATCH", f"/v1/destinations/{group}") == [
        {"config": {"secret_key": "second-key"}, "time_zone_offset": "0", "run_setup_tests": False}
    ]
    again = orders.run_against(server, "plan", "--detailed-exitcode", environ=build_environ("second-key"))
    assert again.exit == 0


def test_plans_for_two_different_new_secrets_are_equal(orders: Project, server: EmulatedFivetran) -> None:
    orders.write_groups(SECRET_PAIR)
    orders.run_against(server, "apply", "--auto-approve", environ=build_environ("first-key"))
    changes = [
        orders.run_against(server, "plan", "--format", "json", environ=build_environ(value)).document[
            "changes"
        ]
        for value in ("x", "a-much-longer-key-" * 9)
    ]
    assert changes[0] == changes[1] != []


def test_an_unreadable_secret_is_an_error_if_it_must_be_compared(
    orders: Project, server: EmulatedFivetran
) -> None:
    orders.write_groups(SECRET_PAIR)
    orders.run_against(server, "apply", "--auto-approve", environ=build_environ("first-key"))
    result = orders.run_against(server, "plan")
    assert result.exit == 1
    assert "error[secret-unavailable]" in result.stderr
    assert "--secrets skip" in result.stderr
    skipped = orders.run_against(
        server, "plan", "--secrets", "skip", "--format", "json", "--detailed-exitcode"
    )
    assert skipped.exit == 0
    [destination] = [each for each in skipped.document["unchanged"] if each["address"].startswith("dest")]
    assert destination["uncomparable"] == [["config", "secret_key"]]


def test_an_incomparable_secret_of_an_adopted_destination_is_no_change(
    orders: Project, server: EmulatedFivetran
) -> None:
    group = server.app.dashboard.add_group("orders")
    server.app.dashboard.add_destination(
        group,
        "big_query",
        config={"project_id": "acme", "data_set_location": "US", "secret_key": "nobody-knows"},
    )
    orders.write_groups(SECRET_PAIR)
    assert apply(orders, server) == []
    plan = orders.run_against(server, "plan", "--detailed-exitcode")
    assert plan.exit == 0


def test_without_the_fingerprint_key_no_secret_is_a_change(orders: Project, server: EmulatedFivetran) -> None:
    orders.write_groups(SECRET_PAIR)
    orders.run_against(server, "apply", "--auto-approve", environ=build_environ("first-key"))
    get_state_file(orders).with_name("state.json.key").unlink()
    plan = orders.run_against(server, "plan", "--detailed-exitcode", environ=build_environ("second-key"))
    assert plan.exit == 0
    assert "secret" in plan.stdout


def test_a_new_fingerprint_key_marks_no_secret_as_changed(orders: Project, server: EmulatedFivetran) -> None:
    orders.write_groups(SECRET_PAIR)
    orders.run_against(server, "apply", "--auto-approve", environ=build_environ("first-key"))
    get_state_file(orders).with_name("state.json.key").unlink()
    before = len(server.writes)
    result = orders.run_against(server, "apply", "--auto-approve", environ=build_environ("first-key"))
    assert result.exit == 0
    assert server.writes[before:] == []


@pytest.mark.parametrize("kept", [True, False])
def test_a_destination_create_without_answer_is_recovered_and_not_repeated(
    orders: Project, server: EmulatedFivetran, kept: bool
) -> None:
    server.app.faults.add(parse_fault("POST /v1/destinations #1 after-effect close"))
    server.app.faults.add(
        parse_fault("GET /v1/destinations/* status 503")
    )  # the search gets no answer either
    result = orders.run_against(server, "apply", "--auto-approve")
    assert result.exit == 6
    assert "outcome-unknown" in result.stdout
    server.app.faults.clear()
    [group] = server.list_ids("groups")
    if not kept:
        for file in get_state_file(orders).parent.glob("state.json*"):
            file.unlink()
    # The record of the create, or the status of the destination, shows that its setup tests are outstanding.
    assert apply(orders, server) == [f"POST /v1/destinations/{group}/test"]
    assert server.writes.count("POST /v1/destinations") == 1
    assert orders.run_against(server, "plan", "--detailed-exitcode").exit == 0


def test_a_group_create_without_answer_is_recovered_and_not_repeated(
    orders: Project, server: EmulatedFivetran
) -> None:
    server.app.faults.add(parse_fault("POST /v1/groups #1 after-effect close"))
    server.app.faults.add(parse_fault("GET /v1/groups #2.. status 503"))  # the search gets no answer either
    assert orders.run_against(server, "apply", "--auto-approve").exit == 6
    server.app.faults.clear()
    assert apply(orders, server)[0] == "POST /v1/destinations"
    assert len(server.list_ids("groups")) == 1


@pytest.mark.parametrize("collection", ["groups", "destinations"])
def test_a_lost_answer_is_recovered_within_the_same_apply(
    orders: Project, server: EmulatedFivetran, collection: str
) -> None:
    server.app.faults.add(parse_fault(f"POST /v1/{collection} #1 after-effect close"))
    result = orders.run_against(server, "apply", "--auto-approve")
    assert result.exit == 0, result.stdout + result.stderr
    assert "found after its answer was lost" in result.stdout
    assert server.writes.count(f"POST /v1/{collection}") == 1
    assert len(server.list_ids("groups")) == len(server.list_ids("destinations")) == 1


def test_an_intent_is_on_disk_before_the_first_write(orders: Project, server: EmulatedFivetran) -> None:
    server.app.faults.add(parse_fault("POST /v1/groups before-effect close"))
    orders.run_against(server, "apply", "--auto-approve")
    records = json.loads(get_state_file(orders).read_text())["records"]
    assert {address: record["intent"]["action"] for address, record in records.items()} == {
        "group.orders": "create"  # a change that waited for it was not attempted
    }
    server.app.faults.clear()
    orders.advance_time()
    assert [call.partition(" ")[0] for call in apply(orders, server)] == ["POST", "POST", "POST"]
    records = json.loads(get_state_file(orders).read_text())["records"]
    assert [record["intent"] for record in records.values()] == [None, None]


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize(
    "behaviour",
    [
        {"tunnel_networking": "directly"},
        {"agent_id_after_update": "null"},
        {"cluster_id_after_update": "null"},
        {"cloud_provider": "aws-behind-link"},
        {"private_link_host": "rewritten"},
        {"unchosen_networking": "left-out"},
        {"networking_and_connection_type": "aligned"},
    ],
    ids=lambda switches: next(iter(switches)),
)
def test_an_answer_that_differs_from_the_request_causes_no_permanent_difference(
    project: Project, behaviour: dict[str, str]
) -> None:
    project.write_groups(
        """\
  tunnelled:
    destination:
      service: postgres_rds_warehouse
      time_zone_offset: "0"
      networking_method: SshTunnel
      config: {host: h, port: 5432, database: d, user: u, connection_type: SshTunnel, tunnel_host: t,
        tunnel_port: 22, tunnel_user: f, always_encrypted: true, password: {secret: "env:PASSWORD"}}
  hybrid:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      hybrid_deployment_agent_id: agent_one
      config: {project_id: p, data_set_location: US}
  clustered:
    destination:
      service: redshift
      time_zone_offset: "0"
      config: {host: h, port: 5439, database: d, user: u, auth_type: IAM, cluster_id: c, cluster_region: us-east-1,
        role_arn: {secret: "env:ROLE"}}
  linked:
    destination:
      service: databricks
      time_zone_offset: "0"
      networking_method: PrivateLink
      private_link_id: pl_one
      config: {server_host_name: own.example, http_path: /sql, port: 443, catalog: main, cloud_provider: AZURE,
        connection_type: PrivateLink, personal_access_token: {secret: "env:PASSWORD"}}
"""
    )
    with serve_fivetran(behaviour=Behaviour(**behaviour)) as server:
        project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
        )
        role = {"ROLE": "arn:aws:iam::123456789012:role/r", "PASSWORD": "a-password-nobody-sees"}
        first = project.run_against(server, "apply", "--auto-approve", environ=role)
        assert first.exit == 0, first.stdout + first.stderr
        main = project.folder / "specs" / "groups" / "main.yaml"
        main.write_text(main.read_text().replace('"0"', '"+1"'))
        second = project.run_against(server, "apply", "--auto-approve", environ=role)
        assert second.exit == 0, second.stdout + second.stderr
        third = project.run_against(server, "plan", "--detailed-exitcode", environ=role)
        assert third.exit == 0, third.stdout


def list_secret_answers(
    project: Project, server: EmulatedFivetran, *options: str, key: str = "first-key"
) -> dict[str, list[str]]:
    """List the three answers of a plan about the secrets of the destination."""
    plan = project.run_against(
        server, "plan", "--format", "json", *options, environ=build_environ(key)
    ).document
    [found] = [
        each
        for each in (*plan["changes"], *plan["unchanged"], *plan["adopted"])
        if each["address"] == "destination.orders"
    ]
    return {answer: [".".join(path) for path in paths] for answer, paths in found["secrets"].items() if paths}


def test_a_secret_is_reported_as_changed_unchanged_or_incomparable(
    orders: Project, server: EmulatedFivetran
) -> None:
    orders.write_groups(SECRET_PAIR)
    assert list_secret_answers(orders, server) == {}, "of something new there is nothing to say"
    orders.run_against(server, "apply", "--auto-approve", environ=build_environ("first-key"))
    assert list_secret_answers(orders, server) == {"unchanged": ["config.secret_key"]}
    assert list_secret_answers(orders, server, key="second-key") == {"changed": ["config.secret_key"]}
    assert list_secret_answers(orders, server, "--secrets", "skip") == {"uncomparable": ["config.secret_key"]}
    get_state_file(orders).unlink()
    assert list_secret_answers(orders, server) == {"uncomparable": ["config.secret_key"]}


@pytest.mark.parametrize(
    "glob",
    [
        "destination.orders:config.secret_key",
        "destination.orders",
        "*:config.secret_*",
        "destination.*",
        "orders",
        "orders:config.secret_key",
        "destination.orders.config.secret_key",
    ],
)
def test_a_secret_is_resent_on_request(orders: Project, server: EmulatedFivetran, glob: str) -> None:
    orders.write_groups(SECRET_PAIR)
    orders.run_against(server, "apply", "--auto-approve", environ=build_environ("first-key"))
    [group] = server.list_ids("groups")
    plan = orders.run_against(server, "plan", "--resend-secret", glob, environ=build_environ("first-key"))
    assert "(secret env:ORDERS_KEY, unchanged, sent anyway)" in plan.stdout
    options = ("apply", "--auto-approve", "--resend-secret", glob)
    result = orders.run_against(server, *options, environ=build_environ("first-key"))
    assert result.exit == 0, result.stdout + result.stderr
    assert server.list_bodies("PATCH", f"/v1/destinations/{group}") == [
        {"config": {"secret_key": "first-key"}, "time_zone_offset": "0", "run_setup_tests": False}
    ]
    assert "Checked: a new plan is empty." in result.stdout
    assert (
        orders.run_against(server, "plan", "--detailed-exitcode", environ=build_environ("first-key")).exit
        == 0
    )


def test_sending_a_secret_makes_it_comparable(orders: Project, server: EmulatedFivetran) -> None:
    group = server.app.dashboard.add_group("orders")
    known = {"project_id": "acme", "data_set_location": "US", "secret_key": "nobody-knows"}
    server.app.dashboard.add_destination(group, "big_query", config=known)
    orders.write_groups(SECRET_PAIR)
    options = ("--resend-secret", "destination.orders")
    assert list_secret_answers(orders, server, *options) == {"uncomparable": ["config.secret_key"]}
    result = orders.run_against(
        server, "apply", "--auto-approve", *options, environ=build_environ("first-key")
    )
    assert result.exit == 0, result.stdout + result.stderr
    assert list_secret_answers(orders, server) == {"unchanged": ["config.secret_key"]}


def adopt_orders(orders: Project, server: EmulatedFivetran) -> None:
    """Apply the adoption of a destination whose secret no run has sent."""
    group = server.app.dashboard.add_group("orders")
    known = {"project_id": "acme", "data_set_location": "US", "secret_key": "nobody-knows"}
    server.app.dashboard.add_destination(group, "big_query", config=known)
    orders.write_groups(SECRET_PAIR)
    result = orders.run_against(server, "apply", "--auto-approve", environ=build_environ("first-key"))
    assert result.exit == 0, result.stdout + result.stderr


def test_a_plan_names_the_secrets_that_it_cannot_compare_and_the_option_that_sends_them(
    orders: Project, server: EmulatedFivetran
) -> None:
    """A rotated secret of an adopted destination leaves the plan empty, but not silent."""
    adopt_orders(orders, server)
    name = "destination.orders:config.secret_key"
    environ = build_environ("rotated-key")
    result = orders.run_against(server, "plan", environ=environ)
    hint = "`config.secret_key` cannot be compared; `--resend-secret destination.orders` sends it"
    assert result.stdout.count(hint) == 1
    assert "No changes." in result.stdout
    document = orders.run_against(server, "plan", "--format", "json", environ=environ).document
    assert document["uncomparable_secrets"] == [name]
    markdown = orders.run_against(server, "plan", "--format", "markdown", environ=environ).stdout
    assert markdown.count(hint) == 1
    terraform = orders.run_against(server, "plan", "--format", "terraform", environ=environ).stdout
    assert terraform.count(hint) == 1
    options = ("--resend-secret", "orders")
    result = orders.run_against(server, "apply", "--auto-approve", *options, environ=environ)
    assert result.exit == 0
    assert "--resend-secret" not in result.stdout
    assert "cannot be compared" not in orders.run_against(server, "plan", environ=environ).stdout


def test_a_plan_that_skips_or_sends_secrets_gives_no_hint_at_uncomparable_secrets(
    orders: Project, server: EmulatedFivetran
) -> None:
    adopt_orders(orders, server)
    for options in (("--secrets", "skip"), ("--resend-secret", "orders")):
        result = orders.run_against(server, "plan", *options, environ=build_environ("first-key"))
        assert result.exit == 0
        assert "--resend-secret" not in result.stdout


def test_a_resend_request_without_matching_secret_is_an_error(
    orders: Project, server: EmulatedFivetran
) -> None:
    orders.write_groups(SECRET_PAIR)
    options = ("--resend-secret", "destination.order:config.secret_key", "--resend-secret", "destination.*")
    result = orders.run_against(
        server, "apply", "--auto-approve", *options, environ=build_environ("first-key")
    )
    assert result.exit == 1
    assert "error[nothing-to-resend]" in result.stderr
    assert "did you mean `destination.orders:config.secret_key`?" in result.stderr
    assert server.writes == []


def test_an_ignored_secret_is_neither_compared_nor_sent(orders: Project, server: EmulatedFivetran) -> None:
    ignoring = SECRET_PAIR + "      lifecycle: {ignore_changes: [config.secret_key]}\n"
    orders.write_groups(ignoring)
    orders.run_against(server, "apply", "--auto-approve", environ=build_environ("first-key"))
    assert list_secret_answers(orders, server, key="second-key") == {}
    assert (
        orders.run_against(server, "plan", "--detailed-exitcode", environ=build_environ("second-key")).exit
        == 0
    )


def test_creating_groups_in_an_unconfirmed_account_warns(orders: Project, server: EmulatedFivetran) -> None:
    server.app.dashboard.add_group("somebody else's")
    plan = orders.run_against(server, "plan")
    assert "warning[no-memory]" in plan.stderr
    apply(orders, server)
    orders.write_groups(PAIR + PAIR.replace("orders", "purchases"))
    assert "warning[no-memory]" not in orders.run_against(server, "plan").stderr


def test_an_account_in_the_state_needs_no_confirmation(project: Project, server: EmulatedFivetran) -> None:
    project.write_groups(PAIR)
    refused = project.run_against(server, "apply", "--auto-approve")
    assert refused.exit == 3
    assert "error[account-unconfirmed]" in refused.stderr
    settings = project.folder / "specs" / "reconciler.yaml"
    before = settings.read_text()
    settings.write_text(f"{before}account_id: {server.account_id}\n")
    apply(project, server)
    settings.write_text(before)
    assert apply(project, server) == []


def test_the_project_file_sets_the_state_location(orders: Project, server: EmulatedFivetran) -> None:
    settings = orders.folder / "specs" / "reconciler.yaml"
    settings.write_text(settings.read_text() + "state: memory/here.json\n")
    apply(orders, server)
    assert (orders.folder / "specs" / "memory" / "here.json").exists()
    assert not get_state_file(orders).exists()
    assert apply(orders, server) == []


@pytest.mark.parametrize("place", ["ftp://host/key", "s3://bucket", "git:origin", "git:https://host/", "' '"])
def test_an_invalid_state_location_is_refused_with_its_location(
    orders: Project, server: EmulatedFivetran, place: str
) -> None:
    settings = orders.folder / "specs" / "reconciler.yaml"
    settings.write_text(settings.read_text() + f"state: {place}\n")
    result = orders.run_against(server, "plan")
    assert result.exit == 1
    assert "error[wrong-shape]" in result.stderr
    assert "specs/reconciler.yaml:4:8" in result.stderr


def test_a_shared_fingerprint_key_compares_secrets_across_machines(
    orders: Project, server: EmulatedFivetran
) -> None:
    settings = orders.folder / "specs" / "reconciler.yaml"
    settings.write_text(settings.read_text() + 'fingerprint_key: {secret: "env:TEAM_KEY"}\n')
    orders.write_groups(SECRET_PAIR)
    environ = {**build_environ("first-key"), "TEAM_KEY": "a-key-of-the-team"}
    assert orders.run_against(server, "apply", "--auto-approve", environ=environ).exit == 0
    assert not get_state_file(orders).with_name("state.json.key").exists()
    assert orders.run_against(server, "plan", "--detailed-exitcode", environ=environ).exit == 0
    rotated = {**environ, **build_environ("second-key")}
    assert orders.run_against(server, "plan", "--detailed-exitcode", environ=rotated).exit == 2
    missing = orders.run_against(server, "plan", environ=build_environ("first-key"))
    assert missing.exit == 1
    assert "error[secret-unavailable]" in missing.stderr
    assert "`fingerprint_key`" in missing.stderr
    skipped = orders.run_against(server, "plan", "--secrets", "skip", environ=build_environ("first-key"))
    assert skipped.exit == 0


@pytest.mark.parametrize("value", ['{value: "env:TEAM_KEY"}', "{plain: text}"])
def test_a_fingerprint_key_must_be_a_secret_reference(
    orders: Project, server: EmulatedFivetran, value: str
) -> None:
    settings = orders.folder / "specs" / "reconciler.yaml"
    settings.write_text(settings.read_text() + f"fingerprint_key: {value}\n")
    result = orders.run_against(server, "plan")
    assert result.exit == 1
    assert "error[bad-reference]" in result.stderr


@pytest.mark.parametrize("clearing", ["null-or-empty", "null", "empty"])
def test_a_companion_field_is_cleared_in_every_form_of_the_api(project: Project, clearing: str) -> None:
    with_agent = PAIR + "      hybrid_deployment_agent_id: agent_one\n"
    project.write_groups(with_agent)
    with serve_fivetran(behaviour=Behaviour(clearing_ids=clearing)) as server:
        project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
        )
        apply(project, server)
        [id] = server.list_ids("destinations")
        project.write_groups(with_agent.replace("agent_one", "null"))
        apply(project, server)
        assert not server.get(f"/destinations/{id}").get("hybrid_deployment_agent_id")
        patches = len(server.list_bodies("PATCH", f"/v1/destinations/{id}"))
        assert patches == (2 if clearing == "null" else 1)
        assert apply(project, server) == []
