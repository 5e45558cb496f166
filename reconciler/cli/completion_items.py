"""Complete arguments in shells: quickly, and without a word about specs that have errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click
from click.shell_completion import CompletionItem

from reconciler.model.limit_names import LIMIT_NAMES

if TYPE_CHECKING:
    from reconciler.spec.outline import Outline

Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def complete_from(words: Callable[[], Iterable[str]]) -> Completer:
    """Complete to the words that begin with the typed text. `words` is called when a shell asks for completions."""
    return _complete(lambda context: dict.fromkeys(words(), ""))


def complete_list(words: Callable[[], Iterable[str]]) -> Completer:
    """Complete the last word of a list with commas to the words that the list does not have yet."""

    def complete(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
        before, comma, last = typed.rpartition(",")
        taken = before.split(",")
        return [
            CompletionItem(f"{before}{comma}{word}")
            for word in words()
            if word.startswith(last) and word not in taken
        ]

    return complete


def _complete(list_words: Callable[[click.Context], Mapping[str, str]]) -> Completer:
    """Complete to the words that begin with the typed text. `list_words` returns them with their descriptions."""

    def complete(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
        return [
            CompletionItem(word, help=text or None)
            for word, text in list_words(context).items()
            if word.startswith(typed)
        ]

    return complete


def _list_addresses(context: click.Context) -> dict[str, str]:
    """List the keys of all entries, then their addresses, each with its file."""
    entries = [each for outline in _read_outlines(context) for each in outline.entries.items()]
    return {
        **{key: entry.file for key, entry in entries},
        **{f"group.{key}": entry.file for key, entry in entries},
        **{f"destination.{key}": entry.file for key, entry in entries if entry.has_destination},
    }


def _list_policies(context: click.Context) -> dict[str, str]:
    outlines = _read_outlines(context, reads_specs=False)
    return {name: "" for outline in outlines for name in outline.policies}


def _list_variables(context: click.Context) -> dict[str, str]:
    outlines = _read_outlines(context, reads_specs=False)
    return {f"{name}=": "" for outline in outlines for name in outline.variables}


complete_address = _complete(_list_addresses)
"""Complete to a key or an address of the specs."""
complete_policy = _complete(_list_policies)
"""Complete to a policy that an operator may override."""
complete_variable = _complete(_list_variables)
"""Complete to `NAME=` for each variable that the project defines."""
complete_limit = _complete(lambda context: {f"{name}=": "" for name in LIMIT_NAMES})
"""Complete to `LIMIT=` for each limit."""


def _read_outlines(context: click.Context, *, reads_specs: bool = True) -> Iterator[Outline]:
    """Read the projects of the command line: those that it names, all, or the one that a command would find."""
    from reconciler.spec.outline import read_outline
    from reconciler.workspace.project_search import find_all_projects

    folder = Path.cwd()
    chosen = context.params.get("project") or ()
    projects = (chosen,) if isinstance(chosen, Path) else chosen
    if context.params.get("is_all"):
        projects = find_all_projects(folder)
    return (read_outline(project, folder, reads_specs=reads_specs) for project in projects)


def list_service_names() -> Iterable[str]:
    """List the names of all services."""
    from reconciler.catalogue.names import load_service_names

    return load_service_names()
