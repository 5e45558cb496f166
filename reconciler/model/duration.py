"""Parse durations of project files and options: `900s`, `15m`, `12h`, `7d`."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
DURATION_PATTERN = r"^(?:0|[1-9][0-9]{0,4})[smhd]$"

_DURATION = re.compile(DURATION_PATTERN, re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Parse a duration. Raises ValueError."""
    if _DURATION.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no duration")
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
