"""README and guides describe the whole program and existing features only."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import click
import pytest
from cli_harness import ROOT, Project
from markdown_it import MarkdownIt

from reconciler.cli.commands import SUMMARIES
from reconciler.cli.exit import ExitCode
from reconciler.cli.main import reconciler
from reconciler.cli.pointers import COMMANDS as POINTERS
from reconciler.emulator.switches import list_switches
from reconciler.model.extras import Extra, describe_installation
from reconciler.operations.guides import list_guide_topics, read_guide_summaries
from reconciler.report.account_text import render_switch_table

README = ROOT / "README.md"
GUIDES = sorted((ROOT / "reconciler" / "guides").glob("*.md"))
PAGES = [README, *GUIDES]
EXAMPLES = sorted((ROOT / "examples").glob("*/README.md"))
TEXT = "\n".join(page.read_text() for page in PAGES)
BY_NAME = {"argvalues": PAGES, "ids": lambda page: page.stem}


def iterate_commands(
    group: click.Command = reconciler, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Iterate over all commands by name, such as `state list`, including the groups."""
    if path:
        yield " ".join(path), group
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from iterate_commands(command, (*path, name))


COMMANDS = dict(iterate_commands())


def list_options(command: click.Command) -> set[str]:
    """List all spellings of the options of a command, without `--help`."""
    return {name for each in command.params if isinstance(each, click.Option) for name in each.opts}


def find_snippets(page: Path) -> Iterator[str]:
    """Find inline code, and the lines of code blocks that start the program."""
    for token in MarkdownIt().enable("table").parse(page.read_text()):
        if token.type == "fence" and token.info in {"sh", "console"}:
            yield from (
                line.removeprefix("$ ").partition("  #")[0].strip() for line in token.content.splitlines()
            )
        yield from (each.content for each in token.children or () if each.type == "code_inline")


