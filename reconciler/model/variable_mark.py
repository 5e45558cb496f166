"""The marks of variables in texts of specs: `${NAME}`, and `$${`, which stands for a literal `${`."""

from __future__ import annotations

import re

MARK = "${"
ESCAPED_MARK = "$${"

NAME = "[A-Za-z_][A-Za-z0-9_]*"
"""Pattern of the name of a variable."""

TOKEN = re.compile(rf"(?P<escaped>\$\$\{{)|\$\{{(?P<name>{NAME})\}}|(?P<malformed>\$\{{)")
"""Pattern of the marks of a text, read from left to right."""


def escape_variables(text: str) -> str:
    """Escape a text for a spec, in which `$${` stands for `${`."""
    return text.replace(MARK, ESCAPED_MARK)


def unescape_variables(text: str) -> str:
    """Return the text that a text of a spec stands for, apart from its variables."""
    return text.replace(ESCAPED_MARK, MARK)


def has_variable(text: str) -> bool:
    """Return whether a text of a spec has a variable, or a mark that starts none."""
    return MARK in text and any(match["escaped"] is None for match in TOKEN.finditer(text))
