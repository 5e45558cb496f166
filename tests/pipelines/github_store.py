"""What GitHub keeps beside a repository, in a JSON file: pull requests, comments, issues, labels, dispatches."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BOT = "github-actions[bot]"
EMPTY: dict[str, Any] = {
    "pulls": [], "comments": [], "issues": [], "labels": [], "dispatches": [], "last_id": 0
}  # fmt: skip


@contextmanager
def open_store(file: Path) -> Iterator[dict[str, Any]]:
    """The content of the file, for one program at a time; what is done to it is kept."""
    with file.open("r+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        content = json.load(stream)
        yield content
        stream.seek(0)
        stream.truncate()
        json.dump(content, stream, indent=1)


def new_id(content: dict[str, Any]) -> int:
    """A number that nothing else has."""
    content["last_id"] += 1
    return int(content["last_id"])


def build_token(permissions: dict[str, str]) -> str:
    """The token of a job. What it may do can be read off it, so that `gh` can refuse the rest."""
    return "token-of-a-job:" + ",".join(f"{name}={level}" for name, level in sorted(permissions.items()))


def is_allowed(token: str, permission: str, level: str) -> bool:
    """Whether a token may do this."""
    kind, _, scopes = token.partition(":")
    granted = dict(pair.split("=") for pair in scopes.split(",") if pair)
    return kind == "token-of-a-job" and granted.get(permission) in (
        {"read": ("read", "write")}.get(level, ("write",))
    )
