"""Parse the place of a state, which `state:` in a project file names.

    .reconciler/state.json                      a file of this machine
    git:REMOTE/BRANCH                           a branch behind a remote of the project's own repository
    git:URL.git/BRANCH · git:URL/BRANCH         a branch of any other repository
    s3://BUCKET/KEY · gs:// · az://             an object

The name of a remote ends at the first `/`, and the branch is the rest. Behind a URL or a path the branch follows
`.git/`, or the last `/` if there is no such part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.model.home_path import HOME_ADVICE, HOME_PROBLEM, starts_at_home

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):")
_OBJECT = re.compile(r"(?P<scheme>s3|gs|az)://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]*)/(?P<key>[^\s\\?#]+)")
_URL = re.compile(r"(https?|ssh|git|file)://\S+")
_SCP = re.compile(r"([A-Za-z0-9._-]+@)?[A-Za-z0-9._-]{2,}:(?!:)[^\s:]\S*")
_REMOTE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]*@")
_USER = re.compile(r"(https?://)[^/@\s]+@")
_INVALID_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|^[-/.]|[/.]$")
_EXAMPLES = "write a path, `git:origin/fivetran-state` or `s3://bucket/state.json`"


class StateLocationError(ValueError):
    """Error for a text that names no place of a state. `advice` is one remedy. With `secret` the text must not be
    shown."""

    def __init__(self, message: str, advice: str, *, secret: bool = False) -> None:
        super().__init__(message)
        self.advice = advice
        self.secret = secret


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file, by a path relative to the project file."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class GitBranch:
    """A branch of a repository: behind the remote of this name if `is_remote`, else at this URL or path."""

    repository: str
    branch: str
    is_remote: bool

    def __str__(self) -> str:
        repository = _USER.sub(r"\1", self.repository)  # a token may stand there without a user name
        return f"git:{repository}/{self.branch}"


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """An object of a bucket (of Azure: of a container)."""

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}"


StateLocation: TypeAlias = LocalFile | GitBranch | ObjectKey


def parse_state_location(text: str) -> StateLocation:
    """Parse a place. Raises StateLocationError, whose message repeats nothing of the text."""
    if _PASSWORD.search(text):
        raise StateLocationError(
            "a password does not belong here",
            "leave it out: git's own credential helper, an SSH key or the environment provides it",
            secret=True,
        )
    if starts_at_home(text):
        raise StateLocationError(HOME_PROBLEM, HOME_ADVICE)
    scheme = _SCHEME.match(text)
    if scheme is None and text.strip():
        return LocalFile(text)
    match scheme["scheme"].lower() if scheme else "":
        case "git":
            return _parse_git_branch(text[len("git:") :])
        case "s3" | "gs" | "az":
            return _parse_object_key(text)
    raise StateLocationError("this is no place for a state", _EXAMPLES)


def _parse_git_branch(text: str) -> GitBranch:
    if _is_url_or_path(text):
        before, separator, branch = text.partition(".git/")
        repository = before + separator.rstrip("/")
        if not separator:
            repository, _, branch = text.rpartition("/")
        if repository:
            return GitBranch(repository, _check_branch(branch), is_remote=False)
    remote, _, branch = text.partition("/")
    if not _REMOTE.fullmatch(remote):
        raise StateLocationError(
            "behind `git:` stands the name of a remote, a URL or a path, and then `/BRANCH`",
            "write for example `git:origin/fivetran-state`",
        )
    return GitBranch(remote, _check_branch(branch), is_remote=True)


def _is_url_or_path(text: str) -> bool:
    """Check whether a text is a URL or a path, and not the name of a remote."""
    return text.startswith(("/", "./", "../")) or any(pattern.fullmatch(text) for pattern in (_URL, _SCP))


def _check_branch(branch: str) -> str:
    if not branch or _INVALID_BRANCH.search(branch):
        raise StateLocationError(
            "a state in git needs the name of a branch behind the last `/`",
            "write for example `git:origin/fivetran-state`",
        )
    return branch


def _parse_object_key(text: str) -> ObjectKey:
    matched = _OBJECT.fullmatch(text)
    if matched is None or any(part in {"", ".", ".."} for part in matched["key"].split("/")):
        raise StateLocationError(
            "a state in a bucket needs the name of the bucket and the name of an object",
            "write for example `s3://bucket/fivetran/state.json`",
        )
    return ObjectKey(matched["scheme"], matched["bucket"], matched["key"])
