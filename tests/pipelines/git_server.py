"""A git server with a repository of specs, and a user's clone of it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from git_repo import run_git

Edit = Callable[[Path], object]

MAY_PUSH = "may-push"
_HOOK = f"""\
#!/bin/sh
test -e "$GIT_DIR/{MAY_PUSH}" || {{ echo "Permission to this repository denied" >&2; exit 1; }}
"""


def replace_text(name: str, old: str, new: str) -> Edit:
    """Return an edit of one file."""

    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        (folder / name).write_text(text.replace(old, new))

    return edit


def write_file(name: str, text: str) -> Edit:
    """Return an edit that adds a file."""
    return lambda folder: (folder / name).write_text(text)


def combine_edits(*edits: Edit) -> Edit:
    """Combine several edits into one."""
    return lambda folder: [edit(folder) for edit in edits]


@dataclass(frozen=True)
class Branch:
    """A proposed branch: its commit, and the merge of the commit into `main` of that time."""

    name: str
    head: str
    base: str
    merge: str


@dataclass(frozen=True)
class PushedCommits:
    """`main` before and after a merge."""

    before: str
    after: str


class GitServer:
    """The repository of the server, and the clone of a user who commits and merges."""

    def __init__(self, folder: Path, contents: Path | None = None) -> None:
        """Create a repository with these files, or open the copy of a repository in an existing folder."""
        self.folder = folder
        self.bare_repo = folder / "server.git"
        self._working_copy = folder / "desk"
        self._pusher_count = 0
        self._pusher_lock = threading.Lock()
        if contents is None:
            run_git(self._working_copy, "remote", "set-url", "origin", self.url)
        else:
            self._initialise(folder, contents)

    def _initialise(self, folder: Path, contents: Path) -> None:
        folder.mkdir()
        shutil.copytree(
            contents, self._working_copy, ignore=shutil.ignore_patterns(".reconciler", "README.md")
        )
        run_git(self._working_copy, "init", "-q")
        run_git(self._working_copy, "add", "-A")
        run_git(self._working_copy, "commit", "-q", "-m", "The specs")
        run_git(folder, "init", "-q", "--bare", str(self.bare_repo))
        run_git(self.bare_repo, "config", "uploadpack.allowAnySHA1InWant", "true")
        hook = self.bare_repo / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(_HOOK)
        hook.chmod(hook.stat().st_mode | stat.S_IEXEC)
        run_git(self._working_copy, "remote", "add", "origin", self.url)
        self._push("main")

    @property
    def url(self) -> str:
        """The clone URL."""
        return self.bare_repo.as_uri()

    @property
    def main_commit(self) -> str:
        """The commit of `main`."""
        return run_git(self.bare_repo, "rev-parse", "refs/heads/main")

    def list_branches(self) -> list[str]:
        """List all branches."""
        return run_git(self.bare_repo, "for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()

    def list_files(self, branch: str) -> list[str]:
        """List the files on a branch; empty if the branch is missing."""
        if branch not in self.list_branches():
            return []
        return run_git(self.bare_repo, "ls-tree", "-r", "--name-only", f"refs/heads/{branch}").splitlines()

    def read_log(self, branch: str) -> str:
        """Read all changes ever written to a branch."""
        return run_git(self.bare_repo, "log", "--patch", "--text", f"refs/heads/{branch}")

    @contextmanager
    def set_push_access(self, allowed: bool) -> Iterator[None]:
        """Allow or refuse pushes within the block, as the token of a job does. A job that runs beside a job with push
        access can push as well; no test depends on that."""
        self._count_pusher(+1 if allowed else 0)
        try:
            yield
        finally:
            self._count_pusher(-1 if allowed else 0)

    def revoke_push_access(self) -> None:
        """Refuse all further pushes, also from running jobs."""
        (self.bare_repo / MAY_PUSH).unlink()

    def _count_pusher(self, more: int) -> None:
        with self._pusher_lock:
            self._pusher_count += more
            if self._pusher_count:
                (self.bare_repo / MAY_PUSH).touch()
            else:
                (self.bare_repo / MAY_PUSH).unlink(missing_ok=True)

    def propose(self, name: str, edit: Edit, *, merge_ref: str) -> Branch:
        """Commit an edit on a branch from `main` (or on top of it, where it exists), and push it. `merge_ref` is
        where the server keeps the merge."""
        if name in run_git(self._working_copy, "branch", "--format=%(refname:short)").splitlines():
            run_git(self._working_copy, "checkout", "-q", name)
        else:
            run_git(self._working_copy, "checkout", "-q", "-b", name, "main")
        edit(self._working_copy)
        run_git(self._working_copy, "add", "-A")
        run_git(self._working_copy, "commit", "-q", "-m", f"Work on {name}")
        head = run_git(self._working_copy, "rev-parse", "HEAD")
        base = run_git(self._working_copy, "rev-parse", "main")
        run_git(self._working_copy, "checkout", "-q", "--detach", "main")
        run_git(self._working_copy, "merge", "-q", "--no-ff", "-m", f"Merge {head} into {base}", head)
        merge = run_git(self._working_copy, "rev-parse", "HEAD")
        self._push(name, f"{merge}:{merge_ref}", force=True)
        return Branch(name, head, base, merge)

    def merge(self, branch: Branch) -> PushedCommits:
        """Merge into `main` as one commit, as the merge button does."""
        before = self.main_commit
        run_git(self._working_copy, "checkout", "-q", "main")
        run_git(self._working_copy, "merge", "-q", "--squash", branch.head)
        run_git(self._working_copy, "commit", "-q", "-m", f"Merge {branch.name}")
        self._push("main")
        return PushedCommits(before, self.main_commit)

    def push_directly(self, edit: Edit) -> PushedCommits:
        """Commit to `main` without a review."""
        before = self.main_commit
        run_git(self._working_copy, "checkout", "-q", "main")
        edit(self._working_copy)
        run_git(self._working_copy, "add", "-A")
        run_git(self._working_copy, "commit", "-q", "-m", "Nobody looked at this")
        self._push("main")
        return PushedCommits(before, self.main_commit)

    def check_out(
        self, folder: Path, ref: str, sha: str, *, depth: int, keeps_credentials: bool = True
    ) -> None:
        """Clone as actions/checkout does: one commit, or all branches with their history for depth 0. Without
        credentials later fetches and pushes fail."""
        folder.mkdir(parents=True)
        run_git(folder, "init", "-q")
        run_git(folder, "remote", "add", "origin", self.url)
        if ref.startswith("refs/heads/"):
            name = ref.removeprefix("refs/heads/")
            target_ref, start = f"refs/remotes/origin/{name}", ["-B", name]
        else:
            target_ref, start = f"refs/remotes/{ref.removeprefix('refs/')}", ["--detach"]
        if depth:
            run_git(folder, "fetch", "-q", f"--depth={depth}", "origin", f"+{sha}:{target_ref}")
        else:
            run_git(folder, "fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*")
            run_git(folder, "fetch", "-q", "origin", f"+{sha}:{target_ref}")
        run_git(folder, "checkout", "-q", "--force", *start, target_ref)
        if not keeps_credentials:
            run_git(folder, "remote", "set-url", "origin", "file:///nobody/is/let/in")

    def _push(self, *refs: str, force: bool = False) -> None:
        with self.set_push_access(True):
            run_git(self._working_copy, "push", "-q", *(["--force"] if force else []), "origin", *refs)


def run_script(
    script: str, shell: list[str], folder: Path, environ: dict[str, str], seconds: float = 120
) -> tuple[int, str]:
    """Run lines of a pipeline; return the exit code and both streams in the order of their writes."""
    file = folder.parent / f"script-{os.urandom(4).hex()}.sh"
    file.write_text(script)
    command = [str(file) if word == "{0}" else word for word in shell]
    completed = subprocess.run(
        command,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    return completed.returncode, completed.stdout
