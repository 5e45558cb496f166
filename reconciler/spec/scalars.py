"""Parse plain scalars by the core schema of YAML 1.2, without the surprises of 1.1."""

from __future__ import annotations

import math
import re

_KEYWORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# A number with a leading zero is text (`017` is more often an identifier than a number), and so is a number that is so
# long that other JSON readers would round it.
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})?(?:\.[0-9]{1,18})?(?:[eE][-+]?[0-9]{1,3})?")


def parse_scalar(text: str) -> str | int | float | bool | None:
    """Parse a plain (unquoted) scalar.

    `null`, `true`, `false`, decimal integers and decimal floats have types; everything else is text: `no`, `on`,
    `0o17`, `017`, `0x1f`, `1_000`, `12:30`, dates, `.inf`, `.nan`.
    """
    if text in _KEYWORDS:
        return _KEYWORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if text[-1].isdigit() and _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text
