"""Find the entry points of installed packages."""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points


def index_entry_points(group: str, names: re.Pattern[str]) -> dict[str, tuple[EntryPoint, ...]]:
    """Index the entry points of a group by name, as far as `names` matches. Loads no package.

    A name has several entry points if packages conflict.
    """
    by_name: dict[str, tuple[EntryPoint, ...]] = {}
    for entry_point in _find_entry_points(group, tuple(sys.path)):
        if names.fullmatch(entry_point.name):
            by_name[entry_point.name] = (*by_name.get(entry_point.name, ()), entry_point)
    return by_name


@cache  # reads the metadata of every installed package, which takes longer than all other work of a small plan
def _find_entry_points(group: str, search_path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Find the sorted entry points of a group, once for each `sys.path`."""
    return tuple(sorted(entry_points(group=group), key=lambda point: (point.name, point.value)))
