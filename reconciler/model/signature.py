"""The type of a function that signs saved plans."""

from __future__ import annotations

from collections.abc import Callable

Sign = Callable[[bytes], str]
"""Makes the signature of some bytes, as lower-case hex."""
