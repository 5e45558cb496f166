"""`reconciler catalogue`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.completion_items import services, starting_with
from reconciler.cli.exit import Exit
from reconciler.cli.options import format_option
from reconciler.cli.output import say
from reconciler.cli.usage import MisuseError, did_you_mean

if TYPE_CHECKING:
    from reconciler.catalogue.model import Service


@click.group("catalogue")
def command() -> None:
    """Look up destination services and their fields. Needs no project and no network."""


@command.command("list")
@format_option("text", "json")
def list_services(form: str) -> Exit:
    """List all services, with what to take instead of those that are not current."""
    from reconciler.catalogue.load import load_service, service_names
    from reconciler.report.catalogue_json import service_list_data
    from reconciler.report.catalogue_text import service_list

    known = [service for name in service_names() if (service := load_service(name))]
    return say(_document(service_list_data(known)) if form == "json" else service_list(known))


@command.command("show")
@click.argument("service", shell_complete=starting_with(services))
@format_option("text", "json")
@click.option("--example", is_flag=True, help="Print a spec file to start from instead.")
def show_service(service: str, form: str, example: bool) -> Exit:
    """Show what SERVICE is and which fields its config has."""
    from reconciler.catalogue.example import example_spec
    from reconciler.report.catalogue_json import service_data
    from reconciler.report.catalogue_text import service_page

    if example and form == "json":
        raise MisuseError("`--example` prints YAML", "leave `--format json` out")
    found = _service(service)
    if example:
        return say(example_spec(found).rstrip("\n"))
    return say(_document(service_data(found)) if form == "json" else service_page(found))


def _service(name: str) -> Service:
    """A service by its name; a slip gets the nearest one."""
    from reconciler.catalogue.load import load_service, service_names

    if found := load_service(name):
        return found
    advice = did_you_mean(name, service_names()) or "`reconciler catalogue list` shows all services"
    raise MisuseError(f"there is no service `{name}`", advice)


def _document(content: Mapping[str, Any]) -> str:
    from reconciler.report.document import document, dumped

    return dumped(document(Exit.OK, Exit.OK.reason, content))
