"""A state in git: a branch of its own, on which every write is a commit.

A write is a push that names the commit it builds on, and a server takes it only if the branch still stands there.
Where another project that shares the branch was faster, the write is made again on top of its commit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from reconciler.model.place import GitPlace
from reconciler.state.git_commands import Done, GitCommands
from reconciler.state.patience import Patience
from reconciler.state.shelf import ChangedError, RemoteError, Surroundings, UnusableError

_TRIES = 12
_PAUSE = 0.2
_SEEN = "refs/seen"
_OURS = re.compile(r"([^/]+\.)?state\.json(\.lock)?|README(\.md)?")


class GitShelf:
    """The files at the top of a branch. One that does not exist yet is made by the first write."""

    def __init__(self, place: GitPlace, surroundings: Surroundings) -> None:
        self._branch = f"refs/heads/{place.branch}"
        self._around = surroundings
        self._git = GitCommands(place, surroundings)
        self._tip = ""  # the commit of the branch; empty where there is no branch
        self._files: dict[str, str] = {}  # all of that commit: hash by name
        self._seen: dict[str, str | None] = {}  # those that were asked for
        self._perhaps: dict[str, set[str | None]] = {}  # pushed, as far as anybody knows

    def read(self, *names: str) -> dict[str, bytes | None]:
        """What the files hold now. Raises RemoteError."""
        self._look()
        for name in names:
            self._seen[name] = self._files.get(name)
            self._perhaps.pop(name, None)
        return {name: self._content(self._files.get(name)) for name in names}

    def peek(self, name: str) -> bytes | None:
        """What a file held when the branch was last looked at. Raises RemoteError."""
        return self._content(self._files.get(name))

    def write(self, changes: Mapping[str, bytes | None], told: str) -> None:
        """Replace files in one commit. Raises RemoteError, and ChangedError where one is not as it was last seen."""
        blobs = {name: self._blob(content) for name, content in changes.items()}
        for name, blob in blobs.items():
            self._perhaps.setdefault(name, {self._seen[name]}).add(blob)
        for attempt in range(_TRIES):
            # The branch may have been looked at since these files were read.
            if any(self._files.get(name) not in self._perhaps[name] for name in blobs):
                raise ChangedError("somebody else wrote to it in the meantime")
            done, built_on = self._push(self._commit(blobs, told)), self._tip
            if done.code != 0:
                self._look()
            # A push whose answer was lost may have come through.
            if done.code == 0 or all(self._files.get(name) == blob for name, blob in blobs.items()):
                self._seen |= blobs
                self._perhaps.clear()
                return
            if self._tip == built_on:
                raise RemoteError(
                    done.complaint,
                    f"see that the branch `{self._branch[11:]}` may be pushed to with these credentials",
                    done.words,
                )
            self._around.clock.sleep(_PAUSE * (attempt + 1))
        raise RemoteError("others write to its branch all the time")

    def is_as_seen(self, name: str) -> bool:
        """Whether a file is as it was last read or written here. Raises RemoteError."""
        self._look()
        return self._files.get(name) in self._perhaps.get(name, {self._seen[name]})

    def stamp(self, name: str, patience: Patience) -> str:
        """Where the branch stands: others may write other files. Raises RemoteError."""
        return self._top(patience)

    def known_stamp(self, name: str) -> str:
        """Where the branch stood when it was last looked at."""
        return self._tip

    def prove(self, name: str) -> None:
        """A server of git takes no push that does not build on what is there."""

    def _top(self, patience: Patience | None = None) -> str:
        listed = self._git.must("ls-remote", "--quiet", self._git.remote, self._branch, patience=patience)
        tips = [line.split("\t")[0] for line in _decoded(listed) if line.endswith("\t" + self._branch)]
        return tips[0] if tips else ""

    def _look(self) -> None:
        """Where the branch stands now, and which files it has."""
        top = self._top()
        if not top:
            self._tip, self._files = "", {}
        elif top != self._tip:
            depth = ("--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
            self._git.must("fetch", "--quiet", *depth, self._git.remote, f"+{self._branch}:{_SEEN}")
            tip = _decoded(self._git.must("rev-parse", "--verify", _SEEN))[0]
            self._files = self._listed(tip)
            self._tip = tip

    def _listed(self, commit: str) -> dict[str, str]:
        """The files of a commit. Raises UnusableError for a branch that is there for something else."""
        files = {}
        for line in os.fsdecode(self._git.must("ls-tree", "-z", commit)).split("\0")[:-1]:
            about, _, name = line.partition("\t")
            files[name] = about.split()[2]
        others = sorted(name for name in files if not _OURS.fullmatch(name))
        if others:
            raise UnusableError(
                f"the branch holds other files, such as `{others[0]}`",
                "name a branch that is there for states only; one that does not exist is made",
            )
        return files

    def _content(self, blob: str | None) -> bytes | None:
        return None if blob is None else self._git.must("cat-file", "blob", blob)

    def _blob(self, content: bytes | None) -> str | None:
        if content is None:
            return None
        return _decoded(self._git.must("hash-object", "-w", "--stdin", given=content))[0]

    def _commit(self, blobs: Mapping[str, str | None], told: str) -> tuple[str, dict[str, str]]:
        """A new commit on top of the branch as it was last seen, with its files."""
        files = {name: blob for name, blob in {**self._files, **blobs}.items() if blob is not None}
        lines = "".join(f"100644 blob {blob}\t{name}\0" for name, blob in sorted(files.items()))
        tree = _decoded(self._git.must("mktree", "-z", given=os.fsencode(lines)))[0]
        holder = self._around.holder
        who = f"By {holder.user} on {holder.host}, process {holder.pid}, since {holder.since}"
        message = f"{holder.doing}: {next(iter(blobs)).removesuffix('.lock')}, {told}\n\n{who}\n"
        parents = ("-p", self._tip) if self._tip else ()
        made = self._git.must("commit-tree", tree, *parents, given=message.encode("utf-8", "replace"))
        return _decoded(made)[0], files

    def _push(self, made: tuple[str, dict[str, str]]) -> Done:
        """Let the branch stand at a new commit, if it still stands where it was last seen."""
        commit, files = made
        done = self._git.run(
            "push",
            "--porcelain",
            "--no-verify",
            "--no-signed",
            "--no-follow-tags",
            "--recurse-submodules=no",
            f"--force-with-lease={self._branch}:{self._tip}",
            self._git.remote,
            f"{commit}:{self._branch}",
        )
        if done.code == 0:
            self._tip, self._files = commit, files
        return done


def _decoded(answer: bytes) -> list[str]:
    return answer.decode("utf-8", "replace").splitlines()
