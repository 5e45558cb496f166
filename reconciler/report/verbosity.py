"""How much is told about work that is still going on."""

from __future__ import annotations

from enum import IntEnum


class Verbosity(IntEnum):
    """From `--quiet` to `--verbose`."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2
