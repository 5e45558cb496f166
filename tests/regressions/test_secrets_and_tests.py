"""R21 to R25, R29 to R35, R45 and R48: setup tests and secrets."""

from __future__ import annotations

import json

import pytest
from applied_project import AppliedProject
from cli_harness import CommandResult, EmulatedFivetran, Project

from reconciler.emulator.setup_tests import SetupTest

pytestmark = pytest.mark.sampled(every=3, tests=2)

PAIR = """\
  orders:
    destination:
      service: snowflake
      time_zone_offset: "0"
      config:
        host: acme.snowflakecomputing.com
        database: ORDERS
        auth: PASSWORD
        user: FIVETRAN
        password: {secret: "env:ORDERS_PASSWORD"}
"""
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvgIBADAN\nBgkqhkiG9w0B\n-----END PRIVATE KEY-----\n"
QUIET = PAIR + "      setup_tests: {run: false}\n"


class PasswordProject(AppliedProject):
    """A project with one applied pair that has a password."""

    def run(self, *arguments: str, password: str = "first-password", **environ: str) -> CommandResult:
        return super().run(*arguments, ORDERS_PASSWORD=password, **environ)

    def list_patches(self) -> list[object]:
        """List the bodies of all updates of the destination."""
        return self.server.list_bodies("PATCH", f"/v1/destinations/{self.id}")

    def rotate_and_list_writes(self, password: str) -> list[str]:
        """Apply with another password, assert success, and list the sent writes."""
        before = len(self.server.writes)
        result = self.run("apply", "--auto-approve", password=password)
        assert result.exit == 0, result.stdout + result.stderr
        return self.server.writes[before:]


@pytest.fixture
def applied_pair(project: Project, server: EmulatedFivetran) -> PasswordProject:
    """One applied pair with a password."""
    password_project = PasswordProject(project, server)
    password_project.apply_once(PAIR)
    return password_project


def test_r21_changed_trust_flags_run_setup_tests_once_without_a_patch(applied_pair: PasswordProject) -> None:
    applied_pair.dashboard.present_certificate(destination=applied_pair.id)
    applied_pair.project.write_groups(PAIR.replace('"0"', '"+2"'))
    assert applied_pair.run("apply", "--auto-approve").exit == 7, "somebody must approve the certificate"
    applied_pair.project.write_groups(PAIR.replace('"0"', '"+2"') + "      trust: {certificates: any}\n")
    assert applied_pair.list_apply_writes() == [f"POST /v1/destinations/{applied_pair.id}/test"]
    [*_, tests] = applied_pair.server.list_bodies("POST", f"/v1/destinations/{applied_pair.id}/test")
    assert tests == {"trust_certificates": True}
    assert applied_pair.server.calls[-1] == f"GET /v1/destinations/{applied_pair.id}"
    assert applied_pair.list_apply_writes() == []


def test_r22_an_update_with_tests_off_requests_no_setup_tests(applied_pair: PasswordProject) -> None:
    applied_pair.project.write_groups(QUIET.replace('"0"', '"+2"'))
    assert applied_pair.list_apply_writes() == [f"PATCH /v1/destinations/{applied_pair.id}"]
    assert applied_pair.list_patches() == [{"time_zone_offset": "+2", "run_setup_tests": False}]


@pytest.mark.parametrize(("policy", "code"), [("fail", 6), ("warn", 0)])
def test_r24_a_failed_setup_test_sets_the_exit_code_by_its_policy(
    applied_pair: PasswordProject, policy: str, code: int
) -> None:
    failure = SetupTest("Permission Test", "FAILED", "role cannot write")
    applied_pair.dashboard.script_setup_tests(destination=applied_pair.id, finally_always=[failure])
    applied_pair.project.write_groups(
        PAIR.replace('"0"', '"+2"') + f"      setup_tests: {{on_failure: {policy}}}\n"
    )
    result = applied_pair.run("apply", "--auto-approve")
    assert result.exit == code
    assert "role cannot write" in result.stdout


