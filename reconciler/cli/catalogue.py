"""Define the `reconciler catalogue` command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.completion_items import complete_from, list_service_names
from reconciler.cli.exit import ExitCode
from reconciler.cli.help_pages import CommandGroup
from reconciler.cli.options import format_option
from reconciler.cli.output import get_terminal_columns, print_text
from reconciler.cli.usage import MisuseError
from reconciler.model.suggestions import did_you_mean

if TYPE_CHECKING:
    from reconciler.catalogue.model import Service


@click.group("catalogue", cls=CommandGroup)
def command() -> None:
    """Look up destination services and their fields. Needs no project and no network."""


@command.command("list")
@format_option("text", "json")
def list_services(form: str) -> ExitCode:
    """List all services, with the replacement of each outdated service."""
    from reconciler.catalogue.load import load_service, load_service_names
    from reconciler.report.catalogue import render_service_list, serialize_services

    all_services = [entry for name in load_service_names() if (entry := load_service(name))]
    return print_text(
        _render_document(serialize_services(all_services))
        if form == "json"
        else render_service_list(all_services, get_terminal_columns())
    )


@command.command("show")
@click.argument("service", shell_complete=complete_from(list_service_names))
@format_option("text", "json")
@click.option("--example", is_flag=True, help="Print a spec file to start from, instead of the fields.")
def show_service(service: str, form: str, example: bool) -> ExitCode:
    """Show SERVICE and the fields of its config."""
    from reconciler.catalogue.example import render_example
    from reconciler.report.catalogue import render_service, serialize_service

    if example and form == "json":
        raise MisuseError("`--example` prints YAML", "leave `--format json` out")
    found = _find_service(service)
    if example:
        return print_text(render_example(found).rstrip("\n"))
    return print_text(
        _render_document(serialize_service(found))
        if form == "json"
        else render_service(found, get_terminal_columns())
    )


def _find_service(name: str) -> Service:
    """Find a service by its name. Raises MisuseError with the nearest name for a slip."""
    from reconciler.catalogue.load import load_service, load_service_names

    if found := load_service(name):
        return found
    advice = did_you_mean(name, load_service_names()) or "`reconciler catalogue list` shows all services"
    raise MisuseError(f"there is no service `{name}`", advice)


def _render_document(content: Mapping[str, Any]) -> str:
    from reconciler.report.json_document import build_document, dump_document

    return dump_document(build_document(ExitCode.OK, ExitCode.OK.reason, content))
