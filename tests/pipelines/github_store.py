"""The data of GitHub beside a repository, in a JSON file: pull requests, comments, issues, labels, dispatches."""

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
    """Open the store for one program at a time, and save changes at the end."""
    with file.open("r+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        content = json.load(stream)
        yield content
        stream.seek(0)
        stream.truncate()
        json.dump(content, stream, indent=1)


def new_id(content: dict[str, Any]) -> int:
    """Return an unused number."""
    content["last_id"] += 1
    return int(content["last_id"])


def build_token(permissions: dict[str, str]) -> str:
    """Build the token of a job. The token contains its permissions, so that `gh` can refuse other requests."""
    return "token-of-a-job:" + ",".join(f"{name}={level}" for name, level in sorted(permissions.items()))


def is_allowed(token: str, permission: str, level: str) -> bool:
    """Check the permission of a token."""
    kind, _, scopes = token.partition(":")
    granted = dict(pair.split("=") for pair in scopes.split(",") if pair)
    return kind == "token-of-a-job" and granted.get(permission) in (
        {"read": ("read", "write")}.get(level, ("write",))
    )
