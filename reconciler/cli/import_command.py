"""Define the `reconciler import` command."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import ExitCode
from reconciler.cli.help_pages import Command
from reconciler.cli.option_groups import OptionGroup, option
from reconciler.cli.options import (
    format_option,
    run_options,
    shared_options,
    strict_option,
    variables_option,
)
from reconciler.cli.output import OutputOptions
from reconciler.cli.usage import MisuseError
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext
    from reconciler.importing.options import ImportOptions
    from reconciler.importing.results import ImportResult

_FILE = click.Path(path_type=Path, dir_okay=False)
_YAML_SUFFIXES = (".yaml", ".yml")


@click.command("import", cls=Command)
@click.argument("selectors", nargs=-1, metavar="[SELECTOR]...")
@click.option(
    "--layout",
    type=click.Choice(["service", "group", "one"]),
    help="Files of the new entries: one per service (default), one per group, or one for all.",
)
@click.option("--into", type=_FILE, metavar="FILE", help="Write all new entries into this spec file.")
@click.option(
    "--ids-into",
    type=_FILE,
    metavar="FILE",
    help="Write the ids of the groups into this override file, so that environments can share the entries.",
)
@click.option(
    "--secrets",
    "template",
    default="env:{KEY}_{FIELD}",
    show_default=True,
    metavar="TEMPLATE",
    help="References of secrets, with `{key}` and `{field}`, also in capitals.",
)
@click.option(
    "--profiles",
    type=click.Choice(["auto", "off"]),
    default="auto",
    show_default=True,
    help="`auto`: from ten new entries on, move shared fields into profiles.",
)
@click.option(
    "--unknown-fields",
    type=click.Choice(["leave-out", "write"]),
    default="leave-out",
    show_default=True,
    help="Fields that the catalogue does not know. `write`: declare those that look like no secret.",
)
@click.option(
    "--names",
    is_flag=True,
    help="Write private links, agents and secrets managers by their names, and not by their ids.",
)
@click.option("--connections", is_flag=True, help="Name the connections of each destination in a comment.")
@click.option(
    "--from-terraform",
    metavar="FILE",
    help="Import the groups of this Terraform state, under its names. `-` reads standard input.",
)
@option(
    OptionGroup.SAFETY,
    "--dry-run",
    is_flag=True,
    help="Show the differences of all files, and write nothing.",
)
@format_option("text", "json")
@shared_options
@variables_option
@strict_option
@run_options
def command(
    *,
    settings: Settings,
    output: OutputOptions,
    form: str,
    selectors: tuple[str, ...],
    layout: str | None,
    into: Path | None,
    ids_into: Path | None,
    template: str,
    profiles: str,
    unknown_fields: str,
    names: bool,
    connections: bool,
    from_terraform: str | None,
    dry_run: bool,
) -> ExitCode:
    """Write specs for groups that exist already. Reads the account only.

    SELECTOR is the name or the id of a group, or a glob, which respects case. Without it, imports every group that the
    specs do not declare. A selector that names no group does not stop the others; the exit code is 1 then. Existing
    entries stay as they are. Secrets become references.

    Checks before writing that the new entries have an empty plan. Leaves out a group that fails this check, with the
    reason.
    """
    from reconciler.cli.context import run_command
    from reconciler.importing.model import EntryOptions, UnknownFieldTreatment
    from reconciler.importing.options import ImportOptions, Layout, ProfileUse

    if into is not None and layout is not None:
        raise MisuseError("`--into` and `--layout` exclude each other", "leave one of them out")
    if into is not None and into.suffix not in _YAML_SUFFIXES:
        raise MisuseError(f"`--into {into}` is no YAML file", "name a file that ends in `.yaml` or `.yml`")
    if from_terraform == "-" and sys.stdin is not None and sys.stdin.isatty():
        raise MisuseError(
            "`--from-terraform -` reads standard input, and that is a terminal",
            "pipe the state: `terraform show -json | reconciler import --from-terraform -`",
        )
    options = ImportOptions(
        selectors=selectors,
        layout=None if layout is None else Layout(layout),
        into=None if into is None else settings.directory / into,
        ids_into=None if ids_into is None else settings.directory / ids_into,
        profiles=ProfileUse(profiles),
        with_connections=connections,
        entries=EntryOptions(template, UnknownFieldTreatment(unknown_fields), writes_names=names),
    )
    work = partial(_import, options=options, state_file=from_terraform, is_dry_run=dry_run)
    return run_command(replace(settings, compare_secrets=False), output, form, work)


def _import(
    context: CommandContext, options: ImportOptions, state_file: str | None, is_dry_run: bool
) -> ExitCode:
    from reconciler.cli.events import open_event_log
    from reconciler.importing.draft import load_project
    from reconciler.importing.pipeline import import_groups
    from reconciler.importing.secret_template import parse_template
    from reconciler.importing.template_check import check_template
    from reconciler.importing.terraform_state import read_terraform
    from reconciler.workspace.audit import combine_listeners
    from reconciler.workspace.workspace import open_workspace

    template = parse_template(options.entries.secret_template)
    if state_file is not None:
        options = replace(options, terraform=read_terraform(state_file))
    specs = load_project(context.settings, options)
    check_template(template, specs.project)
    with open_event_log(context, "import") as log:
        with (
            context.make_progress() as progress,
            open_workspace(context.settings, combine_listeners(progress, log), specs=specs) as workspace,
        ):
            result = import_groups(workspace, options, is_dry_run=is_dry_run)
        code = ExitCode.OK if result.is_complete else ExitCode.FAILED
        _show_result(context, result, code)
        log.log_finish(code, code.reason)
    return code


def _show_result(context: CommandContext, result: ImportResult, code: ExitCode) -> None:
    from reconciler.report.import_json import serialize_import
    from reconciler.report.import_text import render_import
    from reconciler.report.terraform_release import render_terraform_release

    if context.renderer.is_document:
        context.print_document(code, serialize_import(result))
        return
    run_options = " --sandbox" if context.settings.sandbox else ""
    context.show(render_import(result, run_options, context.output.verbosity))
    if result.release is not None and not context.output.is_quiet:
        context.show(render_terraform_release(result.release))
    context.show(context.renderer.blockers(result.findings))
