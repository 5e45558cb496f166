"""Where a state is kept, as `state:` in a project file says it.

    .reconciler/state.json                      a file of this machine
    git:REMOTE/BRANCH                           a branch behind a remote of the project's own repository
    git:URL.git/BRANCH · git:URL/BRANCH         a branch of any other repository
    s3://BUCKET/KEY · gs:// · az://             an object

The name of a remote ends at the first `/`, and all that follows is the branch. Behind a URL or a path the branch is
what follows `.git/`; where there is no such part, what follows the last `/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):")
_OBJECT = re.compile(r"(?P<scheme>s3|gs|az)://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]*)/(?P<key>[^\s\\?#]+)")
_URL = re.compile(r"(https?|ssh|git|file)://\S+")
_SCP = re.compile(r"([A-Za-z0-9._-]+@)?[A-Za-z0-9._-]{2,}:(?!:)[^\s:]\S*")
_REMOTE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]*@")
_USER = re.compile(r"(https?://)[^/@\s]+@")
_NO_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|^[-/.]|[/.]$")
_EXAMPLES = "write a path, `git:origin/fivetran-state` or `s3://bucket/state.json`"


class PlaceError(ValueError):
    """No place for a state. `advice` is one thing to do about it. With `secret` the text must not be shown."""

    def __init__(self, message: str, advice: str, *, secret: bool = False) -> None:
        super().__init__(message)
        self.advice = advice
        self.secret = secret


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """A file, by a path relative to the project file."""

    path: str


@dataclass(frozen=True, slots=True)
class GitPlace:
    """A branch of a repository: behind the remote of this name if `is_remote`, else at this URL or path."""

    where: str
    branch: str
    is_remote: bool

    def __str__(self) -> str:
        where = _USER.sub(r"\1", self.where)  # a token may stand there alone
        return f"git:{where}/{self.branch}"


@dataclass(frozen=True, slots=True)
class ObjectPlace:
    """An object of a bucket (of Azure: of a container)."""

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}"


Place: TypeAlias = LocalPlace | GitPlace | ObjectPlace


def parse_place(text: str) -> Place:
    """The place that a text names. Raises PlaceError, whose message repeats nothing of it."""
    if _PASSWORD.search(text):
        raise PlaceError(
            "a password does not belong here",
            "leave it out: git's own credential helper, an SSH key or the environment provides it",
            secret=True,
        )
    scheme = _SCHEME.match(text)
    if scheme is None and text.strip():
        return LocalPlace(text)
    match scheme["scheme"].lower() if scheme else "":
        case "git":
            return _git_place(text[len("git:") :])
        case "s3" | "gs" | "az":
            return _object_place(text)
    raise PlaceError("this is no place where a state can be kept", _EXAMPLES)


def _git_place(text: str) -> GitPlace:
    if _is_address(text):
        before, middle, branch = text.partition(".git/")
        where = before + middle.rstrip("/")
        if not middle:
            where, _, branch = text.rpartition("/")
        if where:
            return GitPlace(where, _checked_branch(branch), is_remote=False)
    remote, _, branch = text.partition("/")
    if not _REMOTE.fullmatch(remote):
        raise PlaceError(
            "behind `git:` stands the name of a remote, a URL or a path, and then `/BRANCH`",
            "write for example `git:origin/fivetran-state`",
        )
    return GitPlace(remote, _checked_branch(branch), is_remote=True)


def _is_address(text: str) -> bool:
    """Whether this is a URL or a path, and no name of a remote."""
    return text.startswith(("/", "./", "../")) or any(each.fullmatch(text) for each in (_URL, _SCP))


def _checked_branch(branch: str) -> str:
    if not branch or _NO_BRANCH.search(branch):
        raise PlaceError(
            "a state in git needs the name of a branch behind the last `/`",
            "write for example `git:origin/fivetran-state`",
        )
    return branch


def _object_place(text: str) -> ObjectPlace:
    found = _OBJECT.fullmatch(text)
    if found is None or any(part in {"", ".", ".."} for part in found["key"].split("/")):
        raise PlaceError(
            "a state in a bucket needs the name of the bucket and that of an object",
            "write for example `s3://bucket/fivetran/state.json`",
        )
    return ObjectPlace(found["scheme"], found["bucket"], found["key"])
