"""Write texts of Terraform's configuration language."""

from __future__ import annotations

from collections.abc import Iterator

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LAST_SHORT_ESCAPE = 0xFFFF


def quote_hcl(text: str) -> str:
    """Quote a text for HCL, in which `${` and `%{` begin a template. Terraform quotes keys in addresses alike."""
    return '"' + "".join(_escape_hcl(text)) + '"'


def _escape_hcl(text: str) -> Iterator[str]:
    for position, character in enumerate(text):
        if character in _ESCAPES:
            yield _ESCAPES[character]
        elif character in "$%" and text[position + 1 : position + 2] == "{":
            yield character * 2
        elif character.isprintable():
            yield character
        elif ord(character) <= _LAST_SHORT_ESCAPE:
            yield f"\\u{ord(character):04x}"
        else:
            yield f"\\U{ord(character):08x}"
