"""Running git for a state: in a bare repository of our own, and with what the user's own one says about its remotes.

The user's repository is only asked for its settings. Objects, refs and shallow marks go into a temporary folder, so
that no work tree, index, branch or stash is touched, whatever state the clone is in.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from reconciler.model.holder import Holder
from reconciler.model.place import GitPlace
from reconciler.state.shelf import RemoteError, Surroundings

_PATIENCE = 30.0
"""Seconds for one command of git; the longest ones cross the network once."""

# Of git's own variables only those that say how to reach a remote: not which repository, whose name, or where to
# write traces. All others stay, since a credential helper may need any of them.
_OF_GIT = re.compile(
    r"GIT_(SSH|SSH_COMMAND|SSH_VARIANT|ASKPASS|SSL_\w+|HTTP_\w+|PROXY_\w+|PROTOCOL"
    r"|CONFIG_(COUNT|KEY_\d+|VALUE_\d+|GLOBAL|SYSTEM|NOSYSTEM))"
)
_ABOUT_REACHING = ("http.", "url.", "credential.", "protocol.", "ssh.")
_CORE = ("core.sshcommand", "core.askpass", "core.gitproxy")
_ABOUT_A_REMOTE = (
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
_LONGEST_COMPLAINT = 300


@dataclass(frozen=True, slots=True)
class Done:
    """What git answered."""

    code: int
    out: bytes
    err: bytes

    @property
    def complaint(self) -> str:
        """The line that says what is wrong, without credentials."""
        refused = [line.rpartition("\t")[2] for line in _lines(self.out) if line.startswith("!")]
        lines = _lines(self.err)
        grave = [
            line for line in lines if line.lower().startswith(("fatal:", "error:", "ssh:", "remote: error"))
        ]
        told = next(iter((*refused, *grave, *lines)), f"nothing (it ended with {self.code})")
        return f"git says: {_CREDENTIALS.sub('://', told)[:_LONGEST_COMPLAINT]}"


class GitCommands:
    """Runs git without a shell, a terminal, hooks and signatures. What it runs has an end in time."""

    def __init__(self, place: GitPlace, surroundings: Surroundings) -> None:
        self._place = place
        self._around = surroundings

    @cached_property
    def remote(self) -> str:
        """What git is told to fetch from and to push to. Raises RemoteError for a remote that is not there."""
        where = self._place.where
        if not self._place.is_remote:
            return str(self._around.directory / where) if where.startswith(".") else where
        if not any(key == f"remote.{where}.url" for key, _ in self._settings):
            raise RemoteError(
                f"git knows no remote `{where}` in the folder of the project file",
                "see `git remote -v` there; a repository can also be named by its URL",
            )
        return where

    def run(self, *arguments: str, given: bytes = b"") -> Done:
        """What git says, in the repository of our own. Raises RemoteError only where it cannot be run, or does not
        come to an end."""
        options = (
            *("-c", "commit.gpgsign=false"),
            *("-c", "gc.auto=0"),
            *("-c", "maintenance.auto=false"),
            *("-c", f"core.hooksPath={os.devnull}"),
        )
        return self._run(self._start, *options, "--git-dir", str(self._folder), *arguments, given=given)

    def must(self, *arguments: str, given: bytes = b"") -> bytes:
        """What git prints; RemoteError where it fails."""
        done = self.run(*arguments, given=given)
        if done.code != 0:
            raise RemoteError(done.complaint)
        return done.out

    @cached_property
    def _folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="reconciler-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        done = self._run(self._around.directory, "init", "--quiet", "--bare", "--template=", str(folder))
        if done.code != 0:
            raise RemoteError(done.complaint)
        return folder

    @cached_property
    def _start(self) -> Path:
        """Where git runs: the relative address of a remote starts at the top of its work tree."""
        done = self._run(self._around.directory, "rev-parse", "--show-toplevel")
        return Path(os.fsdecode(done.out).rstrip("\n")) if done.code == 0 else self._around.directory

    @cached_property
    def _settings(self) -> list[tuple[str, str]]:
        """What the user's repository says about its remotes, and about how they are reached: a CI job has its
        credentials there. What stands in files of the user or of the machine is read by git anyway."""
        return [
            (key, value)
            for scope, key, value in _listed(
                self._run(self._around.directory, "config", "--list", "--show-scope", "--includes", "-z").out
            )
            if scope in ("local", "worktree") and self._is_needed(key)
        ]

    def _is_needed(self, key: str) -> bool:
        mine = f"remote.{self._place.where}."
        about_remote = self._place.is_remote and key.startswith(mine)
        return (
            key.startswith(_ABOUT_REACHING)
            or key in _CORE
            or (about_remote and key.removeprefix(mine) in _ABOUT_A_REMOTE)
        )

    def _run(self, folder: Path, *arguments: str, given: bytes = b"") -> Done:
        is_ours = "--git-dir" in arguments
        environ = _environ(self._around.environ, self._settings if is_ours else [], self._around.holder)
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=folder,
                env=environ,
                input=given,
                capture_output=True,
                timeout=_PATIENCE,
                check=False,
                start_new_session=True,  # Ctrl-C is for us: what git is at comes to an end
            )
        except FileNotFoundError:
            raise RemoteError("git is not installed", "install git, version 2.31 or later") from None
        except subprocess.TimeoutExpired:
            raise RemoteError(f"git did not come to an end within {_PATIENCE:g} s") from None
        except OSError as error:
            raise RemoteError(f"git cannot be run: {error.strerror or type(error).__name__}") from None
        return Done(done.returncode, done.stdout, done.stderr)


def _environ(given: Mapping[str, str], settings: list[tuple[str, str]], holder: Holder) -> dict[str, str]:
    """The environment of git. Settings go through it, since files may be left behind and arguments can be seen."""
    kept = {
        name: value for name, value in given.items() if not name.startswith("GIT_") or _OF_GIT.fullmatch(name)
    }
    count = kept.get("GIT_CONFIG_COUNT", "0")
    own = [
        (kept.get(f"GIT_CONFIG_KEY_{place}", ""), kept.get(f"GIT_CONFIG_VALUE_{place}", ""))
        for place in range(int(count) if count.isdecimal() else 0)
    ]
    for place, (key, value) in enumerate([*settings, *own]):  # the later one counts
        kept |= {f"GIT_CONFIG_KEY_{place}": key, f"GIT_CONFIG_VALUE_{place}": value}
    names_a_program = any(key == "core.sshcommand" for key, _ in settings) or "GIT_SSH" in kept
    if not names_a_program:
        kept.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=15")
    user, host = _plain(holder.user), _plain(holder.host)
    return {
        **kept,
        **{f"GIT_{role}_NAME": user for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_EMAIL": f"{user}@{host}" for role in ("AUTHOR", "COMMITTER")},
        "GIT_CONFIG_COUNT": str(len(settings) + len(own)),
        "GIT_TERMINAL_PROMPT": "0",
        "SSH_ASKPASS_REQUIRE": "never",
        "LC_ALL": "C",
    }


def _plain(name: str) -> str:
    """A name as git takes it in a commit."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "reconciler"


def _listed(answer: bytes) -> Iterator[tuple[str, str, str]]:
    """Scope, key and value of each setting in `git config --list --show-scope -z`."""
    parts = os.fsdecode(answer).split("\0")
    for scope, setting in zip(parts[::2], parts[1::2], strict=False):
        key, equals, value = setting.partition("\n")
        yield scope, key, value if equals else "true"


def _lines(answer: bytes) -> list[str]:
    return [line.strip() for line in answer.decode("utf-8", "replace").splitlines() if line.strip()]
