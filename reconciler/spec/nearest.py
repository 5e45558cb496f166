"""Suggestions for what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

_ENOUGH = 500


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that looks most like this one, or None. Looks at 500 words at most, to stay quick."""
    folded = {each.casefold(): each for each in islice(known, _ENOUGH)}
    found = get_close_matches(word[:100].casefold(), folded, n=1, cutoff=0.7)
    return folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A help line for a near miss, or nothing."""
    found = nearest(word, known)
    return f"did you mean `{found}`?" if found else ""
