"""Transliterate names of any script to words of lower-case letters and digits."""

from __future__ import annotations

import re
import unicodedata

from anyascii import anyascii

_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
_WORDS = {"&": " and ", "+": " plus ", "%": " percent ", "@": " at "}
_APOSTROPHES = re.compile(r"['`\"]")
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")


def transliterate(text: str) -> str:
    """Transliterate a text to words with `_` between them; empty if the text has neither letters nor digits."""
    german = unicodedata.normalize("NFC", text).translate(_GERMAN)
    ascii_text = _APOSTROPHES.sub("", anyascii(german))
    for sign, word in _WORDS.items():
        ascii_text = ascii_text.replace(sign, word)
    return _NOT_A_WORD.sub("_", ascii_text.lower()).strip("_")
