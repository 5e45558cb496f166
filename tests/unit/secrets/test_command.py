"""Test commands of the project file: their environment, and how they fail. No command is simulated."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.model.value import Reference, Secret
from reconciler.secrets.base import (
    CachedDocuments,
    Registry,
    SecretUnavailable,
    StoreContext,
    strip_own_variables,
)
from reconciler.secrets.command import Commands, validate_reference
from reconciler.secrets.program import MAX_BYTES

pytestmark = pytest.mark.sampled(every=4, tests=2)

MakeContext = Callable[..., StoreContext]


def make_registry(context: StoreContext, program: str) -> Registry:
    """Make a registry whose only command runs a Python program."""
    return Registry(
        {"command": CachedDocuments(Commands({"it": (sys.executable, "-c", program)}, context).read)}
    )


def read_value(context: StoreContext, program: str, part: str = "") -> object:
    secret = make_registry(context, program).resolve(Reference("command", "it", part))
    assert isinstance(secret, Secret)
    return secret.reveal()


def read_and_fail(context: StoreContext, program: str) -> str:
    with pytest.raises(SecretUnavailable) as raised:
        make_registry(context, program).resolve(Reference("command", "it"))
    assert "canary" not in repr(raised.value) + str(raised.value.__cause__)
    return raised.value.reason


def test_the_value_is_the_output_without_its_last_line_end(make_context: MakeContext) -> None:
    assert read_value(make_context(), "print('canary')") == "canary"
    assert read_value(make_context(), "print('a\\nb\\n')") == "a\nb\n"


def test_several_parts_need_one_run(make_context: MakeContext, tmp_path: Path) -> None:
    program = "open('runs', 'a').write('x'); print('{\"user\": \"u\", \"password\": \"p\"}')"
    store = make_registry(make_context(), program)
    values = [store.resolve(Reference("command", "it", part)) for part in ("user", "password", "user")]
    assert [each.reveal() for each in values] == ["u", "p", "u"]
    assert (tmp_path / "runs").read_text() == "x"


def test_a_failed_command_is_run_once_for_all_parts(make_context: MakeContext, tmp_path: Path) -> None:
    store = make_registry(make_context(), "open('runs', 'a').write('x'); raise SystemExit(3)")
    for part in ("user", "password"):
        with pytest.raises(SecretUnavailable, match="exit code 3"):
            store.resolve(Reference("command", "it", part))
    assert (tmp_path / "runs").read_text() == "x"


def test_a_command_gets_only_the_given_environment(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THIS_PROCESS", "canary")
    environ = {"FIVETRAN_APISECRET": "canary", "reconciler_project": "canary", "KEPT": "yes"}
    text = read_value(make_context(**strip_own_variables(environ)), "import os; print(' '.join(os.environ))")
    assert isinstance(text, str)
    assert "KEPT" in text.split()
    assert {"FIVETRAN_APISECRET", "reconciler_project", "OF_THIS_PROCESS"}.isdisjoint(text.split())


def test_a_command_starts_in_the_project_and_reads_no_input(
    make_context: MakeContext, tmp_path: Path
) -> None:
    assert (
        read_value(make_context(), "import os, sys; print(os.getcwd(), repr(sys.stdin.read()))")
        == f"{tmp_path} ''"
    )


def test_no_shell_reads_the_arguments(make_context: MakeContext) -> None:
    commands = Commands(
        {"it": (sys.executable, "-c", "import sys; print(sys.argv[1])", "$(id) `id` ; *")}, make_context()
    )
    assert commands.read(Reference("command", "it")) == "$(id) `id` ; *\n".strip()


def test_a_relative_program_is_searched_in_the_project(make_context: MakeContext, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "show"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nprint('canary')\n")
    program.chmod(0o755)
    assert Commands({"it": ("bin/show",)}, make_context()).read(Reference("command", "it")) == "canary"
    on_path = make_context(PATH=str(program.parent))
    assert Commands({"it": ("show",)}, on_path).read(Reference("command", "it")) == "canary"


def test_a_failure_reports_the_exit_code_and_hides_the_output(make_context: MakeContext) -> None:
    text = read_and_fail(
        make_context(), "import sys; print('canary'); print('canary', file=sys.stderr); sys.exit(7)"
    )
    assert "exit code 7" in text
    assert "not shown" in text


def test_a_signal_is_reported(make_context: MakeContext) -> None:
    assert "signal 9" in read_and_fail(make_context(), "import os; os.kill(os.getpid(), 9)")


@pytest.mark.parametrize(
    "program",
    [
        "import time; print('canary', flush=True); time.sleep(60)",
        "import os, time; os.close(1); time.sleep(60)",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])",
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(4)\n",
    ],
    ids=["silent", "closed", "child", "left behind"],
)
def test_a_command_is_killed_after_its_timeout(program: str, make_context: MakeContext) -> None:
    assert "longer than 0.7 s" in read_and_fail(make_context(timeout=0.7), program)


def test_the_children_of_a_killed_command_are_killed(make_context: MakeContext, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "alive")
    child = "open('alive', 'w'); import time; time.sleep(60)"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    reader = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(reader, "rb") as fifo:
        assert "longer" in read_and_fail(make_context(timeout=1.5), program)
        os.set_blocking(fifo.fileno(), True)
        assert fifo.read() == b""  # ends when the last writer has closed it


def test_a_command_with_endless_output_is_killed(make_context: MakeContext) -> None:
    text = read_and_fail(make_context(), "import sys\nwhile True: sys.stdout.write('canary' * 10000)")
    assert text == f"the command printed more than {MAX_BYTES // 1024} KiB"


@pytest.mark.parametrize(
    ("program", "words"),
    [("import sys; sys.stdout.buffer.write(b'\\xff')", "UTF-8"), ("pass", "empty"), ("print('  ')", "empty")],
)
def test_output_other_than_text_is_no_value(program: str, words: str, make_context: MakeContext) -> None:
    assert words in read_and_fail(make_context(), program)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("no-such-program",), "`no-such-program` of the command is not installed"),
        (("./absent",), "no such file"),
        (("./plain",), "permission denied"),
        ((sys.executable, "a\x00b"), "cannot be started"),
    ],
)
def test_a_command_that_cannot_start_is_reported(
    argv: tuple[str, ...], words: str, make_context: MakeContext, tmp_path: Path
) -> None:
    (tmp_path / "plain").write_text("no program")
    with pytest.raises(SecretUnavailable) as raised:
        Commands({"it": argv}, make_context(PATH=os.defpath)).read(Reference("command", "it"))
    assert words in raised.value.reason


def test_an_unnamed_command_never_runs(make_context: MakeContext) -> None:
    with pytest.raises(SecretUnavailable, match="names no such command"):
        Commands({}, make_context()).read(Reference("command", sys.executable))


@pytest.mark.parametrize(
    ("names", "advice"),
    [
        (("vault_login", "op"), "did you mean `vault_login`?"),
        (("zzz", "aaa"), "the project file names `aaa`, `zzz`"),
        ((), "name it in the project file below `secrets.commands:`"),
    ],
)
def test_an_unnamed_command_is_an_error_with_a_suggestion(names: tuple[str, ...], advice: str) -> None:
    assert validate_reference(Reference("command", "vault-login2"), names) == (
        "the project file names no such command",
        advice,
    )


def test_a_named_command_is_no_error() -> None:
    assert validate_reference(Reference("command", "op"), ("op",)) is None
