"""Read the guides: Markdown files that ship with the package. Knowing their topics takes a directory listing only."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

SUFFIX = ".md"


@cache
def guide_topics() -> tuple[str, ...]:
    """Every topic, sorted. Shell completion calls this, so no file is read."""
    return tuple(
        sorted(each.name.removesuffix(SUFFIX) for each in _folder().iterdir() if each.name.endswith(SUFFIX))
    )


def read_guide(topic: str) -> str:
    """The Markdown text of a guide. Raises KeyError for an unknown topic."""
    if topic not in guide_topics():
        raise KeyError(topic)
    return (_folder() / f"{topic}{SUFFIX}").read_text(encoding="utf-8")


def guide_summaries() -> Mapping[str, str]:
    """Every topic with its summary: the one line below the title of the guide."""
    return {topic: read_guide(topic).split("\n\n", 2)[1] for topic in guide_topics()}


def _folder() -> Traversable:
    return files("reconciler") / "guides"
