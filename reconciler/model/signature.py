"""Define the type of a function that signs saved plans."""

from __future__ import annotations

from collections.abc import Callable

Sign = Callable[[bytes], str]
"""Signs some bytes. Returns lower-case hex."""
