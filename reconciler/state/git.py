"""Keep a state in git: in a branch of its own, on which every write is a commit.

A write is a push that names the commit it builds on, and a server accepts it only if the branch still has that commit.
If another project that shares the branch was faster, the write is repeated on top of its commit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping

from reconciler.model.state_location import GitBranch
from reconciler.runtime.deadline import ShutdownDeadline
from reconciler.runtime.git import Result
from reconciler.state.backend import (
    BackendContext,
    BackendError,
    ConflictError,
    RateLimitedError,
    UnusableBackendError,
)
from reconciler.state.git_errors import build_error
from reconciler.state.scratch_repository import ScratchRepository

_MAX_ATTEMPTS = 12
_RETRY_PAUSE = 0.2
_FETCHED_REF = "refs/seen"
_STATE_FILE_NAME = re.compile(r"([^/]+\.)?state\.json(\.lock|\.reads)?|README(\.md)?")


class GitBackend:
    """Backend with the files in the last commit of a branch. The first write creates a missing branch."""

    writes_together = True  # in one commit

    def __init__(self, location: GitBranch, context: BackendContext) -> None:
        self._branch = f"refs/heads/{location.branch}"
        self._context = context
        self._git = ScratchRepository(location, context)
        self._tip = ""  # the commit of the branch; empty if there is no branch
        self._files: dict[str, str] = {}  # all files of that commit: hash by name
        self._known: dict[str, str | None] = {}  # hashes as of the last read or write of each file
        self._possibly_written: dict[str, set[str | None]] = {}  # contents that a push may have written

    def read(self, *names: str) -> dict[str, bytes | None]:
        """Read the contents of the files now. Raises BackendError."""
        self._refresh()
        for name in names:
            self._known[name] = self._files.get(name)
            self._possibly_written.pop(name, None)
        return {name: self._read_blob(self._files.get(name)) for name in names}

    def peek(self, name: str) -> bytes | None:
        """Return the content of a file as of the last request. Raises BackendError."""
        return self._read_blob(self._files.get(name))

    def list_beside(self, name: str) -> dict[str, str]:
        """List the other files as of the last request: a push that is accepted builds on all earlier pushes, so a list
        after it has what they have written. Sends nothing."""
        return {other: blob for other, blob in self._files.items() if other != name}

    def read_beside(self, names: Collection[str]) -> dict[str, bytes | BackendError]:
        """Read files as of the last request, by one command."""
        files = self._files
        blobs = {name: files[name] for name in names if name in files}
        try:
            contents = self._read_blobs(list(blobs.values()))
        except BackendError as error:
            return dict.fromkeys(blobs, error)
        return dict(zip(blobs, contents, strict=True))

    def write(self, changes: Mapping[str, bytes | None], message: str) -> None:
        """Replace files in one commit. Raises BackendError, and ConflictError if a file is not as it was last seen."""
        blobs = {name: self._write_blob(content) for name, content in changes.items()}
        for name, blob in blobs.items():
            self._possibly_written.setdefault(name, {self._known[name]}).add(blob)
        backoff = self._git.start_backoff()
        for attempt in range(_MAX_ATTEMPTS):
            # Another call may have refreshed the branch since these files were read.
            if any(self._files.get(name) not in self._possibly_written[name] for name in blobs):
                raise ConflictError("another run wrote to it in the meantime")
            result, base = self._push(self._create_commit(blobs, message)), self._tip
            if result.code != 0:
                self._refresh()
            # A push without an answer may have been carried out.
            if result.code == 0 or all(self._files.get(name) == blob for name, blob in blobs.items()):
                self._known |= blobs
                self._possibly_written.clear()
                return
            if self._tip == base:
                error = build_error(
                    result, f"see that these credentials may push to the branch `{self._branch[11:]}`"
                )
                if not isinstance(error, RateLimitedError) or not backoff.wait(is_rate_limit=True):
                    raise error
                continue
            self._context.clock.sleep(_RETRY_PAUSE * (attempt + 1))
        raise BackendError("other runs write to its branch all the time")

    def is_unchanged(self, name: str) -> bool:
        """Check whether a file is as it was last read or written here. Raises BackendError."""
        self._refresh()
        return self._files.get(name) in self._possibly_written.get(name, {self._known[name]})

    def version(self, name: str, deadline: ShutdownDeadline) -> str:
        """Look up the commit of the branch, which changes with other files, too. Raises BackendError."""
        return self._query_tip(deadline)

    def known_version(self, name: str) -> str:
        """Return the commit of the branch as of the last request."""
        return self._tip

    def delete(self, name: str) -> None:
        """Delete the branch with all its files, if it still has the known commit. Raises BackendError."""
        result = self._git.run(
            "push",
            "--porcelain",
            "--no-verify",
            f"--force-with-lease={self._branch}:{self._tip}",
            self._git.remote,
            f":{self._branch}",
        )
        if result.code != 0:
            raise build_error(result, f"delete the branch `{self._branch[11:]}` there")
        self._tip, self._files = "", {}

    def verify_conditional_writes(self, name: str) -> None:
        """Do nothing: a git server refuses every push that does not build on the commit of the branch."""

    def _query_tip(self, deadline: ShutdownDeadline | None = None) -> str:
        output = self._git.check_output(
            "ls-remote", "--quiet", self._git.remote, self._branch, deadline=deadline
        )
        tips = [line.split("\t")[0] for line in _decode_lines(output) if line.endswith("\t" + self._branch)]
        return tips[0] if tips else ""

    def _refresh(self) -> None:
        """Look up the commit of the branch and its files."""
        remote_tip = self._query_tip()
        if not remote_tip:
            self._tip, self._files = "", {}
        elif remote_tip != self._tip:
            depth = ("--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
            self._git.check_output(
                "fetch", "--quiet", *depth, self._git.remote, f"+{self._branch}:{_FETCHED_REF}"
            )
            tip = _decode_lines(self._git.check_output("rev-parse", "--verify", _FETCHED_REF))[0]
            self._files = self._list_files(tip)
            self._tip = tip

    def _list_files(self, commit: str) -> dict[str, str]:
        """List the files of a commit. Raises UnusableBackendError for a branch that holds other files."""
        files = {}
        for line in os.fsdecode(self._git.check_output("ls-tree", "-z", commit)).split("\0")[:-1]:
            attributes, _, name = line.partition("\t")
            files[name] = attributes.split()[2]
        foreign = sorted(name for name in files if not _STATE_FILE_NAME.fullmatch(name))
        if foreign:
            raise UnusableBackendError(
                f"the branch holds other files, such as `{foreign[0]}`",
                "name a branch for states only; a missing branch is created",
            )
        return files

    def _read_blob(self, blob: str | None) -> bytes | None:
        return None if blob is None else self._git.check_output("cat-file", "blob", blob)

    def _read_blobs(self, blobs: list[str]) -> list[bytes]:
        """Read blobs by one command. Raises BackendError."""
        output = self._git.check_output(
            "cat-file", "--batch", stdin="".join(f"{blob}\n" for blob in blobs).encode()
        )
        contents, start = [], 0
        for blob in blobs:
            header, _, _ = output[start:].partition(b"\n")
            size = header.split()[-1]
            if not size.isdigit():
                raise BackendError(f"the object {blob} of its branch is missing")
            start += len(header) + 1
            contents.append(output[start : start + int(size)])
            start += int(size) + 1
        return contents

    def _write_blob(self, content: bytes | None) -> str | None:
        if content is None:
            return None
        return _decode_lines(self._git.check_output("hash-object", "-w", "--stdin", stdin=content))[0]

    def _create_commit(self, blobs: Mapping[str, str | None], summary: str) -> tuple[str, dict[str, str]]:
        """Create a commit on top of the known commit of the branch. Returns its hash and its files."""
        files = {name: blob for name, blob in {**self._files, **blobs}.items() if blob is not None}
        lines = "".join(f"100644 blob {blob}\t{name}\0" for name, blob in sorted(files.items()))
        tree = _decode_lines(self._git.check_output("mktree", "-z", stdin=os.fsencode(lines)))[0]
        holder = self._context.holder
        signature = f"By {holder.user} on {holder.host}, process {holder.pid}, since {holder.since}"
        message = f"{holder.doing}: {next(iter(blobs)).removesuffix('.lock')}, {summary}\n\n{signature}\n"
        parents = ("-p", self._tip) if self._tip else ()
        output = self._git.check_output(
            "commit-tree", tree, *parents, stdin=message.encode("utf-8", "replace")
        )
        return _decode_lines(output)[0], files

    def _push(self, created: tuple[str, dict[str, str]]) -> Result:
        """Move the branch to a new commit, if the branch still has the known commit."""
        commit, files = created
        result = self._git.run(
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
        if result.code == 0:
            self._tip, self._files = commit, files
        return result


def _decode_lines(output: bytes) -> list[str]:
    return output.decode("utf-8", "replace").splitlines()
