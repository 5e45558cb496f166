"""Every format of a plan shows all that a replacement sends and all that it loses, and never claims to know more."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from applied_project import AppliedProject
from cli_harness import EmulatedFivetran, Project
from saved_plans import seal_content

pytestmark = pytest.mark.sampled(every=4, tests=3)

ENVIRON = {"OLD_PASSWORD": "old-password-1", "NEW_PASSWORD": "new-password-1"}
POSTGRES = """\
  sales:
    destination:
      service: postgres_warehouse
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      config:
        host: db.example
        port: 5432
        database: SALES
        user: LOADER
        connection_type: Directly
        password: {secret: "env:OLD_PASSWORD"}
"""
SNOWFLAKE = """\
  sales:
    destination:
      service: snowflake
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      config:
        host: acme.snowflakecomputing.com
        port: 443
        database: SALES
        user: LOADER
        auth: PASSWORD
        password: {secret: "env:NEW_PASSWORD"}
      extra_config: {brand_new: hidden-literal-1}
      lifecycle: {allow_replace: true}
"""
CHANGED = ("service", "config.host", "config.port", "config.auth")
SENT_AGAIN = ("region", "time_zone_offset", "config.database", "config.user")
SECRETS = ("config.password",)
HIDDEN = ("config.brand_new",)
SENT = (*CHANGED, *SENT_AGAIN, *SECRETS, *HIDDEN)
LOST = {
    "private_link_id": "pl_by_hand",
    "daylight_saving_time_enabled": True,
    "config.tunnel_user": "user-by-hand",
}
LOST_SECRETS = ("config.some_token",)
"""A field of no catalogue, which a user has set by hand: its value is hidden."""


class Replacement(AppliedProject):
    """A destination whose spec wants another service, and which a user has changed by hand."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        super().__init__(project, server, ENVIRON)
        self.write_settings()
        self.write_specs(POSTGRES)
        assert self.apply().exit == 0
        self.dashboard.change_destination(
            self.find_id("sales"),
            private_link_id="pl_by_hand",
            daylight_saving_time_enabled=True,
            config={"tunnel_user": "user-by-hand", "some_token": "token-by-hand-1"},
        )
        self.write_specs(SNOWFLAKE)

    def read_plan(self, *options: str) -> dict[str, Any]:
        """Read the change in the JSON of the plan."""
        [change] = self.plan("--format", "json", *options).document["changes"]
        return dict(change)


@pytest.fixture
def replacement(project: Project, server: EmulatedFivetran) -> Replacement:
    return Replacement(project, server)


def index_fields(fields: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {".".join(field["path"]): field for field in fields}


def test_the_json_of_a_replacement_has_every_field_of_its_post(
    replacement: Replacement, server: EmulatedFivetran
) -> None:
    change = replacement.read_plan()
    fields = index_fields(change["fields"])
    assert fields.keys() == set(SENT)
    assert {name: (fields[name]["before"], fields[name]["after"]) for name in SENT_AGAIN} == {
        "region": ("AWS_US_EAST_1", "AWS_US_EAST_1"),
        "time_zone_offset": ("0", "0"),
        "config.database": ("SALES", "SALES"),
        "config.user": ("LOADER", "LOADER"),
    }
    assert (fields["config.password"]["before"], fields["config.password"]["after"]) == (
        None,
        "env:NEW_PASSWORD",
    )
    assert change["secrets"] == {"changed": [["config", "password"]], "unchanged": [], "uncomparable": []}
    assert replacement.apply().exit == 0
    body = server.list_bodies("POST", "/v1/destinations")[-1]
    parameters = {"group_id", "trust_certificates", "trust_fingerprints", "run_setup_tests", "config"}
    sent = {*body.keys() - parameters, *(f"config.{name}" for name in body["config"])}
    assert sent == set(SENT)


def test_the_json_of_a_replacement_has_every_lost_setting(replacement: Replacement) -> None:
    lost = index_fields(replacement.read_plan()["lost"])
    assert {name: lost[name]["value"] for name in LOST} == LOST
    assert lost.keys() == {*LOST, *LOST_SECRETS}
    assert (lost["config.some_token"]["value"], lost["config.some_token"]["shown"]) == (
        "not in the catalogue",
        "hidden",
    )


NAMED = ("text", "verbose", "markdown", "json", "github", "terraform", "terraform-json")


@pytest.mark.parametrize(
    ("form", "source"),
    [*((form, "plan") for form in NAMED), *((form, "show") for form in NAMED if form != "verbose")],
)
def test_every_format_names_all_sent_and_lost_fields(
    form: str, source: str, replacement: Replacement, tmp_path: Path
) -> None:
    summary = tmp_path / "summary.md"
    environ = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(tmp_path / "outputs")}
    options = ("-v",) if form == "verbose" else ("--format", form)
    result = replacement.run("plan", "--out", "plan.json", *options, **environ)
    if source == "show":
        result = replacement.project.run("show", "plan.json", *options, environ=environ)
    text = summary.read_text() if form == "github" else result.stdout
    names = {name.rpartition(".")[2] for name in (*SENT, *LOST, *LOST_SECRETS)}
    assert {name for name in names if name not in text} == set()
    assert "pl_by_hand" in text
    assert "env:NEW_PASSWORD" in text or form == "terraform"
    assert not any(hidden in text for hidden in ("token-by-hand-1", "hidden-literal-1"))


