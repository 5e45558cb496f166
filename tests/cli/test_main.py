from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import COMMAND, PROCESS_TIMEOUT, TerminalProcess, build_environment, run

from reconciler import __version__
from reconciler.cli.commands import SUMMARIES
from reconciler.model.codes import load_explanations

pytestmark = pytest.mark.sampled(every=6, tests=3)

HEAVY = {"requests", "rich", "deepdiff", "pydantic", "ruamel", "werkzeug", "cryptography", "jinja2"}


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


def test_version_is_printed(tmp_path: Path) -> None:
    assert run("--version", directory=tmp_path).out == f"reconciler {__version__}\n"


def test_a_misspelled_command_gets_a_suggestion(tmp_path: Path) -> None:
    done = run("plna", directory=tmp_path)
    assert done.code == 64
    assert done.out == ""
    assert done.err == ("error[wrong-usage]: there is no command `plna`\n   = help: did you mean `plan`?\n")


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
def test_wrong_usage_exits_with_64(arguments: list[str], tmp_path: Path) -> None:
    done = run(*arguments, directory=tmp_path)
    assert done.code == 64
    assert done.err.startswith("error[wrong-usage]: ") or "json" in arguments


LISTS = "shows the usage"


@pytest.mark.sampled(every=4)
@pytest.mark.parametrize(
    ("arguments", "message", "advice"),
    [
        (["xyzzy"], "there is no command `xyzzy`", f"`reconciler --help` {LISTS}"),
        (["plan", "--nope"], "there is no option `--nope`", f"`reconciler plan --help` {LISTS}"),
        (["plan", "--formt", "json"], "there is no option `--formt`", "did you mean `--format`?"),
        (
            ["--sandbox", "plan"],
            "there is no option `--sandbox`",
            "options stand after the command: `reconciler plan --sandbox`",
        ),
        (["plan", "surplus"], "`surplus` is an unexpected argument", f"`reconciler plan --help` {LISTS}"),
        (["plan", "--project"], "`--project` needs a value", f"`reconciler plan --help` {LISTS}"),
        (["state", "move", "--to"], "`--to` needs a value", f"`reconciler state move --help` {LISTS}"),
        (["plan", "--quiet=1"], "`--quiet` takes no value", f"`reconciler plan --help` {LISTS}"),
        (
            ["plan", "-q", "-v"],
            "`--quiet` and `--verbose` exclude each other",
            "leave one of them out",
        ),
        (
            ["schema", "spce"],
            "`KIND`: `spce` is not one of `spec`, `project`",
            "did you mean `spec`?",
        ),
        (["completion"], "`SHELL` is missing", "one of `bash`, `zsh`, `fish`"),
        (["catalogue", "lst"], "there is no command `lst`", "did you mean `list`?"),
        (["catalogue"], "`reconciler catalogue` needs a command", f"`reconciler catalogue --help` {LISTS}"),
        (
            ["emulate", "--port", "70000"],
            "`--port`: 70000 is not between 0 and 65535",
            f"`reconciler emulate --help` {LISTS}",
        ),
        (
            ["emulate", "--port", "x"],
            "`--port`: `x` is not a valid integer range",
            f"`reconciler emulate --help` {LISTS}",
        ),
        (
            ["emulate", "--apikey", "only"],
            "`--apikey` and `--apisecret` belong together",
            f"`reconciler emulate --help` {LISTS}",
        ),
    ],
)
def test_wrong_usage_is_reported_as_a_diagnostic(
    arguments: list[str], message: str, advice: str, tmp_path: Path
) -> None:
    done = run(*arguments, directory=tmp_path)
    assert done.err == f"error[wrong-usage]: {message}\n   = help: {advice}\n"


@pytest.mark.parametrize(
    ("arguments", "environ", "coloured"),
    [
        ([], {}, True),
        (["--no-color"], {}, False),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"TERM": "dumb"}, False),
    ],
)
def test_wrong_usage_is_coloured_as_a_diagnostic(
    arguments: list[str], environ: dict[str, str], coloured: bool, tmp_path: Path
) -> None:
    with TerminalProcess("plan", "--nope", *arguments, directory=tmp_path, **environ) as terminal:
        assert terminal.wait_for_exit() == 64
        assert ("\x1b[" in terminal.output) is coloured


@pytest.mark.parametrize("option", ["--sandbox", "--quiet", "--verbose"])
def test_validate_refuses_options_of_other_commands(option: str, tmp_path: Path) -> None:
    assert run("validate", option, directory=tmp_path).code == 64


