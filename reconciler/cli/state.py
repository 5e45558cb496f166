"""Define the `reconciler state` command."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.completion_items import complete_address
from reconciler.cli.exit import ExitCode
from reconciler.cli.help_pages import CommandGroup
from reconciler.cli.option_groups import OptionGroup, option
from reconciler.cli.options import format_option, offline_options, state_options
from reconciler.cli.output import OutputOptions
from reconciler.cli.prompt import can_prompt, confirm
from reconciler.cli.usage import MisuseError
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext


@click.group("state", cls=CommandGroup)
def command() -> None:
    """Show and correct the recorded state.

    Sends nothing to Fivetran. ADDR is an address as plans show it (`group.KEY`, `destination.KEY`),
    or the KEY alone for both.
    """


@command.command("list")
@format_option("text", "json", "tfvars")
@state_options
def list_records(settings: Settings, output: OutputOptions, form: str) -> ExitCode:
    """List all addresses with their ids and marks.

    protected: never deleted; unverified: setup tests or approvals are outstanding; interrupted: a run began to
    change it and did not finish. `--format tfvars` prints the group ids by key, for Terraform.
    """
    return _run_command(settings, output, form, partial(_list, is_tfvars=form == "tfvars"))


def _list(context: CommandContext, is_tfvars: bool) -> ExitCode:
    from reconciler.operations.state import read_state
    from reconciler.report.state import render_state, serialize_state
    from reconciler.report.state_changes import list_group_ids, render_tfvars
    from reconciler.report.style import write_plain

    view = read_state(context.settings)
    context.show(context.renderer.warnings(view.warnings))
    ids = list_group_ids(view.state)
    if is_tfvars:
        write_plain(context.out, render_tfvars(view.place, ids))
        return ExitCode.OK
    context.print_result(render_state(view.place, view.state))
    document = {**serialize_state(view.place, view.state), "groups": ids}
    context.print_document(ExitCode.OK, {**document, **_serialize_warnings(view.warnings)})
    return ExitCode.OK


@command.command("show")
@click.argument("address", metavar="ADDR", shell_complete=complete_address)
@format_option("text", "json")
@state_options
def show_record(settings: Settings, output: OutputOptions, form: str, address: str) -> ExitCode:
    """Show the whole record of ADDR. A secret is shown only as present."""
    return _run_command(settings, output, form, partial(_show, text=address))


def _show(context: CommandContext, text: str) -> ExitCode:
    from reconciler.kinds.visibility import find_hidden_fields
    from reconciler.operations.state import find_records, read_state
    from reconciler.report.state import render_records, serialize_records

    view = read_state(context.settings)
    records = find_records(view.state.records, text)
    hidden = {address: find_hidden_fields(address, record) for address, record in records.items()}
    context.show(context.renderer.warnings(view.warnings))
    context.print_result(render_records(records, hidden))
    context.print_document(
        ExitCode.OK, {**serialize_records(records, hidden), **_serialize_warnings(view.warnings)}
    )
    return ExitCode.OK


@command.command("move")
@click.argument(
    "words", metavar="FROM TO | ADDR...", nargs=-1, required=True, shell_complete=complete_address
)
@option(
    OptionGroup.STATE,
    "--to",
    "receiver",
    type=click.Path(path_type=Path),
    metavar="PROJECT",
    help="Hand ADDR over to the state of this project file, and drop it from the state of this project.",
)
@format_option("text", "json")
@state_options
def move_records(
    settings: Settings, output: OutputOptions, form: str, words: tuple[str, ...], receiver: Path | None
) -> ExitCode:
    """Move a record to another key. A group and its destination move together.

    The specs have to use the new key as well. `was:` in a spec does the same with the next apply.

    With --to, the records of each ADDR move to the state of another project of the same account, with fingerprints,
    pins and protection. If the move is stopped, the same command completes it. Afterwards the specs of that project
    have to declare the entries, and the specs of this project no longer.
    """
    if receiver is not None:
        if settings.sandbox:
            raise MisuseError(
                "each sandbox has an account of its own, so nothing moves between two",
                "leave `--sandbox` out",
            )
        return _run_command(settings, output, form, partial(_hand_over, receiver=receiver, texts=words))
    if len(words) != 2:
        raise MisuseError(
            f"`state move` takes FROM and TO, and this is {len(words)}",
            "write `reconciler state move old_key new_key`; `--to PROJECT` hands entries over to another project",
        )
    source, target = words
    return _run_command(settings, output, form, partial(_move, source=source, target=target))


def _hand_over(context: CommandContext, receiver: Path, texts: tuple[str, ...]) -> ExitCode:
    from reconciler.operations.hand_over import hand_over
    from reconciler.report.state_changes import render_hand_over, serialize_hand_over

    try:
        result = hand_over(context.settings, receiver, texts)
    except KeyboardInterrupt:
        context.show(context.renderer.failure(ExitCode.INTERRUPTED, [_INTERRUPTED_HAND_OVER]))
        return ExitCode.INTERRUPTED
    context.print_result(render_hand_over(result))
    context.show(context.renderer.warnings(result.warnings))
    context.print_document(
        ExitCode.OK, {**serialize_hand_over(result), **_serialize_warnings(result.warnings)}
    )
    return ExitCode.OK


def _move(context: CommandContext, source: str, target: str) -> ExitCode:
    from reconciler.operations.state import move_entry
    from reconciler.report.state import render_moves, serialize_moves

    moved = move_entry(context.settings, source, target)
    pairs = [(entry.source, entry.target) for entry in moved.moves]
    context.print_result(render_moves(pairs))
    context.show(context.renderer.warnings(moved.warnings))
    context.print_document(ExitCode.OK, {**serialize_moves(pairs), **_serialize_warnings(moved.warnings)})
    return ExitCode.OK


@command.command("forget")
@click.argument("addresses", metavar="ADDR...", nargs=-1, required=True, shell_complete=complete_address)
@format_option("text", "json")
@option(OptionGroup.SAFETY, "--auto-approve", is_flag=True, help="Do not ask. Required without a terminal.")
@state_options
def forget_records(
    settings: Settings, output: OutputOptions, form: str, addresses: tuple[str, ...], auto_approve: bool
) -> ExitCode:
    """Drop the record of ADDR, after asking. A group includes its destination.

    Nothing changes at Fivetran. The next apply finds declared entries again by `id:` or name and adopts them. To
    stop managing an entry, write it below `removed:` with `forget: true` instead.
    """
    if form == "json" and not auto_approve:
        raise MisuseError("`--format json` shows nothing to approve", "add `--auto-approve`")
    return _run_command(settings, output, form, partial(_forget, texts=addresses, must_ask=not auto_approve))


def _forget(context: CommandContext, texts: tuple[str, ...], must_ask: bool) -> ExitCode:
    from reconciler.operations.state import prepare_forget
    from reconciler.report.state import render_forget_prompt, render_forgotten, serialize_forgotten

    if must_ask and not can_prompt():
        raise ReconcilerError([_NO_TERMINAL])
    with prepare_forget(context.settings, texts) as pending:
        context.print_result(render_forget_prompt(pending.place, pending.records))
        if must_ask and not confirm(context, "Forget these?"):
            context.print_result("Nothing was forgotten.")
            return ExitCode.FAILED
        warnings = pending.execute()
    context.print_result(render_forgotten(len(pending.records)))
    context.show(context.renderer.warnings(warnings))
    context.print_document(
        ExitCode.OK, {**serialize_forgotten(pending.records), **_serialize_warnings(warnings)}
    )
    return ExitCode.OK


@command.command("migrate")
@click.option(
    "--to",
    "place",
    metavar="PLACE",
    required=True,
    help="New place, as `state:` in the project file names it: a path relative to that file, `git:REMOTE/BRANCH`, or an"
    " object such as `s3://bucket/key`.",
)
@option(
    OptionGroup.STATE,
    "--without-source",
    is_flag=True,
    help="Complete a move that was stopped, although its old place is lost for good.",
)
@format_option("text", "json")
@offline_options
def migrate(
    settings: Settings, output: OutputOptions, form: str, place: str, without_source: bool
) -> ExitCode:
    """Move the state to another place, and mark the old place, so that no run goes on with it.

    Everything moves along: unfinished changes, approved plans, protection. If the move is stopped, the same command
    completes it. Afterwards the project file must name the new place.
    """
    return _run_command(settings, output, form, partial(_migrate, place=place, without_source=without_source))


def _migrate(context: CommandContext, place: str, without_source: bool) -> ExitCode:
    from reconciler.operations.migrate import migrate_state
    from reconciler.report.state_changes import render_migration, serialize_migration

    try:
        migration = migrate_state(context.settings, place, without_source=without_source)
    except KeyboardInterrupt:
        context.show(context.renderer.failure(ExitCode.INTERRUPTED, [_INTERRUPTED_MIGRATION]))
        return ExitCode.INTERRUPTED
    context.print_result(render_migration(migration))
    context.show(context.renderer.warnings(migration.warnings))
    context.print_document(
        ExitCode.OK, {**serialize_migration(migration), **_serialize_warnings(migration.warnings)}
    )
    return ExitCode.OK


@command.command("rekey")
@option(OptionGroup.SAFETY, "--dry-run", is_flag=True, help="Show the result, and write nothing.")
@option(
    OptionGroup.SAFETY,
    "--auto-approve",
    is_flag=True,
    help="Do not ask. Required without a terminal if fingerprints are lost.",
)
@format_option("text", "json")
@offline_options
def rekey(
    settings: Settings, output: OutputOptions, form: str, dry_run: bool, auto_approve: bool
) -> ExitCode:
    """Compute all fingerprints of secrets with the `fingerprint_key` of the project file.

    Reads the secrets behind the references. A secret that cannot be read is named, and cannot be compared from then
    on; this asks first. The former key is not needed. If it stands beside the state, a secret that was rotated and not
    applied yet is found by it; otherwise apply rotated secrets before.
    """
    return _run_command(settings, output, form, partial(_rekey, dry_run=dry_run, must_ask=not auto_approve))


def _rekey(context: CommandContext, dry_run: bool, must_ask: bool) -> ExitCode:
    from reconciler.operations.rekey import prepare_rekey
    from reconciler.report.state_changes import render_rekey, serialize_rekey

    with prepare_rekey(context.settings, dry_run=dry_run) as pending:
        view = pending.view
        context.print_result(render_rekey(view))
        warnings: tuple[Diagnostic, ...] = ()
        if dry_run:
            context.print_result("Nothing was written.")
        else:
            if view.lost and must_ask:
                if context.renderer.is_document or not can_prompt():
                    raise ReconcilerError([_NO_TERMINAL_TO_REKEY])
                if not confirm(context, "Give up these fingerprints?"):
                    context.print_result("Nothing was written.")
                    return ExitCode.FAILED
            warnings = pending.execute()
    context.show(context.renderer.warnings(warnings))
    context.print_document(
        ExitCode.OK, {**serialize_rekey(view, written=not dry_run), **_serialize_warnings(warnings)}
    )
    return ExitCode.OK


@command.command("unlock")
@format_option("text", "json")
@option(OptionGroup.SAFETY, "--auto-approve", is_flag=True, help="Do not ask. Required without a terminal.")
@state_options
def unlock(settings: Settings, output: OutputOptions, form: str, auto_approve: bool) -> ExitCode:
    """Break the lock of a dead run, after asking.

    Seldom needed: a lock ends with its process. It is needed if the state is on a shared disk and the other host
    died. In git and in buckets a lock expires a few minutes after the last sign of its holder; this breaks it
    earlier. A lock whose process runs on this host is not broken; stop that process instead.
    """
    return _run_command(settings, output, form, partial(_unlock, must_ask=not auto_approve))


def _unlock(context: CommandContext, must_ask: bool) -> ExitCode:
    from reconciler.operations.unlock import inspect_lock
    from reconciler.report.state import (
        render_lock_broken,
        render_unlock_prompt,
        render_unlocked,
        serialize_lock,
    )

    lock = inspect_lock(context.settings)
    if lock.is_free:
        context.print_result(render_unlocked(lock.place, lock.status.holder))
        context.print_document(ExitCode.OK, serialize_lock(lock.place, lock.status.holder, broken=False))
        return ExitCode.OK
    context.print_result(render_unlock_prompt(lock.place, lock.status.holder, lock.uncertainty))
    if must_ask and (context.renderer.is_document or not can_prompt()):
        raise ReconcilerError([_NO_TERMINAL_TO_UNLOCK])
    if must_ask and not confirm(context, "Break this lock?"):
        context.print_result("The lock was not changed.")
        return ExitCode.FAILED
    lock.force_unlock()
    context.print_result(render_lock_broken(lock.place))
    context.print_document(ExitCode.OK, serialize_lock(lock.place, lock.status.holder, broken=True))
    return ExitCode.OK


_NO_TERMINAL_TO_UNLOCK = Diagnostic(
    "no-terminal",
    "unlock asks before it breaks a lock, and there is no terminal to answer on",
    help="make sure that its holder has ended, then add `--auto-approve`",
)
_NO_TERMINAL_TO_REKEY = Diagnostic(
    "no-terminal",
    "rekey asks before it gives up fingerprints, and there is no terminal to answer on",
    help="look at `reconciler state rekey --dry-run` first, then add `--auto-approve`",
)
_INTERRUPTED_MIGRATION = Diagnostic(
    "interrupted",
    "the move of the state was interrupted",
    notes=("no record is lost, and at most one place accepts runs",),
    help="run the same command again, which completes the move",
)
_INTERRUPTED_HAND_OVER = Diagnostic(
    "interrupted",
    "the move to the other project was interrupted",
    notes=("no record is lost; both states may have it, and then neither project can change it",),
    help="run the same command again, which completes the move",
)
_NO_TERMINAL = Diagnostic(
    "no-terminal",
    "forget asks before it drops a record, and there is no terminal to answer on",
    help="look at `reconciler state show` first, then add `--auto-approve`",
)


def _serialize_warnings(warnings: Iterable[Diagnostic]) -> dict[str, Any]:
    from reconciler.report.diagnostics import serialize_diagnostics

    return {"warnings": serialize_diagnostics(warnings)}


def _run_command(
    settings: Settings, output: OutputOptions, form: str, work: Callable[[CommandContext], ExitCode]
) -> ExitCode:
    from reconciler.cli.context import run_command

    return run_command(settings, output, form, work)
