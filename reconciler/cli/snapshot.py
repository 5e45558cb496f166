"""Define the `reconciler snapshot` command."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.completion_items import complete_list
from reconciler.cli.exit import ExitCode, get_exit_code
from reconciler.cli.help_pages import Command
from reconciler.cli.option_groups import OptionGroup, option
from reconciler.cli.options import format_option, parallelism_option, shared_options
from reconciler.cli.output import OutputOptions
from reconciler.cli.usage import MisuseError
from reconciler.model.suggestions import did_you_mean
from reconciler.operations.extra_lists import ExtraList
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext


def _parse_extra_lists(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> frozenset[ExtraList]:
    """Parse `connections,trust`."""
    names = frozenset(name.strip() for value in values for name in value.split(",") if name.strip())
    for name in sorted(names.difference(ExtraList)):
        advice = did_you_mean(name, ExtraList) or "write `connections`, `trust` or `connections,trust`"
        raise MisuseError(f"`--with` knows no list `{name}`", advice)
    return frozenset(map(ExtraList, names))


@click.command("snapshot", cls=Command)
@click.option(
    "--out",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    required=True,
    help="Write the account to FILE in YAML, readable by its owner only.",
)
@click.option(
    "--with",
    "extra_lists",
    metavar="LISTS",
    multiple=True,
    callback=_parse_extra_lists,
    shell_complete=complete_list(lambda: ExtraList),
    help="Also read `connections` (one more request per group) and `trust`, the approved certificates and fingerprints"
    " (two more per destination). Separated by commas.",
)
@option(OptionGroup.SAFETY, "--force", is_flag=True, help="Replace FILE if it exists.")
@format_option("text", "json")
@shared_options
@parallelism_option
def command(
    *,
    settings: Settings,
    output: OutputOptions,
    form: str,
    file: Path,
    extra_lists: frozenset[ExtraList],
    force: bool,
) -> ExitCode:
    """Write the account to a file, for plans without the account. Only reads.

    The file has groups, destinations with their config, private links, agents and secrets managers. Stars stand for
    secrets and for values that may be secrets. `plan --against FILE` plans against the file, and `emulate --seed FILE`
    serves it.
    """
    from reconciler.cli.context import run_command

    if str(file) == "-":
        raise MisuseError("`--out -` names no file", "name a file, for example `--out account.yaml`")
    work = partial(_take_snapshot, file=file, extra_lists=extra_lists, replaces=force)
    return run_command(settings, output, form, work, command="snapshot")


def _take_snapshot(
    context: CommandContext, file: Path, extra_lists: frozenset[ExtraList], replaces: bool
) -> ExitCode:
    from reconciler.operations.snapshot import check_target, explain_incomplete, take_snapshot
    from reconciler.report.diagnostics import serialize_diagnostics
    from reconciler.report.snapshot import render_snapshot, serialize_snapshot

    check_target(context.settings, file, replaces=replaces)
    with context.make_progress() as progress:
        result = take_snapshot(context.settings, file, extra_lists, progress, replaces=replaces)
    problems = [explain_incomplete(result, str(file))] if result.unreadable else []
    code = get_exit_code(problems) if problems else ExitCode.OK
    context.print_result(render_snapshot(result, str(file)))
    context.show(context.renderer.blockers(problems))
    content = serialize_snapshot(result, str(file))
    context.print_document(code, {**content, "diagnostics": serialize_diagnostics(problems)})
    return code
