"""Define the environment of a run: everything outside the program that a run works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.model.clock import Clock
from reconciler.model.lock_info import LockInfo


@dataclass(frozen=True, slots=True)
class RunEnvironment:
    """Facts that a run gets from its machine. Relative paths start in `directory`; `entropy` returns a number of random
    bytes; `holder` identifies the run to other runs that wait for the lock."""

    directory: Path
    environ: Mapping[str, str] = field(repr=False)  # full of secrets
    clock: Clock
    entropy: Callable[[int], bytes]
    holder: LockInfo
