"""Define the `reconciler test` command."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import click

from reconciler.cli.completion_items import complete_address
from reconciler.cli.durations import make_duration_parser
from reconciler.cli.exit import ExitCode, get_apply_exit_code
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
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.report.formats import Document, list_formats
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext


@dataclass(frozen=True, slots=True)
class SetupTestOptions:
    """Bounds of a run of setup tests. With `records` the state keeps the results."""

    budget: int | None
    deadline: timedelta | None
    records: bool


@click.command("test", cls=Command)
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...", shell_complete=complete_address)
@format_option(*list_formats(Document.TEST))
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    metavar="N",
    help="Test at most N destinations: outstanding tests first, then the oldest results.",
)
@click.option(
    "--deadline",
    metavar="TIME",
    callback=make_duration_parser("`90s`, `20m` or `2h`"),
    help="Start no test after this time, as in 90s, 20m, 2h. Tests under way are waited for.",
)
@option(
    OptionGroup.STATE,
    "--no-record",
    is_flag=True,
    help="Do not lock or write the state: results are only shown.",
)
@shared_options
@variables_option
@strict_option
@run_options
def command(
    *,
    settings: Settings,
    output: OutputOptions,
    form: str,
    addresses: tuple[str, ...],
    budget: int | None,
    deadline: timedelta | None,
    no_record: bool,
) -> ExitCode:
    """Run the setup tests of destinations that exist, and report the results.

    ADDRESS is an address or a key, `*` for any text; a group stands for its destination. Without it, all destinations
    of the specs are tested. Setup tests interrupt running syncs. Passed tests are recorded, so that no plan asks for
    them again. At most 250 tests start in a minute and 2,500 in an hour, unless `budget:` of the project file says
    less.
    """
    from reconciler.cli.context import run_command

    updated = replace(settings, targets=addresses, compare_secrets=False)
    options = SetupTestOptions(budget, deadline, records=not no_record)
    return run_command(updated, output, form, partial(_test, options=options), command="test")


_ACCOUNT_UNCONFIRMED = Diagnostic(
    "account-unconfirmed",
    "the project file does not name its account, and setup tests interrupt the syncs of whatever account this is",
    help="set `account_id:` in the project file; `reconciler plan` shows the account of your credentials",
)


def _test(context: CommandContext, options: SetupTestOptions) -> ExitCode:
    from reconciler.applying.testing import run_tests, select_tests
    from reconciler.cli.events import log_abandoned_runs, open_event_log
    from reconciler.cli.interrupt import cancel_on_signal
    from reconciler.planning.pipeline import make_plan
    from reconciler.planning.targets import select_test_targets
    from reconciler.report.renderer import SetupTestReport
    from reconciler.workspace.audit import combine_listeners
    from reconciler.workspace.workspace import Access, open_workspace, with_lock_renewal

    cancelled = threading.Event()
    access = Access.WRITE if options.records else Access.READ
    with (
        ExitStack() as exit_stack,
        open_event_log(context, "test") as log,
        context.make_progress() as progress,
        open_workspace(context.settings, combine_listeners(progress, log), access, cancelled) as opened,
        log_abandoned_runs(log),
    ):
        if not opened.is_account_confirmed:
            raise ReconcilerError([_ACCOUNT_UNCONFIRMED])
        targets = select_test_targets(opened.settings.targets, opened.specs)
        workspace = replace(opened, settings=replace(opened.settings, targets=targets))
        planned = with_lock_renewal(workspace, make_plan)
        progress.close()
        selected = select_tests(planned, options.budget)
        log.log_plan(selected.planned.plan, {})
        progress.expect(selected.addresses)
        exit_stack.enter_context(cancel_on_signal(cancelled, progress.announce_stop, progress.close_at_once))
        clock = context.settings.clock
        until = None if options.deadline is None else clock.monotonic() + options.deadline.total_seconds()
        result = run_tests(workspace, selected, until=until, records=options.records)
        progress.close()
        code = get_apply_exit_code(result.applied)
        log.log_finish(code, code.reason, result.applied)
        context.show(
            context.renderer.tested(SetupTestReport(code, result.applied, result.left, result.missing))
        )
        return code
