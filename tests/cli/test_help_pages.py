"""`--help` of every command: examples that work, options in groups, exit codes; and all of it on 80 columns."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path

import click
import pytest
from applied_project import PAIR, AppliedProject
from cli_harness import ROOT, Project
from command_line import TerminalProcess, run

from reconciler.cli.exit import ExitCode
from reconciler.cli.help_content import list_examples, list_exit_codes
from reconciler.cli.main import reconciler
from reconciler.cli.option_groups import OptionGroup, get_group

pytestmark = pytest.mark.sampled(every=4)


def iterate_commands(
    command: click.Command = reconciler, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Iterate over all commands and groups of commands, with the program itself under an empty name."""
    yield " ".join(path), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from iterate_commands(inner, (*path, name))


REPOSITORY = {"PYTHONPATH": str(ROOT)}
COMMANDS = dict(iterate_commands())
BY_NAME = pytest.mark.parametrize("name", COMMANDS, ids=lambda name: name or "reconciler")
EXAMPLES = [(name, line) for name in COMMANDS for line, _ in list_examples(name)]


def split_page(page: str) -> dict[str, list[str]]:
    """Split a page into its sections: the lines below each heading."""
    sections: dict[str, list[str]] = {"": []}
    for line in page.splitlines():
        heading = re.fullmatch(r"(\w[\w ]*):", line)
        if heading:
            sections[heading[1]] = []
        else:
            sections[list(sections)[-1]].append(line)
    return sections


def list_calls(line: str) -> Iterator[list[str]]:
    """List the arguments of each call of the program in a line of a shell, also of a call within `emulate`."""
    words = shlex.split(line)
    starts = [at for at, word in enumerate(words) if word == "reconciler"]
    for start, end in pairwise([*starts, len(words)]):
        call = words[start + 1 : end]
        ends = [call.index(word) for word in ("--", ">", "|") if word in call]
        yield call[: min(ends, default=len(call))]


def read_page(project: Project, name: str) -> dict[str, list[str]]:
    result = project.run(*name.split(), "--help")
    assert result.exit == 0
    return split_page(result.stdout)


@BY_NAME
def test_a_page_fits_80_columns_without_styles_in_a_pipe(project: Project, name: str) -> None:
    page = project.run(*name.split(), "--help").stdout
    assert max(map(len, page.splitlines())) <= 80
    assert "\x1b" not in page
    assert not re.search(r"\w-$", page, re.M), "a name of an option is broken at its hyphen"


@BY_NAME
def test_a_page_has_examples_then_options_in_groups_then_exit_codes(project: Project, name: str) -> None:
    headings = [heading for heading in read_page(project, name) if heading]
    groups = [heading for heading in headings if heading in {*OptionGroup}]
    assert groups == [group for group in OptionGroup if group in groups]
    commands = ["Commands"] if isinstance(COMMANDS[name], click.Group) else []
    assert headings == ["Examples", *commands, *groups, "Exit codes"]


@BY_NAME
def test_every_option_stands_once_below_its_heading(project: Project, name: str) -> None:
    sections = read_page(project, name)
    context = click.Context(COMMANDS[name])
    for option in COMMANDS[name].get_params(context):
        if isinstance(option, click.Option):
            longest = max(option.opts, key=len)
            pattern = re.compile(rf"^  (-\w, )?{longest}\b(?!-)")
            found = {
                heading: sum(bool(pattern.match(line)) for line in lines)
                for heading, lines in sections.items()
                if heading
            }
            assert {heading: count for heading, count in found.items() if count} == {get_group(option): 1}


def test_common_options_have_one_order_on_all_pages() -> None:
    orders = {
        name: [
            (get_group(each), max(each.opts, key=len))
            for each in command.get_params(click.Context(command))
            if isinstance(each, click.Option)
        ]
        for name, command in COMMANDS.items()
    }
    first_seen: dict[tuple[object, object], str] = {}
    for name, options in orders.items():
        for before, after in combinations(options, 2):
            if before[0] is after[0]:
                assert (after, before) not in first_seen, (name, first_seen[after, before], before, after)
                first_seen[before, after] = name


