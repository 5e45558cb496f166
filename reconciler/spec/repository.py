"""Commits of the git repository that a project file is in: which files they have, and what those hold.

Names come from `git ls-tree` and contents from `git cat-file`, byte for byte: `git archive` would leave out or rewrite
what `.gitattributes` says, and take no more names than fit on a command line.
"""

from __future__ import annotations

import os
import posixpath
import subprocess
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError

_PATIENCE = 60.0
# What git needs to be found and to find its own settings; not the secrets of this run, and no other repository.
_PASSED_ON = ("PATH", "HOME", "XDG_CONFIG_HOME")
_LINK = "120000"
_FILES = ("100644", "100755", _LINK)
_EXAMPLE = "name a branch, a tag or a commit, such as `origin/main`"
_UNSHALLOW = "fetch the history first: `git fetch --unshallow`, or `fetch-depth: 0` for actions/checkout"
_SHALLOW = ("this clone is shallow: it has only the last commits",)


@dataclass(frozen=True, slots=True)
class File:
    """A file or a symbolic link of a commit. `blob` is the hash of its content."""

    blob: str
    is_link: bool


@dataclass(frozen=True, slots=True)
class Repository:
    """One commit, which a person calls `revision`. `root` is the folder of the work tree without symbolic links;
    `files` are by path from there."""

    git: Git
    root: Path
    files: Mapping[str, File]

    @property
    def revision(self) -> str:
        """What a person calls the commit."""
        return self.git.revision

    def contents(self, names: Collection[str]) -> dict[str, bytes]:
        """What files hold, with those that symbolic links lead to; a link holds where it leads.

        A link that leads out of the repository, or to no file, is as if it were not there. Raises ReconcilerError.
        """
        found: dict[str, bytes] = {}
        missing = set(names)
        while missing:
            fresh = self._read(sorted(missing))
            targets = {name: self._target(name, content) for name, content in fresh.items()}
            found |= {name: fresh[name] for name, target in targets.items() if target in self.files}
            missing = {*targets.values()} & self.files.keys() - found.keys()
        return found

    def _target(self, name: str, content: bytes) -> str:
        """Where a link leads; a file leads to itself."""
        if not self.files[name].is_link:
            return name
        return posixpath.normpath(posixpath.join(posixpath.dirname(name), os.fsdecode(content)))

    def _read(self, names: list[str]) -> dict[str, bytes]:
        asked = "".join(f"{self.files[name].blob}\n" for name in names)
        answer = BytesIO(self.git.run("cat-file", "--batch", given=asked.encode()).stdout)
        contents = {}
        for name in names:
            blob, kind, size = _words(answer.readline(), 3)  # then the content, and a line end
            if blob != self.files[name].blob or kind != "blob":
                message = f"git cannot read `{name}` of revision `{self.revision}`"
                raise unusable_revision(self.revision, message)
            contents[name] = answer.read(int(size))
            answer.read(1)
        return contents


def open_repository(project_file: Path, shown: str, revision: str, environ: Mapping[str, str]) -> Repository:
    """The repository of a project file, which is `shown` to people, at a revision. Raises ReconcilerError."""
    found = _find(project_file, shown, revision, environ)
    listed = found.git.run("ls-tree", "-r", "-z", "--full-tree", found.commit)
    if listed.returncode != 0:
        message = f"git cannot list the files of revision `{revision}`"
        raise unusable_revision(revision, message, *_complaint(listed.stderr))
    return Repository(found.git, found.root, dict(_listed(listed.stdout)))


@dataclass(frozen=True, slots=True)
class MergeBase:
    """Where the branch of the work tree left a revision. `tip` is the commit of the revision, `commits` are the best
    ones that both have: several where the two were merged crosswise, and `tip` itself where the branch has all of it.
    """

    tip: str
    commits: tuple[str, ...]

    @property
    def is_behind(self) -> bool:
        """Whether the revision has commits that the branch does not have."""
        return self.commits != (self.tip,)


def find_merge_base(project_file: Path, shown: str, revision: str, environ: Mapping[str, str]) -> MergeBase:
    """Where the branch of the work tree left a revision. Raises ReconcilerError."""
    found = _find(project_file, shown, revision, environ)
    # While a merge waits for its commit, the work tree has what is merged in as well.
    heads = [name for name in ("HEAD", "MERGE_HEAD") if found.git.commit(name) is not None]
    if "HEAD" not in heads:
        raise _no_merge_base("the branch of this work tree has no commit yet", "commit the specs first")
    done = found.git.run("merge-base", "--all", found.commit, *heads)
    if done.returncode != 0:
        message = f"this branch and `{revision}` have no commit in common"
        if found.is_shallow:
            raise _no_merge_base(message, _UNSHALLOW, *_SHALLOW)
        advice = "name a revision that this branch comes from, or leave the option out"
        raise _no_merge_base(message, advice, *_complaint(done.stderr))
    return MergeBase(found.commit, tuple(done.stdout.decode("ascii", "replace").split()))


