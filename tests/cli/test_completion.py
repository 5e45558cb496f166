"""Shell completion: complete, and fast because no slow module is imported."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from cli_harness import ROOT, Project

from reconciler.catalogue.names import load_service_names
from reconciler.cli.commands import SUMMARIES
from reconciler.model.codes import load_explanations
from reconciler.model.limit_names import LIMIT_NAMES
from reconciler.spec.project import Limits

HEAVY = {"requests", "rich", "deepdiff", "pydantic", "ruamel", "werkzeug"}
COMPLETION_PROGRAM = """\
import sys
from reconciler.cli.main import run
try:
    run([])
finally:
    print("IMPORTED", *sys.modules)
"""


def complete_words(*words: str) -> tuple[list[str], set[str]]:
    """Complete the last word as bash would; return the offers and the imported modules."""
    done = subprocess.run(
        [sys.executable, "-c", COMPLETION_PROGRAM],
        cwd=ROOT,
        env={
            "_RECONCILER_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["reconciler", *words]),
            "COMP_CWORD": str(len(words)),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    *offers, imported = done.stdout.splitlines()
    return [offer.partition(",")[2] for offer in offers], set(imported.split())


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
        (["snapshot", "--out", "x", "--with", "c"], ["connections", "connections,trust"]),
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
