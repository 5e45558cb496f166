"""`drift --accept` takes what was changed outside into the specs, and leaves all other text as it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from applied_project import AppliedProject, get_error_code
from cli_harness import CommandResult, EmulatedFivetran, Project

pytestmark = pytest.mark.sampled(every=6, tests=4)

PROFILES = """\
version: 1
profiles:
  warehouse:  # of the platform team
    service: snowflake
    region: AWS_US_EAST_1
    config:
      host: acme.snowflakecomputing.com
      port: 443
      auth: PASSWORD
      user: FIVETRAN
"""
ORDERS = """\
  orders:  # owned by sales
    name: Orders
    destination:
      profile: warehouse
      time_zone_offset: "-5"   # New York
      config:
        database: ORDERS  # one per team
        role: LOADER
        password: {secret: "env:ORDERS_PASSWORD"}
"""
LAKE = """\
  lake:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {project_id: acme, data_set_location: "US"}
"""
REGION = "      region: GCP_US_EAST4\n"
PASSWORD = "hunter2-of-the-orders"


class AcceptingProject(AppliedProject):
    """Applied project with a profile, whose account is changed outside."""

    def accept(self, *arguments: str) -> CommandResult:
        """Accept drift without a question. Nothing but GET is sent, and the state stays."""
        state = self.state_file.read_bytes()
        result, writes = self.run_and_list_writes("drift", "--accept", "--yes", *arguments)
        assert writes == [] and self.state_file.read_bytes() == state
        return result

    def change(self, name: str, **fields: object) -> None:
        """Change the destination of a group in the dashboard."""
        self.dashboard.change_destination(self.ids[name], **fields)  # type: ignore[arg-type]

    def read(self, file: str = "groups/main.yaml") -> str:
        return (self.folder / "specs" / file).read_text()

    def start(self, groups: str = ORDERS + LAKE, settings: str = "") -> None:
        """Apply entries that may use the profile."""
        self.project.write("specs/groups/profiles.yaml", PROFILES)
        self.apply_once(groups, settings)


@pytest.fixture
def empty(project: Project, server: EmulatedFivetran) -> AcceptingProject:
    """Project without entries."""
    return AcceptingProject(project, server, {"ORDERS_PASSWORD": PASSWORD})


@pytest.fixture
def accepting(empty: AcceptingProject) -> AcceptingProject:
    """Applied entries `orders`, with a profile and a secret, and `lake`."""
    empty.start()
    return empty


def test_values_are_replaced_at_their_places(accepting: AcceptingProject) -> None:
    before = accepting.read()
    accepting.change("Orders", time_zone_offset="+1", config={"database": "SALES: EU"})
    accepting.change("lake", config={"project_id": "acme-2"})
    result = accepting.accept()
    assert result.exit == 0
    assert accepting.read() == before.replace('"-5"', '"+1"').replace("ORDERS  #", '"SALES: EU"  #').replace(
        "project_id: acme,", "project_id: acme-2,"
    )
    assert (
        '-        database: ORDERS  # one per team\n+        database: "SALES: EU"  # one per team'
        in result.stdout
    )
    assert result.stdout.splitlines()[-1] == "Accepted: 3 fields of 2 entries in 1 file."
    assert accepting.is_converged()
    assert accepting.run("drift").stdout.splitlines()[-1] == "No drift."


def test_an_inherited_value_is_copied_into_the_entry(accepting: AcceptingProject) -> None:
    before = accepting.read()
    accepting.change("Orders", config={"port": 8443})
    result = accepting.accept()
    secret_line = '        password: {secret: "env:ORDERS_PASSWORD"}\n'
    assert accepting.read() == before.replace(secret_line, f"{secret_line}        port: 8443\n")
    assert accepting.read("groups/profiles.yaml") == PROFILES
    assert (
        "destination.orders config.port: copied into the entry; profile `warehouse` stays as it is"
        in result.stdout
    )
    assert accepting.is_converged()


def test_a_value_of_the_defaults_is_copied_into_the_entry(empty: AcceptingProject) -> None:
    settings = "defaults: {destination: {region: GCP_US_EAST4}}\n"
    empty.start(LAKE.replace("      region: GCP_US_EAST4\n", ""), settings)
    empty.change("lake", region="GCP_EUROPE_WEST3")
    result = empty.accept()
    assert result.exit == 0, result.stdout
    assert "      region: GCP_EUROPE_WEST3\n" in empty.read()
    assert "the defaults of the project stay as they are" in result.stdout
    assert empty.is_converged()


def test_an_override_is_edited_since_it_decides(empty: AcceptingProject) -> None:
    override = "version: 1\ngroups:\n  lake:\n    destination:\n      config: {project_id: acme-dev}  # dev\n"
    empty.project.write("specs/dev.yaml", override)
    empty.start(LAKE, "overrides: [dev.yaml]\n")
    before = empty.read()
    empty.change("lake", config={"project_id": "acme-test", "data_set_location": "EU"})
    result = empty.accept()
    assert empty.read("dev.yaml") == override.replace("acme-dev", "acme-test")
    assert empty.read() == before.replace('"US"', '"EU"')
    assert "destination.lake config.project_id: the override decides, so it was edited" in result.stdout
    assert empty.is_converged()


def test_an_alias_becomes_a_copy_in_this_entry_only(empty: AcceptingProject) -> None:
    shared = "config: &config {project_id: acme, data_set_location: US}"
    first = LAKE.replace('config: {project_id: acme, data_set_location: "US"}', shared)
    empty.start(first + first.replace(shared, "config: *config  # as the lake").replace("  lake:", "  pond:"))
    before = empty.read()
    empty.change("pond", config={"project_id": "acme-2"})
    assert empty.accept().exit == 0
    copy = "config:  # as the lake\n        project_id: acme-2\n        data_set_location: US"
    assert empty.read() == before.replace("config: *config  # as the lake", copy)
    assert empty.is_converged()


def test_a_cleared_field_loses_its_line_or_is_unset(accepting: AcceptingProject) -> None:
    user = "      user: FIVETRAN\n"
    accepting.edit_file("specs/groups/profiles.yaml", user, f"{user}      role: READER\n")
    lines = "        role: LOADER\n"
    before = accepting.read()
    accepting.change("Orders", config={"role": None})
    assert accepting.accept().exit == 0
    assert accepting.read() == before.replace(lines, "        role: {unset: true}\n")
    assert accepting.is_converged()


def test_a_cleared_field_that_nothing_else_gives_loses_its_line(accepting: AcceptingProject) -> None:
    before = accepting.read()
    accepting.change("Orders", config={"role": None})
    assert accepting.accept().exit == 0
    assert accepting.read() == before.replace("        role: LOADER\n", "")
    assert accepting.is_converged()


def test_a_renamed_group_gets_its_name(accepting: AcceptingProject) -> None:
    before = accepting.read()
    accepting.dashboard.rename_group(accepting.ids["Orders"], "Orders & more: #1")
    accepting.dashboard.rename_group(accepting.ids["lake"], "${LAKE}")
    assert accepting.accept().exit == 0
    assert accepting.read() == before.replace("name: Orders", 'name: "Orders & more: #1"').replace(
        "  lake:\n", '  lake:\n    name: "$${LAKE}"\n'
    )
    assert accepting.is_converged()


def test_a_gone_object_is_left_out_with_its_removal(accepting: AcceptingProject) -> None:
    before = accepting.read()
    accepting.dashboard.remove("destination", accepting.ids["lake"])
    accepting.change("Orders", time_zone_offset="+1")
    result = accepting.accept()
    assert result.exit == 1
    assert accepting.read() == before.replace('"-5"', '"+1"')
    removal = f"- {{group: lake, id: {accepting.ids['lake']}, only: destination}}"
    assert f"      {removal}" in result.stdout.splitlines()
    assert result.stdout.splitlines()[-1] == "Accepted: 1 field of 1 entry in 1 file. Left out: 1."
    entry = LAKE.partition("    destination:")[2]
    accepting.edit_file("specs/groups/main.yaml", f"  lake:\n    destination:{entry}", "  lake: {}\n")
    accepting.edit_file("specs/groups/main.yaml", "version: 1\n", f"version: 1\nremoved:\n  {removal}\n")
    assert accepting.is_converged()


def leave_out_reference(accepting: AcceptingProject) -> str:
    accepting.edit_file(
        "specs/groups/main.yaml", "project_id: acme", 'project_id: {value: "env:LAKE_PROJECT"}'
    )
    accepting.environ["LAKE_PROJECT"] = "acme"
    return "config.project_id: its value comes from the reference `env:LAKE_PROJECT`"


def leave_out_variable(accepting: AcceptingProject) -> str:
    accepting.write_settings("vars: {TEAM: acme}\n")
    accepting.edit_file("specs/groups/main.yaml", "project_id: acme", 'project_id: "${TEAM}"')
    return "config.project_id: its value comes from `${TEAM}`"


def leave_out_by_policy(accepting: AcceptingProject, level: str = "hard") -> str:
    accepting.write_settings(f"policies: [{{forbid: {{config.project_id: theirs}}, level: {level}}}]\n")
    return "config.project_id: "


def leave_out_by_soft_policy(accepting: AcceptingProject) -> str:
    return leave_out_by_policy(accepting, "soft")


def leave_out_conflict(accepting: AcceptingProject) -> str:
    accepting.edit_file("specs/groups/main.yaml", "project_id: acme", "project_id: ours")
    return "config.project_id: it was changed in the specs too, to another value"


def leave_out_secret(accepting: AcceptingProject) -> str:
    accepting.environ["OTHER_TOKEN"] = "acme-2"
    accepting.change("lake", config={"project_id": "ghp_" + "a1B2" * 9})
    return "config.project_id: it may be a secret"


@pytest.mark.parametrize(
    "prepare",
    [
        leave_out_reference,
        leave_out_variable,
        leave_out_conflict,
        leave_out_secret,
        leave_out_by_policy,
        leave_out_by_soft_policy,
    ],
)
def test_drift_that_cannot_be_a_literal_is_left_out(
    accepting: AcceptingProject, prepare: Callable[[AcceptingProject], str]
) -> None:
    accepting.change("lake", config={"project_id": "theirs"}, time_zone_offset="+1")
    reason = prepare(accepting)
    before = accepting.read()
    result = accepting.accept()
    assert result.exit == 1
    assert f"  destination.lake {reason}" in result.stdout, result.stdout
    assert accepting.read() == before.replace('time_zone_offset: "0"', 'time_zone_offset: "+1"')
    assert "theirs" not in accepting.read()


def test_a_hidden_value_is_written_and_never_shown(accepting: AcceptingProject) -> None:
    line = "      extra_config: {moon_phase: waxing}\n"
    accepting.edit_file("specs/groups/main.yaml", REGION, REGION + line)
    accepting.must_apply()
    before = accepting.read()
    accepting.change("lake", config={"moon_phase": "waning"})
    result = accepting.accept()
    assert result.exit == 0
    assert accepting.read() == before.replace("waxing", "waning")
    assert "waning" not in result.stdout + result.stderr and "waxing" not in result.stdout + result.stderr
    assert "+      extra_config: {moon_phase: ••••••••" in result.stdout.splitlines()
    assert accepting.is_converged()


def test_a_hidden_value_with_the_form_of_a_secret_is_left_out(accepting: AcceptingProject) -> None:
    token = "ghp_" + "a1B2" * 9
    line = "      extra_config: {moon_phase: waxing}\n"
    accepting.edit_file("specs/groups/main.yaml", REGION, REGION + line)
    accepting.must_apply()
    accepting.change("lake", config={"moon_phase": token})
    result = accepting.accept()
    assert result.exit == 1
    assert "destination.lake config.moon_phase: it may be a secret" in result.stdout
    assert token not in accepting.read() + result.stdout + result.stderr


def test_only_the_named_entries_are_accepted(accepting: AcceptingProject) -> None:
    before = accepting.read()
    accepting.change("Orders", time_zone_offset="+1")
    accepting.dashboard.rename_group(accepting.ids["Orders"], "Other")
    accepting.change("lake", time_zone_offset="+2")
    assert accepting.accept("destination.o*").exit == 0
    assert accepting.read() == before.replace('"-5"', '"+1"')
    assert accepting.accept("group.orders", "lake").exit == 0
    assert accepting.read() == before.replace('"-5"', '"+1"').replace('"0"', '"+2"').replace(
        ": Orders", ": Other"
    )
    result = accepting.accept("destination.oders")
    assert get_error_code(result) == "unknown-target" and "`destination.orders`" in result.stderr


def test_a_named_entry_is_accepted_as_it_is_at_fivetran(accepting: AcceptingProject) -> None:
    accepting.edit_file("specs/groups/main.yaml", "project_id: acme", "project_id: ours")
    accepting.change("lake", config={"project_id": "theirs"})
    assert accepting.accept().exit == 1
    assert accepting.accept("lake").exit == 0
    assert "project_id: theirs" in accepting.read() and accepting.is_converged()
    accepting.state_file.unlink()
    accepting.change("lake", config={"project_id": "changed"})
    result = accepting.run("drift", "--accept", "--yes")
    assert (result.exit, result.stdout.splitlines()[-1]) == (0, "No drift."), "nothing proves a drift"
    assert accepting.run("drift", "--accept", "--yes", "lake").exit == 0
    assert "project_id: changed" in accepting.read()


def test_an_edit_of_the_specs_stays(accepting: AcceptingProject) -> None:
    accepting.edit_file("specs/groups/main.yaml", "role: LOADER", "role: WRITER")
    before = accepting.read()
    accepting.change("Orders", time_zone_offset="+1")
    assert accepting.accept("orders").exit == 0
    assert accepting.read() == before.replace('"-5"', '"+1"')


def test_a_field_that_cannot_be_changed_in_place_is_accepted(empty: AcceptingProject) -> None:
    empty.start(
        "  lake:\n    destination:\n      service: managed_data_lake\n      region: AWS_US_EAST_1\n"
        '      time_zone_offset: "0"\n      config:\n        bucket: acme  # of the lake\n'
        "        fivetran_role_arn: arn:aws:iam::123456789012:role/fivetran\n"
    )
    before = empty.read()
    empty.change("lake", config={"bucket": "acme-2"})
    assert get_error_code(empty.run("plan")) == "replace-refused"
    assert empty.accept().exit == 0
    assert empty.read() == before.replace("bucket: acme ", "bucket: acme-2 ")
    assert empty.is_converged()


def test_a_dry_run_writes_nothing(accepting: AcceptingProject) -> None:
    before = accepting.read()
    accepting.change("Orders", time_zone_offset="+1")
    result = accepting.run("drift", "--accept", "--dry-run")
    assert result.exit == 0 and accepting.read() == before
    assert '+      time_zone_offset: "+1"   # New York' in result.stdout.splitlines()
    assert result.stdout.splitlines()[-1] == "To accept: 1 field of 1 entry in 1 file."


def test_the_document_has_all_accepted_and_left_out_fields(accepting: AcceptingProject) -> None:
    accepting.change("Orders", config={"port": 8443, "role": None})
    accepting.dashboard.remove("destination", accepting.ids["lake"])
    document = accepting.accept("--format", "json").document
    assert document["written"] is True and document["files"] == ["specs/groups/main.yaml"]
    assert [
        (each["address"], each["field"], each["source"], each["profile"], each["value"], each["cleared"])
        for each in document["accepted"]
    ] == [
        ("destination.orders", "config.port", "profile", "warehouse", 8443, False),
        ("destination.orders", "config.role", "entry", None, None, True),
    ]
    [left_out] = document["left_out"]
    assert (left_out["address"], left_out["field"]) == ("destination.lake", None)
    assert left_out["removal"].startswith("- {group: lake, id: ")
    assert document["exit"] == {"code": 1, "reason": "failed"}


@pytest.mark.parametrize(
    "options",
    [
        ("lake",),
        ("--yes",),
        ("--dry-run",),
        ("--accept", "--yes", "--detailed-exitcode"),
        ("--accept", "--yes", "--format", "github"),
        ("--accept", "--format", "json"),
        ("--accept", "--yes", "lake", "--target", "orders"),
    ],
)
def test_options_that_contradict_each_other_are_wrong_usage(
    accepting: AcceptingProject, options: tuple[str, ...]
) -> None:
    result = accepting.run("drift", *options)
    assert result.exit == 64
    assert "wrong-usage" in result.stderr + result.stdout


def test_no_terminal_is_an_error(accepting: AcceptingProject) -> None:
    before = accepting.read()
    accepting.change("Orders", time_zone_offset="+1")
    result = accepting.run("drift", "--accept")
    assert get_error_code(result) == "no-terminal" and "--dry-run" in result.stderr
    assert accepting.read() == before


def test_no_drift_is_accepted_without_a_question(accepting: AcceptingProject) -> None:
    before = accepting.read()
    result = accepting.accept()
    assert (result.exit, result.stdout.splitlines()[-1]) == (0, "No drift.")
    assert accepting.read() == before


def test_a_crlf_file_without_a_last_line_end_keeps_its_form(empty: AcceptingProject) -> None:
    empty.start(LAKE)
    file = empty.folder / "specs/groups/main.yaml"
    text = "\ufeff" + f"version: 1\ngroups:\n{LAKE}".rstrip().replace("\n", "\r\n")
    file.write_bytes(text.encode())
    empty.change("lake", config={"project_id": "acme-2"}, time_zone_offset="-5")
    assert empty.accept().exit == 0
    assert file.read_bytes().decode() == text.replace("acme", "acme-2").replace('"0"', '"-5"')


def test_the_sandbox_accepts_too(empty: AcceptingProject) -> None:
    empty.write_settings()
    empty.write_specs(LAKE)
    assert empty.project.run("apply", "--sandbox", "--auto-approve").exit == 0
    result = empty.project.run("drift", "--accept", "--sandbox", "--yes")
    assert (result.exit, result.stdout.splitlines()[-1]) == (0, "No drift.")


def test_the_next_apply_records_the_accepted_values(accepting: AcceptingProject) -> None:
    accepting.change("lake", config={"project_id": "theirs"})
    assert accepting.accept().exit == 0
    assert accepting.list_apply_writes() == []
    accepting.change("lake", config={"project_id": "acme"})
    [change] = accepting.run("drift", "--format", "json").document["changes"]
    assert change["address"] == "destination.lake"


def test_both_names_of_a_field_get_the_value(empty: AcceptingProject) -> None:
    names = "      hybrid_deployment_agent_id: one\n      local_processing_agent_id: one  # the old name\n"
    empty.start(LAKE.replace(REGION, REGION + names))
    before = empty.read()
    empty.change("lake", hybrid_deployment_agent_id="two")
    assert empty.accept().exit == 0
    assert empty.read() == before.replace("agent_id: one", "agent_id: two")
    assert empty.is_converged()


def test_a_changed_file_is_loaded_again_by_a_second_run(accepting: AcceptingProject) -> None:
    accepting.change("lake", config={"project_id": "theirs"})
    accepting.edit_file("specs/groups/main.yaml", "  lake:\n", "  # by hand\n  lake:\n")
    before = accepting.read()
    assert accepting.accept().exit == 0
    assert accepting.read() == before.replace("project_id: acme", "project_id: theirs")


def test_a_value_that_contradicts_the_rest_of_the_entry_is_left_out_alone(
    accepting: AcceptingProject,
) -> None:
    before = accepting.read()
    accepting.change("Orders", config={"auth": "KEY_PAIR", "database": "SALES"}, time_zone_offset="+1")
    result = accepting.accept()
    assert result.exit == 1
    assert "  destination.orders config.auth: " in result.stdout
    assert accepting.read() == before.replace("ORDERS  #", "SALES  #").replace('"-5"', '"+1"')


def test_of_two_groups_with_one_new_name_one_is_accepted(accepting: AcceptingProject) -> None:
    for name in ("Orders", "lake"):
        accepting.dashboard.rename_group(accepting.ids[name], "Same")
    result = accepting.accept()
    assert result.exit == 1
    assert accepting.read().count("name: Same") == 1
    assert result.stdout.splitlines()[-1] == "Accepted: 1 field of 1 entry in 1 file. Left out: 1."


def test_a_value_that_no_spec_can_have_is_left_out(accepting: AcceptingProject) -> None:
    before = accepting.read()
    accepting.change("lake", config={"project_id": "ac\u202eme"}, time_zone_offset="+1")
    result = accepting.accept()
    assert result.exit == 1
    assert "U+202E" in result.stdout and "\u202e" not in result.stdout + accepting.read()
    assert accepting.read() == before.replace('"0"', '"+1"')
