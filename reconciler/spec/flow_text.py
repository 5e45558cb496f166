"""Plain text with `:` and `?` between brackets, as YAML 1.2 allows it and the parser library does not.

The parser reads `{host: db.example.com:5432}` by the rules of YAML 1.1 and refuses the second colon. Such a character
is replaced by a stand-in before the parser reads the text, and put back into the values afterwards. A stand-in is one
character as well, so no place in the file moves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

_BLANK_OR_BRACKET = r"\s,\[\]{}"
# A `:` behind a text, or at its start, with more text behind it. Behind a quote or a closing bracket it ends a key
# instead, as in `{"a":1}`, also with blanks between the two.
_COLON = re.compile(
    rf"(?<=[^{_BLANK_OR_BRACKET}\"']):(?=[^{_BLANK_OR_BRACKET}])"
    rf"|[^\s\"'\]}}](?:\s+|(?<=[,\[{{])):(?=[^{_BLANK_OR_BRACKET}])"
)
# A `?` behind a text, or directly before one. With blanks on both sides it starts a key.
_QUESTION_MARK = re.compile(rf"(?<=[^{_BLANK_OR_BRACKET}\"'])\?|\?(?=[^{_BLANK_OR_BRACKET}])")
_PRIVATE_USE = range(0xE000, 0xF900)


@dataclass(frozen=True, slots=True)
class ParserText:
    """Text for the parser. `stand_ins` are the characters of the file by their stand-ins."""

    text: str
    stand_ins: Mapping[str, str] = field(default_factory=dict)

    def restore(self, value: str) -> str:
        """Put the characters of the file back into a value."""
        for stand_in, character in self.stand_ins.items():
            value = value.replace(stand_in, character)
        return value


def replace_flow_marks(text: str) -> ParserText | None:
    """Replace the marks within plain text. None if there are none, or if the file uses all possible stand-ins.

    A mark in quotes, comments or blocks may be replaced too, which changes nothing once it is put back. Tags would
    change, and are refused anyway.
    """
    present = set(text)
    free = list(islice((chr(code) for code in _PRIVATE_USE if chr(code) not in present), 2))
    if len(free) < 2:
        return None
    colon, question_mark = free
    replaced = _COLON.sub(lambda match: f"{match.group()[:-1]}{colon}", text)
    replaced = _QUESTION_MARK.sub(question_mark, replaced)
    return ParserText(replaced, {colon: ":", question_mark: "?"}) if replaced != text else None
