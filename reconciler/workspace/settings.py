"""What every operation is told by whoever calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.model.clock import Clock
from reconciler.model.lock_info import LockInfo


@dataclass(frozen=True, slots=True)
class Settings:
    """What a command line and its surroundings say.

    `directory` is where relative paths start. `entropy` gives so many random bytes. `holder` is who
    runs this, for others who have to wait. With `strict` what the catalogue cannot check is an error.
    `resend` are globs of secrets to be sent although nothing says that they changed. `recreate` are selectors of
    missing objects to be made again. `allowed` are limits that are raised, `overridden` names of soft policies that do
    not count, `resent_creates` addresses, keys or globs of creates that do not wait for an earlier request, all of it
    for this run and for this `reason`. `parallelism` is how many calls may be under way at once. `changed_since` is the
    git revision that a plan is narrowed by, `settings_from` the one whose project file the run is judged by. `refuge`
    is a folder for what cannot be written where it belongs.
    """

    project: Path
    directory: Path
    environ: Mapping[str, str]
    clock: Clock
    entropy: Callable[[int], bytes]
    holder: LockInfo
    sandbox: bool = False
    strict: bool = False
    compare_secrets: bool = True
    resend: tuple[str, ...] = ()
    recreate: tuple[str, ...] = ()
    allowed: Mapping[str, float] = field(default_factory=dict)
    overridden: tuple[str, ...] = ()
    resent_creates: tuple[str, ...] = ()
    reason: str | None = None
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    changed_since: str | None = None
    settings_from: str | None = None
    parallelism: int = 8
    fail_fast: bool = False
    fallback_dir: Path | None = None
