"""Parse the durations of options: `90s`, `20m`, `1h`, `7d`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import click

from reconciler.cli.usage import MisuseError
from reconciler.model.duration import parse_duration


def make_duration_parser(
    examples: str, *, allows_zero: bool = True
) -> Callable[[click.Context, click.Parameter, str | None], timedelta | None]:
    """Make the callback of an option with a duration. `examples` are named in the error of another text. An option that
    is not given stays None."""

    def parse(context: click.Context, parameter: click.Parameter, value: str | None) -> timedelta | None:
        if value is None:
            return None
        try:
            duration = parse_duration(value)
        except ValueError:
            duration = None
        if duration is None or not (duration or allows_zero):
            raise MisuseError(f"`{value}` is no duration", f"write for example {examples}")
        return duration

    return parse
