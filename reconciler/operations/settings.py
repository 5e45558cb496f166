"""What every operation is told by whoever calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.clock import Clock


@dataclass(frozen=True, slots=True)
class Settings:
    """What a command line and its surroundings say. `directory` is where relative paths start."""

    project: Path
    directory: Path
    environ: Mapping[str, str]
    clock: Clock
    sandbox: bool = False
