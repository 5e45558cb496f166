"""A remote place for a few small files, each of which is replaced only as it was last seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from reconciler.model.clock import Clock
from reconciler.model.lock_info import LockInfo
from reconciler.runtime.deadline import ShutdownDeadline


class BackendError(OSError):
    """A remote place cannot be reached, refuses, or is of no use. The text never holds credentials; `advice` is one
    thing to do about it, `notes` are what the other side says."""

    code = "state-unreachable"

    def __init__(self, text: str, advice: str = "", notes: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.advice = advice
        self.notes = notes


class UnusableBackendError(BackendError):
    """A remote place that can be reached, and in which no state can be kept."""

    code = "state-unusable"


class ConflictError(BackendError):
    """Somebody else wrote since these files were last seen. Nothing was replaced."""

    code = "lease-lost"


@dataclass(frozen=True, slots=True)
class BackendContext:
    """What remote places may know. `environ` must lack the settings and credentials of this program; relative paths
    start in `directory`; `entropy` gives so many random bytes. Once `leaving` is set, the `patience` with all of them
    is short."""

    directory: Path
    environ: Mapping[str, str] = field(repr=False)  # full of secrets
    clock: Clock
    entropy: Callable[[int], bytes]
    holder: LockInfo
    shutdown: threading.Event = field(default_factory=threading.Event)
    deadline: ShutdownDeadline = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "deadline", ShutdownDeadline(self.clock, self.shutdown))


class Backend(Protocol):
    """Files by name. What one was when it was last read or written decides whether it may be written."""

    def read(self, *names: str) -> dict[str, bytes | None]:
        """What the files hold now; None for one that is not there. Writes nothing. Raises RemoteError."""

    def peek(self, name: str) -> bytes | None:
        """What a file held when the place was last looked at, or holds now. Changes nothing about what may be written.
        Raises RemoteError."""

    def write(self, changes: Mapping[str, bytes | None], message: str) -> None:
        """Replace files that were read before, or take them away (None), in this order or all at once. `told` says
        why, to whoever looks at the history.

        Raises ChangedError where one of them is not as it was last seen, and RemoteError where it stays unknown
        whether they are written.
        """

    def is_unchanged(self, name: str) -> bool:
        """Whether a file is as it was last read or written here. Raises RemoteError."""

    def version(self, name: str, deadline: ShutdownDeadline) -> str:
        """What is another text once somebody has written, and may be another one without that. One cheap request,
        from any thread: nothing of this shelf changes. Raises RemoteError."""

    def known_version(self, name: str) -> str:
        """The stamp as of what was last read or written here."""

    def verify_conditional_writes(self, name: str) -> None:
        """Raise UnusableError where this place would replace the file that was just written although it is not as it
        was seen, and RemoteError."""
