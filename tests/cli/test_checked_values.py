"""Values behind references, and what a creation needs, in every command that knows them."""

from __future__ import annotations

import pytest
from applied_project import PAIR, AppliedProject, get_error_code
from secret_leak_detector import allow_values

pytestmark = pytest.mark.sampled(every=4, tests=3)

REFERRED = """\
  orders:
    destination:
      service: big_query
      region: {value: "env:REGION"}
      time_zone_offset: "0"
      config: {project_id: acme, data_set_location: US}
"""
COMMANDS = [["plan"], ["apply", "--auto-approve"], ["drift"], ["graph"], ["plan", "--secrets", "skip"]]
each_command = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


def refer(applied_project: AppliedProject, region: str) -> None:
    """Put the region of `orders` behind a reference, and give the reference this value."""
    allow_values(region)
    applied_project.environ["REGION"] = region
    applied_project.write_specs(REFERRED + PAIR.format(key="sales"))


@each_command
def test_a_wrong_value_of_an_existing_destination_stops_every_command(
    applied_project: AppliedProject, command: list[str]
) -> None:
    refer(applied_project, "nono")
    result, writes = applied_project.run_and_list_writes(*command)
    assert (result.exit, get_error_code(result), writes) == (1, "unknown-value", [])
    assert "--> specs/groups/main.yaml:6:15" in result.stderr
    assert "`region` has the value of `env:REGION`" in result.stderr


@each_command
def test_a_creation_that_lacks_a_field_stops_every_command(
    applied_project: AppliedProject, command: list[str]
) -> None:
    new = "  more:\n    destination: {service: big_query, time_zone_offset: '0'}\n"
    applied_project.write_specs(PAIR.format(key="orders") + PAIR.format(key="sales") + new)
    result, writes = applied_project.run_and_list_writes(*command)
    assert (result.exit, get_error_code(result), writes) == (1, "missing-field", [])


def test_a_long_wrong_value_is_shown_in_part(applied_project: AppliedProject) -> None:
    refer(applied_project, "x" * 5000)
    [headline] = [line for line in applied_project.plan().stderr.splitlines() if line.startswith("error[")]
    assert headline == f"error[unknown-value]: `region` cannot be `{'x' * 80}…`"


def test_validate_resolves_nothing(applied_project: AppliedProject) -> None:
    refer(applied_project, "nono")
    assert applied_project.project.run("validate").exit == 0


def test_a_new_region_behind_a_reference_is_a_warning_and_with_strict_an_error(
    applied_project: AppliedProject,
) -> None:
    refer(applied_project, "AWS_US_EAST_3")
    plan = applied_project.plan()
    assert plan.exit == 0
    assert "warning[unlisted-region]" in plan.stderr
    strict = applied_project.plan("--strict")
    assert (strict.exit, get_error_code(strict)) == (1, "unlisted-region")


def test_a_value_that_is_wrong_since_a_plan_was_saved_stops_its_apply(
    applied_project: AppliedProject,
) -> None:
    refer(applied_project, "AWS_US_EAST_1")
    assert applied_project.plan("--out", "dev.plan").exit == 0
    applied_project.environ["REGION"] = "nono"
    allow_values("nono")
    result, writes = applied_project.run_and_list_writes("apply", "dev.plan")
    assert (result.exit, writes) == (1, [])
    assert get_error_code(result) == "unknown-value"


def test_only_what_is_in_scope_is_checked(applied_project: AppliedProject) -> None:
    refer(applied_project, "nono")
    assert applied_project.plan("--target", "sales").exit == 0


def test_a_sandbox_checks_no_made_up_values(applied_project: AppliedProject) -> None:
    refer(applied_project, "nono")
    assert applied_project.plan("--sandbox").exit == 0


def test_a_replacement_needs_what_the_new_service_needs(applied_project: AppliedProject) -> None:
    replaced = PAIR.format(key="orders").replace("big_query", "postgres_warehouse")
    replaced = replaced.replace(
        "{project_id: acme, data_set_location: US}", "{host: h, auth_method: ENTRA_ID}"
    )
    applied_project.write_specs(
        replaced + "      lifecycle: {allow_replace: true}\n" + PAIR.format(key="sales")
    )
    result, writes = applied_project.run_and_list_writes("apply", "--auto-approve")
    assert (result.exit, get_error_code(result), writes) == (1, "missing-field", [])
    assert "service `postgres_warehouse` needs `config.user` and `config.database`" in result.stderr


def test_a_refused_replacement_is_not_measured_as_a_creation(applied_project: AppliedProject) -> None:
    replaced = PAIR.format(key="orders").replace("big_query", "clickhouse")
    applied_project.write_specs(replaced + PAIR.format(key="sales"))
    assert get_error_code(applied_project.plan()) == "replace-refused"


def test_fields_of_a_profile_an_override_and_ignored_fields_count_for_a_creation(
    applied_project: AppliedProject,
) -> None:
    applied_project.project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {applied_project.server.account_id}\n"
        "specs: [profiles.yaml, 'groups/*.yaml']\noverrides: [prod.yaml]\n",
    )
    applied_project.project.write(
        "specs/profiles.yaml",
        "version: 1\nprofiles:\n  pg: {service: postgres_warehouse, config: {host: h, auth_method: ENTRA_ID}}\n",
    )
    applied_project.project.write(
        "specs/prod.yaml",
        "version: 1\ngroups:\n  more: {destination: {time_zone_offset: '0', config: {database: d}}}\n",
    )
    new = (
        "  more:\n    destination:\n      profile: pg\n      config: {user: u}\n"
        "      lifecycle: {ignore_changes: [config.user]}\n"
    )
    applied_project.write_specs(PAIR.format(key="orders") + PAIR.format(key="sales") + new)
    plan = applied_project.plan()
    assert plan.exit == 0, plan.stderr
    assert "Plan: 2 to add" in plan.stdout


POSTGRES = {"host": "h", "port": 5432, "database": "d", "user": "u", "password": "unseen"}


@pytest.mark.parametrize(
    ("declared", "finding"),
    [
        ("networking_method: PrivateLink", "warning[missing-field]: `private_link_id` is needed"),
        ("config: {connection_type: PrivateLink}", "warning[conflicting-fields]"),
        ("config: {auth_method: AWS_IAM}", "warning[missing-field]: `config.aws_region_code` is needed"),
        ("hybrid_deployment_agent_id: agent_two", "warning[conflicting-fields]"),
        ("time_zone_offset: '+1'", ""),
        ("config: {host: h}", ""),
    ],
)
def test_an_update_that_contradicts_the_live_destination_is_a_warning(
    applied_project: AppliedProject, declared: str, finding: str
) -> None:
    group = applied_project.dashboard.add_group("live")
    applied_project.dashboard.add_destination(
        group,
        "postgres_warehouse",
        config=POSTGRES,
        networking_method="Directly",
        proxy_agent_id="agent_one",
    )
    live = (
        f"  live:\n    id: {group}\n    destination:\n      service: postgres_warehouse\n      {declared}\n"
    )
    applied_project.write_specs(PAIR.format(key="orders") + PAIR.format(key="sales") + live)
    plan = applied_project.plan()
    assert plan.exit == 0, plan.stderr
    assert finding in plan.stderr
    assert bool(finding) == bool(plan.stderr.count("warning["))
    assert not finding or "fields that the spec does not declare have their values in Fivetran" in plan.stderr
