"""Optional parts of the installation, and how users install them."""

from __future__ import annotations

from enum import StrEnum


class Extra(StrEnum):
    """Extras that the program names in messages, as `pyproject.toml` names them."""

    AWS = "aws"
    OBJECT_STORE = "object-store"
    SANDBOX = "sandbox"


def describe_installation(extra: Extra) -> str:
    """Phrase how to install an extra, as part of a sentence. The program is in no package registry, so pip needs a
    clone or a git URL."""
    return f"`pip install '.[{extra}]'` in a clone of this program; `reconciler help installation` shows other ways"