def test_the_text_marks_sent_and_lost_fields(replacement: Replacement) -> None:
    lines = replacement.plan().stdout.splitlines()
    assert '    config.user                   "LOADER"   sent again' in lines
    assert "    config.password               (secret env:NEW_PASSWORD, changed)" in lines
    assert "    config.brand_new              (hidden, not in the catalogue, changed)" in lines
    assert '    private_link_id               "pl_by_hand"   lost: not declared' in lines
    assert "    daylight_saving_time_enabled  true   lost: not declared" in lines
    assert "    config.some_token             (hidden, not in the catalogue)   lost: not declared" in lines


def test_the_markdown_marks_sent_and_lost_fields(replacement: Replacement) -> None:
    lines = replacement.plan("--format", "markdown").stdout.splitlines()
    assert '  config.user                   "LOADER"   sent again' in lines
    assert "! config.password               (secret env:NEW_PASSWORD, changed)" in lines
    assert '- private_link_id               "pl_by_hand"   lost: not declared' in lines
    assert any("10 fields · 4 lost" in line for line in lines)


def test_terraform_json_does_not_claim_a_password_of_the_replaced_destination(
    replacement: Replacement,
) -> None:
    document = replacement.plan("--format", "terraform-json").document
    changes = {each["address"]: each["change"] for each in document["resource_changes"]}
    change: Mapping[str, Any] = changes["fivetran_destination.sales"]
    assert "password" not in change["before"]["config"]
    assert "password" not in change["before_sensitive"].get("config", {})
    assert change["after"]["config"]["password"] == "(sensitive value)"
    assert change["after_sensitive"]["config"]["password"] is True
    assert change["before"]["config"]["user"] == change["after"]["config"]["user"] == "LOADER"
    assert change["before"]["private_link_id"] == "pl_by_hand"
    assert "private_link_id" not in change["after"]
    assert change["before"]["config"]["some_token"] == "(sensitive value)"
    prior = document["prior_state"]["values"]["root_module"]["resources"]
    [destination] = [each for each in prior if each["address"] == "fivetran_destination.sales"]
    assert "password" not in destination["values"]["config"]


def test_the_terraform_text_shows_sent_and_lost_attributes(replacement: Replacement) -> None:
    lines = [line.strip() for line in replacement.plan("--format", "terraform").stdout.splitlines()]
    assert any(line.startswith("user ") and line.endswith('= "LOADER"') for line in lines)
    assert any(
        line.startswith("- private_link_id") and line.endswith('= "pl_by_hand" -> null') for line in lines
    )
    assert any(line.startswith("+ password") and line.endswith("= (sensitive value)") for line in lines)


def test_the_events_name_sent_and_lost_fields_without_values(replacement: Replacement) -> None:
    assert replacement.apply("--events", "events.jsonl").exit == 0
    text = (replacement.folder / "events.jsonl").read_text()
    [planned] = [event for event in map(json.loads, text.splitlines()) if event["event"] == "planned"]
    [change] = planned["changes"]
    assert set(change["sent"]) == set(SENT)
    assert set(change["lost"]) == {*LOST, *LOST_SECRETS}
    assert "pl_by_hand" not in text


