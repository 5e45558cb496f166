"""Find the mount of an entry in Vault, and the version of its KV engine.

`sys/internal/ui/mounts` answers both for any path that the token may read, as Vault's own tools ask it. A mount may
have slashes in its name, and no mount lies below another one, so a known mount is known for all paths below it.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.runtime.http import HttpResponse, NoAnswer

_KV_TYPES = frozenset({"kv", "generic"})
_UNAVAILABLE = frozenset({400, 403, 404, 405})
"""Statuses of a server or policy without this endpoint, and of a token that may read nothing below the mount."""


@dataclass(frozen=True, slots=True)
class Mount:
    """Secrets engine of Vault: its path with a `/` at the end, its type, and the version of a KV engine."""

    path: str
    version: int = 2
    engine: str = "kv"

    @property
    def is_kv(self) -> bool:
        """Whether reading from it has no effect: other engines create credentials."""
        return self.engine in _KV_TYPES

    @property
    def name(self) -> str:
        """The path as users write it."""
        return self.path.removesuffix("/")


class UnexpectedStatus(Exception):  # noqa: N818 - a problem of the environment, not a bug
    """Vault answers the question for a mount with `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class MountTable:
    """The mounts that this run knows. Each mount is asked for once, also if several threads need it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._mounts: dict[str, Mount] = {}
        self._failures: dict[str, NoAnswer] = {}

    def find(self, locator: str, ask: Callable[[str], HttpResponse]) -> Mount | None:
        """Find the mount of a path; None if Vault does not tell it. `ask` sends the question for a path.

        Raises NoAnswer and UnexpectedStatus. A question without an answer is not repeated for paths with the same
        beginning: each thread that waits for it would wait once more.
        """
        beginning = locator.partition("/")[0]
        with self._lock:
            lock = self._locks[beginning]
        with lock:
            if known := self._find_known(locator):
                return known
            if failure := self._failures.get(beginning):
                raise type(failure)(failure.reason)
            try:
                mount = _parse_mount(ask(locator), locator)
            except NoAnswer as failure:
                self._failures[beginning] = failure
                raise
            if mount is not None:
                self.add(mount)
            return mount

    def add(self, mount: Mount) -> None:
        """Add a mount that a successful read has proved."""
        self._mounts[mount.path] = mount

    def _find_known(self, locator: str) -> Mount | None:
        mounts = list(self._mounts.values())  # another thread may add one meanwhile
        return next((mount for mount in mounts if f"{locator}/".startswith(mount.path)), None)


def _parse_mount(response: HttpResponse, locator: str) -> Mount | None:
    if response.status in _UNAVAILABLE:
        return None
    if response.status != 200:
        raise UnexpectedStatus(response.status)
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError):
        return None
    match document:
        case {"data": {"path": str(path), "type": str(engine), **more}} if path.endswith("/"):
            options = more.get("options")
            version = options.get("version") if isinstance(options, dict) else None
            mount = Mount(path, 2 if str(version) == "2" else 1, engine)
            return mount if f"{locator}/".startswith(path) else None
    return None
