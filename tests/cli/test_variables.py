"""`--var`, and variables in saved plans, digests, and specs of other revisions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from applied_project import AppliedProject
from cli_harness import EmulatedFivetran, Project
from git_repo import commit

GROUPS = """\
  sales:
    name: Sales (${STAGE})
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {project_id: "acme-${STAGE}", data_set_location: "${PLACE}"}
  stock:
    name: Stock
"""
SETTINGS = "vars: {STAGE: prod, PLACE: US}\n"


@pytest.fixture
def staged(project: Project, server: EmulatedFivetran) -> AppliedProject:
    """Project with two variables, of which nothing is applied yet."""
    staged_project = AppliedProject(project, server)
    staged_project.write_settings(SETTINGS)
    staged_project.write_specs(GROUPS)
    return staged_project


def list_names(server: EmulatedFivetran) -> list[str]:
    """List the names of the created groups."""
    return sorted(body["name"] for body in server.list_bodies("POST", "/v1/groups"))


def test_an_apply_sends_values_and_a_second_plan_is_empty(
    staged: AppliedProject, server: EmulatedFivetran
) -> None:
    staged.must_apply("--var", "STAGE=dev")
    assert list_names(server) == ["Sales (dev)", "Stock"]
    [created] = server.list_bodies("POST", "/v1/destinations")
    assert created["config"] == {"project_id": "acme-dev", "data_set_location": "US"}
    assert "No changes." in staged.plan("--var", "STAGE=dev").stdout
    assert "${" not in json.dumps(staged.read_state())
    assert '"Sales (dev)" -> "Sales (prod)"' in staged.plan().stdout


@pytest.mark.parametrize("command", [["validate"], ["drift"], ["graph"], ["graph", "--offline"], ["plan"]])
def test_each_command_that_compiles_specs_takes_values(staged: AppliedProject, command: list[str]) -> None:
    staged.write_settings()
    options = ("--var", "STAGE=dev", "--var", "PLACE=EU")
    missing = staged.run(*command)
    assert (missing.exit, missing.stderr.count("error[undefined-variable]")) == (1, 3)
    assert staged.run(*command, *options).exit == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--var", "STAGE"), "`--var` needs `NAME=VALUE`, and no `=` stands there"),
        (("--var", "=dev"), "`--var` needs `NAME=VALUE`, and no name stands there"),
        (("--var", "my-stage=dev"), "`--var` needs `NAME=VALUE`, and no name stands there"),
        (("--var", "STAGE=a", "--var", "STAGE=b"), "`--var STAGE` is given twice"),
    ],
)
def test_a_malformed_option_is_wrong_usage(
    staged: AppliedProject, options: tuple[str, ...], message: str
) -> None:
    result = staged.run("validate", *options)
    assert result.exit == 64
    assert result.stderr.startswith(f"error[wrong-usage]: {message}\n")


def test_an_unused_value_is_wrong_usage_and_sends_nothing(
    staged: AppliedProject, server: EmulatedFivetran
) -> None:
    result = staged.apply("--var", "STAEG=dev")
    assert result.exit == 64
    assert "`--var STAEG`: no spec uses this variable" in result.stderr
    assert "did you mean `STAGE`?" in result.stderr
    assert server.calls == []


def test_a_saved_plan_compiles_the_specs_with_its_values(
    staged: AppliedProject, server: EmulatedFivetran
) -> None:
    assert staged.plan("--var", "STAGE=dev", "--out", "plan.json").exit == 0
    shown = staged.run("show", "plan.json")
    assert " Made with --var STAGE=dev.\n" in shown.stdout
    assert staged.run("show", "plan.json", "--format", "json").document["saved"]["variables"] == {
        "STAGE": "dev"
    }
    refused = staged.run("apply", "plan.json", "--var", "STAGE=dev")
    assert (refused.exit, server.writes) == (64, [])
    assert "`--var` cannot be used with a saved plan" in refused.stderr
    applied = staged.run("apply", "plan.json")
    assert applied.exit == 0, applied.stderr
    assert "made with --var STAGE=dev" in applied.stdout
    assert list_names(server) == ["Sales (dev)", "Stock"]


@pytest.mark.parametrize(
    ("settings", "groups", "message"),
    [
        (SETTINGS, GROUPS.replace("${STAGE}", "prod"), "group.sales is not as it was reviewed"),
        (
            "vars: {PLACE: US}\n",
            GROUPS.replace("${STAGE}", "prod"),
            "`--var STAGE`: no spec uses this variable",
        ),
        ("vars: {STAGE: 1, PLACE: US}\n", GROUPS, "`--var STAGE`: a number belongs here"),
        ("vars: {STAGE: prod, PLACE: EU}\n", GROUPS, "destination.sales is not as it was reviewed"),
    ],
)
def test_a_saved_plan_is_refused_once_its_variables_mean_something_else(
    staged: AppliedProject, server: EmulatedFivetran, settings: str, groups: str, message: str
) -> None:
    assert staged.plan("--var", "STAGE=dev", "--out", "plan.json").exit == 0
    staged.write_settings(settings)
    staged.write_specs(groups)
    result = staged.run("apply", "plan.json")
    assert (result.exit, server.writes) == (4, [])
    assert f"error[plan-spec-changed]: {message}" in result.stderr


def test_a_value_in_a_field_that_is_never_shown_is_not_saved(staged: AppliedProject) -> None:
    staged.write_specs(GROUPS.replace('"${PLACE}"}', 'US, brand_new: "${PLACE}"}'))
    assert staged.plan("--out", "plan.json").exit == 0
    assert staged.plan("--var", "PLACE=hidden-value").exit == 0
    refused = staged.plan("--var", "PLACE=hidden-value", "--out", "other.json")
    assert refused.exit == 1
    assert "the value of `--var PLACE` stands in a field that is never shown" in refused.stderr
    assert not (staged.folder / "other.json").exists()


def test_a_digest_covers_values_of_the_command_line(staged: AppliedProject, server: EmulatedFivetran) -> None:
    def get_digest(*options: str) -> str:
        digest: str = staged.plan("--format", "json", *options).document["digest"]
        return digest

    without, same = get_digest(), get_digest("--var", "STAGE=prod")
    assert without != same
    assert get_digest("--var", 'STAGE="prod"') == same  # the same value, written otherwise
    assert staged.run("apply", "--expect", same).exit == 4
    applied = staged.run("apply", "--expect", same, "--var", "STAGE=prod")
    assert applied.exit == 0, applied.stderr
    assert list_names(server) == ["Sales (prod)", "Stock"]


def test_an_error_of_a_plan_names_the_variable_and_its_definition(staged: AppliedProject) -> None:
    staged.must_apply()
    staged.dashboard.add_group("Sales (dev)")
    assert "`${STAGE}` is given by `--var STAGE`" in staged.plan("--var", "STAGE=dev").stderr
    staged.write_settings(SETTINGS.replace("prod", "dev"))
    assert "`${STAGE}` is defined at specs/reconciler.yaml:4:15" in staged.plan().stderr


def test_a_changed_variable_counts_for_all_entries_that_use_it(staged: AppliedProject) -> None:
    commit(staged.folder, "base")
    staged.write_settings(SETTINGS.replace("prod", "dev"))
    planned = staged.plan("--changed-since", "base", "--format", "json").document["changes"]
    assert [change["address"] for change in planned] == ["group.sales", "destination.sales"]
    # With `--var`, both revisions have the same value.
    same = staged.plan("--changed-since", "base", "--var", "STAGE=test", "--format", "json").document
    assert same["changes"] == []


def test_a_revision_without_the_variable_needs_no_use_of_it(staged: AppliedProject) -> None:
    staged.write_settings()
    staged.write_specs("  sales:\n    name: Sales\n")
    commit(staged.folder, "base")
    staged.write_specs("  sales:\n    name: ${NAME}\n  stock:\n    name: Stock ${NAME}\n")
    planned = staged.plan("--changed-since", "base", "--var", "NAME=Sales", "--format", "json")
    assert planned.exit == 0, planned.stderr
    assert [change["address"] for change in planned.document["changes"]] == ["group.stock"]


def test_variables_come_from_the_work_tree_under_settings_of_a_revision(staged: AppliedProject) -> None:
    commit(staged.folder, "base")
    staged.write_settings("vars: {STAGE: dev, PLACE: US}\n")
    assert 'name                    "Sales (dev)"' in staged.plan("--settings-from", "base").stdout


def test_the_state_is_shown_without_the_values_of_its_specs(staged: AppliedProject) -> None:
    staged.write_settings()
    staged.must_apply("--var", "STAGE=dev", "--var", "PLACE=US")
    assert staged.run("state", "list").exit == 0


def test_fmt_keeps_variables_as_they_are_written(staged: AppliedProject) -> None:
    text = "version: 1\nspecs: ['groups/*.yaml']\nvars:\n    STAGE:   'a $${b}'\n"
    file = staged.project.write("specs/reconciler.yaml", text)
    staged.write_specs("  sales:\n    destination: {profile: '${P}'}\n    name:   ${STAGE} # $${X}\n")
    assert staged.run("fmt").exit == 0
    assert file.read_text() == text.replace("    STAGE", "  STAGE")
    assert (staged.folder / "specs/groups/main.yaml").read_text() == (
        "version: 1\ngroups:\n  sales:\n    name:   ${STAGE} # $${X}\n    destination: {profile: '${P}'}\n"
    )


def test_a_secret_in_a_variable_is_in_no_output(staged: AppliedProject) -> None:
    staged.write_settings("overrides: [more.yaml]\n")
    staged.project.write("specs/more.yaml", "version: 1\nvars: {KEY: hunter2-secret}\n")
    staged.write_specs(
        "  sales:\n    name: ${KEY}\n    destination: {service: snowflake, config: {password: '${KEY}'}}\n"
        "  stock:\n    name: ${KEY}\n"
    )
    for form in ("full", "json", "sarif"):
        result = staged.run("validate", "--format", form)
        assert result.exit == 1
        assert "hunter2" not in result.stdout + result.stderr
        assert "literal-secret" in result.stdout + result.stderr


def test_completion_offers_the_variables_of_the_project_file(
    staged: AppliedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    import click

    from reconciler.cli.completion_items import complete_variable

    monkeypatch.chdir(staged.folder)
    context = click.Context(click.Command("plan"))
    context.params = {"project": Path("specs/reconciler.yaml")}
    parameter = click.Option(["--var"])
    assert [item.value for item in complete_variable(context, parameter, "S")] == ["STAGE="]
    assert [item.value for item in complete_variable(context, parameter, "")] == ["PLACE=", "STAGE="]
    context.params = {"project": Path("missing.yaml")}
    assert complete_variable(context, parameter, "") == []