def test_the_digest_covers_lost_settings(replacement: Replacement) -> None:
    digests = []
    for link in ("pl_by_hand", "pl_another", None):
        replacement.dashboard.change_destination(replacement.find_id("sales"), private_link_id=link)
        digests.append(replacement.plan("--format", "json").document["digest"])
    assert len(set(digests)) == 3


def test_a_saved_plan_is_stale_if_other_settings_would_be_lost(replacement: Replacement) -> None:
    assert replacement.plan("--out", "plan.json").exit == 0
    replacement.dashboard.change_destination(
        replacement.find_id("sales"), config={"tunnel_host": "new.example"}
    )
    result = replacement.apply("plan.json")
    assert result.exit == 4
    assert "config.tunnel_host" in result.stderr
    replacement.dashboard.change_destination(replacement.find_id("sales"), config={"tunnel_host": None})
    assert replacement.apply("plan.json").exit == 0


def test_a_replacement_of_an_untouched_destination_loses_nothing(
    project: Project, server: EmulatedFivetran
) -> None:
    applied = AppliedProject(project, server, ENVIRON)
    applied.write_settings()
    applied.write_specs(SNOWFLAKE)
    assert applied.apply().exit == 0
    applied.write_specs(
        SNOWFLAKE.replace("service: snowflake", "service: postgres_warehouse").replace(
            "        auth: PASSWORD\n", ""
        )
    )
    [change] = applied.plan("--format", "json").document["changes"]
    assert [".".join(value["path"]) for value in change["lost"]] == ["config.auth"]


def strip_announcement(content: dict[str, Any]) -> None:
    """Strip the facts that an earlier release did not save."""
    for change in content["plan"]["changes"]:
        change["fields"] = [field for field in change["fields"] if not field.pop("sent_by_replacement")]
        del change["lost"], change["requests"]
    for effect in content["expected"]:
        del effect["resent"], effect["lost"], effect["requests"]


def test_a_saved_replacement_of_an_earlier_release_is_shown_and_applied(
    project: Project, server: EmulatedFivetran
) -> None:
    applied = AppliedProject(project, server, ENVIRON)
    applied.write_settings()
    applied.write_specs(POSTGRES)
    assert applied.apply().exit == 0
    applied.write_specs(SNOWFLAKE)
    assert applied.plan("--out", "plan.json").exit == 0
    edit_plan(applied, strip_announcement)
    shown = project.run("show", "plan.json", "--format", "json").document
    assert [change["requests"] for change in shown["changes"]] == [None]
    result = applied.apply("plan.json")
    assert result.exit == 0, result.stderr
    assert applied.is_converged()


def drop_requests(content: dict[str, Any]) -> None:
    [change] = [change for change in content["plan"]["changes"] if change["action"] == "replace"]
    change["requests"] = change["requests"][1:]


def hide_loss(content: dict[str, Any]) -> None:
    [change] = [change for change in content["plan"]["changes"] if change["action"] == "replace"]
    change["lost"] = []


def change_resent_value(content: dict[str, Any]) -> None:
    [change] = [change for change in content["plan"]["changes"] if change["action"] == "replace"]
    [field] = [field for field in change["fields"] if field["path"] == ["config", "user"]]
    field["after"] = "ANOTHER"


@pytest.mark.parametrize("forge", [drop_requests, hide_loss, change_resent_value])
def test_a_plan_file_that_shows_another_replacement_than_it_expects_is_refused(
    forge: Callable[[dict[str, Any]], None], replacement: Replacement
) -> None:
    assert replacement.plan("--out", "plan.json").exit == 0
    edit_plan(replacement, forge)
    before = len(replacement.server.writes)
    result = replacement.apply("plan.json")
    assert result.exit == 4
    assert "its changes are not the changes that it expects" in result.stderr
    assert len(replacement.server.writes) == before


def edit_plan(applied: AppliedProject, edit: Callable[[dict[str, Any]], None]) -> None:
    """Edit the content of the saved plan, and seal the result."""
    file = applied.folder / "plan.json"
    content = json.loads(file.read_text())["content"]
    edit(content)
    file.write_bytes(seal_content(content))
