"""Find characters that a spec must not have, because a reviewer cannot see them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

BYTE_ORDER_MARK = "\ufeff"
"""Mark at the start of a file, which counts for no column."""

# Control characters but tab and line feed, a carriage return that ends no line, the line breaks that
# only some programs support, bidirectional overrides, zero-width and other invisible characters,
# surrogates and noncharacters.
_INVISIBLE = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff"
    "\U000e0000-\U000e0fff"
)
_IN_FILES = re.compile(f"[{_INVISIBLE}]|\r(?!\n)")
_IN_VALUES = re.compile(f"[{_INVISIBLE}]")


def find_forbidden_in_file(text: str) -> Iterator[int]:
    """Find the indexes of the forbidden characters of a whole file."""
    return (match.start() for match in _IN_FILES.finditer(text))


def find_forbidden_in_value(value: str) -> str | None:
    """Find a forbidden character that an escape such as `\u202e` put into a value; None if there is none."""
    match = _IN_VALUES.search(value)
    return match.group() if match else None


def describe_character(character: str) -> str:
    """Describe a character by its number and, if it has one, its name: `U+202E (right-to-left override)`."""
    name = unicodedata.name(character, "").lower()
    return f"U+{ord(character):04X}" + (f" ({name})" if name else "")
