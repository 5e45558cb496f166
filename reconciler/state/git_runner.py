"""Running git for a state: in a bare repository of our own, and with what the user's own one says about its remotes.

The user's repository is only asked for its settings. Objects, refs and shallow marks go into a temporary folder, so
that no work tree, index, branch or stash is touched, whatever state the clone is in.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from reconciler.model.lock_info import LockInfo
from reconciler.model.state_location import GitBranch
from reconciler.runtime.deadline import ShutdownDeadline
from reconciler.state.backend import BackendContext, BackendError

_PREFIX = "fivetran-reconciler-git-"
_STALE_AFTER = 86_400.0
"""Seconds after which a folder of ours belongs to a run that was killed: no lock lasts as long without a write."""
_TIMEOUT = 30.0
"""Seconds for one command of git; the longest ones cross the network once."""

# Of git's own variables only those that say how to reach a remote: not which repository, whose name, or where to
# write traces. All others stay, since a credential helper may need any of them.
_GIT_VARIABLE = re.compile(
    r"GIT_(SSH|SSH_COMMAND|SSH_VARIANT|ASKPASS|SSL_\w+|HTTP_\w+|PROXY_\w+|PROTOCOL"
    r"|CONFIG_(COUNT|KEY_\d+|VALUE_\d+|GLOBAL|SYSTEM|NOSYSTEM))"
)
_TRANSPORT_SECTIONS = ("http.", "url.", "credential.", "protocol.", "ssh.")
_TRANSPORT_SETTINGS = ("core.sshcommand", "core.askpass", "core.gitproxy")
_REMOTE_SETTINGS = (
    "url",
    "pushurl",
    "proxy",
    "proxyauthmethod",
    "uploadpack",
    "receivepack",
    "serveroption",
    "vcs",
)
_CREDENTIALS = re.compile(r"://[^/@\s]+@")
_MAX_ERROR_LENGTH = 300
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]+")
_MAX_MESSAGES, _MAX_MESSAGE_LENGTH = 4, 160
_SSH_PROGRAM = "core.sshcommand"


@dataclass(frozen=True, slots=True)
class Result:
    """What git answered."""

    code: int
    out: bytes
    err: bytes

    @property
    def error_line(self) -> str:
        """The line that says what is wrong, without credentials."""
        rejected_refs = [line.rpartition("\t")[2] for line in _split_lines(self.out) if line.startswith("!")]
        lines = _split_lines(self.err)
        error_lines = [
            line for line in lines if line.lower().startswith(("fatal:", "error:", "ssh:", "remote: error"))
        ]
        message = next(iter((*rejected_refs, *error_lines, *lines)), f"nothing (it ended with {self.code})")
        return f"git says: {_sanitize_line(message)[:_MAX_ERROR_LENGTH]}"

    @property
    def server_messages(self) -> tuple[str, ...]:
        """What the server says beside that, as hooks do to whoever pushes: the first lines, without credentials."""
        lines = (
            line.removeprefix("remote:").strip()
            for line in _split_lines(self.err)
            if line.startswith("remote:")
        )
        messages = [_sanitize_line(line)[:_MAX_MESSAGE_LENGTH] for line in lines if line]
        more = (f"(and {len(messages) - _MAX_MESSAGES} more lines)",) if len(messages) > _MAX_MESSAGES else ()
        return (*(f"the server says: {line}" for line in messages[:_MAX_MESSAGES]), *more)


class GitRunner:
    """Runs git without a shell, a terminal, hooks and signatures. What it runs has an end in time."""

    def __init__(self, location: GitBranch, context: BackendContext) -> None:
        self._location = location
        self._context = context

    @cached_property
    def remote(self) -> str:
        """What git is told to fetch from and to push to. Raises RemoteError for a remote that is not there."""
        where = self._location.repository
        if not self._location.is_remote:
            return str(self._context.directory / where) if where.startswith(".") else where
        if not any(key == f"remote.{where}.url" for key, _ in self._all_settings):
            raise self._missing_remote_error(where)
        return where

    def _missing_remote_error(self, name: str) -> BackendError:
        """Why there is no such remote: git's own reason where it does not take this folder for a repository."""
        result = self._run(self._context.directory, "rev-parse", "--git-dir")
        if result.code == 0:
            return BackendError(
                f"git knows no remote `{name}` in the folder of the project file",
                "see `git remote -v` there; a repository can also be named by its URL",
            )
        if b"dubious ownership" in result.err:
            return BackendError(
                result.error_line,
                "let git trust that folder: `git config --global --add safe.directory FOLDER`",
            )
        return BackendError(
            result.error_line,
            "keep the project file in a repository, or name the one of the state by its URL",
        )

    def run(self, *arguments: str, stdin: bytes = b"", deadline: ShutdownDeadline | None = None) -> Result:
        """What git says, in the repository of our own. Raises RemoteError only where it cannot be run, or does not
        come to an end."""
        options = (
            *("-c", "commit.gpgsign=false"),
            *("-c", "i18n.commitEncoding=UTF-8"),
            *("-c", "push.pushOption="),  # those of other pushes are nothing to whoever takes these
            *("-c", "gc.auto=0"),
            *("-c", "maintenance.auto=false"),
            *("-c", f"core.hooksPath={os.devnull}"),
        )
        git_dir = ("--git-dir", str(self._folder))
        settings = self._missing_settings
        return self._run(
            self._work_dir, *options, *git_dir, *arguments, stdin=stdin, settings=settings, deadline=deadline
        )

    def check_output(
        self, *arguments: str, stdin: bytes = b"", deadline: ShutdownDeadline | None = None
    ) -> bytes:
        """What git prints; RemoteError where it fails."""
        result = self.run(*arguments, stdin=stdin, deadline=deadline)
        if result.code != 0:
            raise BackendError(result.error_line, notes=result.server_messages)
        return result.out

    @cached_property
    def _folder(self) -> Path:
        if Path(tempfile.gettempdir()).samefile(os.curdir) and (self._work_dir / ".git").exists():
            # What Python resorts to where nothing else can be written. Files there could be committed.
            raise BackendError("there is no folder for temporary files", "make one, and name it in `TMPDIR`")
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        _remove_stale_folders(folder)
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        result = self._run(self._context.directory, "init", "--quiet", "--bare", "--template=", str(folder))
        if result.code != 0:
            raise BackendError(result.error_line)
        return folder

    @cached_property
    def _work_dir(self) -> Path:
        """Where git runs: the relative address of a remote starts at the top of its work tree."""
        result = self._run(self._context.directory, "rev-parse", "--show-toplevel")
        return Path(os.fsdecode(result.out).rstrip("\n")) if result.code == 0 else self._context.directory

    @cached_property
    def _all_settings(self) -> list[tuple[str, str]]:
        """All settings that git has in the folder of the project file, wherever they stand."""
        return self._list_settings()

    @cached_property
    def _missing_settings(self) -> list[tuple[str, str]]:
        """Of these what is about reaching remotes, and what git would not know in our repository: a CI job has its
        credentials in the user's one, and files of the user may be included for its folder only. What git reads
        anyway is left out, since some settings count as often as they stand there."""
        known = Counter(self._list_settings("--git-dir", str(self._folder)))
        missing = []
        for setting in self._all_settings:
            if known[setting]:
                known[setting] -= 1
            elif self._is_needed(setting[0]):
                missing.append(setting)
        return missing

    def _list_settings(self, *options: str) -> list[tuple[str, str]]:
        result = self._run(self._context.directory, *options, "config", "--list", "--includes", "-z")
        return list(_parse_settings(result.out))

    def _is_needed(self, key: str) -> bool:
        prefix = f"remote.{self._location.repository}."
        about_remote = self._location.is_remote and key.startswith(prefix)
        return (
            key.startswith(_TRANSPORT_SECTIONS)
            or key in _TRANSPORT_SETTINGS
            or (about_remote and key.removeprefix(prefix) in _REMOTE_SETTINGS)
        )

    def _run(
        self,
        folder: Path,
        *arguments: str,
        stdin: bytes = b"",
        settings: list[tuple[str, str]] | None = None,
        deadline: ShutdownDeadline | None = None,
    ) -> Result:
        has_program = settings is None or any(key == _SSH_PROGRAM for key, _ in self._all_settings)
        environ = _build_environ(
            self._context.environ, settings or [], self._context.holder, has_program=has_program
        )
        try:
            process = subprocess.Popen(
                ["git", *arguments],
                cwd=folder,
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for us: what git is at comes to an end
            )
        except FileNotFoundError:
            raise BackendError("git is not installed", "install git, version 2.31 or later") from None
        except OSError as error:
            raise BackendError(f"git cannot be run: {error.strerror or type(error).__name__}") from None
        with process:
            try:
                return _wait_for(process, stdin, (deadline or self._context.deadline).intervals(_TIMEOUT))
            finally:
                if process.returncode is None:  # with whatever it started
                    with suppress(OSError):
                        os.killpg(process.pid, signal.SIGKILL)