@BY_NAME
def test_a_page_has_the_exit_codes_of_the_table(project: Project, name: str) -> None:
    codes = list_exit_codes(name)
    assert {ExitCode.OK, ExitCode.FAILED, ExitCode.USAGE} <= {*codes}
    lines = " ".join(read_page(project, name)["Exit codes"]).split()
    assert lines == " ".join(f"{int(code)} {code.meaning}" for code in codes).split()


@BY_NAME
def test_a_page_has_two_to_four_examples_with_their_purposes(project: Project, name: str) -> None:
    examples = list_examples(name)
    assert 2 <= len(examples) <= 4
    shown = [line for example, purpose in examples for line in (f"  # {purpose}", f"  {example}")]
    assert [line for line in read_page(project, name)["Examples"] if line] == shown


@pytest.mark.parametrize(("name", "line"), EXAMPLES)
def test_every_example_is_a_valid_command_line(name: str, line: str) -> None:
    calls = list(list_calls(line))
    assert calls
    is_own = any(call[: len(name.split())] == name.split() for call in calls)
    assert is_own or "--against" in line, "the example of `snapshot` that uses one is a plan"
    for call in calls:
        found = next(each for each in (" ".join(call[:2]), call[0]) if each in COMMANDS)
        COMMANDS[found].make_context(found, call[len(found.split()) :]).close()


RUN_COMMANDS = (
    *("import", "validate", "doctor", "plan", "show", "test", "trust list", "drift", "snapshot", "graph"),
    *(
        "state list",
        "state show",
        "catalogue list",
        "catalogue show",
        "schema",
        "fmt",
        "explain",
        "completion",
        "help",
    ),
)
"""Commands whose examples need no question, no other program and no other place of the state."""
NEEDS_MORE = ("origin/main", "terraform ", "marketing_*", "--accept sales")


@pytest.fixture
def sales(applied_project: AppliedProject) -> AppliedProject:
    """Applied project with the files that the examples name."""
    applied_project.write_specs(PAIR.format(key="orders"))
    applied_project.project.write_groups(PAIR.format(key="sales"), "sales")
    applied_project.run("plan", "--out", "dev.plan")
    return applied_project


@pytest.mark.parametrize("name", RUN_COMMANDS)
def test_the_examples_work(sales: AppliedProject, name: str) -> None:
    for line, _ in list_examples(name):
        for call in list_calls(line):
            if not any(each in line for each in NEEDS_MORE):
                result = sales.run(*call)
                assert result.exit in (0, 2), f"{line}\n{result.stdout}{result.stderr}"


@pytest.mark.parametrize(
    ("arguments", "environ", "has_styles"),
    [
        ([], {}, True),
        (["--no-color"], {}, False),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"TERM": "dumb"}, False),
    ],
)
def test_a_terminal_gets_bold_headings(
    tmp_path: Path, arguments: list[str], environ: dict[str, str], has_styles: bool
) -> None:
    with TerminalProcess(
        "plan", *arguments, "--help", directory=tmp_path, **REPOSITORY, **environ
    ) as terminal:
        assert terminal.wait_for_exit() == 0
    assert ("\x1b[1mExamples\x1b[0m:" in terminal.output) is has_styles
    assert "Examples:" in terminal.text
    assert has_styles or "\x1b" not in terminal.output


@pytest.mark.parametrize("words", [["plan", "--help"], ["--help"], [], ["help", "plan"]])
def test_a_pipe_gets_bold_headings_if_asked_for(tmp_path: Path, words: list[str]) -> None:
    assert "\x1b" not in run(*words, directory=tmp_path, **REPOSITORY).out
    forced = run(*words, directory=tmp_path, FORCE_COLOR="1", **REPOSITORY)
    assert "\x1b[1mExamples\x1b[0m:" in forced.out


def test_no_page_imports_a_slow_module() -> None:
    program = (
        "import sys\nfrom reconciler.cli.main import run\nrun(sys.argv[1:])\nprint('IMPORTED', *sys.modules)"
    )
    slow = {"requests", "rich", "deepdiff", "pydantic", "ruamel", "werkzeug", "cryptography", "jinja2"}
    for name in ("apply", "drift", "emulate", "import", "trust pin"):
        words = [sys.executable, "-c", program, *name.split(), "--help"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
        imported = done.stdout.splitlines()[-1].split()
        assert not {each.partition(".")[0] for each in imported} & slow, name
