"""Shell completion: complete, and fast because no slow module is imported."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_harness import ROOT, Project
from command_line import TerminalProcess
from git_repo import run_git

from reconciler.catalogue.names import load_service_names
from reconciler.cli.commands import SUMMARIES
from reconciler.model.codes import load_explanations
from reconciler.model.limit_names import LIMIT_NAMES
from reconciler.policy.rules import OPTIONS
from reconciler.spec.outline import POLICY_OPTIONS
from reconciler.spec.project import Limits

pytestmark = pytest.mark.sampled(every=3)

HEAVY = {"requests", "rich", "deepdiff", "pydantic", "ruamel", "werkzeug"}
COMPLETION_PROGRAM = """\
import sys
from reconciler.cli.main import run

try:
    run([])
finally:
    print("IMPORTED", *sys.modules)
"""


def complete_words(*words: str, folder: Path = ROOT, **environ: str) -> tuple[list[str], set[str]]:
    """Complete the last word as bash would; return the offers and the imported modules."""
    done = subprocess.run(
        [sys.executable, "-c", COMPLETION_PROGRAM],
        cwd=folder,
        env={
            "PYTHONPATH": str(ROOT),
            "_RECONCILER_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["reconciler", *words]),
            "COMP_CWORD": str(len(words)),
            **environ,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    *offers, imported = done.stdout.splitlines()
    return [offer.partition(",")[2] for offer in offers if offer], set(imported.split())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pl"], ["plan"]),
        (["e"], [name for name in SUMMARIES if name.startswith("e")]),
        (["catalogue", "sh"], ["show"]),
        (["catalogue", "show", "snow"], ["snowflake"]),
        (["catalogue", "show", "mysql"], [name for name in load_service_names() if name.startswith("mysql")]),
        (["explain", "unknown-f"], [code for code in load_explanations() if code.startswith("unknown-f")]),
        (["help", "se"], ["secrets", "services", "setup-tests"]),
        (["plan", "--det"], ["--detailed-exitcode"]),
        (["validate", "--format", "s"], ["sarif"]),
        (["snapshot", "--out", "x", "--with", "c"], ["connections"]),
        (["snapshot", "--out", "x", "--with", "trust,"], ["trust,connections"]),
        (["apply", "--allow", "re"], ["replacements=", "revokes="]),
        (["emulate", "--quota", ""], ["off", "paid", "trial"]),
        (["nonsense", "--format", "st"], ["state"]),
    ],
)
def test_completion_offers_commands_options_services_and_codes(words: list[str], expected: list[str]) -> None:
    offers, imported = complete_words(*words)
    assert offers == expected
    assert not {name.partition(".")[0] for name in imported} & HEAVY


@pytest.mark.parametrize("command", ["plan", "drift", "apply", "validate"])
def test_completion_offers_variables_of_the_named_project(project: Project, command: str) -> None:
    file = project.write("eu.yaml", "version: 1\nspecs: [x.yaml]\nvars: {STAGE: dev, PLACE: eu}\n")
    offers, _ = complete_words(command, "--project", str(file), "--var", "S")
    assert offers == ["STAGE="]


SALES_AND_ORDERS = """\
  sales: {name: Sales, destination: {service: big_query}}
  salt_mine: {}
  orders: {destination: {service: big_query}}
