"""Name the optional parts of the installation, and explain how to install them."""

from __future__ import annotations

from enum import StrEnum


class Extra(StrEnum):
    """Extra of `pyproject.toml` that messages of the program name."""

    AWS = "aws"
    AZURE = "azure"
    GCP = "gcp"
    OBJECT_STORE = "object-store"
    SANDBOX = "sandbox"


def describe_installation(extra: Extra) -> str:
    """Phrase how to install an extra, as part of a sentence. The program is in no package registry, so pip needs a
    clone or a git URL."""
    return f"`pip install '.[{extra}]'` in a clone of this program; `reconciler help installation` shows other ways"
