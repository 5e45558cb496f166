"""`--settings-from`: a spec change is checked against the project file of another revision."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project
from git_repo import commit, set_variables, trust, write_distrusting_git

from reconciler.spec.project import read_project, with_settings_of

pytestmark = pytest.mark.sampled(every=6, tests=3)

PAIR = """\
  {key}:
    destination:
      service: big_query
      region: {region}
      time_zone_offset: "0"
      config: {{project_id: {project}, data_set_location: US}}
"""
KEYS = tuple(f"team_{number}" for number in range(6))
AT_BASE = """\
protected: ["team_0"]
limits: {deletes: 1, changed_fraction: 0.2}
secrets: {allow: ["env:TEAM_*"]}
"""


class SettingsProject:
    """Six applied pairs, committed as `base`, and an uncommitted change of them."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        self.project, self.server = project, server
        self.write_settings(AT_BASE)
        self.declare(KEYS)
        commit(project.folder, "base")
        applied = project.run_against(server, "apply", "--auto-approve")
        assert applied.exit == 0, applied.stdout + applied.stderr

    def write_settings(self, text: str, account: str | None = None) -> None:
        """Write the project file with these settings."""
        account = account or self.server.account_id
        head = f"version: 1\naccount_id: {account}\nspecs: ['groups/*.yaml']\n"
        self.project.write("specs/reconciler.yaml", head + text)

    def declare(
        self,
        keys: tuple[str, ...],
        *,
        region: str = "GCP_US_EAST4",
        project: str = "acme",
        removed: tuple[str, ...] = (),
    ) -> None:
        """Declare these pairs, and removals of the others."""
        pairs = "".join(PAIR.format(key=key, region=region, project=project) for key in keys)
        ids = {key: self.server.app.dashboard.find_group_ids(key)[0] for key in removed}
        stones = "".join(f"  - {{group: {key}, id: {id}}}\n" for key, id in ids.items())
        self.project.write_groups(pairs + (f"removed:\n{stones}" if stones else ""))

    def run_with_own_settings(self, command: str = "plan", *options: str) -> CommandResult:
        """Run a command with the settings of the working tree."""
        return self.project.run_against(self.server, command, *options)

    def run_with_base_settings(self, command: str = "plan", *options: str) -> CommandResult:
        """Run a command with the settings of the base."""
        return self.project.run_against(self.server, command, "--settings-from", "base", *options)


@pytest.fixture
def settings_project(project: Project, server: EmulatedFivetran) -> SettingsProject:
    return SettingsProject(project, server)


def check_refused(result: CommandResult, code: str, note: str) -> None:
    assert result.exit == 3
    assert f"error[{code}]" in result.stderr
    assert f"= note: {note}" in result.stderr


def test_a_change_cannot_lift_the_protection_of_an_entry_it_deletes(
    settings_project: SettingsProject,
) -> None:
    settings_project.write_settings("")
    settings_project.declare(KEYS[1:], removed=KEYS[:1])
    own = settings_project.run_with_own_settings()
    assert (own.exit, "error[protected]" in own.stderr) == (3, True), "the state knows the protection too"
    assert "are those of" not in own.stderr
    note = "the protected keys are those of `specs/reconciler.yaml@base`"
    check_refused(settings_project.run_with_base_settings(), "protected", note)
    before = len(settings_project.server.writes)
    check_refused(settings_project.run_with_base_settings("apply", "--auto-approve"), "protected", note)
    assert settings_project.server.writes[before:] == []


def test_a_change_cannot_raise_its_own_limits(settings_project: SettingsProject) -> None:
    settings_project.write_settings("limits: {deletes: 9, changed_fraction: 1}\n")
    settings_project.declare(KEYS[:4], removed=KEYS[4:])
    assert settings_project.run_with_own_settings().exit == 0
    note = "the limits are those of `specs/reconciler.yaml@base`"
    check_refused(settings_project.run_with_base_settings(), "limit-exceeded", note)
    assert (
        "2 entries would be deleted, and the limit `deletes` is 1"
        in settings_project.run_with_base_settings().stderr
    )
    before = len(settings_project.server.writes)
    check_refused(settings_project.run_with_base_settings("apply", "--auto-approve"), "limit-exceeded", note)
    assert settings_project.server.writes[before:] == []
    allowed = ("--allow", "deletes=2", "--allow", "changed_fraction=0.4", "--reason", "agreed")
    assert settings_project.run_with_base_settings("apply", "--auto-approve", *allowed).exit == 0


