"""Which services there are, known without reading any of them. Shell completion needs to be quick."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

SUFFIX = ".toml"


@cache
def service_names() -> tuple[str, ...]:
    """Every known service, sorted. Reads a directory listing and no file."""
    entries = folder("services").iterdir()
    return tuple(sorted(each.name.removesuffix(SUFFIX) for each in entries if each.name.endswith(SUFFIX)))


def folder(name: str) -> Traversable:
    """A file or folder of the catalogue."""
    return files("reconciler.catalogue") / name
