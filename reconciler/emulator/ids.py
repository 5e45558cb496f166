"""Made-up identifiers in Fivetran's manner: two words, the same ones for the same seed."""

from __future__ import annotations

from hashlib import blake2b
from importlib.resources import files

WORDS = tuple(files("reconciler.emulator").joinpath("words.txt").read_text("utf-8").split())


def generate_id(*source: object) -> str:
    """A pair such as `decent_dropsy`, fixed by its source: seed, counter, attempt."""
    number = int.from_bytes(digest(*source), "big")
    first = number % len(WORDS)
    second = (number // len(WORDS)) % (len(WORDS) - 1)
    return f"{WORDS[first]}_{WORDS[second + (second >= first)]}"


def digest(*source: object, size: int = 16) -> bytes:
    """Bytes that look random and depend on nothing but the source. `size` is at most 64."""
    return blake2b("/".join(map(str, source)).encode(), digest_size=size).digest()