def test_a_change_cannot_widen_the_allowed_references(settings_project: SettingsProject) -> None:
    settings_project.write_settings("limits: {changed_fraction: 1}\n")
    settings_project.declare(KEYS, project='{value: "env:HOME"}')
    assert settings_project.run_with_own_settings().exit == 0
    result = settings_project.run_with_base_settings()
    assert result.exit == 1
    assert "error[reference-not-allowed]" in result.stderr
    assert "= note: the allowed references are those of `specs/reconciler.yaml@base`" in result.stderr


def test_a_change_cannot_declare_a_secret_command(settings_project: SettingsProject, tmp_path: Path) -> None:
    settings_project.write_settings("secrets: {commands: {steal: [touch, stolen]}}\n")
    settings_project.declare(KEYS, project='{value: "command:steal"}')
    result = settings_project.run_with_base_settings()
    assert result.exit == 1
    assert "error[bad-reference]: the project file names no such command" in result.stderr
    assert "= note: the allowed references are those of `specs/reconciler.yaml@base`" in result.stderr
    assert list(tmp_path.rglob("stolen")) == []


def test_a_change_cannot_choose_another_state(settings_project: SettingsProject) -> None:
    settings_project.write_settings(AT_BASE + "state: elsewhere/state.json\n")
    settings_project.declare(KEYS[1:])
    assert settings_project.run_with_own_settings().exit == 0
    result = settings_project.run_with_base_settings()
    assert result.exit == 1
    assert "error[vanished]: group.team_0" in result.stderr
    assert not (settings_project.project.folder / "specs/elsewhere").exists()


def test_a_change_cannot_choose_another_account(settings_project: SettingsProject) -> None:
    settings_project.write_settings(AT_BASE, account="somebody_else")
    assert settings_project.run_with_own_settings().exit == 1
    assert settings_project.run_with_base_settings().exit == 0


def test_a_setting_of_the_revision_is_reported_with_its_location_there(
    settings_project: SettingsProject,
) -> None:
    settings_project.write_settings(AT_BASE, account="somebody_else")
    commit(settings_project.project.folder, "wrong-account")
    settings_project.write_settings("# a line more\n" + AT_BASE)
    result = settings_project.project.run_against(
        settings_project.server, "plan", "--settings-from", "wrong-account"
    )
    assert result.exit == 1
    assert "error[other-account]" in result.stderr
    assert "--> specs/reconciler.yaml@wrong-account:2:13" in result.stderr
    assert "a line more" not in result.stderr


def test_references_in_the_settings_of_the_revision_are_used(settings_project: SettingsProject) -> None:
    settings_project.write_settings('fingerprint_key: {secret: "env:TEAM_KEY"}\n')
    commit(settings_project.project.folder, "with-key")
    settings_project.write_settings('fingerprint_key: {secret: "env:OTHER_KEY"}\n')
    result = settings_project.project.run_against(
        settings_project.server, "plan", "--settings-from", "with-key"
    )
    assert result.exit == 1
    assert "`fingerprint_key` needs `env:TEAM_KEY`" in result.stderr
    assert "--> specs/reconciler.yaml@with-key:4:18" in result.stderr


def test_specs_are_read_from_the_working_tree(settings_project: SettingsProject) -> None:
    settings_project.declare(KEYS, region="GCP_US_WEST1")
    result = settings_project.run_with_base_settings("plan", "--format", "json", "--target", "team_1")
    assert [each["address"] for each in result.document["changes"]] == ["destination.team_1"]


def test_defaults_are_read_from_the_working_tree(settings_project: SettingsProject) -> None:
    more = "defaults: {destination: {networking_method: Directly}}\n"
    settings_project.write_settings(AT_BASE + more)
    result = settings_project.run_with_base_settings(
        "plan", "--changed-since", "base", "--format", "json", "--target", "team_1"
    )
    assert result.document["narrowed_to"]["changed"] == len(KEYS)


@pytest.mark.parametrize("revision", ["nowhere", "--help", ""])
def test_an_unknown_revision_is_an_error(settings_project: SettingsProject, revision: str) -> None:
    before = len(settings_project.server.calls)
    result = settings_project.project.run_against(
        settings_project.server, "plan", "--settings-from", revision
    )
    assert result.exit == 1
    assert "error[unknown-revision]" in result.stderr
    assert settings_project.server.calls[before:] == []


