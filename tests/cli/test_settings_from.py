"""`--settings-from`: a change of the specs is judged by the project file of another revision, not by its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project
from git_repo import commit, set_variables, trust, write_distrusting_git

from reconciler.spec.project import read_project, with_settings_of

pytestmark = pytest.mark.sampled(every=6)

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


class Gate:
    """Six applied pairs, committed as `base`, and a change of them that is not committed."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        self.project, self.server = project, server
        self.settings(AT_BASE)
        self.declare(KEYS)
        commit(project.folder, "base")
        applied = project.run_against(server, "apply", "--auto-approve")
        assert applied.exit == 0, applied.stdout + applied.stderr

    def settings(self, text: str, account: str | None = None) -> None:
        """The project file with these settings."""
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
        """These pairs, and removals of others."""
        pairs = "".join(PAIR.format(key=key, region=region, project=project) for key in keys)
        ids = {key: self.server.app.dashboard.find_group_ids(key)[0] for key in removed}
        stones = "".join(f"  - {{group: {key}, id: {id}}}\n" for key, id in ids.items())
        self.project.write_groups(pairs + (f"removed:\n{stones}" if stones else ""))

    def own(self, command: str = "plan", *options: str) -> CommandResult:
        """What comes of the change when it is judged by its own project file."""
        return self.project.run_against(self.server, command, *options)

    def judged(self, command: str = "plan", *options: str) -> CommandResult:
        """What comes of it when it is judged by that of the base."""
        return self.project.run_against(self.server, command, "--settings-from", "base", *options)


@pytest.fixture
def gate(project: Project, server: EmulatedFivetran) -> Gate:
    return Gate(project, server)


def refused(result: CommandResult, code: str, note: str) -> None:
    assert result.exit == 3
    assert f"error[{code}]" in result.stderr
    assert f"= note: {note}" in result.stderr


def test_a_change_cannot_lift_the_protection_of_what_it_deletes(gate: Gate) -> None:
    gate.settings("")
    gate.declare(KEYS[1:], removed=KEYS[:1])
    assert gate.own().exit == 0
    note = "the protected keys are those of `specs/reconciler.yaml@base`"
    refused(gate.judged(), "protected", note)
    before = len(gate.server.writes)
    refused(gate.judged("apply", "--auto-approve"), "protected", note)
    assert gate.server.writes[before:] == []


def test_a_change_cannot_raise_the_limits_that_it_breaks(gate: Gate) -> None:
    gate.settings("limits: {deletes: 9, changed_fraction: 1}\n")
    gate.declare(KEYS[:4], removed=KEYS[4:])
    assert gate.own().exit == 0
    note = "the limits are those of `specs/reconciler.yaml@base`"
    refused(gate.judged(), "limit-exceeded", note)
    assert "2 entries would be deleted, and the limit `deletes` is 1" in gate.judged().stderr
    before = len(gate.server.writes)
    refused(gate.judged("apply", "--auto-approve"), "limit-exceeded", note)
    assert gate.server.writes[before:] == []
    allowed = ("--allow", "deletes=2", "--allow", "changed_fraction=0.4", "--reason", "agreed")
    assert gate.judged("apply", "--auto-approve", *allowed).exit == 0


def test_a_change_cannot_widen_what_references_may_name(gate: Gate) -> None:
    gate.settings("limits: {changed_fraction: 1}\n")
    gate.declare(KEYS, project='{value: "env:HOME"}')
    assert gate.own().exit == 0
    result = gate.judged()
    assert result.exit == 1
    assert "error[reference-not-allowed]" in result.stderr
    assert "= note: the allowed references are those of `specs/reconciler.yaml@base`" in result.stderr


def test_a_change_cannot_name_a_command(gate: Gate, tmp_path: Path) -> None:
    gate.settings("secrets: {commands: {steal: [touch, stolen]}}\n")
    gate.declare(KEYS, project='{value: "command:steal"}')
    result = gate.judged()
    assert result.exit == 1
    assert "error[bad-reference]: the project file names no such command" in result.stderr
    assert "= note: the allowed references are those of `specs/reconciler.yaml@base`" in result.stderr
    assert list(tmp_path.rglob("stolen")) == []


def test_a_change_cannot_make_the_run_forget(gate: Gate) -> None:
    gate.settings(AT_BASE + "state: elsewhere/state.json\n")
    gate.declare(KEYS[1:])
    assert gate.own().exit == 0
    result = gate.judged()
    assert result.exit == 1
    assert "error[vanished]: group.team_0" in result.stderr
    assert not (gate.project.folder / "specs/elsewhere").exists()


def test_a_change_cannot_choose_another_account(gate: Gate) -> None:
    gate.settings(AT_BASE, account="somebody_else")
    assert gate.own().exit == 1
    assert gate.judged().exit == 0


def test_a_setting_of_the_revision_is_shown_at_its_place_there(gate: Gate) -> None:
    gate.settings(AT_BASE, account="somebody_else")
    commit(gate.project.folder, "wrong-account")
    gate.settings("# a line more\n" + AT_BASE)
    result = gate.project.run_against(gate.server, "plan", "--settings-from", "wrong-account")
    assert result.exit == 1
    assert "error[other-account]" in result.stderr
    assert "--> specs/reconciler.yaml@wrong-account:2:13" in result.stderr
    assert "a line more" not in result.stderr


def test_a_reference_in_the_settings_of_the_revision_is_the_one_that_counts(gate: Gate) -> None:
    gate.settings('fingerprint_key: {secret: "env:TEAM_KEY"}\n')
    commit(gate.project.folder, "with-key")
    gate.settings('fingerprint_key: {secret: "env:OTHER_KEY"}\n')
    result = gate.project.run_against(gate.server, "plan", "--settings-from", "with-key")
    assert result.exit == 1
    assert "`fingerprint_key` needs `env:TEAM_KEY`" in result.stderr
    assert "--> specs/reconciler.yaml@with-key:4:18" in result.stderr


