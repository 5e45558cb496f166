"""Names of all services, without reading their files: shell completion needs to be quick."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

SUFFIX = ".toml"


@cache
def load_service_names() -> tuple[str, ...]:
    """List the names of all services, sorted. Reads a directory listing and no file."""
    entries = find_resource("services").iterdir()
    return tuple(sorted(file.name.removesuffix(SUFFIX) for file in entries if file.name.endswith(SUFFIX)))


def find_resource(name: str) -> Traversable:
    """Find a file or folder of the catalogue."""
    return files("reconciler.catalogue") / name