def find_calls(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Find commands with their options on a page."""
    for snippet in find_snippets(page):
        if "'" in snippet and snippet.count("'") % 2:
            continue
        words = shlex.split(snippet.partition(" > ")[0].partition(" | ")[0])
        if words[:1] == ["reconciler"]:
            words = words[1:]
        elif not (words[:1] and words[0] in SUMMARIES and any(each.startswith("--") for each in words)):
            continue
        name = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else " ".join(words[:1])
        arguments = words[: words.index("--")] if "--" in words else words
        yield name, [each.partition("=")[0] for each in arguments if each.startswith("-")]


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 250


def test_the_readme_lists_every_topic_with_its_summary() -> None:
    listed = dict(
        re.findall(
            r"^\| \[[a-z-]+\]\(reconciler/guides/([a-z-]+)\.md\) \| (.*) \|$", README.read_text(), re.M
        )
    )
    assert listed == {topic: summary.rstrip(".") for topic, summary in read_guide_summaries().items()}
    assert set(listed) == {page.stem for page in GUIDES}


def test_every_command_is_in_the_readme_and_in_the_guide_to_commands() -> None:
    for page in (README, ROOT / "reconciler/guides/commands.md"):
        table = "\n".join(
            line.partition(" | ")[0] for line in page.read_text().splitlines() if line.startswith("| `")
        )
        named = set(re.findall(r"[a-z]+", table))
        assert [name for name in COMMANDS if not set(name.split()) <= named] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_every_command_is_described(name: str) -> None:
    assert [
        each for each in list_options(COMMANDS[name]) if not re.search(rf"(?<![\w-]){each}(?![\w-])", TEXT)
    ] == []


@pytest.mark.parametrize("page", **BY_NAME)
def test_every_call_on_a_page_names_a_command_and_options_that_exist(page: Path) -> None:
    for name, given in find_calls(page):
        if name in {"", "COMMAND", "--help", "--version", "state …", *POINTERS}:
            continue
        assert name in COMMANDS, f"{page.name}: {name}"
        assert set(given) <= list_options(COMMANDS[name]) | {"--help", "--"}, f"{page.name}: {name} {given}"


def test_the_search_finds_calls() -> None:
    found = [call for page in PAGES for call in find_calls(page)]
    assert len(found) > 60
    assert ("plan", ["--out"]) in found
    assert ("apply", ["--allow", "--reason"]) in found
    assert ("emulate", ["--port", "--db"]) in found


def list_anchors(page: Path) -> set[str]:
    """List the anchors that GitHub gives to the headings of a page."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [*PAGES, *EXAMPLES], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_has_a_target(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), f"{page.name}: {target}"
        assert not anchor or anchor in list_anchors(file), f"{page.name}: {target}"


def test_folders_and_files_named_on_pages_exist() -> None:
    named = set(re.findall(r"`((?:examples|specs|tests|reconciler)/[\w./-]*|\.[a-z-]+\.yaml)`", TEXT))
    assert {"examples/01-rehearse/", "specs/reconciler.yaml", ".pre-commit-hooks.yaml"} <= named
    illustrations = {
        "specs/.reconciler/sandbox/",
        "specs/.reconciler/state.json",
        "specs/.schema/spec.json",
        "specs/prod.yaml",
    }
    assert [name for name in sorted(named - illustrations) if not (ROOT / name).exists()] == []


def test_the_guide_to_exit_codes_is_complete() -> None:
    rows = re.findall(
        r"^\| (\d+) \| `([a-z-]+)` \| (.+) \|$", (ROOT / "reconciler/guides/exit-codes.md").read_text(), re.M
    )
    assert [(int(code), reason) for code, reason, _ in rows] == [
        (int(code), code.reason) for code in ExitCode
    ]
    for code, (_, _, meaning) in zip(ExitCode, rows, strict=True):
        assert meaning.startswith(code.meaning), f"the help pages say of {code}: {code.meaning}"


def test_the_guide_to_the_emulator_has_every_switch_with_its_evidence() -> None:
    table = render_switch_table(
        (switch.name, switch.values, switch.default, switch.meaning, str(switch.evidence))
        for switch in list_switches()
    )
    guide = (ROOT / "reconciler/guides/emulator.md").read_text()
    assert guide.partition("## Switches\n")[2].rstrip().endswith(f"\n\n{table}"), table


def test_the_readme_has_the_two_commands_verbatim() -> None:
    lines = README.read_text().splitlines()
    install = "python3 -m venv .venv && .venv/bin/pip install"
    assert f"{install} '.[sandbox]' && .venv/bin/reconciler apply --sandbox --auto-approve" in lines
    assert f"{install} '.[test]' && .venv/bin/pytest" in lines
    assert (
        next(line for line in lines if ".venv/bin/pytest" in line)
        == f"{install} '.[test]' && .venv/bin/pytest"
    )


def test_the_installed_package_has_the_guides() -> None:
    installed = {each.name: each.read_text() for each in (files("reconciler") / "guides").iterdir()}
    assert installed == {page.name: page.read_text() for page in GUIDES}
    assert {f"{topic}.md" for topic in list_guide_topics()} == set(installed)


def test_no_page_and_no_message_installs_from_a_registry() -> None:
    by_name = re.compile(r"pip install\s+['\"]?fivetran-reconciler(?!\[\w+\] @ git)|fivetran-reconciler==")
    sources = [
        *(ROOT / "reconciler").rglob("*.py"),
        *(each for each in (ROOT / "examples").rglob("*") if each.is_file()),
    ]
    assert [each for each in sources if by_name.search(each.read_text())] == []
    [warning] = by_name.findall(TEXT)  # the guide that lists limitations
    assert warning == "pip install fivetran-reconciler"


def test_documented_extras_exist_in_the_package() -> None:
    declared = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    described = re.findall(
        r"^\| `([a-z-]+)` \| ", (ROOT / "reconciler/guides/installation.md").read_text(), re.M
    )
    assert set(described) == declared
    assert set(Extra) | {"test", "browser"} == declared
    assert "`pip install '.[aws]'` in a clone" in describe_installation(Extra.AWS)


SPECS = [
    pytest.param(page, number, id=f"{page.stem}-{number}")
    for page in GUIDES
    for number, _ in enumerate(re.findall(r"^```yaml$", page.read_text(), re.M))
]
SETTINGS = re.compile(r"^(policies|warnings|secrets|limits|timeouts|vars):", re.M)


@pytest.mark.parametrize(("page", "number"), SPECS)
def test_every_yaml_block_is_valid(page: Path, number: int, project: Project) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.M | re.S)
    block = blocks[number]
    settings = block if SETTINGS.search(block) else ""
    # A block with variables needs the block that defines them.
    definitions = next((each for each in blocks if each.startswith("vars:")), "") if "${" in block else ""
    project.write("specs/reconciler.yaml", f"version: 1\nspecs: ['groups/*.yaml']\n{settings}{definitions}")
    spec = "groups:\n  some: {}\n" if settings else block.removeprefix("version: 1\n")
    spec += "" if "groups:" in spec else "groups:\n  some: {}\n"
    spec += (
        "" if "profiles:" in spec else "profiles:\n  warehouse: {service: big_query, time_zone_offset: '0'}\n"
    )
    project.write("specs/groups/main.yaml", f"version: 1\n{spec}")
    result = project.run("validate", "--format", "concise")
    assert result.exit == 0, result.stderr
