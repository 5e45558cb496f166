"""Make strings from the API and from specs harmless for terminals and CI logs."""

from __future__ import annotations

import json
import re

# Azure and older GitHub runners act on these anywhere in a line of a log.
_RUNNER_COMMAND = re.compile(r"##(?=\[|vso\[)")


def escape(text: str) -> str:
    """Escape every character that does not print.

    That covers ESC and with it OSC sequences, C0, C1, line breaks, bidi marks, zero-width characters and lone
    surrogates. Backslashes of the text itself are left alone.
    """
    if not text.isprintable():
        text = "".join(map(escape_character, text))
    return _RUNNER_COMMAND.sub("# #", text)


def escape_character(character: str) -> str:
    """Escape a character that does not print (`\\x1b`, `\\u202e`)."""
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def quote(text: str) -> str:
    """Put a text in double quotes, as JSON does, and escape every character that does not print."""
    return escape(json.dumps(text, ensure_ascii=False))


def to_one_line(text: str) -> str:
    """Put prose on one line: runs of white space become one space, the rest is escaped."""
    return escape(" ".join(text.split()))