"""


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "--target"],
        ["apply", "--exclude"],
        ["apply", "--recreate"],
        ["apply", "--resend-create"],
        ["graph", "--resend-secret"],
        ["drift", "--accept"],
        ["test"],
        ["test", "orders"],
        ["trust", "list"],
        ["trust", "pin"],
        ["state", "show"],
        ["state", "move"],
        ["state", "forget", "orders"],
    ],
)
def test_completion_offers_keys_and_addresses_of_the_specs(project: Project, words: list[str]) -> None:
    project.write_groups(SALES_AND_ORDERS)
    project.write("specs/groups/removed.yaml", "version: 1\nremoved: [{group: sales_old, id: fit_id}]\n")
    offers, imported = complete_words(*words, "sal", folder=project.folder)
    assert offers == ["sales", "sales_old", "salt_mine"]
    assert complete_words(*words, "group.sal", folder=project.folder)[0] == [
        "group.sales",
        "group.sales_old",
        "group.salt_mine",
    ]
    in_a_destination = complete_words(*words, "destination.sal", folder=project.folder)[0]
    assert in_a_destination == ["destination.sales", "destination.sales_old"]
    assert not {name.partition(".")[0] for name in imported} & (HEAVY - {"ruamel"})


def test_completion_reads_the_project_that_the_command_would_read(project: Project) -> None:
    project.write_groups(SALES_AND_ORDERS)
    project.write("other.yaml", "version: 1\nspecs: [others.yaml]\n")
    project.write("others.yaml", "version: 1\ngroups: {elsewhere: {}}\n")
    run_git(project.folder, "init", "-q")
    deep = project.enter("specs/groups/deep").folder
    assert complete_words("plan", "--target", "o", folder=deep)[0] == ["orders"]
    named = complete_words("plan", "--project", "other.yaml", "--target", "e", folder=project.folder)
    assert named[0] == ["elsewhere"]
    by_variable = complete_words(
        "plan", "--target", "e", folder=project.folder, RECONCILER_PROJECT="other.yaml"
    )
    assert by_variable[0] == ["elsewhere"]
    both = ("--project", "specs/reconciler.yaml", "--project", "other.yaml")
    assert complete_words("plan", *both, "--target", "e", folder=project.folder)[0] == ["elsewhere"]
    assert complete_words("plan", *both, "--target", "o", folder=project.folder)[0] == ["orders"]
    assert complete_words("plan", "--all", "--target", "o", folder=project.folder)[0] == ["orders"]


def test_completion_offers_policies_that_can_be_overridden(project: Project) -> None:
    project.write(
        "specs/reconciler.yaml",
        "version: 1\nspecs: [x.yaml]\npolicies:\n"
        "  - {at-most: {deletes: 1}, name: few-deletes, level: soft}\n"
        "  - {because: we agreed, level: soft, allowed-services: [big_query]}\n"
        "  - {allowed-regions: [AWS_US_EAST_1]}\n"
        "  - {key-pattern: x, level: advisory}\n",
    )
    offers, _ = complete_words("apply", "--override", "", folder=project.folder)
    assert offers == ["allowed-services", "few-deletes"]
    assert OPTIONS == POLICY_OPTIONS


@pytest.mark.parametrize(
    ("project_file", "expected"),
    [
        ("version: 1\nspecs: ['groups/*.yaml', gone.yaml, 7, '../../x']\nnonsense: {}\n", ["sales"]),
        ("version: 1\nspecs: groups\n", []),
        ("specs: ['groups/*.yaml'\n", []),
        ("- 1\n", []),
        ("", []),
        ("\udcff", []),
        (None, []),
    ],
)
def test_completion_is_silent_about_broken_specs(
    project: Project, project_file: str | None, expected: list[str]
) -> None:
    project.write_groups(SALES_AND_ORDERS)
    project.write("specs/groups/broken.yaml", "version: 1\ngroups:\n  sallow: {\n")
    project.write("specs/groups/shapes.yaml", "version: 1\ngroups: [sally]\nremoved: [x, {group: [sally]}]\n")
    file = project.folder / "specs/reconciler.yaml"
    file.unlink()
    if project_file is not None:
        file.write_bytes(project_file.encode("utf-8", "surrogateescape"))
    assert complete_words("plan", "--target", "sale", folder=project.folder)[0] == expected
    assert complete_words("plan", "--var", "", folder=project.folder)[0] == []
    assert complete_words("apply", "--override", "", folder=project.folder)[0] == []


PROGRAM = f"""\
#!/bin/sh
if [ "$1" = completion ] || [ -n "$_RECONCILER_COMPLETE" ]; then
    exec {shlex.quote(sys.executable)} -m reconciler "$@"
