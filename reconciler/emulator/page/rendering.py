"""Render the templates of the page. Every text is escaped, and characters that do not print become visible."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from reconciler.emulator.page.settings_form import to_submitted_text
from reconciler.model.sanitize import escape_character


def render(template: str, **content: Any) -> bytes:
    """Render a template as UTF-8."""
    return _load_environment().get_template(template).render(content).encode()


@cache
def _load_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reconciler.emulator.page"),
        autoescape=True,
        finalize=_show_unprintable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"as_input": _as_input, "as_lines": _as_lines, "as_time": _as_time}
    return environment


def _show_unprintable(value: Any) -> Any:
    """Show control, bidi and zero-width characters as escapes: a name must not rearrange or hide other texts."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(map(escape_character, value))


def _as_input(text: str) -> Markup:
    """Keep a text unchanged in an input, so that a form sends it back as it is."""
    return escape(to_submitted_text(text))


def _as_lines(text: str) -> Markup:
    """Keep the line breaks of a text."""
    return Markup("\n").join(_show_unprintable(line) for line in text.split("\n"))


def _as_time(moment: str | datetime) -> str:
    """Format a time to the second, in UTC."""
    text = moment.isoformat() if isinstance(moment, datetime) else moment
    return text[:19].replace("T", " ")
