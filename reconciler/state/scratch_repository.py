"""Fetch and push a state through a bare repository in a temporary folder.

The user's repository only provides its settings about remotes. Objects, refs and shallow marks go into the temporary
folder, so that no work tree, index, branch or stash is touched, even in a shallow or broken clone.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from reconciler.model.lock_info import LockInfo
from reconciler.model.state_location import GitBranch
from reconciler.runtime.deadline import ShutdownDeadline
from reconciler.runtime.git import TRUST_ADVICE, GitError, GitRunner, Result
from reconciler.state.backend import BackendContext, BackendError, RateLimitedError
from reconciler.state.git_errors import build_error
from reconciler.state.request_pacing import Backoff

TIMEOUT = 30.0
"""Seconds for one git command. The slowest commands cross the network once."""
_PREFIX = "fivetran-reconciler-git-"
_STALE_AFTER = 86_400.0
"""Seconds after which a scratch folder belongs to a killed run: a live run writes to its folder more often."""

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
_SSH_PROGRAM = "core.sshcommand"
_SSH_COMMAND = "ssh -o BatchMode=yes -o ConnectTimeout=15"


class ScratchRepository:
    """Repository for the state at a location. Its commands run without hooks and signatures, in the name of the lock's
    holder."""

    def __init__(self, location: GitBranch, context: BackendContext) -> None:
        self._location = location
        self._context = context
        self._directory = context.directory
        self._environ = context.environ
        self._identity = _build_identity(context.holder)
        self._runner = GitRunner(context.directory, context.environ, TIMEOUT, context.deadline)

    @cached_property
    def remote(self) -> str:
        """The remote or address to fetch from and to push to. Raises BackendError for an unknown remote."""
        repository = self._location.repository
        if not self._location.is_remote:
            return str(self._directory / repository) if repository.startswith(".") else repository
        if not any(key == f"remote.{repository}.url" for key, _ in self._all_settings):
            raise self._build_missing_remote_error(repository)
        return repository

    def _build_missing_remote_error(self, name: str) -> BackendError:
        """Build the error for an unknown remote, with the reason of git if git rejects the folder itself."""
        result = self._run_for_user("rev-parse", "--git-dir")
        if result.code == 0:
            return BackendError(
                f"git knows no remote `{name}` in the folder of the project file",
                "see `git remote -v` there; a repository can also be named by its URL",
            )
        if result.is_untrusted:
            return BackendError(result.error_line, TRUST_ADVICE)
        return BackendError(
            result.error_line,
            "keep the project file in a repository, or name the repository of the state by its URL",
        )

    def run(self, *arguments: str, stdin: bytes = b"", deadline: ShutdownDeadline | None = None) -> Result:
        """Run a command in the scratch repository. Returns its result. Raises BackendError only if git cannot be run or
        does not end."""
        options = (
            *("-c", "commit.gpgsign=false"),
            *("-c", "i18n.commitEncoding=UTF-8"),
            *("-c", "push.pushOption="),  # options of other pushes mean nothing to the server of the state
            *("-c", "gc.auto=0"),
            *("-c", "maintenance.auto=false"),
            *("-c", f"core.hooksPath={os.devnull}"),
            *("--git-dir", str(self._folder)),
        )
        try:
            return self._runner.run(
                *options,
                *arguments,
                stdin=stdin,
                folder=self._work_dir,
                settings=self._missing_settings,
                variables=self._variables,
                deadline=deadline,
            )
        except GitError as error:
            raise _to_backend_error(error) from None

    def check_output(
        self, *arguments: str, stdin: bytes = b"", deadline: ShutdownDeadline | None = None
    ) -> bytes:
        """Run a command. Returns its output. Raises BackendError if the command fails. A command that a rate limit
        refuses is run again."""
        backoff = self.start_backoff(deadline)
        while (result := self.run(*arguments, stdin=stdin, deadline=deadline)).code != 0:
            error = build_error(result)
            if not isinstance(error, RateLimitedError) or not backoff.wait(is_rate_limit=True):
                raise error
        return result.out

    def start_backoff(self, deadline: ShutdownDeadline | None = None) -> Backoff:
        """Start the pauses between the attempts of one command."""
        return Backoff(self._context.clock, deadline or self._context.deadline, self._context.entropy)

    def _run_for_user(self, *arguments: str) -> Result:
        """Run a command in the folder of the project file."""
        try:
            return self._runner.run(*arguments)
        except GitError as error:
            raise _to_backend_error(error) from None

    @cached_property
    def _folder(self) -> Path:
        if Path(tempfile.gettempdir()).samefile(os.curdir) and (self._work_dir / ".git").exists():
            # Python falls back to this folder if no other folder can be written. Files in it could be committed.
            raise BackendError(
                "there is no folder for temporary files", "make such a folder, and name it in `TMPDIR`"
            )
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        _remove_stale_folders(folder)
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        result = self._run_for_user("init", "--quiet", "--bare", "--template=", str(folder))
        if result.code != 0:
            raise BackendError(result.error_line)
        return folder

    @cached_property
    def _work_dir(self) -> Path:
        """The folder of git commands: relative addresses of remotes start at the top of the work tree."""
        result = self._run_for_user("rev-parse", "--show-toplevel")
        return Path(os.fsdecode(result.out).rstrip("\n")) if result.code == 0 else self._directory

    @cached_property
    def _variables(self) -> dict[str, str]:
        """The variables for commands in the scratch repository. SSH must not wait for input. An SSH program of the user
        is kept: the variable would override a program that a setting names."""
        has_own_program = any(key == _SSH_PROGRAM for key, _ in self._all_settings) or any(
            name in self._environ for name in ("GIT_SSH", "GIT_SSH_COMMAND")
        )
        return self._identity | ({} if has_own_program else {"GIT_SSH_COMMAND": _SSH_COMMAND})

    @cached_property
    def _all_settings(self) -> list[tuple[str, str]]:
        """All settings of git in the folder of the project file, from all files."""
        return self._list_settings()

    @cached_property
    def _missing_settings(self) -> list[tuple[str, str]]:
        """The settings about reaching remotes that git would not know in the scratch repository: a CI job has its
        credentials in the user's repository, and files of the user may be included for its folder only. A setting that
        git reads anyway is left out, since a repeated setting may add a second value."""
        known = Counter(self._list_settings("--git-dir", str(self._folder)))
        missing = []
        for setting in self._all_settings:
            if known[setting]:
                known[setting] -= 1
            elif self._is_needed(setting[0]):
                missing.append(setting)
        return missing

    def _list_settings(self, *options: str) -> list[tuple[str, str]]:
        result = self._run_for_user(*options, "config", "--list", "--includes", "-z")
        return list(_parse_settings(result.out))

    def _is_needed(self, key: str) -> bool:
        prefix = f"remote.{self._location.repository}."
        about_remote = self._location.is_remote and key.startswith(prefix)
        return (
            key.startswith(_TRANSPORT_SECTIONS)
            or key in _TRANSPORT_SETTINGS
            or (about_remote and key.removeprefix(prefix) in _REMOTE_SETTINGS)
        )


def _to_backend_error(error: GitError) -> BackendError:
    return BackendError(str(error), error.advice)


def _remove_stale_folders(new: Path) -> None:
    """Remove the folders that killed runs of this user left beside a new one."""
    new_status = new.stat()
    for old in new.parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            status = old.lstat()
            is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == new_status.st_uid
            if is_ours and new_status.st_mtime - status.st_mtime > _STALE_AFTER:
                shutil.rmtree(old, ignore_errors=True)


def _build_identity(holder: LockInfo) -> dict[str, str]:
    """Build author and committer: the holder of the lock, independent of the settings of the machine."""
    user, host = _sanitize_name(holder.user), _sanitize_name(holder.host)
    return {
        **{f"GIT_{role}_NAME": user for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_EMAIL": f"{user}@{host}" for role in ("AUTHOR", "COMMITTER")},
    }


def _sanitize_name(name: str) -> str:
    """Sanitize a name for a git commit."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "reconciler"


def _parse_settings(output: bytes) -> Iterator[tuple[str, str]]:
    """Parse `git config --list -z` into key and value of each setting; git prints sections and names in lower case."""
    for setting in os.fsdecode(output).split("\0")[:-1]:
        key, line_end, value = setting.partition("\n")
        yield key, value if line_end else "true"
