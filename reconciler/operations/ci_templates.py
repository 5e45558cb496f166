"""Read the pipelines of the package, and fit them to one project file.

The templates are the files of `examples/`. Those of GitHub Actions and Atlantis serve two accounts there, `dev` and
`prod`; here they serve one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

PROJECT = "reconciler"
"""Name of the project file without its suffix, as the pipelines write it."""
_TWO_NAMES = re.compile(r'\[("?)dev\1, \1prod\1\]')
_FIRST_PROJECT = re.compile(r"^  - name: dev\n(?: {4}.*\n)+", re.MULTILINE)


def list_ci_systems() -> tuple[str, ...]:
    """List the systems that have a pipeline."""
    return tuple(_FITTERS)


def read_ci_files(system: str) -> Mapping[str, str]:
    """Read the pipeline of a system: its files by their paths from the root of a repository."""
    fit = _FITTERS[system]
    return {path: fit(text) for path, text in _read_files(files("reconciler") / "pipelines" / system)}


def _fit_github(text: str) -> str:
    return _TWO_NAMES.sub(rf"[\1{PROJECT}\1]", text)


def _fit_atlantis(text: str) -> str:
    return re.sub(r"(name|workspace): prod$", rf"\1: {PROJECT}", _FIRST_PROJECT.sub("", text), flags=re.M)


# The pipeline of GitLab serves one account in the example too.
_FITTERS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {"github": _fit_github, "gitlab": str, "atlantis": _fit_atlantis}
)


def _read_files(folder: Traversable) -> Iterator[tuple[str, str]]:
    """Read all files below a folder, by their paths from there."""
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from ((f"{item.name}/{path}", text) for path, text in _read_files(item))
        else:
            yield item.name, item.read_text(encoding="utf-8")
