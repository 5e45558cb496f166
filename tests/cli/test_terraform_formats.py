"""Formats of `plan` and `show` for other tools: Terraform's JSON and text, GitLab's counts, JUnit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
import tfcmt
from cli_harness import CommandResult, EmulatedFivetran, Project
from saved_plans import seal_content
from terraform_plan_schema import find_violations, get_own_data

from reconciler.emulator.fault_text import parse_fault
from reconciler.report.formats import Document, list_formats

pytestmark = pytest.mark.sampled(every=6, tests=3)

ENTRY = """\
  orders:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      trust: {certificates: any}
      config: {project_id: acme, data_set_location: US, secret_key: {secret: "env:THE_KEY"}}
      extra_config: {new_at_fivetran: passed-on-unseen}
"""
WRONG = ENTRY.replace("big_query", "big_qery")
KEYS = {"THE_KEY": "key-for-the-warehouse"}
UNSEEN = ("key-for-the-warehouse", "passed-on-unseen")


@pytest.fixture
def orders(project: Project, server: EmulatedFivetran) -> Project:
    project.write(
        "specs/reconciler.yaml", f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n"
    )
    project.write_groups(ENTRY)
    return project


def run_plan(project: Project, server: EmulatedFivetran, form: str, *options: str) -> CommandResult:
    return project.run_against(server, "plan", "-q", "--format", form, *options, environ=KEYS)


def remove_times(form: str, text: str) -> Any:
    """Remove times from output, so that a plan and its saved copy compare equal."""
    if form == "terraform-json":
        document = json.loads(text)
        return {
            **document,
            "timestamp": "",
            "variables": {
                name: value for name, value in get_own_data(document).items() if name not in {"saved", "exit"}
            },
        }
    if form == "json":
        document = json.loads(text)
        return {
            name: value
            for name, value in document.items()
            if name not in {"saved", "exit", "seconds", "requests"}
        }
    if form in {"text", "github", "terraform", "markdown", "html"}:
        saved = ("Saved ", "<div><dt>Saved plan</dt>")
        lines = text.splitlines()
        return [line for line in lines if line and not line.startswith(saved) and " · read " not in line]
    return text


@pytest.mark.parametrize("form", list_formats(Document.PLAN))
def test_show_of_a_saved_plan_equals_the_output_of_plan(
    form: str, orders: Project, server: EmulatedFivetran
) -> None:
    made = run_plan(orders, server, form, "--out", "plan.json")
    assert made.exit == 0
    shown = orders.run("show", "plan.json", "--format", form)
    assert shown.exit == 0
    assert remove_times(form, shown.stdout) == remove_times(form, made.stdout)


@pytest.mark.parametrize("form", list_formats(Document.PLAN))
def test_no_format_shows_hidden_values(form: str, orders: Project, server: EmulatedFivetran) -> None:
    def collect_output() -> str:
        made = run_plan(orders, server, form, "--out", "plan.json")
        saved = (orders.folder / "plan.json").read_text()
        shown = orders.run("show", "plan.json", "--format", form)
        return "".join([made.stdout, made.stderr, saved, shown.stdout, shown.stderr])

    before = collect_output()
    assert orders.run_against(server, "apply", "--auto-approve", environ=KEYS).exit == 0
    orders.write_groups(ENTRY.replace("project_id: acme", "project_id: other"))
    changed = collect_output()
    [id] = server.app.dashboard.find_group_ids("orders")
    orders.write("specs/groups/main.yaml", f"version: 1\nremoved:\n  - {{group: orders, id: {id}}}\n")
    for text in (before, changed, collect_output()):
        assert not any(unseen in text for unseen in UNSEEN)


def test_the_terraform_document_has_the_settings_of_the_provider(
    orders: Project, server: EmulatedFivetran
) -> None:
    document = run_plan(orders, server, "terraform-json").document
    assert find_violations(document) == []
    values = document["planned_values"]["root_module"]["resources"][1]["values"]
    assert values == {
        "service": "big_query",
        "region": "GCP_US_EAST4",
        "time_zone_offset": "0",
        "config": {
            "project_id": "acme",
            "data_set_location": "US",
            "secret_key": "(sensitive value)",
            "new_at_fivetran": "(sensitive value)",  # as of a secret: whether it is set
        },
        "run_setup_tests": True,
        "trust_certificates": True,
        "trust_fingerprints": False,
    }
    mask = document["planned_values"]["root_module"]["resources"][1]["sensitive_values"]
    assert mask == {"config": {"secret_key": True, "new_at_fivetran": True}}


def edit_plan_file(project: Project, change: Callable[[Any], None]) -> None:
    """Change the saved plan as another program would."""
    file = project.folder / "plan.json"
    content = json.loads(file.read_bytes())["content"]
    change(content)
    file.write_bytes(seal_content(content))


def test_a_plan_of_an_earlier_version_is_shown_with_its_own_data(
    orders: Project, server: EmulatedFivetran
) -> None:
    def without_whole_objects(content: Any) -> None:
        for change in content["plan"]["changes"]:
            del change["other_values"], change["applied"]
        del content["plan"]["judgements"]

    assert run_plan(orders, server, "text", "--out", "plan.json").exit == 0
    edit_plan_file(orders, without_whole_objects)
    document = orders.run("show", "plan.json", "--format", "terraform-json").document
    assert find_violations(document) == []
    values = document["planned_values"]["root_module"]["resources"][1]["values"]
    assert values["config"]["project_id"] == "acme"
    assert "run_setup_tests" not in values
    assert orders.run_against(server, "apply", "plan.json", environ=KEYS).exit == 0


STRANGE: list[Any] = [
    [{"path": [], "value": 1, "shown": "clear"}],
    [
        {"path": ["config"], "value": 1, "shown": "clear"},
        {"path": ["config", "a"], "value": 2, "shown": "secret"},
    ],
    [{"path": ["\x1b[2J\n# x will be created"], "value": {"a": ["\x1b"]}, "shown": "clear"}],
    [{"path": ["id"], "value": "other", "shown": "known-after-apply"}],
]


@pytest.mark.parametrize("form", list_formats(Document.PLAN))
def test_altered_unchanged_entries_of_a_plan_cause_no_bug(
    form: str, orders: Project, server: EmulatedFivetran
) -> None:
    """Unchanged entries are not applied, so their data is not checked."""
    orders.run_against(server, "apply", "--auto-approve", environ=KEYS)
    assert run_plan(orders, server, "text", "--out", "plan.json").exit == 0
    content = (orders.folder / "plan.json").read_bytes()
    for values in STRANGE:

        def add_unknown_values(content: Any, values: Any = values) -> None:
            for change in content["plan"]["changes"]:
                change |= {"other_values": values, "applied": values}
            content["plan"]["changes"][0]["address"] = {"kind": "\x1b", "key": "\n# y will be created"}

        (orders.folder / "plan.json").write_bytes(content)
        edit_plan_file(orders, add_unknown_values)
        shown = orders.run("show", "plan.json", "--format", form)
        assert shown.exit == 0, shown.stderr
        if form not in {"text", "markdown", "github"}:  # with internal addresses
            assert "\x1b" not in shown.stdout


def test_the_gitlab_format_has_three_counts_only(orders: Project, server: EmulatedFivetran) -> None:
    result = run_plan(orders, server, "gitlab")
    assert result.stdout == '{"create": 2, "update": 0, "delete": 0}\n'
    assert result.stderr == ""


def test_the_gitlab_format_is_empty_for_a_failed_plan(orders: Project, server: EmulatedFivetran) -> None:
    orders.write_groups(WRONG)
    result = run_plan(orders, server, "gitlab")
    assert (result.exit, result.stdout) == (1, "")
    assert "error[unknown-service]" in result.stderr


def test_the_gitlab_format_writes_diagnostics_to_stderr(orders: Project, server: EmulatedFivetran) -> None:
    write_blocked_removal(orders, server)
    result = run_plan(orders, server, "gitlab")
    assert result.exit == 3
    assert json.loads(result.stdout) == {"create": 2, "update": 0, "delete": 1}
    assert "error[has-connections]" in result.stderr


def write_blocked_removal(project: Project, server: EmulatedFivetran) -> None:
    other = server.app.dashboard.add_group("old")
    server.app.dashboard.add_connection(other, "salesforce", "crm")
    project.write(
        "specs/groups/main.yaml",
        f"version: 1\ngroups:\n{ENTRY}removed:\n  - {{group: old, id: {other}, name: old}}\n",
    )


def test_a_refused_plan_is_not_applyable_in_the_terraform_format(
    orders: Project, server: EmulatedFivetran
) -> None:
    write_blocked_removal(orders, server)
    result = run_plan(orders, server, "terraform-json")
    assert result.exit == 3
    document = result.document
    assert find_violations(document) == []
    assert (document["applyable"], document["errored"]) == (False, False)
    assert get_own_data(document)["exit"] == {"code": 3, "reason": "refused"}


def test_a_failed_plan_is_errored_in_the_terraform_format(orders: Project, server: EmulatedFivetran) -> None:
    orders.write_groups(WRONG)
    result = run_plan(orders, server, "terraform-json")
    assert result.exit == 1
    document = result.document
    assert find_violations(document) == []
    assert document["errored"] is True
    assert "resource_changes" not in document
    assert get_own_data(document)["diagnostics"][0]["code"] == "unknown-service"
    assert "error[unknown-service]" in result.stderr


def test_tfcmt_reads_a_failure_as_failure(orders: Project, server: EmulatedFivetran) -> None:
    orders.write_groups(WRONG)
    result = run_plan(orders, server, "terraform")
    assert (result.exit, result.stdout) == (1, "")
    read = tfcmt.parse_log(result.stderr)
    assert read.failed
    assert read.result == "│ Error: there is no service `big_qery` [unknown-service]"


def test_tfcmt_reads_a_refused_plan_as_a_failure_with_its_changes(
    orders: Project, server: EmulatedFivetran
) -> None:
    write_blocked_removal(orders, server)
    result = run_plan(orders, server, "terraform")
    read = tfcmt.parse_log(result.stdout + result.stderr)
    assert tfcmt.FAIL.search(result.stderr)
    assert read.resources["deleted"] == ["fivetran_group.old"]
    assert not tfcmt.parse_log(result.stdout).failed


def test_junit_has_a_test_for_each_change_and_for_each_failure(
    orders: Project, server: EmulatedFivetran
) -> None:
    made = ElementTree.fromstring(run_plan(orders, server, "junit").stdout)
    assert [case.get("name") for case in made.iter("testcase")] == ["group.orders", "destination.orders"]
    orders.write_groups(WRONG)
    result = run_plan(orders, server, "junit")
    failed = ElementTree.fromstring(result.stdout)
    assert [(case.get("name"), case.get("classname")) for case in failed.iter("testcase")] == [
        ("destination.orders", "specs/groups/main.yaml")
    ]
    assert failed.get("failures") == "1"
    assert "error[unknown-service]" in result.stderr


def test_validate_renders_junit(orders: Project) -> None:
    orders.write_groups(ENTRY.replace("orders", "sales").replace("      extra", "      #"), file="sales")
    right = ElementTree.fromstring(orders.run("validate", "--format", "junit").stdout)
    assert [(case.get("name"), case.get("classname")) for case in right.iter("testcase")] == [
        ("group.orders", "specs/groups/main.yaml"),
        ("group.sales", "specs/groups/sales.yaml"),
        ("destination.orders", "specs/groups/main.yaml"),
        ("destination.sales", "specs/groups/sales.yaml"),
    ]
    some = ElementTree.fromstring(
        orders.run("validate", "specs/groups/sales.yaml", "--format", "junit").stdout
    )
    assert [case.get("name") for case in some.iter("testcase")] == ["group.sales", "destination.sales"]
    orders.write_groups("  broken: [\n", file="sales")
    result = orders.run("validate", "--format", "junit")
    assert result.exit == 1
    wrong = ElementTree.fromstring(result.stdout)
    assert [case.get("name") for case in wrong.iter("testcase")] == ["specs/groups/sales.yaml"]


POLICY = "policies:\n  - allowed-regions: [AWS_US_EAST_1]\n"


def test_junit_has_a_failed_test_for_a_violated_policy_beside_all_entries(orders: Project) -> None:
    file = orders.folder / "specs/reconciler.yaml"
    orders.write("specs/reconciler.yaml", file.read_text() + POLICY)
    result = orders.run("validate", "--format", "junit")
    assert result.exit == 3
    suites = {suite.get("name"): suite for suite in ElementTree.fromstring(result.stdout)}
    assert [case.get("name") for case in suites["validate"]] == ["group.orders", "destination.orders"]
    assert suites["validate"].get("failures") == "0"
    assert suites["policies"].get("failures") == "1"


def test_json_has_all_policies_also_if_one_is_violated(orders: Project) -> None:
    file = orders.folder / "specs/reconciler.yaml"
    orders.write("specs/reconciler.yaml", file.read_text() + POLICY)
    result = orders.run("validate", "--format", "json")
    assert result.exit == 3
    assert [each["standing"] for each in result.document["policies"]] == ["violated"]
    assert [each["code"] for each in result.document["diagnostics"]] == ["policy-violated"]
    assert result.document["exit"] == {"code": 3, "reason": "refused"}
    log = orders.run("validate", "--format", "sarif").document
    assert [each["id"] for each in log["runs"][0]["tool"]["driver"]["rules"]] == [
        "policy-violated/allowed-regions"
    ]


@pytest.mark.parametrize("form", ["markdown", "terraform", "terraform-json", "gitlab", "junit"])
def test_formats_of_whole_plans_are_refused_for_drift(
    form: str, orders: Project, server: EmulatedFivetran
) -> None:
    result = run_plan(orders, server, form, "--drift-only")
    assert result.exit == 64
    assert f"`--format {form}` is for whole plans" in result.stderr


def apply(project: Project, server: EmulatedFivetran, *options: str) -> CommandResult:
    return project.run_against(
        server, "apply", "-q", "--auto-approve", "--format", "terraform", *options, environ=KEYS
    )


def test_tfcmt_reads_an_apply(orders: Project, server: EmulatedFivetran) -> None:
    done = apply(orders, server)
    assert done.exit == 0
    read = tfcmt.parse_apply_log(done.stdout + done.stderr)
    assert not read.failed
    assert read.result == "Apply complete! Resources: 2 added, 0 changed, 0 destroyed."
    [id] = server.app.dashboard.find_group_ids("orders")
    [group] = [line for line in done.stdout.splitlines() if line.startswith("fivetran_group.orders: ")]
    assert re.fullmatch(rf"fivetran_group\.orders: Creation complete after \d+s \[id={id}\]", group)
    assert tfcmt.parse_log(done.stdout).resources["created"] == [
        "fivetran_group.orders",
        "fivetran_destination.orders",
    ]


def test_tfcmt_reads_an_apply_without_changes(orders: Project, server: EmulatedFivetran) -> None:
    assert apply(orders, server).exit == 0
    again = apply(orders, server)
    assert tfcmt.parse_log(again.stdout).without_changes
    read = tfcmt.parse_apply_log(again.stdout + again.stderr)
    assert (read.failed, read.result) == (
        False,
        "Apply complete! Resources: 0 added, 0 changed, 0 destroyed.",
    )


def test_tfcmt_reads_an_update_and_a_removal(orders: Project, server: EmulatedFivetran) -> None:
    assert apply(orders, server).exit == 0
    orders.write_groups(ENTRY.replace("project_id: acme", "project_id: other"))
    read = tfcmt.parse_apply_log(apply(orders, server).stdout)
    assert read.result == "Apply complete! Resources: 0 added, 1 changed, 0 destroyed."
    [id] = server.app.dashboard.find_group_ids("orders")
    orders.write("specs/groups/main.yaml", f"version: 1\nremoved:\n  - {{group: orders, id: {id}}}\n")
    removed = apply(orders, server)
    read = tfcmt.parse_apply_log(removed.stdout + removed.stderr)
    assert read.result == "Apply complete! Resources: 0 added, 0 changed, 2 destroyed."


def test_tfcmt_reads_an_incomplete_apply_as_a_failure(orders: Project, server: EmulatedFivetran) -> None:
    server.app.faults.add(parse_fault("POST /v1/destinations status 400"))
    done = apply(orders, server)
    assert done.exit == 6
    assert "Apply complete!" not in done.stdout
    assert "fivetran_destination.orders: Creation failed" in done.stdout
    read = tfcmt.parse_apply_log(done.stdout + done.stderr)
    assert read.failed
    assert read.result.splitlines()[-1] == "Error: the apply ended as `incomplete`"


@pytest.mark.parametrize("groups", [WRONG, ENTRY], ids=["no plan", "no secret"])
def test_tfcmt_reads_an_apply_that_cannot_start(
    groups: str, orders: Project, server: EmulatedFivetran
) -> None:
    orders.write_groups(groups)
    done = orders.run_against(server, "apply", "--auto-approve", "--format", "terraform", environ={})
    assert done.exit == 1
    assert tfcmt.parse_apply_log(done.stdout + done.stderr).result.startswith("Error: ")