def test_r24_a_failed_setup_test_is_a_warning_in_json(applied_pair: PasswordProject) -> None:
    failure = SetupTest("Permission Test", "FAILED", "role cannot write")
    applied_pair.dashboard.script_setup_tests(destination=applied_pair.id, finally_always=[failure])
    applied_pair.project.write_groups(PAIR.replace('"0"', '"+2"') + "      setup_tests: {on_failure: warn}\n")
    result = applied_pair.run("apply", "--auto-approve", "--format", "json")
    assert result.exit == 0
    assert "setup-tests-failed" in json.dumps(result.document)
    assert "role cannot write" in json.dumps(result.document)


def test_r25_an_unchanged_destination_gets_no_write_and_no_test(
    applied_pair: PasswordProject,
) -> None:
    assert applied_pair.list_apply_writes() == []


def test_r29_a_missing_object_counts_as_deleted(applied_pair: PasswordProject) -> None:
    applied_pair.project.write(
        "specs/groups/main.yaml",
        f"version: 1\ngroups:\n  spare: {{}}\nremoved:\n  - {{group: orders, id: {applied_pair.id}}}\n",
    )
    applied_pair.dashboard.remove("destination", applied_pair.id)
    writes = applied_pair.list_apply_writes()
    assert writes[-1] == f"DELETE /v1/groups/{applied_pair.id}"
    assert f"DELETE /v1/destinations/{applied_pair.id}" not in writes


def test_r31_a_rotated_secret_is_planned_and_sent(applied_pair: PasswordProject) -> None:
    plan = applied_pair.run("plan", password="second-password")
    assert "config.password" in plan.stdout
    assert "second-password" not in plan.stdout + plan.stderr
    assert (
        applied_pair.rotate_and_list_writes(password="second-password")[0]
        == f"PATCH /v1/destinations/{applied_pair.id}"
    )
    assert applied_pair.list_patches() == [
        {"config": {"password": "second-password"}, "time_zone_offset": "0", "run_setup_tests": False}
    ]


def test_r31_a_secret_declared_later_is_sent(applied_pair: PasswordProject) -> None:
    applied_pair.project.write_groups(
        PAIR.replace(
            "        password:",
            '        aws_secret_access_key: {secret: "env:ORDERS_AWS"}\n        password:',
        )
    )
    plan = applied_pair.run("plan", "--detailed-exitcode", ORDERS_AWS="an-aws-secret")
    assert plan.exit == 2
    assert "config.aws_secret_access_key" in plan.stdout
    result = applied_pair.run("apply", "--auto-approve", ORDERS_AWS="an-aws-secret")
    assert result.exit == 0, result.stdout + result.stderr
    assert applied_pair.list_patches() == [
        {
            "config": {"aws_secret_access_key": "an-aws-secret"},
            "time_zone_offset": "0",
            "run_setup_tests": False,
        }
    ]
    assert applied_pair.run("plan", "--detailed-exitcode", ORDERS_AWS="an-aws-secret").exit == 0


def test_r31_an_existing_secret_is_not_sent_on_adoption(project: Project, server: EmulatedFivetran) -> None:
    group = server.app.dashboard.add_group("orders")
    config = {
        "host": "acme.snowflakecomputing.com",
        "database": "ORDERS",
        "auth": "PASSWORD",
        "user": "FIVETRAN",
        "password": "nobody-knows",
    }
    server.app.dashboard.add_destination(group, "snowflake", config=config)
    applied_pair = PasswordProject(project, server)
    applied_pair.apply_once(PAIR)
    assert applied_pair.list_apply_writes() == []
    assert server.writes == []


def test_r32_a_masked_secret_is_no_difference_and_is_never_written(applied_pair: PasswordProject) -> None:
    applied_pair.project.write_groups(PAIR.replace("database: ORDERS", "database: SALES"))
    applied_pair.list_apply_writes()
    assert applied_pair.list_patches() == [
        {"config": {"database": "SALES"}, "time_zone_offset": "0", "run_setup_tests": False}
    ]
    assert applied_pair.dashboard.get_destination(applied_pair.id).config["password"] == "first-password"


