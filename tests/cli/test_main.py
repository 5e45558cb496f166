from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import COMMAND, environment, run

from reconciler import __version__
from reconciler.cli.commands import SUMMARIES
from reconciler.model.codes import EXPLANATIONS

HEAVY = {"requests", "rich", "deepdiff", "pydantic", "ruamel", "werkzeug"}


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from reconciler.cli.main import run\n"
        "assert run(['--help']) == 0\n"
        "print('IMPORTED', *sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = set(done.stdout.splitlines()[-1].split())
    assert "click" in imported
    assert not imported & HEAVY


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_command(arguments: list[str], tmp_path: Path) -> None:
    done = run(*arguments, directory=tmp_path)
    assert done.code == 0
    for name, summary in SUMMARIES.items():
        assert f"  {name} " in done.out
        assert summary in done.out


@pytest.mark.parametrize("command", SUMMARIES)
def test_every_command_has_help(command: str, tmp_path: Path) -> None:
    done = run(command, "--help", directory=tmp_path)
    assert done.code == 0
    assert done.out.startswith(f"Usage: reconciler {command} ")


def test_version(tmp_path: Path) -> None:
    assert run("--version", directory=tmp_path).out == f"reconciler {__version__}\n"


def test_a_slip_in_a_command_gets_the_nearest_name(tmp_path: Path) -> None:
    done = run("plna", directory=tmp_path)
    assert done.code == 64
    assert done.out == ""
    assert done.err == (
        "error[wrong-usage]: there is no command `plna`: did you mean `plan`?\n"
        "   = help: `reconciler --help` lists what there is\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "--nope"],
        ["plan", "--format", "yaml"],
        ["plan", "-q", "-v"],
        ["plan", "surplus"],
        ["apply", "--format", "json"],
        ["emulate", "--port", "70000"],
        ["emulate", "--apikey", "only"],
        ["--sandbox", "plan"],
    ],
)
def test_wrong_usage_is_64(arguments: list[str], tmp_path: Path) -> None:
    done = run(*arguments, directory=tmp_path)
    assert done.code == 64
    assert done.err.startswith("error[wrong-usage]: ") or "json" in arguments


def test_wrong_usage_is_a_document_where_one_was_asked_for(tmp_path: Path) -> None:
    done = run("plan", "--format", "json", "--nope", directory=tmp_path)
    assert done.code == 64
    data = json.loads(done.out)
    assert data["exit"] == {"code": 64, "reason": "usage"}
    assert data["diagnostics"][0]["code"] == "wrong-usage"


def test_explain_prints_the_long_text(tmp_path: Path) -> None:
    done = run("explain", "no-terminal", directory=tmp_path)
    assert done.code == 0
    assert done.out.startswith("no-terminal\n\n  ")
    assert " ".join(done.out.split()) == f"no-terminal {EXPLANATIONS['no-terminal']}"


def test_explain_lists_every_code(tmp_path: Path) -> None:
    listed = run("explain", directory=tmp_path).out.splitlines()
    assert [line.split()[0] for line in listed] == sorted(EXPLANATIONS)


def test_explain_suggests_the_nearest_code(tmp_path: Path) -> None:
    done = run("explain", "no-termnal", directory=tmp_path)
    assert done.code == 64
    assert "did you mean `no-terminal`?" in done.err


def test_a_reader_that_goes_away_is_no_failure(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "explain"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate()
    assert err == b""
    assert process.returncode == 0


def test_an_ascii_terminal_gets_what_it_can_show(tmp_path: Path) -> None:
    done = run("explain", directory=tmp_path, PYTHONIOENCODING="ascii")
    assert done.code == 0
    assert done.out.isascii()
