"""`apply --expect DIGEST`: applies the plan approved by its digest only, also after a stopped run."""

from __future__ import annotations

import json

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project
from git_repo import commit

from reconciler.emulator.fault_text import parse_fault

PAIRS = """\
  orders:
    destination:
      service: big_query
      time_zone_offset: "0"
      config: {project_id: acme, data_set_location: US}
  sales:
    destination:
      service: big_query
      time_zone_offset: "0"
      config: {project_id: acme, data_set_location: US}
"""


@pytest.fixture
def unapplied_project(project: Project, server: EmulatedFivetran) -> Project:
    """A project with two pairs that do not exist yet."""
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
    )
    project.write_groups(PAIRS)
    return project


def get_digest(unapplied_project: Project, server: EmulatedFivetran) -> str:
    return str(unapplied_project.run_against(server, "plan", "--format", "json").document["digest"])


def apply_digest(unapplied_project: Project, server: EmulatedFivetran, digest: str) -> CommandResult:
    return unapplied_project.run_against(server, "apply", "--expect", digest)


def read_reviewed_plan(unapplied_project: Project) -> object:
    return (
        json.loads((unapplied_project.folder / "specs/.reconciler/state.json").read_text())["reviewed"]
        or None
    )


def test_the_approved_plan_is_applied_without_a_prompt(
    unapplied_project: Project, server: EmulatedFivetran
) -> None:
    result = apply_digest(unapplied_project, server, get_digest(unapplied_project, server))
    assert result.exit == 0, result.stderr
    assert len(server.list_ids("destinations")) == 2
    assert read_reviewed_plan(unapplied_project) is None


def test_another_plan_is_refused_and_nothing_is_sent(
    unapplied_project: Project, server: EmulatedFivetran
) -> None:
    digest = get_digest(unapplied_project, server)
    unapplied_project.write_groups(PAIRS.replace("US", "EU"))
    result = apply_digest(unapplied_project, server, digest)
    assert (result.exit, server.writes) == (4, [])
    assert "error[plan-unlike]" in result.stderr


def test_a_stopped_apply_resumes_with_the_same_digest(
    unapplied_project: Project, server: EmulatedFivetran
) -> None:
    digest = get_digest(unapplied_project, server)
    server.app.faults.add(parse_fault("POST /v1/destinations #2 status 400"))
    assert apply_digest(unapplied_project, server, digest).exit == 6
    server.app.faults.clear()
    before = len(server.writes)
    result = apply_digest(unapplied_project, server, digest)
    assert result.exit == 0, result.stdout + result.stderr
    assert server.writes[before] == "POST /v1/destinations"
    assert len(server.list_ids("groups")) == len(server.list_ids("destinations")) == 2
    assert read_reviewed_plan(unapplied_project) is None


def test_the_state_stores_effects_of_the_approved_plan_only(
    unapplied_project: Project, server: EmulatedFivetran
) -> None:
    assert unapplied_project.run_against(server, "apply", "--auto-approve").exit == 0
    unapplied_project.write_groups(PAIRS.replace("acme", "changed", 1))
    digest = get_digest(unapplied_project, server)
    server.app.faults.add(parse_fault("PATCH /v1/destinations/* status 400"))
    assert apply_digest(unapplied_project, server, digest).exit == 6
    [saved] = json.loads((unapplied_project.folder / "specs/.reconciler/state.json").read_text())[
        "reviewed"
    ].values()
    kept = json.loads(saved)["content"]
    assert len(kept["plan"]["changes"]) == 4
    assert all(change["other_values"] == change["applied"] == [] for change in kept["plan"]["changes"])


def test_a_stopped_apply_does_not_resume_with_other_changes(
    unapplied_project: Project, server: EmulatedFivetran
) -> None:
    digest = get_digest(unapplied_project, server)
    server.app.faults.add(parse_fault("POST /v1/destinations status 400"))
    assert apply_digest(unapplied_project, server, digest).exit == 6
    server.app.faults.clear()
    unapplied_project.write_groups(PAIRS.replace("US", "EU"))
    before = len(server.writes)
    result = apply_digest(unapplied_project, server, digest)
    assert (result.exit, server.writes[before:]) == (4, [])
    assert "error[plan-spec-changed]" in result.stderr
    assert "config.data_set_location" in result.stderr


def test_an_apply_of_another_plan_ends_the_approval(
    unapplied_project: Project, server: EmulatedFivetran
) -> None:
    digest = get_digest(unapplied_project, server)
    server.app.faults.add(parse_fault("POST /v1/destinations status 400"))
    assert apply_digest(unapplied_project, server, digest).exit == 6
    server.app.faults.clear()
    assert unapplied_project.run_against(server, "apply", "--auto-approve").exit == 0
    assert read_reviewed_plan(unapplied_project) is None
    result = apply_digest(unapplied_project, server, digest)
    assert result.exit == 4
    assert "error[plan-applied]" in result.stderr


def test_a_part_of_a_digest_is_wrong_usage(unapplied_project: Project, server: EmulatedFivetran) -> None:
    assert apply_digest(unapplied_project, server, get_digest(unapplied_project, server)[:12]).exit == 64
    assert server.writes == []


def test_a_stopped_apply_resumes_from_its_own_checkout_after_other_merges(
    unapplied_project: Project, server: EmulatedFivetran
) -> None:
    """Other users merged and applied in between; their new entries are missing in this checkout without an error."""
    assert unapplied_project.run_against(server, "apply", "--auto-approve").exit == 0
    commit(unapplied_project.folder, "base")
    friday = PAIRS.replace("acme", "changed", 1)
    unapplied_project.write_groups(friday)
    commit(unapplied_project.folder, "friday")

    def run_since(since: str, *command: str) -> CommandResult:
        return unapplied_project.run_against(server, *command, "--changed-since", since)

    digest = run_since("base", "plan", "--format", "json").document["digest"]
    server.app.faults.add(parse_fault("PATCH /v1/destinations/* status 503"))
    assert run_since("base", "apply", "--expect", digest).exit == 6
    server.app.faults.clear()

    unapplied_project.write_groups(friday + "  later:\n    name: Later\n")
    commit(unapplied_project.folder, "saturday")
    others = run_since("friday", "plan", "--format", "json", "--exclude", "orders", "--exclude", "sales")
    other = others.document["digest"]
    assert (
        run_since("friday", "apply", "--expect", other, "--exclude", "orders", "--exclude", "sales").exit == 0
    )
    assert len(server.list_ids("groups")) == 3

    unapplied_project.write_groups(friday)
    before = len(server.writes)
    monday = run_since("base", "apply", "--expect", digest)
    assert monday.exit == 0, monday.stdout + monday.stderr
    assert [call.split("/")[0] for call in server.writes[before:]] == ["PATCH ", "POST "], "and its tests"
    assert read_reviewed_plan(unapplied_project) is None
    # Without a scope the checkout is too old for an apply.
    assert "error[vanished]" in unapplied_project.run_against(server, "plan").stderr


def test_an_entry_missing_since_the_base_is_an_error(
    unapplied_project: Project, server: EmulatedFivetran
) -> None:
    assert unapplied_project.run_against(server, "apply", "--auto-approve").exit == 0
    commit(unapplied_project.folder, "base")
    unapplied_project.write_groups(PAIRS[: PAIRS.index("  sales:")])
    refused = unapplied_project.run_against(server, "plan", "--changed-since", "base")
    assert refused.exit == 1
    assert "error[vanished]" in refused.stderr