@pytest.mark.parametrize("before", [PEM, '{"type": "service_account", "k": "zxq81"}', "q", "ordinary"])
def test_r34_no_secret_is_shown_and_other_text_stays_intact(
    project: Project, server: EmulatedFivetran, before: str
) -> None:
    applied_pair = PasswordProject(project, server)
    applied_pair.apply_once(PAIR)
    applied_pair.rotate_and_list_writes(password=before)
    printed = ""
    for after in (before, f"new {before}"):
        for options in (["plan"], ["plan", "--format", "json"], ["plan", "-v"], ["apply", "--auto-approve"]):
            result = applied_pair.run(*options, password=after)
            printed += result.stdout + result.stderr
    assert "config.password" in printed
    assert "destination.orders" in printed
    folder = project.folder / "specs" / ".reconciler"
    kept = "".join(file.read_text() for file in folder.glob("state.json*") if not file.name.endswith(".key"))
    if len(before) > 1 and before != "ordinary":
        for line in before.splitlines():
            assert line not in printed
            assert line not in kept
    assert f"new {before}" not in printed


def test_r35_a_field_is_secret_only_in_services_that_declare_it_secret(
    project: Project, server: EmulatedFivetran
) -> None:
    project.write("specs/reconciler.yaml", "version: 1\nspecs: ['groups/*.yaml']\n")
    project.write_groups(
        """\
  lake:
    destination:
      service: managed_data_lake
      time_zone_offset: "0"
      config: {storage_provider: AWS, bucket: b, fivetran_role_arn: "arn:aws:iam::123456789012:role/lake"}
  base:
    destination:
      service: postgres_rds_warehouse
      time_zone_offset: "0"
      config:
        host: h
        auth_method: AWS_IAM
        aws_region_code: us-east-1
        external_id: e
        role_arn: "arn:aws:iam::123456789012:role/base"
"""
    )
    result = project.run("validate")
    assert result.exit == 1
    assert "`config.role_arn` is sensitive" in result.stderr
    assert "fivetran_role_arn` is sensitive" not in result.stderr
    assert "role/base" not in result.stderr


def test_r35_an_unknown_field_with_a_secret_name_is_secret(project: Project) -> None:
    project.write_groups(
        '  a:\n    destination:\n      service: clickhouse\n      time_zone_offset: "0"\n'
        "      config: {host: h, api_token: shown-nowhere}\n"
    )
    result = project.run("validate")
    assert result.exit == 1
    assert "error[literal-secret]" in result.stderr
    assert "shown-nowhere" not in result.stderr


@pytest.mark.parametrize(
    "options", [[], ["--format", "json"], ["--secrets", "skip"], ["--detailed-exitcode"]]
)
def test_r45_a_plan_sends_get_requests_only(applied_pair: PasswordProject, options: list[str]) -> None:
    applied_pair.project.write_groups(
        PAIR.replace("ORDERS\n", "SALES\n") + "      trust: {certificates: any}\n  new: {}\n"
    )
    before = len(applied_pair.server.writes)
    assert applied_pair.run("plan", *options).exit in {0, 2}
    assert applied_pair.run("validate").exit == 0
    assert applied_pair.server.writes[before:] == []


@pytest.mark.parametrize("spec", [PAIR, "  orders: {destination: 7}\n", "  orders: [\n", "  Orders: {}\n"])
@pytest.mark.parametrize("command", [["plan"], ["apply", "--auto-approve"], ["validate"]])
def test_r48_json_output_is_always_one_document(
    applied_pair: PasswordProject, spec: str, command: list[str]
) -> None:
    applied_pair.project.write_groups(spec)
    result = applied_pair.run(*command, "--format", "json")
    assert result.document["exit"]["code"] == result.exit
