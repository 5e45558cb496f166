"""Test running git: its environment, its error lines, and how it ends."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest
from git_repo import commit, run_git, trust, write_distrusting_git

from reconciler.runtime.clock import SystemClock
from reconciler.runtime.deadline import ShutdownDeadline
from reconciler.runtime.git import (
    GitNotInstalledError,
    GitRunner,
    GitTimeoutError,
    Result,
    build_environ,
)

TIMEOUT = 20.0


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Create a repository with one commit, tagged `here`."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "file.txt").write_text("content\n")
    commit(folder, "here")
    return folder


def make_runner(folder: Path, timeout: float = 30.0, **environ: str) -> GitRunner:
    """Make a runner with only the environment that git needs."""
    return GitRunner(folder, {"PATH": os.environ["PATH"], "HOME": str(folder), **environ}, timeout)


def write_program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


PASSED_ON = (
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_PARAMETERS",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_ASKPASS",
    "GIT_SSL_CAINFO",
    "GIT_SSL_NO_VERIFY",
    "GIT_HTTP_PROXY_AUTHMETHOD",
    "GIT_PROXY_SSL_CERT",
    "GIT_ALLOW_PROTOCOL",
    "GIT_EXEC_PATH",
    "GIT_CEILING_DIRECTORIES",
    "SSH_AUTH_SOCK",
    "HTTPS_PROXY",
    "XDG_CONFIG_HOME",
    "GITHUB_TOKEN",  # a credential helper may read it
)
NOT_PASSED_ON = (
    *run_git(Path("/"), "rev-parse", "--local-env-vars").split(),
    "GIT_NAMESPACE",
    "GIT_TRACE",
    "GIT_TRACE2_EVENT",
    "GIT_TRACE_CURL",
    "GIT_AUTHOR_NAME",
    "GIT_COMMITTER_DATE",
    "GIT_EXTERNAL_DIFF",
    "GIT_TEMPLATE_DIR",
    "GIT_REDIRECT_STDERR",
    "GIT_FLUSH_OF_A_LATER_RELEASE",
    "FIVETRAN_APISECRET",
    "RECONCILER_SIGNING_KEY",
)
PASSED_ON_BY_GIT = {"GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS"}
"""Variables that git counts as local to a repository, but passes on to commands in submodules."""


@pytest.mark.parametrize("name", PASSED_ON)
def test_a_variable_about_trust_or_transport_is_passed_on(name: str) -> None:
    assert build_environ({name: "given"})[name] == "given"


@pytest.mark.parametrize("name", sorted({*NOT_PASSED_ON} - PASSED_ON_BY_GIT))
def test_a_variable_with_another_repository_or_own_credentials_is_not_passed_on(name: str) -> None:
    assert name not in build_environ({name: "given", "PATH": "/bin"})


def test_settings_of_the_environment_override_settings_of_the_caller(repository: Path) -> None:
    given = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.proxy", "GIT_CONFIG_VALUE_0": "of-the-user"}
    result = make_runner(repository, **given).run(
        "config", "--get-all", "http.proxy", settings=[("http.proxy", "of-the-caller")]
    )
    assert result.out.decode().split() == ["of-the-caller", "of-the-user"], "the last value counts for git"


def test_the_repository_is_found_from_the_folder(repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    commit(other, "elsewhere")
    given = {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / ".git" / "index"),
        "GIT_TRACE": str(tmp_path / "trace"),
    }
    result = make_runner(repository, **given).run("ls-files", "--full-name")
    assert result.out == b"file.txt\n"
    assert not (tmp_path / "trace").exists()


def test_a_checkout_of_another_user_is_trusted_through_the_environment_only(
    repository: Path, tmp_path: Path
) -> None:
    distrusting = write_distrusting_git(tmp_path / "bin")
    refused = make_runner(repository, **distrusting).run("rev-parse", "HEAD")
    assert refused.is_untrusted
    assert refused.error_line.startswith("git says: fatal: detected dubious ownership in repository at")
    trusted = make_runner(repository, **distrusting, **trust(repository)).run("rev-parse", "HEAD")
    assert (trusted.code, trusted.is_untrusted) == (0, False)


def test_another_failure_is_no_lack_of_trust(tmp_path: Path) -> None:
    result = make_runner(tmp_path, GIT_CEILING_DIRECTORIES=str(tmp_path.parent)).run("rev-parse", "HEAD")
    assert (result.code, result.is_untrusted) == (128, False)


UNREADABLE = (
    b"fatal: Could not read from remote repository.\n\n"
    b"Please make sure you have the correct access rights\nand the repository exists.\n"
)


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (b"Host key verification failed.\n" + UNREADABLE, "Host key verification failed."),
        (
            b"Warning: Permanently added 'git.example.com' to the list of known hosts.\n"
            b"ci@git.example.com: Permission denied (publickey).\n" + UNREADABLE,
            "ci@git.example.com: Permission denied (publickey).",
        ),
        (
            b"ssh: Could not resolve hostname git.example.invalid: Name or service not known\n" + UNREADABLE,
            "ssh: Could not resolve hostname git.example.invalid: Name or service not known",
        ),
        (b"ERROR: Repository not found.\n" + UNREADABLE, "ERROR: Repository not found."),
        (
            b"remote: ERROR: The project you were looking for could not be found\nremote: \n" + UNREADABLE,
            "remote: ERROR: The project you were looking for could not be found",
        ),
        (
            b"remote: welcome\n" + UNREADABLE,
            "fatal: Could not read from remote repository.",
        ),
        (UNREADABLE, "fatal: Could not read from remote repository."),
        (b"hint: x\nfatal: bad object\n", "fatal: bad object"),
    ],
)
def test_the_error_line_is_the_line_with_the_reason(output: bytes, line: str) -> None:
    assert Result(128, b"", output).error_line == f"git says: {line}"
    assert Result(128, b"", output).error_notes == (f"git says: {line}",)


def test_a_failure_without_output_has_no_notes() -> None:
    assert Result(1, b"", b"\n").error_notes == ()


def test_an_ssh_error_is_read_from_a_real_git(repository: Path, tmp_path: Path) -> None:
    ssh = write_program(
        tmp_path / "bin", "refusing-ssh", "echo 'Host key verification failed.' >&2; exit 255"
    )
    result = make_runner(repository, GIT_SSH_COMMAND=str(ssh)).run(
        "ls-remote", "ssh://git@git.example.invalid/x.git"
    )
    assert result.code == 128
    assert result.error_line == "git says: Host key verification failed."


def test_a_machine_without_git_is_an_error_with_advice(repository: Path) -> None:
    with pytest.raises(GitNotInstalledError, match="git is not installed") as caught:
        make_runner(repository, PATH="/nowhere").run("version")
    assert "2.31" in caught.value.advice


def write_hanging_git(folder: Path) -> str:
    """Write a git that starts another program, which holds the pipe `alive` open, and waits for it. Return its PATH."""
    write_program(folder, "git", f"(echo started; exec sleep 60) > '{folder}/alive' & wait")
    os.mkfifo(folder / "alive")
    return f"{folder}:{os.environ['PATH']}"


def read_to_end(pipe: int) -> bytes:
    """Read the output of all programs that hold a pipe open, until the last program has ended. Fail if one stays."""
    output, ends_at = b"", time.monotonic() + TIMEOUT
    while time.monotonic() < ends_at:
        try:
            chunk = os.read(pipe, 100)
        except BlockingIOError:
            time.sleep(0.02)
            continue
        if not chunk:
            return output
        output += chunk
    pytest.fail("a program that git started is still there")


def test_a_command_that_hangs_is_killed_with_the_programs_it_started(
    repository: Path, tmp_path: Path
) -> None:
    path = write_hanging_git(tmp_path / "bin")
    pipe = os.open(tmp_path / "bin" / "alive", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(GitTimeoutError, match=r"did not end within 1 s"):
            make_runner(repository, timeout=1.0, PATH=path).run("fetch")
        assert read_to_end(pipe) == b"started\n"
    finally:
        os.close(pipe)


def test_a_shutdown_cuts_a_command_short(repository: Path, tmp_path: Path) -> None:
    path = write_hanging_git(tmp_path / "bin")
    shutdown = threading.Event()
    deadline = ShutdownDeadline(SystemClock(), shutdown)
    shutdown.set()
    begun = time.monotonic()
    with deadline.best_effort(), pytest.raises(GitTimeoutError):
        make_runner(repository, PATH=path).run("fetch", deadline=deadline)
    assert time.monotonic() - begun < TIMEOUT


def test_ctrl_c_reaches_no_running_command(repository: Path, tmp_path: Path) -> None:
    """A terminal sends SIGINT to the foreground process group; a git command runs in another group."""
    program = write_program(
        tmp_path / "bin", "git", f"exec '{sys.executable}' -c 'import os; print(os.getpgid(0))'"
    )
    result = make_runner(repository, PATH=f"{program.parent}:{os.environ['PATH']}").run("version")
    assert int(result.out) != os.getpgid(0)


def test_input_and_output_of_git_are_unchanged_bytes(repository: Path) -> None:
    blob = (
        make_runner(repository)
        .run("hash-object", "-w", "--stdin", stdin=b"\x00\xff\n" * 100_000)
        .out.decode()
    )
    assert make_runner(repository).run("cat-file", "blob", blob.strip()).out == b"\x00\xff\n" * 100_000
