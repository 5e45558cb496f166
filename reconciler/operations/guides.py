"""Read the guides: Markdown files of the package. The list of topics needs a directory listing only."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

SUFFIX = ".md"


@cache
def list_guide_topics() -> tuple[str, ...]:
    """List every topic, sorted. Shell completion calls this function, so it reads no file."""
    return tuple(
        sorted(
            file.name.removesuffix(SUFFIX) for file in _get_folder().iterdir() if file.name.endswith(SUFFIX)
        )
    )


def read_guide(topic: str) -> str:
    """Read the Markdown text of a guide. Raises KeyError for an unknown topic."""
    if topic not in list_guide_topics():
        raise KeyError(topic)
    return (_get_folder() / f"{topic}{SUFFIX}").read_text(encoding="utf-8")


def read_guide_summaries() -> Mapping[str, str]:
    """Read the summary of every topic: the line below the title of its guide."""
    return {topic: read_guide(topic).split("\n\n", 2)[1] for topic in list_guide_topics()}


def _get_folder() -> Traversable:
    return files("reconciler") / "guides"