def test_a_checkout_of_another_user_is_used_if_trusted_by_the_environment(
    settings_project: SettingsProject,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings_project.write_settings("limits: {deletes: 9, changed_fraction: 1}\n")
    settings_project.declare(KEYS, project="other")
    assert settings_project.run_with_own_settings().exit == 0, "its own project file allows the change"
    set_variables(monkeypatch, write_distrusting_git(tmp_path_factory.mktemp("git") / "bin"))
    unread = settings_project.run_with_base_settings()
    assert (unread.exit, unread.stdout) == (1, "")
    assert "= note: git says: fatal: detected dubious ownership in repository at" in unread.stderr
    set_variables(monkeypatch, trust(settings_project.project.folder))
    check_refused(
        settings_project.run_with_base_settings(),
        "limit-exceeded",
        "the limits are those of `specs/reconciler.yaml@base`",
    )


def test_a_revision_without_the_project_file_is_an_error(settings_project: SettingsProject) -> None:
    settings_project.project.write(
        "specs/new.yaml", (settings_project.project.folder / "specs/reconciler.yaml").read_text()
    )
    result = settings_project.run_with_base_settings("plan", "--project", "specs/new.yaml")
    assert result.exit == 1
    assert "error[unusable-revision]: revision `base` has no project file `specs/new.yaml`" in result.stderr


def test_a_revision_with_an_invalid_project_file_is_an_error(settings_project: SettingsProject) -> None:
    settings_project.write_settings("limits: {deletes: many}\n")
    commit(settings_project.project.folder, "broken")
    settings_project.write_settings("")
    result = settings_project.project.run_against(
        settings_project.server, "plan", "--settings-from", "broken"
    )
    assert result.exit == 1
    assert "error[unusable-revision]: the specs of revision `broken` have errors" in result.stderr
    assert "= note: specs/reconciler.yaml@broken:4:19: " in result.stderr


def test_every_setting_is_taken_from_the_revision(settings_project: SettingsProject) -> None:
    """A setting missing here could be loosened by a change."""
    folder = settings_project.project.folder
    now = read_project(Path("specs/reconciler.yaml"), folder)
    base = read_project(Path("specs/reconciler.yaml"), folder, "the base")
    values = {name: object() for name in type(base.content).model_fields}
    marks = {field.name: object() for field in dataclasses.fields(base)}
    marks["content"] = base.content.model_copy(update=values)
    judge = dataclasses.replace(base, **marks)  # type: ignore[arg-type]
    both = with_settings_of(now, judge)
    kept = {name for name in marks.keys() - {"content"} if getattr(both, name) is not marks[name]}
    assert kept == {"path", "directory", "shown", "root", "settings_shown", "area", "findings", "texts"}
    kept_content = {name for name in values if getattr(both.content, name) is not values[name]}
    assert kept_content == {"specs", "overrides", "defaults", "vars"}


# Limits count all managed objects, whatever the scope


def test_limits_of_a_scoped_plan_count_the_whole_account(settings_project: SettingsProject) -> None:
    settings_project.declare(KEYS, region="GCP_US_WEST1")
    result = settings_project.run_with_own_settings()
    assert result.exit == 3
    assert "6 of 12 managed objects would change, and the limit `changed_fraction` is 0.2" in result.stderr
    assert (
        settings_project.run_with_own_settings("plan", "--target", "team_0", "--target", "team_1").exit == 0
    )
    result = settings_project.run_with_own_settings(
        "plan", "--exclude", "team_0", "--exclude", "team_1", "--exclude", "team_2"
    )
    assert result.exit == 3
    assert "3 of 12 managed objects would change, and the limit `changed_fraction` is 0.2" in result.stderr


def test_limits_hold_for_a_plan_of_changed_entries(settings_project: SettingsProject) -> None:
    settings_project.declare(KEYS, region="GCP_US_WEST1")
    result = settings_project.run_with_own_settings("plan", "--changed-since", "base")
    assert result.exit == 3
    assert "6 of 12 managed objects would change" in result.stderr


def test_a_removed_but_existing_entry_counts_as_managed(settings_project: SettingsProject) -> None:
    settings_project.write_settings("limits: {deletes: 9, changed_fraction: 0.3}\n")
    settings_project.declare(KEYS[:4], removed=KEYS[4:])
    result = settings_project.run_with_own_settings()
    assert result.exit == 3
    assert "4 of 12 managed objects would change" in result.stderr
    assert settings_project.run_with_own_settings("plan", "--target", "team_5").exit == 0


def test_an_entry_to_create_does_not_count_as_managed(settings_project: SettingsProject) -> None:
    settings_project.write_settings("limits: {changed_fraction: 0}\n")
    settings_project.declare((*KEYS[:5], "team_8", "team_9"))
    settings_project.project.write_groups(
        PAIR.format(key="team_5", region="GCP_US_WEST1", project="acme"), "other"
    )
    result = settings_project.run_with_own_settings()
    assert result.exit == 3
    assert "1 of 12 managed objects would change" in result.stderr
