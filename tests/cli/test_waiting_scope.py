"""A destination that waits for a pin is no part of plans since a revision, until the specs have the pin."""

from __future__ import annotations

import pytest
from cli_harness import EmulatedFivetran, Project
from git_repo import commit
from waiting_servers import SPEC, WaitingProject, write_entry


@pytest.fixture
def waiting(project: Project, server: EmulatedFivetran) -> WaitingProject:
    """A project whose entry `sales` waits, committed as `waiting`."""
    waiting = WaitingProject(project, server)
    waiting.let_wait()
    commit(waiting.folder, "waiting")
    return waiting


def test_a_waiting_destination_is_left_out_with_a_warning(waiting: WaitingProject) -> None:
    waiting.project.write(SPEC, waiting.read() + "  other: {}\n")
    result, writes = waiting.run_and_list_writes("apply", "--auto-approve", "--changed-since", "waiting")
    assert (result.exit, writes) == (0, ["POST /v1/groups"])
    headline = "destination.sales waits for the approval of a certificate; this plan leaves it out"
    assert f"warning[approval-needed]: {headline}\n" in result.stderr
    assert "`reconciler trust pin destination.sales`" in result.stderr
    assert "warning[unfinished]" not in result.stderr
    assert "1 of 2 groups changed since waiting ·" in result.stdout
    assert waiting.plan("--detailed-exitcode").exit == 2, "a plan of everything tests it"


def test_the_digest_of_other_changes_stays_when_a_destination_begins_to_wait(
    project: Project, server: EmulatedFivetran
) -> None:
    waiting = WaitingProject(project, server)
    waiting.write_settings()
    waiting.write_specs(write_entry())
    commit(waiting.folder, "before")
    waiting.write_specs(write_entry() + "  other: {}\n")
    scope = ("--changed-since", "before", "--format", "json")
    digest = waiting.plan(*scope).document["digest"]
    waiting.write_specs(write_entry())
    waiting.let_wait()
    waiting.write_specs(write_entry() + "  other: {}\n")
    assert waiting.plan(*scope).document["digest"] == digest


def test_a_pinned_destination_is_unfinished_work(waiting: WaitingProject) -> None:
    [*_, root] = [each["hash"] for each in waiting.read_state()["records"]["destination.sales"]["awaiting"]]
    waiting.pin("sales", root)
    commit(waiting.folder, "pinned")
    result = waiting.plan("--changed-since", "pinned")
    assert "0 of 1 group changed since pinned, 1 more unfinished" in result.stdout
    assert "✓ destination.sales" in result.stdout
    waiting.must_apply("--changed-since", "pinned")
    assert waiting.is_converged()


def test_an_entry_of_the_change_is_tested_while_it_waits(waiting: WaitingProject) -> None:
    waiting.edit_file(SPEC, "database: warehouse", "database: sales")
    result = waiting.apply("--changed-since", "waiting")
    assert result.exit == 7
    assert "this plan leaves it out" not in result.stderr