fi
printf 'called with'; printf ' <%s>' "$@"; echo .
"""


@pytest.fixture
def shell_project(project: Project) -> Project:
    """Project with specs, and with a program for a shell that completes, and prints its words else."""
    project.write_groups(SALES_AND_ORDERS)
    project.write("bin/reconciler", PROGRAM).chmod(0o755)
    return project


def find_shell(name: str) -> str:
    """Find a shell, or skip the test."""
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    return program


def build_shell_environment(project: Project) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "PATH": f"{project.folder / 'bin'}:{os.environ['PATH']}", "PS1": "> "}


INTERACTIVE = {
    "bash": (["--norc", "--noprofile", "-i"], 'eval "$(reconciler completion bash)"'),
    "zsh": (["-f", "-i"], 'autoload -Uz compinit; compinit -D -u; eval "$(reconciler completion zsh)"'),
}


@pytest.mark.parametrize("shell", INTERACTIVE)
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("plan --target ord\t", "<plan> <--target> <orders>"),
        ("plan --target=destination.o\t", "<plan> <--target=destination.orders>"),
        ("apply --allow del\t7", "<apply> <--allow> <deletes=7>"),
        ("snapshot --with trust,\t", "<snapshot> <--with> <trust,connections>"),
        ("catalogue show snow\t--example", "<catalogue> <show> <snowflake> <--example>"),
    ],
)
def test_a_shell_completes_a_typed_line(shell_project: Project, shell: str, typed: str, words: str) -> None:
    options, set_up = INTERACTIVE[shell]
    with TerminalProcess(
        *options,
        command=[find_shell(shell)],
        directory=shell_project.folder,
        columns=120,
        **build_shell_environment(shell_project),
    ) as terminal:
        terminal.type(f"{set_up}; echo read''y\n")
        terminal.wait_for("ready")
        terminal.type(f"reconciler {typed}\n")
        terminal.wait_for(">.\r\n")
    assert f"called with {words}." in terminal.text


def test_fish_completes_addresses_and_shows_whole_descriptions(shell_project: Project) -> None:
    def complete(line: str) -> list[str]:
        script = f"reconciler completion fish | source; complete -C {shlex.quote(line)}"
        done = subprocess.run(
            [find_shell("fish"), "--no-config", "-c", script],
            cwd=shell_project.folder,
            env=build_shell_environment(shell_project),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    assert complete("reconciler plan --target ord") == ["orders\tspecs/groups/main.yaml"]
    assert complete("reconciler plan --target=destination.o") == [
        "--target=destination.orders\tspecs/groups/main.yaml"
    ]
    assert complete("reconciler app") == [f"apply\t{SUMMARIES['apply']}"]
    assert "," in SUMMARIES["apply"]


def test_completion_of_a_command_name_imports_no_command() -> None:
    _, imported = complete_words("ex")
    assert "reconciler.cli.commands" in imported
    assert "reconciler.cli.explain" not in imported


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_sets_the_variable_of_the_program(project: Project, shell: str) -> None:
    result = project.run("completion", shell)
    assert result.exit == 0
    assert f"_RECONCILER_COMPLETE={shell}_complete" in result.stdout
    assert result.stderr == ""


def test_bash_loads_the_completion_script(project: Project) -> None:
    script = project.run("completion", "bash").stdout
    bash = shutil.which("bash")
    assert bash is not None
    assert subprocess.run([bash, "-n"], input=script, text=True, check=False).returncode == 0


def test_an_unsupported_shell_is_wrong_usage(project: Project) -> None:
    assert project.run("completion", "powershell").exit == 64


def test_the_command_line_knows_the_limits_of_the_project_file() -> None:
    assert tuple(Limits.model_fields) == LIMIT_NAMES