def test_the_specs_are_those_of_today(gate: Gate) -> None:
    gate.declare(KEYS, region="GCP_US_WEST1")
    result = gate.judged("plan", "--format", "json", "--target", "team_1")
    assert [each["address"] for each in result.document["changes"]] == ["destination.team_1"]


def test_defaults_are_part_of_the_specs(gate: Gate) -> None:
    more = "defaults: {destination: {networking_method: Directly}}\n"
    gate.settings(AT_BASE + more)
    result = gate.judged("plan", "--changed-since", "base", "--format", "json", "--target", "team_1")
    assert result.document["narrowed_to"]["changed"] == len(KEYS)


@pytest.mark.parametrize("revision", ["nowhere", "--help", ""])
def test_a_revision_that_git_does_not_have(gate: Gate, revision: str) -> None:
    before = len(gate.server.calls)
    result = gate.project.run_against(gate.server, "plan", "--settings-from", revision)
    assert result.exit == 1
    assert "error[unknown-revision]" in result.stderr
    assert gate.server.calls[before:] == []


def test_a_checkout_of_another_user_is_judged_if_the_environment_trusts_it(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    gate.settings("limits: {deletes: 9, changed_fraction: 1}\n")
    gate.declare(KEYS, project="other")
    assert gate.own().exit == 0, "its own project file allows the change"
    set_variables(monkeypatch, write_distrusting_git(tmp_path_factory.mktemp("git") / "bin"))
    unread = gate.judged()
    assert (unread.exit, unread.stdout) == (1, "")
    assert "= note: git says: fatal: detected dubious ownership in repository at" in unread.stderr
    set_variables(monkeypatch, trust(gate.project.folder))
    refused(gate.judged(), "limit-exceeded", "the limits are those of `specs/reconciler.yaml@base`")


def test_a_revision_without_the_project_file(gate: Gate) -> None:
    gate.project.write("specs/new.yaml", (gate.project.folder / "specs/reconciler.yaml").read_text())
    result = gate.judged("plan", "--project", "specs/new.yaml")
    assert result.exit == 1
    assert "error[unusable-revision]: revision `base` has no project file `specs/new.yaml`" in result.stderr


def test_a_revision_whose_project_file_is_not_in_order(gate: Gate) -> None:
    gate.settings("limits: {deletes: many}\n")
    commit(gate.project.folder, "broken")
    gate.settings("")
    result = gate.project.run_against(gate.server, "plan", "--settings-from", "broken")
    assert result.exit == 1
    assert "error[unusable-revision]: the specs of revision `broken` are not in order" in result.stderr
    assert "= note: specs/reconciler.yaml@broken:4:19: " in result.stderr


def test_whatever_a_project_file_learns_to_say_is_taken_from_the_revision(gate: Gate) -> None:
    """A setting that is forgotten here would be one that a change can loosen."""
    folder = gate.project.folder
    now = read_project(Path("specs/reconciler.yaml"), folder)
    base = read_project(Path("specs/reconciler.yaml"), folder, "the base")
    settings = {name: object() for name in type(base.content).model_fields}
    marks = {field.name: object() for field in dataclasses.fields(base)}
    marks["content"] = base.content.model_copy(update=settings)
    judge = dataclasses.replace(base, **marks)  # type: ignore[arg-type]
    both = with_settings_of(now, judge)
    kept = {name for name in marks.keys() - {"content"} if getattr(both, name) is not marks[name]}
    assert kept == {"path", "directory", "shown", "root", "settings_shown"}
    kept_content = {name for name in settings if getattr(both.content, name) is not settings[name]}
    assert kept_content == {"specs", "overrides", "defaults"}


# Limits count all that is managed, whatever the scope


def test_a_narrow_plan_is_no_larger_part_of_the_account(gate: Gate) -> None:
    gate.declare(KEYS, region="GCP_US_WEST1")
    result = gate.own()
    assert result.exit == 3
    assert "6 of 12 managed objects would change, and the limit `changed_fraction` is 0.2" in result.stderr
    assert gate.own("plan", "--target", "team_0", "--target", "team_1").exit == 0
    result = gate.own("plan", "--exclude", "team_0", "--exclude", "team_1", "--exclude", "team_2")
    assert result.exit == 3
    assert "3 of 12 managed objects would change, and the limit `changed_fraction` is 0.2" in result.stderr


def test_the_limits_hold_for_what_changed_since_a_revision(gate: Gate) -> None:
    gate.declare(KEYS, region="GCP_US_WEST1")
    result = gate.own("plan", "--changed-since", "base")
    assert result.exit == 3
    assert "6 of 12 managed objects would change" in result.stderr


def test_what_is_removed_and_still_exists_is_managed(gate: Gate) -> None:
    gate.settings("limits: {deletes: 9, changed_fraction: 0.3}\n")
    gate.declare(KEYS[:4], removed=KEYS[4:])
    result = gate.own()
    assert result.exit == 3
    assert "4 of 12 managed objects would change" in result.stderr
    assert gate.own("plan", "--target", "team_5").exit == 0


def test_what_does_not_exist_yet_is_not_managed(gate: Gate) -> None:
    gate.settings("limits: {changed_fraction: 0}\n")
    gate.declare((*KEYS[:5], "team_8", "team_9"))
    gate.project.write_groups(PAIR.format(key="team_5", region="GCP_US_WEST1", project="acme"), "other")
    result = gate.own()
    assert result.exit == 3
    assert "1 of 12 managed objects would change" in result.stderr
