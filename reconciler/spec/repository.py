"""Read files of a commit in the git repository of a project file.

`git ls-tree` lists the names and `git cat-file` reads the contents, byte for byte: `git archive` would omit or rewrite
files by `.gitattributes`, and accept only as many names as fit on a command line.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.runtime.git import (
    TRUST_ADVICE,
    GitError,
    GitNotInstalledError,
    GitRunner,
    GitTimeoutError,
    Result,
)

_TIMEOUT = 60.0
"""Seconds for one git command. In a partial clone it also fetches missing objects."""
_LINK_MODE = "120000"
_FILE_MODES = ("100644", "100755", _LINK_MODE)
_MAX_LINKS = 40  # on one path, as in Linux; links may form a loop
_REVISION_ADVICE = "name a branch, a tag or a commit, such as `origin/main`"
_UNSHALLOW_ADVICE = (
    "fetch the history first: `git fetch --unshallow`, or `fetch-depth: 0` for actions/checkout"
)
_SHALLOW_NOTES = ("this clone is shallow: it has only the last commits",)


@dataclass(frozen=True, slots=True)
class CommittedFile:
    """A file or a symbolic link of a commit. `blob` is the hash of its content."""

    blob: str
    is_link: bool


@dataclass(frozen=True, slots=True)
class Repository:
    """One commit of a repository. `root` is the folder of the work tree without symbolic links; `files` are by path
    from `root`.
    """

    git: RevisionReader
    root: Path
    files: Mapping[str, CommittedFile]

    @property
    def revision(self) -> str:
        """Return the name by which the user selected the commit."""
        return self.git.revision

    def read_contents(self, names: Collection[str]) -> dict[str, bytes]:
        """Read the contents of files, and of the targets of symbolic links; a link contains the path of its target.

        A link that leads out of the repository, or to no file, is left out. Raises ReconcilerError.
        """
        contents: dict[str, bytes] = {}
        missing = set(names)
        while missing:
            fresh = self._read(sorted(missing))
            targets = {name: self._resolve_link(name, content) for name, content in fresh.items()}
            contents |= {name: fresh[name] for name, target in targets.items() if target in self.files}
            missing = {*targets.values()} & self.files.keys() - contents.keys()
        return contents

    def find_folder_links(self, is_wanted: Callable[[str], bool]) -> dict[str, str]:
        """Find the wanted symbolic links to folders of the repository, each with the path of its folder. Raises
        ReconcilerError."""
        links = sorted(name for name, file in self.files.items() if file.is_link and is_wanted(name))
        if not links:
            return {}
        folders = {parent for name in self.files for parent in _list_parents(name)}
        targets = {name: self._resolve_link(name, content) for name, content in self._read(links).items()}
        return {name: target for name, target in targets.items() if target in folders}

    def follow_links(self, name: str) -> str | None:
        """Follow the symbolic links on the path of a file, to files and to folders. None if they lead to no file of the
        repository. Raises ReconcilerError."""
        for _ in range(_MAX_LINKS):
            link = next((part for part in (name, *_list_parents(name)) if self._is_link(part)), None)
            if link is None:
                return name if name in self.files else None
            target = self._resolve_link(link, self._read([link])[link])
            name = f"{target}{name.removeprefix(link)}"
            if name.startswith(("/", "../")):
                break
        return None

    def _is_link(self, name: str) -> bool:
        return name in self.files and self.files[name].is_link

    def _resolve_link(self, name: str, content: bytes) -> str:
        """Resolve a link to its target; a file to itself."""
        if not self.files[name].is_link:
            return name
        return posixpath.normpath(posixpath.join(posixpath.dirname(name), os.fsdecode(content)))

    def _read(self, names: list[str]) -> dict[str, bytes]:
        request = "".join(f"{self.files[name].blob}\n" for name in names)
        result = self.git.run("cat-file", "--batch", stdin=request.encode())
        output = BytesIO(result.out)
        contents = {}
        for name in names:
            blob, kind, size = _split_words(output.readline(), 3)  # the content and a line end follow
            if blob != self.files[name].blob or kind != "blob":
                message = f"git cannot read `{name}` of revision `{self.revision}`"
                raise build_unusable_revision_error(self.revision, message, *result.error_notes)
            contents[name] = output.read(int(size))
            output.read(1)
        return contents


def open_repository(project_file: Path, shown: str, revision: str, environ: Mapping[str, str]) -> Repository:
    """Open the repository of a project file at a revision; messages call the file `shown`. Raises ReconcilerError."""
    resolved = _resolve_revision(project_file, shown, revision, environ)
    result = resolved.git.run("ls-tree", "-r", "-z", "--full-tree", resolved.commit)
    if result.code != 0:
        message = f"git cannot list the files of revision `{revision}`"
        raise build_unusable_revision_error(revision, message, *result.error_notes)
    return Repository(resolved.git, resolved.root, dict(_parse_tree(result.out)))


@dataclass(frozen=True, slots=True)
class MergeBase:
    """Commits at which the branch of the work tree left a revision. `tip` is the commit of the revision, `commits` are
    the best common commits: several after criss-cross merges, and `tip` itself if the branch has all its commits."""

    tip: str
    commits: tuple[str, ...]

    @property
    def is_behind(self) -> bool:
        """Return whether the revision has commits that the branch does not have."""
        return self.commits != (self.tip,)


def find_merge_base(project_file: Path, shown: str, revision: str, environ: Mapping[str, str]) -> MergeBase:
    """Find the commits at which the branch of the work tree left a revision. Raises ReconcilerError."""
    resolved = _resolve_revision(project_file, shown, revision, environ)
    # While a merge waits for its commit, the work tree has the merged branch as well.
    heads = [name for name in ("HEAD", "MERGE_HEAD") if resolved.git.find_commit(name) is not None]
    if "HEAD" not in heads:
        raise _build_no_merge_base_error(
            "the branch of this work tree has no commit yet", "commit the specs first"
        )
    result = resolved.git.run("merge-base", "--all", resolved.commit, *heads)
    if result.code != 0:
        message = f"this branch and `{revision}` have no commit in common"
        if resolved.is_shallow:
            raise _build_no_merge_base_error(message, _UNSHALLOW_ADVICE, *_SHALLOW_NOTES)
        advice = "name a revision that this branch comes from, or leave the option out"
        raise _build_no_merge_base_error(message, advice, *result.error_notes)
    return MergeBase(resolved.commit, tuple(result.out.decode("ascii", "replace").split()))


@dataclass(frozen=True, slots=True)
class _ResolvedCommit:
    """A commit of a repository. `root` is the folder of the work tree without symbolic links."""

    git: RevisionReader
    root: Path
    commit: str
    is_shallow: bool


def _resolve_revision(
    project_file: Path, shown: str, revision: str, environ: Mapping[str, str]
) -> _ResolvedCommit:
    if not revision.strip() or revision.startswith("-") or "\0" in revision:
        raise _build_unknown_revision_error(
            f"`{revision}` is not the name of a revision", advice=_REVISION_ADVICE
        )
    git = RevisionReader(GitRunner(project_file.parent, environ, _TIMEOUT), revision)
    result = git.run("rev-parse", "--show-toplevel", "--is-shallow-repository")
    if result.code != 0:
        raise _build_no_work_tree_error(result, shown, revision)
    root, _, shallow = os.fsdecode(result.out).rstrip("\n").rpartition("\n")
    is_shallow = shallow == "true"
    result = git.parse(revision)
    if result.code != 0:
        raise _build_missing_commit_error(git, shown, result, is_shallow=is_shallow)
    return _ResolvedCommit(git, Path(root).resolve(), _decode_hash(result), is_shallow)


class UnusableRevisionError(ReconcilerError):
    """Error of a revision that exists, but has unusable specs."""


def build_unusable_revision_error(revision: str, message: str, *notes: str) -> UnusableRevisionError:
    """Build the error for a revision that exists, but has unusable specs."""
    return UnusableRevisionError(
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
class RevisionReader:
    """Reader of a revision by git. If git cannot be run, the error names the revision."""

    runner: GitRunner
    revision: str

    def run(self, *arguments: str, stdin: bytes = b"") -> Result:
        """Run a git command and return its result, also of a failed command. Raises ReconcilerError if git cannot be
        run."""
        try:
            return self.runner.run(*arguments, stdin=stdin)
        except GitError as error:
            raise self._to_reconciler_error(error) from None

    def parse(self, name: str) -> Result:
        """Resolve a name to a commit: the result has its hash, or is a failure."""
        return self.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")

    def find_commit(self, name: str) -> str | None:
        """Find the hash of the commit with a name; None if there is no such commit."""
        result = self.parse(name)
        return _decode_hash(result) if result.code == 0 else None

    def _to_reconciler_error(self, error: GitError) -> ReconcilerError:
        match error:
            case GitNotInstalledError():
                return _build_unknown_revision_error(
                    f"revision `{self.revision}` is read by git, which is not installed",
                    advice="install git, or leave the option that names a revision out",
                )
            case GitTimeoutError():
                return _build_unknown_revision_error(
                    f"git did not find revision `{self.revision}` within {_TIMEOUT:g} s"
                )
        return _build_unknown_revision_error(
            f"git cannot be run to read revision `{self.revision}`: {error.reason.lower()}"
        )


def _decode_hash(result: Result) -> str:
    return result.out.decode("ascii", "replace").strip()


def _parse_tree(output: bytes) -> Iterator[tuple[str, CommittedFile]]:
    """Parse files and symbolic links in the output of `git ls-tree -z`. A name that no checkout could have is left
    out."""
    for line in output.split(b"\0"):
        attributes, _, name = line.partition(b"\t")
        mode, _, blob = _split_words(attributes, 3)
        path = os.fsdecode(name)
        if mode in _FILE_MODES and not path.startswith("/") and ".." not in path.split("/"):
            yield path, CommittedFile(blob, mode == _LINK_MODE)


def _list_parents(name: str) -> Iterator[str]:
    """List the folders of a file, without the root of the repository."""
    while name := posixpath.dirname(name):
        yield name


def _split_words(line: bytes, count: int) -> list[str]:
    """Split off the first words of a line, filled up with empty words."""
    words = line.decode("ascii", "replace").split()
    return (words + [""] * count)[:count]


def _build_no_work_tree_error(result: Result, shown: str, revision: str) -> ReconcilerError:
    """Build the error for a folder in no repository, or in a repository of another user that git refuses to read."""
    if result.is_untrusted:
        return _build_unknown_revision_error(
            f"git does not trust the repository of `{shown}`, so it reads no revision `{revision}` of it",
            *result.error_notes,
            advice=TRUST_ADVICE,
        )
    return _build_unknown_revision_error(
        f"`{shown}` is in no git work tree, so there is no revision `{revision}` of it",
        *result.error_notes,
        advice="run this in a clone of the repository that the specs are in",
    )


def _build_missing_commit_error(
    git: RevisionReader, shown: str, result: Result, *, is_shallow: bool
) -> ReconcilerError:
    """Build the error for a revision that the clone lacks. A fresh clone has the branches of other users only below
    `origin/`."""
    name = git.revision
    if git.find_commit(f"origin/{name}") is not None:
        advice = f"did you mean `origin/{name}`?"
    elif is_shallow:
        advice = _UNSHALLOW_ADVICE
    else:
        advice = _REVISION_ADVICE
    notes = (*result.error_notes, *(_SHALLOW_NOTES if is_shallow else ()))
    return _build_unknown_revision_error(
        f"the git repository of `{shown}` has no commit `{name}`", *notes, advice=advice
    )


def _build_unknown_revision_error(message: str, *notes: str, advice: str = "") -> ReconcilerError:
    advice = advice or "check that git works here, or leave the option that names a revision out"
    return ReconcilerError([Diagnostic("unknown-revision", message, notes=notes, help=advice)])


def _build_no_merge_base_error(message: str, advice: str, *notes: str) -> ReconcilerError:
    full_message = f"{message}, so the changes of the branch are not known"
    return ReconcilerError([Diagnostic("no-merge-base", full_message, notes=notes, help=advice)])
