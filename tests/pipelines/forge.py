"""A git server with a repository of specs, and the people who work with it."""

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

from git_folder import git

Edit = Callable[[Path], object]

MAY_PUSH = "may-push"
_HOOK = f"""\
#!/bin/sh
test -e "$GIT_DIR/{MAY_PUSH}" || {{ echo "Permission to this repository denied" >&2; exit 1; }}
"""


def replaced(name: str, old: str, new: str) -> Edit:
    """An edit of one file."""

    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        (folder / name).write_text(text.replace(old, new))

    return edit


def written(name: str, text: str) -> Edit:
    """A new file."""
    return lambda folder: (folder / name).write_text(text)


def both(*edits: Edit) -> Edit:
    """Several edits, one after the other."""
    return lambda folder: [edit(folder) for edit in edits]


@dataclass(frozen=True)
class Branch:
    """What somebody proposes: the commit, and the merge of it into `main` as it was then."""

    name: str
    head: str
    base: str
    merge: str


@dataclass(frozen=True)
class Pushed:
    """`main` before and after a merge."""

    before: str
    after: str


class Forge:
    """The server's repository, and the clone of a person who commits and merges."""

    def __init__(self, folder: Path, contents: Path | None = None) -> None:
        """Begin with these files; or go on in a folder that is there already, a copy of another one's."""
        self.folder = folder
        self.server = folder / "server.git"
        self._desk = folder / "desk"
        self._pushing = 0
        self._changing = threading.Lock()
        if contents is None:
            git(self._desk, "remote", "set-url", "origin", self.url)
        else:
            self._begin(folder, contents)

    def _begin(self, folder: Path, contents: Path) -> None:
        folder.mkdir()
        shutil.copytree(contents, self._desk, ignore=shutil.ignore_patterns(".reconciler", "README.md"))
        git(self._desk, "init", "-q")
        git(self._desk, "add", "-A")
        git(self._desk, "commit", "-q", "-m", "The specs")
        git(folder, "init", "-q", "--bare", str(self.server))
        git(self.server, "config", "uploadpack.allowAnySHA1InWant", "true")
        hook = self.server / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(_HOOK)
        hook.chmod(hook.stat().st_mode | stat.S_IEXEC)
        git(self._desk, "remote", "add", "origin", self.url)
        self._push("main")

    @property
    def url(self) -> str:
        """Where clients clone from."""
        return self.server.as_uri()

    @property
    def main(self) -> str:
        """The commit that `main` is at."""
        return git(self.server, "rev-parse", "refs/heads/main")

    def branches(self) -> list[str]:
        """What branches there are."""
        return git(self.server, "for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()

    def files(self, branch: str) -> list[str]:
        """What is on a branch; nothing where there is none."""
        if branch not in self.branches():
            return []
        return git(self.server, "ls-tree", "-r", "--name-only", f"refs/heads/{branch}").splitlines()

    def content(self, branch: str) -> str:
        """Everything that was ever written to a branch."""
        return git(self.server, "log", "--patch", "--text", f"refs/heads/{branch}")

    @contextmanager
    def pushes(self, allowed: bool) -> Iterator[None]:
        """Whether whoever comes in this block may push, as the token of a job says. A job that runs at the same time
        as one that may push may do it as well, which no test here depends on."""
        self._count_pusher(+1 if allowed else 0)
        try:
            yield
        finally:
            self._count_pusher(-1 if allowed else 0)

    def close(self) -> None:
        """Let nobody push any more, whoever is at work."""
        (self.server / MAY_PUSH).unlink()

    def _count_pusher(self, more: int) -> None:
        with self._changing:
            self._pushing += more
            if self._pushing:
                (self.server / MAY_PUSH).touch()
            else:
                (self.server / MAY_PUSH).unlink(missing_ok=True)

    def propose(self, name: str, edit: Edit, *, merge_ref: str) -> Branch:
        """Commit an edit on a branch from `main` (or on top of it, where it exists), and push it. `merge_ref` is
        where the server keeps the merge."""
        if name in git(self._desk, "branch", "--format=%(refname:short)").splitlines():
            git(self._desk, "checkout", "-q", name)
        else:
            git(self._desk, "checkout", "-q", "-b", name, "main")
        edit(self._desk)
        git(self._desk, "add", "-A")
        git(self._desk, "commit", "-q", "-m", f"Work on {name}")
        head = git(self._desk, "rev-parse", "HEAD")
        base = git(self._desk, "rev-parse", "main")
        git(self._desk, "checkout", "-q", "--detach", "main")
        git(self._desk, "merge", "-q", "--no-ff", "-m", f"Merge {head} into {base}", head)
        merge = git(self._desk, "rev-parse", "HEAD")
        self._push(name, f"{merge}:{merge_ref}", force=True)
        return Branch(name, head, base, merge)

    def merge(self, branch: Branch) -> Pushed:
        """Merge into `main` as one commit, as the button does."""
        before = self.main
        git(self._desk, "checkout", "-q", "main")
        git(self._desk, "merge", "-q", "--squash", branch.head)
        git(self._desk, "commit", "-q", "-m", f"Merge {branch.name}")
        self._push("main")
        return Pushed(before, self.main)

    def push_directly(self, edit: Edit) -> Pushed:
        """Commit to `main` without asking anybody."""
        before = self.main
        git(self._desk, "checkout", "-q", "main")
        edit(self._desk)
        git(self._desk, "add", "-A")
        git(self._desk, "commit", "-q", "-m", "Nobody looked at this")
        self._push("main")
        return Pushed(before, self.main)

    def check_out(
        self, folder: Path, ref: str, sha: str, *, depth: int, keeps_credentials: bool = True
    ) -> None:
        """A fresh clone as actions/checkout makes it: one commit, or all branches with their history for depth 0.
        Without credentials nothing can be fetched or pushed later on."""
        folder.mkdir(parents=True)
        git(folder, "init", "-q")
        git(folder, "remote", "add", "origin", self.url)
        if ref.startswith("refs/heads/"):
            name = ref.removeprefix("refs/heads/")
            wanted, start = f"refs/remotes/origin/{name}", ["-B", name]
        else:
            wanted, start = f"refs/remotes/{ref.removeprefix('refs/')}", ["--detach"]
        if depth:
            git(folder, "fetch", "-q", f"--depth={depth}", "origin", f"+{sha}:{wanted}")
        else:
            git(folder, "fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*")
            git(folder, "fetch", "-q", "origin", f"+{sha}:{wanted}")
        git(folder, "checkout", "-q", "--force", *start, wanted)
        if not keeps_credentials:
            git(folder, "remote", "set-url", "origin", "file:///nobody/is/let/in")

    def _push(self, *refs: str, force: bool = False) -> None:
        with self.pushes(True):
            git(self._desk, "push", "-q", *(["--force"] if force else []), "origin", *refs)


def run_script(
    script: str, shell: list[str], folder: Path, environ: dict[str, str], seconds: float = 120
) -> tuple[int, str]:
    """Run lines of a pipeline; the exit code and both streams, in the order in which they were written."""
    file = folder.parent / f"script-{os.urandom(4).hex()}.sh"
    file.write_text(script)
    command = [str(file) if word == "{0}" else word for word in shell]
    done = subprocess.run(
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
    return done.returncode, done.stdout
