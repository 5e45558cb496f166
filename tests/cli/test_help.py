"""`reconciler help`: guides by topic."""

from __future__ import annotations

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
    with TerminalProcess("help", "exit-codes", directory=tmp_path, COLUMNS="60", **REPOSITORY) as terminal:
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
        "help", "drift", *arguments, directory=tmp_path, **REPOSITORY, **environ
    ) as terminal:
        assert terminal.wait_for_exit() == 0
    assert "Drift" in terminal.output
    assert "\x1b" not in terminal.output


def test_a_closed_pipe_is_no_failure(tmp_path: Path) -> None:
    full = run("help", "specs", directory=tmp_path, stdout_file=Path("/dev/full"), **REPOSITORY)
    assert full.code == 1
    assert "error[output-lost]" in full.err


def test_every_summary_is_one_sentence_on_one_line() -> None:
    for topic, summary in read_guide_summaries().items():
        assert summary.endswith("."), topic
        assert "\n" not in summary, topic