@dataclass(frozen=True, slots=True)
class _Found:
    """A commit of a repository. `root` is the folder of the work tree without symbolic links."""

    git: Git
    root: Path
    commit: str
    is_shallow: bool


def _find(project_file: Path, shown: str, revision: str, environ: Mapping[str, str]) -> _Found:
    if not revision.strip() or revision.startswith("-") or "\0" in revision:
        raise _unknown(f"`{revision}` is not the name of a revision", advice=_EXAMPLE)
    git = Git(project_file.parent, revision, environ)
    where = git.run("rev-parse", "--show-toplevel", "--is-shallow-repository")
    if where.returncode != 0:
        raise _unknown(
            f"`{shown}` is in no git work tree, so there is no revision `{revision}` of it",
            *_complaint(where.stderr),
            advice="run this in a clone of the repository that the specs are in",
        )
    root, _, shallow = os.fsdecode(where.stdout).rstrip("\n").rpartition("\n")
    is_shallow = shallow == "true"
    commit = git.commit(revision)
    if commit is None:
        raise _not_there(git, shown, is_shallow=is_shallow)
    return _Found(git, Path(root).resolve(), commit, is_shallow)


def unusable_revision(revision: str, message: str, *notes: str) -> ReconcilerError:
    """The error for a revision that exists, and whose specs are of no use."""
    return ReconcilerError(
        [
            Diagnostic(
                "unusable-revision",
                message,
                notes=notes,
                help=f"name another revision than `{revision}`, or leave the option that names it out",
            )
        ]
    )


@dataclass(frozen=True, slots=True)
class Git:
    """Runs git in one folder, without a shell, without a terminal and without the environment of this run."""

    folder: Path
    revision: str
    environ: Mapping[str, str]

    def run(self, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """What git says. Raises ReconcilerError only where it cannot be run."""
        passed_on = {name: self.environ[name] for name in _PASSED_ON if name in self.environ}
        try:
            return subprocess.run(
                ["git", *arguments],
                cwd=self.folder,
                env={**passed_on, "GIT_TERMINAL_PROMPT": "0"},
                input=given,
                capture_output=True,
                timeout=_PATIENCE,
                check=False,
            )
        except FileNotFoundError:
            raise _unknown(
                f"revision `{self.revision}` is read by git, which is not installed",
                advice="install git, or leave the option that names a revision out",
            ) from None
        except subprocess.TimeoutExpired:
            raise _unknown(f"git did not find revision `{self.revision}` within {_PATIENCE:g} s") from None
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise _unknown(f"git cannot be run to read revision `{self.revision}`: {reason}") from None

    def commit(self, name: str) -> str | None:
        """The hash of the commit that a name stands for."""
        done = self.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        return done.stdout.decode("ascii", "replace").strip() if done.returncode == 0 else None


def _listed(answer: bytes) -> Iterator[tuple[str, File]]:
    """Files and symbolic links of `git ls-tree -z`. A name that no checkout could have is left out."""
    for line in answer.split(b"\0"):
        about, _, name = line.partition(b"\t")
        mode, _, blob = _words(about, 3)
        path = os.fsdecode(name)
        if mode in _FILES and not path.startswith("/") and ".." not in path.split("/"):
            yield path, File(blob, mode == _LINK)


def _words(line: bytes, count: int) -> list[str]:
    """So many words of a line; empty ones where it has fewer."""
    words = line.decode("ascii", "replace").split()
    return (words + [""] * count)[:count]


def _complaint(answer: bytes) -> tuple[str, ...]:
    """The first line of what git says is wrong."""
    lines = answer.decode("utf-8", "replace").strip().splitlines()
    return (f"git says: {lines[0]}",) if lines else ()


def _not_there(git: Git, shown: str, *, is_shallow: bool) -> ReconcilerError:
    """A revision that the clone does not have. A fresh clone has other people's branches below `origin/` only."""
    name = git.revision
    if git.commit(f"origin/{name}") is not None:
        advice = f"did you mean `origin/{name}`?"
    elif is_shallow:
        advice = _UNSHALLOW
    else:
        advice = _EXAMPLE
    notes = _SHALLOW if is_shallow else ()
    return _unknown(f"the git repository of `{shown}` has no commit `{name}`", *notes, advice=advice)


def _unknown(message: str, *notes: str, advice: str = "") -> ReconcilerError:
    advice = advice or "see that git works here, or leave the option that names a revision out"
    return ReconcilerError([Diagnostic("unknown-revision", message, notes=notes, help=advice)])


def _no_merge_base(message: str, advice: str, *notes: str) -> ReconcilerError:
    what = f"{message}, so what the branch changed is not known"
    return ReconcilerError([Diagnostic("no-merge-base", what, notes=notes, help=advice)])
