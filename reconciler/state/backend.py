"""Define remote backends for a few small files. A write replaces a file only at the version that was last read."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.model.run_environment import RunEnvironment
from reconciler.runtime.deadline import ShutdownDeadline


class BackendError(OSError):
    """A backend cannot be reached, refuses a request, or cannot hold a state. The text never holds credentials;
    `advice` is one remedy, `notes` are messages of the server."""

    code = "state-unreachable"

    def __init__(self, text: str, advice: str = "", notes: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.advice = advice
        self.notes = notes


class UnusableBackendError(BackendError):
    """A backend can be reached, and cannot hold a state."""

    code = "state-unusable"


class RateLimitedError(BackendError):
    """A remote place that limits the rate of requests. It answers, so another request may come through at once."""


class ConflictError(BackendError):
    """Another writer replaced one of these files since it was last read. This write replaced nothing."""

    code = "lease-lost"


@dataclass(frozen=True, slots=True)
class BackendContext(RunEnvironment):
    """Environment of backends. Its `environ` must lack the settings and credentials of this program. Once `shutdown` is
    set, the `deadline` of all requests is short."""

    shutdown: threading.Event = field(default_factory=threading.Event)
    deadline: ShutdownDeadline = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "deadline", ShutdownDeadline(self.clock, self.shutdown))


class Backend(Protocol):
    """Store of files by name. A file is written only if it still has the version at which it was last read or written
    here, so that of two runs with the same lock or state one fails.

    `writes_together` says whether one request writes several files, so that a further file costs nothing.
    """

    @property
    def writes_together(self) -> bool: ...

    def read(self, *names: str) -> dict[str, bytes | None]:
        """Read files; None for a missing file. Writes nothing. Raises BackendError."""

    def peek(self, name: str) -> bytes | None:
        """Read a file without taking its version for later writes. The content may be that of the last request. Raises
        BackendError."""

    def list_beside(self, name: str) -> dict[str, str]:
        """List the other files in the folder of a file that are not empty, each with a version tag. The list is at
        least as new as the last read or write here. Raises BackendError."""

    def read_beside(self, names: Collection[str]) -> dict[str, bytes | BackendError]:
        """Read files without taking their versions for later writes, each with its content or the error. A missing
        file is left out."""

    def write(self, changes: Mapping[str, bytes | None], message: str) -> None:
        """Replace files that were read before, or remove them (None), in this order or all at once. A backend with a
        history records the `message`.

        Raises ConflictError if a file has another version by now, and BackendError for any other
        failure; then the files may be written.
        """

    def is_unchanged(self, name: str) -> bool:
        """Check whether a file is as it was last read or written here. Raises BackendError."""

    def version(self, name: str, deadline: ShutdownDeadline) -> str:
        """Return the version tag of a file. Changes on every write; may also change spuriously. One cheap request, from
        any thread: nothing in this backend changes. Raises BackendError."""

    def known_version(self, name: str) -> str:
        """Return the version tag as of the last read or write here."""

    def verify_conditional_writes(self, name: str) -> None:
        """Check that a write depends on the version of its file, with the file that was just written. A refused place
        does not keep that file.

        Raises UnusableBackendError if this backend replaces a file that has changed, ConflictError if another run wrote
        the file at the same moment, and BackendError.
        """