def _remove_stale_folders(new: Path) -> None:
    """Remove what killed runs of this user left beside a new folder of ours."""
    new_status = new.stat()
    for old in new.parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            status = old.lstat()
            is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == new_status.st_uid
            if is_ours and new_status.st_mtime - status.st_mtime > _STALE_AFTER:
                shutil.rmtree(old, ignore_errors=True)


def _wait_for(process: subprocess.Popen[bytes], stdin: bytes, intervals: Iterator[float]) -> Result:
    """What came of a process. Raises RemoteError where it is not at its end within these seconds."""
    pending_input: bytes | None = stdin
    waited = 0.0
    for seconds in intervals:
        try:
            out, err = process.communicate(pending_input, timeout=seconds)
        except subprocess.TimeoutExpired:
            pending_input, waited = None, waited + seconds
        else:
            return Result(process.returncode, out, err)
    raise BackendError(f"git did not come to an end within {round(waited, 1):g} s")


def _build_environ(
    inherited: Mapping[str, str], settings: list[tuple[str, str]], holder: LockInfo, *, has_program: bool
) -> dict[str, str]:
    """The environment of git. Settings go through it, since files may be left behind and arguments can be seen.
    `has_program` says that some setting names the program for SSH, which a variable would overrule."""
    variables = {
        name: value
        for name, value in inherited.items()
        if not name.startswith("GIT_") or _GIT_VARIABLE.fullmatch(name)
    }
    count = variables.get("GIT_CONFIG_COUNT", "0")
    inherited_settings = [
        (variables.get(f"GIT_CONFIG_KEY_{position}", ""), variables.get(f"GIT_CONFIG_VALUE_{position}", ""))
        for position in range(int(count) if count.isdecimal() else 0)
    ]
    for position, (key, value) in enumerate([*settings, *inherited_settings]):  # the later one counts
        variables |= {f"GIT_CONFIG_KEY_{position}": key, f"GIT_CONFIG_VALUE_{position}": value}
    if not has_program and "GIT_SSH" not in variables:
        variables.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=15")
    user, host = _sanitize_name(holder.user), _sanitize_name(holder.host)
    return {
        **variables,
        **{f"GIT_{role}_NAME": user for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_EMAIL": f"{user}@{host}" for role in ("AUTHOR", "COMMITTER")},
        "GIT_CONFIG_COUNT": str(len(settings) + len(inherited_settings)),
        "GIT_TERMINAL_PROMPT": "0",
        "SSH_ASKPASS_REQUIRE": "never",
        "LC_ALL": "C",
    }


def _sanitize_name(name: str) -> str:
    """A name as git takes it in a commit."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "reconciler"


def _parse_settings(output: bytes) -> Iterator[tuple[str, str]]:
    """Key and value of each setting in `git config --list -z`; git writes sections and names in lower case."""
    for setting in os.fsdecode(output).split("\0")[:-1]:
        key, line_end, value = setting.partition("\n")
        yield key, value if line_end else "true"


def _sanitize_line(text: str) -> str:
    return _UNPRINTABLE.sub(" ", _CREDENTIALS.sub("://", text))


def _split_lines(output: bytes) -> list[str]:
    return [line.strip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
