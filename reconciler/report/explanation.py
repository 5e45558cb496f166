"""The long texts of diagnostic codes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

_WIDTH = 88


def explanation(code: str, text: str) -> str:
    """One code with its text, wrapped for reading."""
    return f"{code}\n\n" + textwrap.indent(textwrap.fill(text, _WIDTH), "  ")


def code_list(explanations: Mapping[str, str]) -> str:
    """Every code with the first sentence of its text."""
    width = max(map(len, explanations), default=0)
    return "\n".join(
        f"{code:<{width}}  {_first_sentence(text)}" for code, text in sorted(explanations.items())
    )


def _first_sentence(text: str) -> str:
    return text.split(". ", 1)[0].rstrip(".") + "."
