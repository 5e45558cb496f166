"""Render the project of a run."""

from __future__ import annotations

from rich.text import Text

from reconciler.model.sanitize import escape
from reconciler.report.style import QUIET, StyledText


def render_found_project(path: str) -> StyledText:
    """Render the line about a project file that was found in a folder above."""
    return Text(f"project {escape(path)}", QUIET)
