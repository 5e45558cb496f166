"""Complete arguments in shells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click

Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def complete_from(words: Callable[[], Iterable[str]]) -> Completer:
    """Complete to the words that begin with the typed text. `words` is called when a shell asks for completions."""

    def complete(context: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
        return [word for word in words() if word.startswith(typed)]

    return complete


def complete_variable(context: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
    """Complete to `NAME=` for each variable that the project file defines. A file with errors offers none."""
    from reconciler.model.diagnostic import ReconcilerError
    from reconciler.spec.project import read_project

    chosen = context.params["project"]  # of a command that takes several projects: a tuple
    path = chosen[-1] if isinstance(chosen, tuple) else chosen
    try:
        project = read_project(Path(path), Path.cwd())
    except ReconcilerError:
        return []
    return [f"{name}=" for name in project.content.vars if name.startswith(typed)]


def list_service_names() -> Iterable[str]:
    """List the names of all services."""
    from reconciler.catalogue.names import load_service_names

    return load_service_names()
