"""Values of entries that a run adds to spec files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class Verbatim(str):
    """Text whose variables `${NAME}` stay variables. Any other text is literal: its `${` is written `$${`."""

    __slots__ = ()


class QuotedText(str):
    """Text that stands in quotes, although it may be plain: people and other programs take a hash for no word then."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class NewEntry:
    """Entry below `groups` or `profiles` of a spec file: plain data in the order of its lines.

    `comments` are lines above the entry, without `#`.
    """

    key: str
    content: Mapping[str, Any]
    comments: tuple[str, ...] = ()
