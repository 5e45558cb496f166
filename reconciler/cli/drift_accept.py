"""Take the live values of drifted fields into the specs, for `drift --accept`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.completion_items import complete_address
from reconciler.cli.exit import ExitCode
from reconciler.cli.option_groups import OptionGroup, option
from reconciler.cli.output import OutputOptions
from reconciler.cli.prompt import can_prompt, confirm
from reconciler.cli.usage import MisuseError
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext
    from reconciler.importing.accept_model import Acceptance

_FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True)
class AcceptOptions:
    """Options of `drift --accept`: the named entries, and whether the run asks, or writes at all."""

    accepts: bool = False
    addresses: tuple[str, ...] = ()
    is_approved: bool = False
    is_dry_run: bool = False


def accept_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--accept` with its addresses, `--yes` and `--dry-run`, as `acceptance`."""

    @click.argument("addresses", nargs=-1, metavar="[ADDRESS]...", shell_complete=complete_address)
    @click.option(
        "--accept",
        "accepts",
        is_flag=True,
        help="Write what was changed outside into the specs, and show the differences before. ADDRESS: only these"
        " entries, an address or a key, `*` for any text.",
    )
    @option(OptionGroup.SAFETY, "-y", "--yes", "is_approved", is_flag=True, help="With --accept: do not ask.")
    @option(OptionGroup.SAFETY, "--dry-run", "is_dry_run", is_flag=True, help="With --accept: write nothing.")
    @functools.wraps(command)
    def with_acceptance(
        *, accepts: bool, addresses: tuple[str, ...], is_approved: bool, is_dry_run: bool, **options: Any
    ) -> Any:
        return command(acceptance=AcceptOptions(accepts, addresses, is_approved, is_dry_run), **options)

    return with_acceptance


def check_acceptance(acceptance: AcceptOptions, settings: Settings, form: str, *, detailed: bool) -> None:
    """Refuse options that contradict each other. Raises MisuseError."""
    if not acceptance.accepts:
        _refuse_without_accept(acceptance)
        return
    if form not in _FORMATS:
        raise MisuseError(f"`--format {form}` shows drift, and `--accept` takes it", "use `text` or `json`")
    if detailed:
        raise MisuseError("`--detailed-exitcode` is about drift that stays", "leave it or `--accept` out")
    if acceptance.addresses and settings.targets:
        raise MisuseError("`--accept` and `--target` both name entries", "name all of them after `--accept`")
    if form == "json" and not (acceptance.is_approved or acceptance.is_dry_run):
        raise MisuseError("`--format json` shows no differences to approve", "add `--yes` or `--dry-run`")


def _refuse_without_accept(acceptance: AcceptOptions) -> None:
    if acceptance.addresses:
        name = acceptance.addresses[0]
        raise MisuseError(
            f"`{name}` names an entry to accept, and `--accept` is missing",
            f"write `--accept {name}`; `--target {name}` shows its drift only",
        )
    given = {"--yes": acceptance.is_approved, "--dry-run": acceptance.is_dry_run}
    for name, is_given in given.items():
        if is_given:
            raise MisuseError(f"`{name}` is for `--accept`: drift alone is only shown", "leave it out")


def accept_drift(settings: Settings, output: OutputOptions, form: str, acceptance: AcceptOptions) -> ExitCode:
    """Run `drift --accept`."""
    from reconciler.cli.context import run_command

    targets = acceptance.addresses or settings.targets
    return run_command(
        replace(settings, targets=targets, compare_secrets=False),
        output,
        form,
        partial(_accept, options=acceptance),
    )


def _accept(context: CommandContext, options: AcceptOptions) -> ExitCode:
    from reconciler.cli.events import open_event_log
    from reconciler.importing.accepting import plan_acceptance
    from reconciler.workspace.audit import combine_listeners
    from reconciler.workspace.workspace import open_workspace, with_lock_renewal

    if not (options.is_approved or options.is_dry_run or can_prompt()):
        raise ReconcilerError([_NO_TERMINAL])
    selectors = context.settings.targets
    with open_event_log(context, "drift") as log:
        with (
            context.make_progress() as progress,
            open_workspace(context.settings, combine_listeners(progress, log)) as workspace,
        ):
            planned = with_lock_renewal(workspace, partial(plan_acceptance, selectors=selectors))
        log.log_plan(planned.plan, {})
        code = _finish(context, planned, options)
        log.log_finish(code, code.reason)
    return code


def _finish(context: CommandContext, acceptance: Acceptance, options: AcceptOptions) -> ExitCode:
    """Show an acceptance, ask, and write the files. Returns 1 if drift is left out or the user declines."""
    from reconciler.importing.changed_files import write_changed_files
    from reconciler.report.accept_text import render_acceptance, render_summary, serialize_acceptance

    code = ExitCode.FAILED if acceptance.left_out else ExitCode.OK
    context.show(context.renderer.warnings(acceptance.plan.warnings))
    if not context.renderer.is_document:
        context.show(render_acceptance(acceptance))
    is_written = bool(acceptance.files) and not options.is_dry_run
    if is_written and not options.is_approved and not confirm(context, "Write these differences?"):
        context.print_result("Nothing was written.")
        return ExitCode.FAILED
    if is_written:
        write_changed_files(acceptance.files)
    context.print_result(render_summary(acceptance, is_written=is_written))
    context.print_document(code, serialize_acceptance(acceptance, is_written=is_written))
    return code


_NO_TERMINAL = Diagnostic(
    "no-terminal",
    "`drift --accept` asks before it writes, and there is no terminal to answer on",
    help="look at `--dry-run` first, then add `--yes`",
)
