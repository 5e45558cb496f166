"""The mark of a variable in texts of specs, and its escaped form.

Specs have no variables yet. The mark is reserved, so that a text that means a variable of another tool is never sent.
"""

from __future__ import annotations

import re

MARK = "${"
ESCAPED_MARK = "$${"

UNESCAPED = re.compile(r"(?<!\$)\$\{")


def escape_variables(text: str) -> str:
    """Escape a text for a spec, in which `$${` stands for `${`."""
    return text.replace(MARK, ESCAPED_MARK)


def unescape_variables(text: str) -> str:
    """Return the text that a text of a spec without unescaped marks stands for."""
    return text.replace(ESCAPED_MARK, MARK)
