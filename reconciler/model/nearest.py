"""What was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

_ENOUGH = 500
_LONGEST = 100


def nearest(given: str, known: Iterable[str]) -> str | None:
    """The known name that `given` is most likely a slip of, or None where nothing is near.

    Case and `-`, `_` or space do not count, so that `Big-Query` finds `big_query`. Looks at 500 names at most,
    to stay quick.
    """
    folded = {_fold(name): name for name in islice(known, _ENOUGH)}
    found = get_close_matches(_fold(given[:_LONGEST]), folded, n=1, cutoff=0.7)
    return folded[found[0]] if found else None


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A help line for a near miss, or nothing."""
    found = nearest(given, known)
    return f"did you mean `{found}`?" if found else ""


def _fold(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")
