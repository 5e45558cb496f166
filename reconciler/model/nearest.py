"""The name that somebody probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(given: str, known: Iterable[str]) -> str | None:
    """The known name that `given` is most likely a slip of, or None where nothing is near.

    Case and `-`/`_` do not count, so that `Big-Query` finds `big_query`.
    """
    folded = {_fold(name): name for name in known}
    found = get_close_matches(_fold(given), folded, n=1, cutoff=0.75)
    return folded[found[0]] if found else None


def _fold(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")
