"""Suggest the known name for a misspelled name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

_MAX_CANDIDATES = 500
_MAX_LENGTH = 100


def find_nearest(text: str, candidates: Iterable[str]) -> str | None:
    """Find the known name that is most similar to `text`; None if no name is similar.

    Case and `-`, `_` or space do not count, so that `Big-Query` finds `big_query`. Looks at 500 names at most,
    to stay quick.
    """
    folded = {_fold(name): name for name in islice(candidates, _MAX_CANDIDATES)}
    matches = get_close_matches(_fold(text[:_MAX_LENGTH]), folded, n=1, cutoff=0.7)
    return folded[matches[0]] if matches else None


def did_you_mean(text: str, candidates: Iterable[str]) -> str:
    """Render the help line for a misspelled name; empty if no known name is similar."""
    suggestion = find_nearest(text, candidates)
    return f"did you mean `{suggestion}`?" if suggestion else ""


def _fold(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")
