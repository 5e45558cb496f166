"""Define the use of colours, without the library that shows them."""

from __future__ import annotations

from enum import StrEnum


class Colour(StrEnum):
    """Use of colours: on a terminal, also in a pipe or a file, or nowhere."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"
