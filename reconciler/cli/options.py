"""Options that several commands share. They stand after the command."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from reconciler.report.verbosity import Verbosity

DEFAULT_PROJECT = "specs/reconciler.yaml"


@dataclass(frozen=True, slots=True)
class Shared:
    """What the shared options say."""

    project: Path
    sandbox: bool
    no_color: bool
    verbosity: Verbosity


def shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the shared options; it gets them as one value named `shared`."""

    @click.option(
        "--project",
        type=click.Path(path_type=Path),
        default=DEFAULT_PROJECT,
        show_default=True,
        envvar="RECONCILER_PROJECT",
        metavar="FILE",
        help="Project file. Also read from RECONCILER_PROJECT.",
    )
    @click.option("--sandbox", is_flag=True, help="Use an embedded Fivetran instead of a real account.")
    @click.option("--no-color", is_flag=True, help="No colours. NO_COLOR in the environment does the same.")
    @click.option("-q", "--quiet", is_flag=True, help="Say nothing about work that is going on.")
    @click.option("-v", "--verbose", is_flag=True, help="Say more, also what stays as it is.")
    @functools.wraps(command)
    def with_shared(
        *, project: Path, sandbox: bool, no_color: bool, quiet: bool, verbose: bool, **others: Any
    ) -> Any:
        if quiet and verbose:
            raise click.UsageError("`--quiet` and `--verbose` exclude each other")
        verbosity = Verbosity.QUIET if quiet else Verbosity.VERBOSE if verbose else Verbosity.NORMAL
        return command(shared=Shared(project, sandbox, no_color, verbosity), **others)

    return with_shared


def format_option(*formats: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command `--format` with these choices; the first is the default. It gets it as `form`."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="How results are written. `json` is one document on stdout, also when the run fails.",
    )
