"""Define the `reconciler init` command."""

from __future__ import annotations

import os
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import ExitCode
from reconciler.cli.help_pages import Command
from reconciler.cli.option_groups import OptionGroup, option
from reconciler.cli.options import no_color_option, sandbox_option
from reconciler.cli.output import OutputOptions
from reconciler.cli.prompt import can_prompt, confirm
from reconciler.cli.usage import MisuseError
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.project_names import DEFAULT_PROJECT
from reconciler.operations.ci_templates import list_ci_systems

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext
    from reconciler.operations.initialisation import AccountFacts


@click.command("init", cls=Command)
@click.argument(
    "folder",
    metavar="[DIR]",
    default=".",
    type=click.Path(path_type=Path, file_okay=False),
)
@click.option(
    "--ci",
    type=click.Choice(list_ci_systems()),
    help="Also write the pipeline of this system. DIR is the root of a repository then.",
)
@option(OptionGroup.SAFETY, "-y", "--yes", is_flag=True, help="Do not ask. Required without a terminal.")
@sandbox_option
@no_color_option
def command(folder: Path, ci: str | None, yes: bool, sandbox: bool, no_color: bool) -> ExitCode:
    """Begin a project in DIR, by default in this folder.

    Checks the credentials, shows their account, asks whether it is the right one, and writes `specs/reconciler.yaml`
    with its id, schemas for editors, and a `.gitignore`. An existing file is left alone, so a run again completes the
    project. Reads the account only.
    """
    from reconciler.cli.context import make_settings, run_command
    from reconciler.operations.initialisation import find_or_place_project

    project = find_or_place_project(folder)
    if ci is not None:
        _check_pipeline_place(folder, project)
    settings = make_settings(project, sandbox=sandbox)
    must_ask = not (yes or sandbox)
    work = partial(_init, folder=folder, ci=ci, must_ask=must_ask)
    return run_command(settings, OutputOptions(no_color), "text", work)


def _check_pipeline_place(folder: Path, project: Path) -> None:
    """Refuse a folder in which a pipeline would not be read, or would not find the project file."""
    from reconciler.runtime.git import find_work_tree

    resolved = folder.resolve()
    root = find_work_tree(resolved)
    if root not in {None, resolved}:
        shown = shlex.quote(os.path.relpath(str(root or resolved)))
        raise MisuseError(
            "`--ci` is for the root of a repository, and this folder is below it",
            f"write the pipeline there: `reconciler init {shown} --ci …`",
        )
    if project != folder / DEFAULT_PROJECT:
        raise MisuseError(
            f"the pipelines read `{DEFAULT_PROJECT}`, and the project file is `{project}`",
            "move the project file, or copy a pipeline of `examples/` and change its path",
        )


def _init(context: CommandContext, folder: Path, ci: str | None, must_ask: bool) -> ExitCode:
    from reconciler.operations.initialisation import read_account, write_project
    from reconciler.report.initialisation import render_next_steps, render_project_files

    if must_ask and not can_prompt():
        raise ReconcilerError([_NO_TERMINAL])
    with context.make_progress() as progress:
        account = read_account(context.settings, progress)
    _show_account(context, account)
    if must_ask and not confirm(context, "Is this the account of your specs?"):
        context.print_result(_DECLINED)
        return ExitCode.FAILED
    written = write_project(context.settings, folder, account, ci)
    context.print_result(render_project_files((file.path, file.is_new) for file in written))
    shown_folder = "" if folder == Path() else shlex.quote(str(folder))
    is_sandbox = context.settings.sandbox
    context.print_result(render_next_steps(account.groups, folder=shown_folder, ci=ci, is_sandbox=is_sandbox))
    return ExitCode.OK


def _show_account(context: CommandContext, account: AccountFacts) -> None:
    from reconciler.report.initialisation import render_new_account

    context.print_result(
        render_new_account(
            account.name, account.account_id, account.key.value, account.groups, account.destinations
        )
    )


_DECLINED = (
    "Nothing was written. Set `FIVETRAN_APIKEY` and `FIVETRAN_APISECRET` to a key of the right account."
)
_NO_TERMINAL = Diagnostic(
    "no-terminal",
    "init asks whether the account is the right one, and there is no terminal to answer on",
    help="add `--yes` to take the account of the credentials",
)
