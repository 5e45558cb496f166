"""A remote place for a few small files, each of which is replaced only as it was last seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from reconciler.model.clock import Clock
from reconciler.model.holder import Holder


class RemoteError(OSError):
    """A remote place cannot be reached, refuses, or is of no use. The text never holds credentials; `advice` is one
    thing to do about it."""

    code = "state-unreachable"

    def __init__(self, text: str, advice: str = "") -> None:
        super().__init__(text)
        self.advice = advice


class UnusableError(RemoteError):
    """A remote place that can be reached, and in which no state can be kept."""

    code = "state-unusable"


class ChangedError(RemoteError):
    """Somebody else wrote since these files were last seen. Nothing was replaced."""

    code = "lease-lost"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What remote places may know. `environ` must lack the settings and credentials of this program; relative paths
    start in `directory`; `entropy` gives so many random bytes."""

    directory: Path
    environ: Mapping[str, str] = field(repr=False)  # full of secrets
    clock: Clock
    entropy: Callable[[int], bytes]
    holder: Holder


class Shelf(Protocol):
    """Files by name. What one was when it was last read or written decides whether it may be written."""

    def read(self, *names: str) -> dict[str, bytes | None]:
        """What the files hold now; None for one that is not there. Writes nothing. Raises RemoteError."""

    def write(self, changes: Mapping[str, bytes | None], told: str) -> None:
        """Replace files that were read before, or take them away (None), in this order or all at once. `told` says
        why, to whoever looks at the history.

        Raises ChangedError where one of them is not as it was last seen, and RemoteError where it stays unknown
        whether they are written.
        """
