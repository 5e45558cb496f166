"""`drift --accept` at a terminal: the question, and a file that changes while the user thinks."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_harness import EmulatedFivetran, build_credentials
from command_line import TerminalProcess, run

pytestmark = pytest.mark.sampled(every=4, tests=3)

QUESTION = 'Only "yes" is accepted: '
ENTRY = "version: 1\ngroups:\n  first:  # the only one\n    name: First\n"


@pytest.fixture
def folder(tmp_path: Path, server: EmulatedFivetran) -> Path:
    """An applied group that was renamed outside."""
    (tmp_path / "specs/groups").mkdir(parents=True)
    project = f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n"
    (tmp_path / "specs/reconciler.yaml").write_text(project)
    (tmp_path / "specs/groups/main.yaml").write_text(ENTRY)
    environ = build_credentials(server.url)
    assert run("apply", "--auto-approve", directory=tmp_path, **environ).code == 0
    [id] = server.app.dashboard.find_group_ids("First")
    server.app.dashboard.rename_group(id, "Second")
    return tmp_path


def test_the_answer_yes_writes_the_file(folder: Path, server: EmulatedFivetran) -> None:
    environ = build_credentials(server.url)
    with TerminalProcess("drift", "--accept", directory=folder, **environ) as terminal:
        terminal.wait_for(QUESTION)
        assert "+    name: Second" in terminal.text
        assert (folder / "specs/groups/main.yaml").read_text() == ENTRY
        terminal.type("yes\n")
        assert terminal.wait_for_exit() == 0
    assert (folder / "specs/groups/main.yaml").read_text() == ENTRY.replace("First", "Second")


def test_any_other_answer_writes_nothing(folder: Path, server: EmulatedFivetran) -> None:
    environ = build_credentials(server.url)
    with TerminalProcess("drift", "--accept", directory=folder, **environ) as terminal:
        terminal.wait_for(QUESTION)
        terminal.type("y\n")
        assert terminal.wait_for_exit() == 1
        assert "Nothing was written." in terminal.text
    assert (folder / "specs/groups/main.yaml").read_text() == ENTRY


def test_a_file_that_changes_during_the_question_is_not_overwritten(
    folder: Path, server: EmulatedFivetran
) -> None:
    environ = build_credentials(server.url)
    with TerminalProcess("drift", "--accept", directory=folder, **environ) as terminal:
        terminal.wait_for(QUESTION)
        (folder / "specs/groups/main.yaml").write_text(f"{ENTRY}  other: {{}}\n")
        terminal.type("yes\n")
        assert terminal.wait_for_exit() == 1
        assert "error[file-changed]" in terminal.text
    assert (folder / "specs/groups/main.yaml").read_text() == f"{ENTRY}  other: {{}}\n"
