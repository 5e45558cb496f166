"""`reconciler help`: guides by topic."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cli_harness import ROOT, Project
from command_line import TerminalProcess, run

from reconciler.cli.commands import SUMMARIES
from reconciler.operations.guides import list_guide_topics, read_guide_summaries

GUIDES = ROOT / "reconciler" / "guides"
REPOSITORY = {"PYTHONPATH": str(ROOT)}


def test_help_lists_all_topics_with_one_line_each(project: Project) -> None:
    result = project.run("help")
    assert result.exit == 0
    assert result.stderr == ""
    listed, _, more = result.stdout.partition("\n\n")
    assert {line.split()[0] for line in listed.splitlines()} == {each.stem for each in GUIDES.glob("*.md")}
    assert len(listed.splitlines()) == len(list_guide_topics())
    assert max(map(len, listed.splitlines())) <= 80
    assert "reconciler COMMAND --help" in more


@pytest.mark.parametrize("topic", list_guide_topics())
def test_a_pipe_gets_the_raw_guide(project: Project, topic: str) -> None:
    result = project.run("help", topic)
    assert result.exit == 0
    assert result.stdout == (GUIDES / f"{topic}.md").read_text()


@pytest.mark.parametrize(
    ("topic", "advice"),
    [
        ("secret", "did you mean `secrets`?"),
        ("Exit_Codes", "did you mean `exit-codes`?"),
        ("explian", "did you mean `explain`?"),
        ("nonsense", "`reconciler help` lists all topics"),
        ("../specs", "did you mean `specs`?"),
    ],
)
def test_an_unknown_topic_is_wrong_usage(project: Project, topic: str, advice: str) -> None:
    result = project.run("help", topic)
    assert result.exit == 64
    assert result.stdout == ""
    assert result.stderr == f"error[wrong-usage]: there is no topic `{topic}`\n   = help: {advice}\n"


@pytest.mark.parametrize("name", sorted(set(SUMMARIES) - set(list_guide_topics())))
def test_help_of_a_command_name_shows_its_help_page(project: Project, name: str) -> None:
    result = project.run("help", name)
    assert result.exit == 0
    assert result.stdout == project.run(name, "--help").stdout
    assert result.stdout.startswith(f"Usage: reconciler {name} ")


def test_a_terminal_gets_the_rendered_guide(tmp_path: Path) -> None:
    with TerminalProcess(
        "help", "exit-codes", "--no-pager", directory=tmp_path, COLUMNS="60", **REPOSITORY
    ) as terminal:
        assert terminal.wait_for_exit() == 0
    lines = terminal.text.splitlines()
    assert "# Exit codes" not in lines
    assert "Exit codes" in [line.rstrip() for line in lines]
    assert max(map(len, lines)) <= 60
    assert "\x1b[1" in terminal.output


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [(["--no-color"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})],
)
def test_a_terminal_gets_no_colours_if_switched_off(
    arguments: list[str], environ: dict[str, str], tmp_path: Path
) -> None:
    with TerminalProcess(
        "help", "drift", "--no-pager", *arguments, directory=tmp_path, **REPOSITORY, **environ
    ) as terminal:
        assert terminal.wait_for_exit() == 0
    assert "Drift" in terminal.output
    assert "\x1b" not in terminal.output


@pytest.fixture
def pager(tmp_path: Path) -> Path:
    """Write a pager that keeps its text and its settings in files beside it."""
    file = tmp_path / "pager"
    file.write_text(f'#!/bin/sh\ncat > {tmp_path}/text\necho "$LESS" > {tmp_path}/less\n')
    file.chmod(0o755)
    return file


@pytest.mark.parametrize("topic", ["drift", "show"])
def test_a_terminal_gets_a_guide_in_the_pager(tmp_path: Path, pager: Path, topic: str) -> None:
    with TerminalProcess(
        "help", topic, directory=tmp_path, PAGER=str(pager), LESS="", **REPOSITORY
    ) as terminal:
        assert terminal.wait_for_exit() == 0
    assert terminal.text.strip() == ""
    assert (tmp_path / "text").read_text().startswith({"drift": "Drift", "show": "Usage: "}[topic])


def test_less_gets_the_settings_of_git_unless_the_user_has_others(tmp_path: Path, pager: Path) -> None:
    for environ, expected in (({}, "-FRX"), ({"LESS": "-S"}, "-S")):
        with TerminalProcess(
            "help", "drift", directory=tmp_path, PAGER=str(pager), **REPOSITORY, **environ
        ) as terminal:
            assert terminal.wait_for_exit() == 0
        assert (tmp_path / "less").read_text().strip() == expected


@pytest.mark.parametrize(
    ("arguments", "command", "environ"),
    [
        (["--no-pager"], "{}", {}),
        ([], "cat", {}),
        ([], "", {}),
        ([], "/nowhere/pager", {}),
        ([], "an 'open quote", {}),
        ([], "{}", {"TERM": "dumb"}),
    ],
)
def test_a_terminal_gets_a_guide_without_a_pager(
    tmp_path: Path, pager: Path, arguments: list[str], command: str, environ: dict[str, str]
) -> None:
    with TerminalProcess(
        "help", "drift", *arguments, directory=tmp_path, PAGER=command.format(pager), **REPOSITORY, **environ
    ) as terminal:
        assert terminal.wait_for_exit() == 0
    assert terminal.text.startswith("Drift")
    assert "No drift." in terminal.text
    assert not (tmp_path / "text").exists()


def test_a_pipe_gets_a_guide_without_the_pager(tmp_path: Path, pager: Path) -> None:
    assert "No drift." in run("help", "drift", directory=tmp_path, PAGER=str(pager), **REPOSITORY).out
    assert not (tmp_path / "text").exists()


@pytest.mark.parametrize("command", ["head -1", "true"])
def test_a_pager_that_ends_early_is_no_failure(tmp_path: Path, command: str) -> None:
    with TerminalProcess("help", "specs", directory=tmp_path, PAGER=command, **REPOSITORY) as terminal:
        assert terminal.wait_for_exit() == 0
    assert len(terminal.text.splitlines()) <= 1


@pytest.mark.skipif(shutil.which("less") is None, reason="less is not installed")
def test_less_shows_styled_headings_and_can_be_left(tmp_path: Path) -> None:
    with TerminalProcess("help", "specs", directory=tmp_path, columns=80, **REPOSITORY) as terminal:
        terminal.wait_for(":")
        terminal.type("q")
        assert terminal.wait_for_exit() == 0
    assert "\x1b[1;4mSpec" in terminal.output or "\x1b[1m\x1b[4mSpec" in terminal.output


def test_a_closed_pipe_is_no_failure(tmp_path: Path) -> None:
    full = run("help", "specs", directory=tmp_path, stdout_file=Path("/dev/full"), **REPOSITORY)
    assert full.code == 1
    assert "error[output-lost]" in full.err


def test_every_summary_is_one_sentence_on_one_line() -> None:
    for topic, summary in read_guide_summaries().items():
        assert summary.endswith("."), topic
        assert "\n" not in summary, topic
