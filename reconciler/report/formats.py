"""Formats of reports."""

from __future__ import annotations

from enum import IntEnum


class Verbosity(IntEnum):
    """From `--quiet` to `--verbose`."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2
