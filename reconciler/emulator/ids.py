"""Generate ids in the form of Fivetran: two words, the same words for the same seed."""

from __future__ import annotations

from hashlib import blake2b
from importlib.resources import files

WORDS = tuple(files("reconciler.emulator").joinpath("words.txt").read_text("utf-8").split())


def generate_id(*source: object) -> str:
    """Generate a pair such as `decent_dropsy`. The source (seed, counter, attempt) determines the pair."""
    number = int.from_bytes(digest(*source), "big")
    first = number % len(WORDS)
    second = (number // len(WORDS)) % (len(WORDS) - 1)
    return f"{WORDS[first]}_{WORDS[second + (second >= first)]}"


def digest(*source: object, size: int = 16) -> bytes:
    """Hash the source into `size` bytes, 64 at most. The bytes depend on the source alone."""
    return blake2b("/".join(map(str, source)).encode(), digest_size=size).digest()