def test_wrong_usage_with_json_is_a_document(tmp_path: Path) -> None:
    done = run("plan", "--format", "json", "--nope", directory=tmp_path)
    assert done.code == 64
    data = json.loads(done.out)
    assert data["exit"] == {"code": 64, "reason": "usage"}
    assert data["diagnostics"][0]["code"] == "wrong-usage"


def test_explain_prints_the_long_text(tmp_path: Path) -> None:
    done = run("explain", "no-terminal", directory=tmp_path)
    assert done.code == 0
    assert done.out.startswith("no-terminal\n\n  ")
    assert " ".join(done.out.split()) == f"no-terminal {load_explanations()['no-terminal']}"


def test_explain_lists_every_code(tmp_path: Path) -> None:
    listed = run("explain", directory=tmp_path).out.splitlines()
    assert [line.split()[0] for line in listed] == sorted(load_explanations())


def test_explain_suggests_the_nearest_code(tmp_path: Path) -> None:
    done = run("explain", "no-termnal", directory=tmp_path)
    assert done.code == 64
    assert "did you mean `no-terminal`?" in done.err


@pytest.mark.parametrize("pasted", ["error[no-terminal]", "warning[no-terminal]:", " no-terminal "])
def test_explain_accepts_a_code_as_printed(pasted: str, tmp_path: Path) -> None:
    done = run("explain", pasted, directory=tmp_path)
    assert done.code == 0
    assert done.out.startswith("no-terminal\n")


def test_the_list_of_codes_fits_the_terminal(tmp_path: Path) -> None:
    with TerminalProcess("explain", directory=tmp_path, COLUMNS="70") as terminal:
        assert terminal.wait_for_exit() == 0
        lines = terminal.text.splitlines()
    assert max(map(len, lines)) <= 70
    first = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert first == sorted(load_explanations())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], [], ["explain"], ["plan", "--help"]])
@pytest.mark.parametrize("stream", [">/dev/full", ">&-"])
def test_unwritable_output_is_a_failure(arguments: list[str], stream: str, tmp_path: Path) -> None:
    done = run_in_shell(arguments, stream, tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error[output-lost]: the output could not be written: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("stream", [">/dev/full", ">&-"])
@pytest.mark.parametrize(
    "arguments", [["validate"], ["plan", "--sandbox"], ["apply", "--sandbox", "--auto-approve"]]
)
def test_unwritable_results_are_a_failure(arguments: list[str], stream: str, tmp_path: Path) -> None:
    write_project(tmp_path)
    done = run_in_shell(arguments, stream, tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error[output-lost]: ")
    assert "Traceback" not in done.stderr
    applied = run("plan", "--sandbox", "--detailed-exitcode", directory=tmp_path).code == 0
    assert applied is ("apply" in arguments), "an apply goes on"


@pytest.mark.sampled(every=2)
@pytest.mark.parametrize("stream", ["2>/dev/full", "2>&-"])
def test_a_closed_stderr_fails_only_with_diagnostics_to_write(stream: str, tmp_path: Path) -> None:
    write_project(tmp_path)
    silent = run_in_shell(["plan", "--sandbox"], stream, tmp_path)
    assert silent.returncode == 0
    assert "Plan: 1 to add" in silent.stdout
    write_project(tmp_path, "  a:\n    destination: {service: nobody_knows_it, time_zone_offset: '0'}\n")
    warned = run_in_shell(["plan", "--sandbox"], stream, tmp_path)
    assert warned.returncode == 1
    assert "Plan: 2 to add" in warned.stdout
    assert "nobody_knows_it" not in run("plan", "--sandbox", "-q", directory=tmp_path).out.split("+ dest")[0]


def write_project(folder: Path, groups: str = "  a: {}\n") -> None:
    (folder / "specs").mkdir(exist_ok=True)
    (folder / "specs/reconciler.yaml").write_text("version: 1\nspecs: [groups.yaml]\n")
    (folder / "specs/groups.yaml").write_text(f"version: 1\ngroups:\n{groups}")


def run_in_shell(arguments: list[str], redirection: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f"{shlex.join([*COMMAND, *arguments])} {redirection}"],
        cwd=folder,
        env=build_environment(),
        capture_output=True,
        text=True,
        timeout=PROCESS_TIMEOUT,
        check=False,
    )


def test_a_closed_pipe_is_no_failure(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "explain"],
        cwd=tmp_path,
        env=build_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate()
    assert err == b""
    assert process.returncode == 0


def test_an_ascii_terminal_gets_ascii_output(tmp_path: Path) -> None:
    done = run("explain", directory=tmp_path, PYTHONIOENCODING="ascii")
    assert done.code == 0
    assert done.out.isascii()
