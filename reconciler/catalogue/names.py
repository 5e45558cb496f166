"""Which services there are, known without reading any of them. Shell completion needs to be quick."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

SUFFIX = ".toml"


@cache
def load_service_names() -> tuple[str, ...]:
    """Every known service, sorted. Reads a directory listing and no file."""
    entries = find_resource("services").iterdir()
    return tuple(sorted(file.name.removesuffix(SUFFIX) for file in entries if file.name.endswith(SUFFIX)))


def find_resource(name: str) -> Traversable:
    """A file or folder of the catalogue."""
    return files("reconciler.catalogue") / name
