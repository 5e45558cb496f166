"""Paths that start at the home folder of a user, which a committed file cannot know."""

from __future__ import annotations

HOME_PROBLEM = "a path in a committed file cannot start with `~`: every user has another home folder"
HOME_ADVICE = (
    "write an absolute path, or a path relative to the project file; write `./` before a name that has a `~`"
)


def starts_at_home(path: str) -> bool:
    """Whether a path means the home folder of a user, as in a shell: `~/x` or `~user/x`."""
    return path.lstrip().startswith("~")
