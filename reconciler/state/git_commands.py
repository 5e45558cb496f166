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

from reconciler.model.holder import Holder
from reconciler.model.place import GitPlace
from reconciler.state.patience import Patience
from reconciler.state.shelf import RemoteError, Surroundings

_PREFIX = "fivetran-reconciler-git-"
_LEFT_BEHIND = 86_400.0
"""Seconds after which a folder of ours belongs to a run that was killed: no lock lasts as long without a write."""
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
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]+")
_WORDS, _LONGEST_WORD = 4, 160
_SSH_PROGRAM = "core.sshcommand"


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
        return f"git says: {_plain_text(told)[:_LONGEST_COMPLAINT]}"

    @property
    def words(self) -> tuple[str, ...]:
        """What the server says beside that, as hooks do to whoever pushes: the first lines, without credentials."""
        lines = (
            line.removeprefix("remote:").strip() for line in _lines(self.err) if line.startswith("remote:")
        )
        told = [_plain_text(line)[:_LONGEST_WORD] for line in lines if line]
        more = (f"(and {len(told) - _WORDS} more lines)",) if len(told) > _WORDS else ()
        return (*(f"the server says: {line}" for line in told[:_WORDS]), *more)


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
        if not any(key == f"remote.{where}.url" for key, _ in self._listing):
            raise self._no_remote(where)
        return where

    def _no_remote(self, where: str) -> RemoteError:
        """Why there is no such remote: git's own reason where it does not take this folder for a repository."""
        found = self._run(self._around.directory, "rev-parse", "--git-dir")
        if found.code == 0:
            return RemoteError(
                f"git knows no remote `{where}` in the folder of the project file",
                "see `git remote -v` there; a repository can also be named by its URL",
            )
        if b"dubious ownership" in found.err:
            return RemoteError(
                found.complaint,
                "let git trust that folder: `git config --global --add safe.directory FOLDER`",
            )
        return RemoteError(
            found.complaint, "keep the project file in a repository, or name the one of the state by its URL"
        )

    def run(self, *arguments: str, given: bytes = b"", patience: Patience | None = None) -> Done:
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
        settings = self._settings
        return self._run(
            self._start, *options, *git_dir, *arguments, given=given, settings=settings, patience=patience
        )

    def must(self, *arguments: str, given: bytes = b"", patience: Patience | None = None) -> bytes:
        """What git prints; RemoteError where it fails."""
        done = self.run(*arguments, given=given, patience=patience)
        if done.code != 0:
            raise RemoteError(done.complaint, notes=done.words)
        return done.out

    @cached_property
    def _folder(self) -> Path:
        if Path(tempfile.gettempdir()).samefile(os.curdir) and (self._start / ".git").exists():
            # What Python resorts to where nothing else can be written. Files there could be committed.
            raise RemoteError("there is no folder for temporary files", "make one, and name it in `TMPDIR`")
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        _tidy(folder)
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
    def _listing(self) -> list[tuple[str, str]]:
        """All settings that git has in the folder of the project file, wherever they stand."""
        return self._listed()

    @cached_property
    def _settings(self) -> list[tuple[str, str]]:
        """Of these what is about reaching remotes, and what git would not know in our repository: a CI job has its
        credentials in the user's one, and files of the user may be included for its folder only. What git reads
        anyway is left out, since some settings count as often as they stand there."""
        known = Counter(self._listed("--git-dir", str(self._folder)))
        told = []
        for setting in self._listing:
            if known[setting]:
                known[setting] -= 1
            elif self._is_needed(setting[0]):
                told.append(setting)
        return told

    def _listed(self, *options: str) -> list[tuple[str, str]]:
        done = self._run(self._around.directory, *options, "config", "--list", "--includes", "-z")
        return list(_settings_in(done.out))

    def _is_needed(self, key: str) -> bool:
        mine = f"remote.{self._place.where}."
        about_remote = self._place.is_remote and key.startswith(mine)
        return (
            key.startswith(_ABOUT_REACHING)
            or key in _CORE
            or (about_remote and key.removeprefix(mine) in _ABOUT_A_REMOTE)
        )

    def _run(
        self,
        folder: Path,
        *arguments: str,
        given: bytes = b"",
        settings: list[tuple[str, str]] | None = None,
        patience: Patience | None = None,
    ) -> Done:
        has_program = settings is None or any(key == _SSH_PROGRAM for key, _ in self._listing)
        environ = _environ(self._around.environ, settings or [], self._around.holder, has_program=has_program)
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
            raise RemoteError("git is not installed", "install git, version 2.31 or later") from None
        except OSError as error:
            raise RemoteError(f"git cannot be run: {error.strerror or type(error).__name__}") from None
        with process:
            try:
                return _ended(process, given, (patience or self._around.patience).slices(_PATIENCE))
            finally:
                if process.returncode is None:  # with whatever it started
                    with suppress(OSError):
                        os.killpg(process.pid, signal.SIGKILL)


def _tidy(new: Path) -> None:
    """Remove what killed runs of this user left beside a new folder of ours."""
    made = new.stat()
    for old in new.parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            found = old.lstat()
            is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == made.st_uid
            if is_ours and made.st_mtime - found.st_mtime > _LEFT_BEHIND:
                shutil.rmtree(old, ignore_errors=True)


def _ended(process: subprocess.Popen[bytes], given: bytes, slices: Iterator[float]) -> Done:
    """What came of a process. Raises RemoteError where it is not at its end within these seconds."""
    rest: bytes | None = given
    waited = 0.0
    for seconds in slices:
        try:
            out, err = process.communicate(rest, timeout=seconds)
        except subprocess.TimeoutExpired:
            rest, waited = None, waited + seconds
        else:
            return Done(process.returncode, out, err)
    raise RemoteError(f"git did not come to an end within {round(waited, 1):g} s")


def _environ(
    given: Mapping[str, str], settings: list[tuple[str, str]], holder: Holder, *, has_program: bool
) -> dict[str, str]:
    """The environment of git. Settings go through it, since files may be left behind and arguments can be seen.
    `has_program` says that some setting names the program for SSH, which a variable would overrule."""
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
    if not has_program and "GIT_SSH" not in kept:
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


def _settings_in(answer: bytes) -> Iterator[tuple[str, str]]:
    """Key and value of each setting in `git config --list -z`; git writes sections and names in lower case."""
    for setting in os.fsdecode(answer).split("\0")[:-1]:
        key, line_end, value = setting.partition("\n")
        yield key, value if line_end else "true"


def _plain_text(text: str) -> str:
    return _UNPRINTABLE.sub(" ", _CREDENTIALS.sub("://", text))


def _lines(answer: bytes) -> list[str]:
    return [line.strip() for line in answer.decode("utf-8", "replace").splitlines() if line.strip()]
