"""Words of other tools: each leads to the command or option of this program."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import click
import pytest
from cli_harness import Project

from reconciler.cli.commands import SUMMARIES
from reconciler.cli.main import reconciler
from reconciler.cli.pointers import COMMANDS, OPTIONS, STATE_COMMANDS
from reconciler.operations.guides import list_guide_topics

TABLES = (COMMANDS, STATE_COMMANDS, OPTIONS)


def find_command(name: str) -> click.Command:
    command = reconciler.get_command(click.Context(reconciler), name)
    assert command is not None
    return command


def list_options(name: str) -> set[str]:
    return {option for each in find_command(name).params for option in each.opts}


def list_subcommands(name: str) -> set[str]:
    group = find_command(name)
    return set(group.list_commands(click.Context(group))) if isinstance(group, click.Group) else set()


@pytest.mark.parametrize(
    ("words", "unknown", "pointed"),
    [
        ("destroy", "command `destroy`", "`removed:`"),
        ("refresh", "command `refresh`", "`reconciler drift`"),
        ("taint group.sales", "command `taint`", "`reconciler help removal`"),
        ("output -json", "command `output`", "`reconciler state list --format json`"),
        ("console", "command `console`", "`reconciler plan --verbose`"),
        ("workspace select dev", "command `workspace`", "`--project FILE`"),
        ("force-unlock 7", "command `force-unlock`", "`reconciler state unlock`"),
        ("state rm group.sales", "command `rm`", "`reconciler state forget ADDR`"),
        ("state mv a b", "command `mv`", "`reconciler state move FROM TO`"),
        ("plan -target=group.sales", "option `-target`", "two dashes: `--target`"),
        ("plan -target group.sales", "option `-target`", "two dashes: `--target`"),
        ("plan -out=plan.json", "option `-out`", "two dashes: `--out`"),
        ("plan -quiet", "option `-quiet`", "two dashes: `--quiet`"),
        ("apply -auto-approve", "option `-auto-approve`", "two dashes: `--auto-approve`"),
        ("plan -auto-approve", "option `-auto-approve`", "a plan never asks"),
        ("apply -y", "option `-y`", "`apply --auto-approve`"),
        ("apply --yes", "option `--yes`", "`apply --auto-approve`"),
        ("apply -input=false", "option `-input`", "`apply --auto-approve`"),
        ("apply --dry-run", "option `--dry-run`", "`reconciler plan`"),
        ("plan -json", "option `-json`", "`--format json`"),
        ("plan -destroy", "option `-destroy`", "`removed:`"),
        ("plan -refresh-only", "option `-refresh-only`", "`reconciler drift`"),
        ("-chdir=specs plan", "option `-chdir`", "`--project FILE`"),
        ("plan -qz", "option `-z`", "`reconciler plan --help`"),
        ("plan --tagret x", "option `--tagret`", "did you mean `--target`?"),
        ("destory", "command `destory`", "`reconciler --help`"),
    ],
)
def test_a_word_of_another_tool_is_answered_in_one_line(
    words: str, unknown: str, pointed: str, project: Project
) -> None:
    result = project.run(*words.split())
    assert (result.exit, result.stdout) == (64, "")
    first, second = result.stderr.splitlines()
    assert first == f"error[wrong-usage]: there is no {unknown}"
    assert second.startswith("   = help: ")
    assert pointed in second


@pytest.mark.parametrize("name", SUMMARIES)
def test_no_pointer_hides_an_existing_command_or_option(name: str) -> None:
    assert name not in COMMANDS
    assert not set(STATE_COMMANDS) & list_subcommands("state")
    short = {option[1:] for option in list_options(name) if not option.startswith("--")}
    assert not short & OPTIONS.keys() or name in {"init", "drift"}, "these have the `-y` that others lack"


def list_calls(table: Mapping[str, str]) -> Iterator[list[str]]:
    """List the commands that a table points to, as words."""
    for advice in table.values():
        for quoted in re.findall(r"`([^`]+)`", advice):
            words = quoted.removeprefix("reconciler ").split()
            if quoted.startswith("reconciler ") or words[0] in SUMMARIES:
                yield words


def test_pointers_name_existing_commands_options_and_topics() -> None:
    calls = [call for table in TABLES for call in list_calls(table)]
    assert len(calls) > 20
    for first, *rest in calls:
        if first == "--version":
            continue
        assert first in SUMMARIES
        options = list_options(first)
        if rest and rest[0] in (subcommands := list_subcommands(first)):
            group = find_command(first)
            assert isinstance(group, click.Group)
            options |= {name for each in group.commands[rest[0]].params for name in each.opts}
        elif rest and not rest[0].startswith("--"):
            assert first == "help", (first, rest, subcommands)
            assert rest[0] in list_guide_topics()
        assert {word for word in rest if word.startswith("--")} <= options


def test_the_tables_are_sorted() -> None:
    assert [list(table) for table in TABLES] == [sorted(table) for table in TABLES]
