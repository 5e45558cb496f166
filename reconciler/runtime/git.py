"""Run git: without a shell or a terminal, in one environment, and with a deadline.

Git reads dozens of variables, of two kinds. Variables of the first kind say how this machine trusts and reaches
repositories: they are settings of the user for all commands of git, so every use obeys them. Variables of the second
kind name the repository, index or history of a command, its author, and the files of its traces. A surrounding hook,
alias or script sets them for a command of its own, and a run that obeyed them would read the specs, or write the state,
of another repository.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.model.value import OWN_VARIABLES
from reconciler.runtime.deadline import ShutdownDeadline

TRUST_ADVICE = "let git trust that folder: `git config --global --add safe.directory FOLDER`"

# Variables of the first kind. All other variables of git are dropped, so that a new variable of a later release cannot
# lead a run to another repository.
_OBEYED_VARIABLE = re.compile(
    "GIT_("
    # Settings, and with them `safe.directory`: a container or a CI job often has no other way to trust a checkout of
    # another user. Git itself passes them on to commands in other repositories (submodules) for the same reason.
    r"CONFIG_(COUNT|KEY_\d+|VALUE_\d+|PARAMETERS|GLOBAL|SYSTEM|NOSYSTEM)"
    # The way to a server, its programs and credentials. Reads need them as well as writes: a partial clone fetches a
    # file of an earlier commit when the file is read.
    r"|SSH|SSH_COMMAND|SSH_VARIANT|ASKPASS|SSL_\w+|HTTP_\w+|PROXY_\w+|PROTOCOL|PROTOCOL_FROM_USER|ALLOW_PROTOCOL"
    r"|NO_LAZY_FETCH"
    # Bounds of the search for the repository above a folder. They name no repository themselves.
    r"|CEILING_DIRECTORIES|DISCOVERY_ACROSS_FILESYSTEM"
    # The folder of the other programs of git.
    r"|EXEC_PATH"
    ")"
)
_FIXED_VARIABLES = {
    # Questions would wait for an answer until the timeout.
    "GIT_TERMINAL_PROMPT": "0",
    "SSH_ASKPASS_REQUIRE": "never",
    # Messages are parsed, and quoted in English sentences.
    "LC_ALL": "C",
}

_CREDENTIALS = re.compile(r"://[^/@\s]+@")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]+")
_ERROR_PREFIXES = ("fatal:", "error:", "ssh:", "remote: error")
_UNREADABLE_REMOTE = "fatal: could not read from remote repository"
_UNTRUSTED = (b"dubious ownership", b"unsafe repository")  # git before 2.38 prints the second phrase
_MAX_ERROR_LENGTH = 300
_MAX_MESSAGES, _MAX_MESSAGE_LENGTH = 4, 160


class GitError(Exception):
    """Git cannot be run. `reason` is a phrase for users, without credentials; `advice` is one remedy."""

    def __init__(self, message: str, *, reason: str = "", advice: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.advice = advice


class GitNotInstalledError(GitError):
    """There is no program `git`."""

    def __init__(self) -> None:
        super().__init__("git is not installed", advice="install git, version 2.31 or later")


class GitTimeoutError(GitError):
    """A git command did not end in time, and was killed."""


@dataclass(frozen=True, slots=True)
class Result:
    """Exit code and output of a git command."""

    code: int
    out: bytes
    err: bytes

    @property
    def is_untrusted(self) -> bool:
        """Whether git refused the folder because it belongs to another user."""
        return self.code != 0 and any(words in self.err for words in _UNTRUSTED)

    @property
    def error_line(self) -> str:
        """Return the line of the output that explains a failure, without credentials, behind `git says: `."""
        rejected_refs = [line.rpartition("\t")[2] for line in _split_lines(self.out) if line.startswith("!")]
        lines = _split_lines(self.err)
        message = next(
            iter((*rejected_refs, *_find_errors(lines), *lines)), f"nothing (it ended with {self.code})"
        )
        return f"git says: {_sanitize_line(message)[:_MAX_ERROR_LENGTH]}"

    @property
    def error_notes(self) -> tuple[str, ...]:
        """Return the error line; empty if git printed no error."""
        return (self.error_line,) if self.err.strip() else ()

    @property
    def server_messages(self) -> tuple[str, ...]:
        """Return the other messages of the server, for example of its hooks: the first lines, without credentials."""
        lines = (
            line.removeprefix("remote:").strip()
            for line in _split_lines(self.err)
            if line.startswith("remote:")
        )
        messages = [_sanitize_line(line)[:_MAX_MESSAGE_LENGTH] for line in lines if line]
        more = (f"(and {len(messages) - _MAX_MESSAGES} more lines)",) if len(messages) > _MAX_MESSAGES else ()
        return (*(f"the server says: {line}" for line in messages[:_MAX_MESSAGES]), *more)


@dataclass(frozen=True, slots=True)
class GitRunner:
    """Runner of git commands in a folder. `environ` is the environment of the run; a command does not get the variables
    of this program (credentials among them) and the variables that would lead git to another repository. All other
    variables stay, since a credential helper may need any of them.

    A command ends after `timeout` seconds at the latest, and soon after a shutdown begins if there is a `deadline`.
    """

    folder: Path
    environ: Mapping[str, str] = field(repr=False)  # full of secrets
    timeout: float = 30.0
    deadline: ShutdownDeadline | None = None

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        folder: Path | None = None,
        settings: Iterable[tuple[str, str]] = (),
        variables: Mapping[str, str] | None = None,
        deadline: ShutdownDeadline | None = None,
    ) -> Result:
        """Run a command. Returns its result for any exit code. `settings` count for the command like settings in a file
        of the user, and yield to settings of the environment. Raises GitError if git cannot be run or does not end."""
        try:
            process = subprocess.Popen(
                ["git", *arguments],
                cwd=folder or self.folder,
                env={**build_environ(self.environ, settings), **(variables or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # Keep Ctrl-C from git: a push in flight must end, or its outcome is unknown; a read is killed below.
                start_new_session=True,
            )
        except FileNotFoundError:
            raise GitNotInstalledError from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise GitError(f"git cannot be run: {reason}", reason=reason) from None
        with process:
            try:
                return _wait_for(process, stdin, self._intervals(deadline))
            finally:
                if process.returncode is None:  # the group includes programs that git started, such as ssh
                    with suppress(OSError):
                        os.killpg(process.pid, signal.SIGKILL)

    def _intervals(self, deadline: ShutdownDeadline | None) -> Iterator[float]:
        deadline = deadline or self.deadline
        return deadline.intervals(self.timeout) if deadline is not None else iter((self.timeout,))


def find_work_tree(folder: Path) -> Path | None:
    """Find the folder of the work tree that a folder is in, without running git; None outside of a repository."""
    return next((parent for parent in (folder, *folder.parents) if os.path.lexists(parent / ".git")), None)


def build_environ(inherited: Mapping[str, str], settings: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """Build the environment of a git command, with its settings: a file with credentials could be left behind, and
    arguments are visible to other users of the machine."""
    variables = {name: value for name, value in inherited.items() if _is_passed_on(name)}
    count = variables.get("GIT_CONFIG_COUNT", "0")
    inherited_settings = [
        (variables.get(f"GIT_CONFIG_KEY_{position}", ""), variables.get(f"GIT_CONFIG_VALUE_{position}", ""))
        for position in range(int(count) if count.isdecimal() else 0)
    ]
    all_settings = [
        *settings,
        *inherited_settings,
    ]  # of two equal keys git uses the later one, so the environment wins
    for position, (key, value) in enumerate(all_settings):
        variables |= {f"GIT_CONFIG_KEY_{position}": key, f"GIT_CONFIG_VALUE_{position}": value}
    return {**variables, "GIT_CONFIG_COUNT": str(len(all_settings)), **_FIXED_VARIABLES}


def _is_passed_on(name: str) -> bool:
    if name.startswith("GIT_"):
        return _OBEYED_VARIABLE.fullmatch(name) is not None
    return not name.upper().startswith(OWN_VARIABLES)


def _wait_for(process: subprocess.Popen[bytes], stdin: bytes, intervals: Iterator[float]) -> Result:
    """Wait for a process. Returns its result. Raises GitTimeoutError if it has not ended after all intervals."""
    pending_input: bytes | None = stdin
    waited = 0.0
    for seconds in intervals:
        try:
            out, err = process.communicate(pending_input, timeout=seconds)
        except subprocess.TimeoutExpired:
            pending_input, waited = None, waited + seconds
        else:
            return Result(process.returncode, out, err)
    raise GitTimeoutError(f"git did not end within {round(waited, 1):g} s")


def _find_errors(lines: list[str]) -> list[str]:
    """Find the lines that are marked as errors. If the first line only says that a server cannot be read from, the
    program that was to reach the server has printed the reason right before, and that line comes first."""
    errors = [line for line in lines if line.lower().startswith(_ERROR_PREFIXES)]
    if not errors or not errors[0].lower().startswith(_UNREADABLE_REMOTE):
        return errors
    before = [line for line in lines[: lines.index(errors[0])] if not line.startswith("remote:")]
    return [*before[-1:], *errors]


def _sanitize_line(text: str) -> str:
    return _UNPRINTABLE.sub(" ", _CREDENTIALS.sub("://", text))


def _split_lines(output: bytes) -> list[str]:
    return [line.strip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
