"""`reconciler state`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.exit import Exit
from reconciler.cli.options import Shared, format_option, memory_options
from reconciler.cli.question import agreed, somebody_answers
from reconciler.cli.usage import MisuseError
from reconciler.model.diagnostic import Diagnostic, ReconcilerError

if TYPE_CHECKING:
    from reconciler.cli.session import Session


@click.group("state")
def command() -> None:
    """Look at what earlier runs remember, and correct it.

    Nothing here talks to Fivetran. ADDR is an address as plans show it (`group.KEY`, `destination.KEY`),
    or the KEY alone for both.
    """


@command.command("list")
@format_option("text", "json")
@memory_options
def list_records(shared: Shared, form: str) -> Exit:
    """List all addresses with their ids and marks.

    protected: is never deleted; unverified: has to pass setup tests or approvals; interrupted: a run was
    about to change it and did not come to an end.
    """
    return _in_session(shared, form, _list)


def _list(session: Session) -> Exit:
    from reconciler.operations.state import remembered
    from reconciler.report.state_json import state_data
    from reconciler.report.state_text import state_text

    found = remembered(session.settings)
    session.tell_warnings(found.warnings)
    session.tell(state_text(found.place, found.state))
    session.tell_document(Exit.OK, {**state_data(found.place, found.state), **_warned(found.warnings)})
    return Exit.OK


@command.command("show")
@click.argument("address", metavar="ADDR")
@format_option("text", "json")
@memory_options
def show_record(shared: Shared, form: str, address: str) -> Exit:
    """Show everything that is remembered of ADDR. Secrets are only told to be there."""
    return _in_session(shared, form, partial(_show, text=address))


def _show(session: Session, text: str) -> Exit:
    from reconciler.operations.state import hidden_fields, record_at, remembered
    from reconciler.report.state_json import records_data
    from reconciler.report.state_text import records_text

    found = remembered(session.settings)
    records = record_at(found.state.records, text)
    hidden = {address: hidden_fields(address, record) for address, record in records.items()}
    session.tell_warnings(found.warnings)
    session.tell(records_text(records, hidden))
    session.tell_document(Exit.OK, {**records_data(records, hidden), **_warned(found.warnings)})
    return Exit.OK


@command.command("move")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@format_option("text", "json")
@memory_options
def move_records(shared: Shared, form: str, source: str, target: str) -> Exit:
    """Remember an entry by another key. A group and its destination move together.

    The specs have to use the new key as well. `was:` in a spec does the same with the next apply.
    """
    return _in_session(shared, form, partial(_move, source=source, target=target))


def _move(session: Session, source: str, target: str) -> Exit:
    from reconciler.operations.state import move
    from reconciler.report.state_json import moved_data
    from reconciler.report.state_text import moved_text

    moved = move(session.settings, source, target)
    pairs = [(each.source, each.target) for each in moved.moves]
    session.tell(moved_text(pairs))
    session.tell_warnings(moved.warnings)
    session.tell_document(Exit.OK, {**moved_data(pairs), **_warned(moved.warnings)})
    return Exit.OK


@command.command("forget")
@click.argument("addresses", metavar="ADDR...", nargs=-1, required=True)
@format_option("text", "json")
@click.option("--auto-approve", is_flag=True, help="Do not ask. Needed where nobody can answer.")
@memory_options
def forget_records(shared: Shared, form: str, addresses: tuple[str, ...], auto_approve: bool) -> Exit:
    """Drop what is remembered of ADDR, after asking. A group takes its destination along.

    Nothing changes at Fivetran. What the specs still declare is found again by its `id:` or its name, and
    adopted. To stop managing something, write it below `removed:` with `forget: true` instead.
    """
    if form == "json" and not auto_approve:
        raise MisuseError("`--format json` shows nothing to approve", "add `--auto-approve`")
    return _in_session(shared, form, partial(_forget, texts=addresses, must_ask=not auto_approve))


def _forget(session: Session, texts: tuple[str, ...], must_ask: bool) -> Exit:
    from reconciler.operations.state import forgetting
    from reconciler.report.state_json import forgotten_data
    from reconciler.report.state_text import forgotten_text, to_forget_text

    if must_ask and not somebody_answers():
        raise ReconcilerError([_NO_TERMINAL])
    with forgetting(session.settings, texts) as planned:
        session.tell(to_forget_text(planned.place, planned.chosen))
        if must_ask and not agreed(session, "Forget these?"):
            session.tell("Nothing was forgotten.")
            return Exit.FAILED
        warnings = planned.carry_out()
    session.tell(forgotten_text(len(planned.chosen)))
    session.tell_warnings(warnings)
    session.tell_document(Exit.OK, {**forgotten_data(planned.chosen), **_warned(warnings)})
    return Exit.OK


@command.command("unlock")
@format_option("text", "json")
@click.option("--auto-approve", is_flag=True, help="Do not ask. Needed where nobody can answer.")
@memory_options
def unlock(shared: Shared, form: str, auto_approve: bool) -> Exit:
    """Break the lock of a run that is gone, after asking.

    Seldom needed: a lock dies with its process. It takes a person where the state is on a shared disk and the
    other host died. In git and in buckets a lock runs out a few minutes after its holder was last heard of, and
    this frees it before. A lock whose process runs on this host is not broken; stop that process instead.
    """
    return _in_session(shared, form, partial(_unlock, must_ask=not auto_approve))


def _unlock(session: Session, must_ask: bool) -> Exit:
    from reconciler.operations.unlock import look_at_lock
    from reconciler.report.state_json import lock_data
    from reconciler.report.state_text import broken_text, to_break_text, unlocked_text

    lock = look_at_lock(session.settings)
    if lock.is_free:
        session.tell(unlocked_text(lock.place, lock.hold.holder))
        session.tell_document(Exit.OK, lock_data(lock.place, lock.hold.holder, broken=False))
        return Exit.OK
    session.tell(to_break_text(lock.place, lock.hold.holder, lock.doubt))
    if must_ask and (session.wants_document or not somebody_answers()):
        raise ReconcilerError([_NO_TERMINAL_TO_UNLOCK])
    if must_ask and not agreed(session, "Break this lock?"):
        session.tell("The lock was left as it is.")
        return Exit.FAILED
    lock.carry_out()
    session.tell(broken_text(lock.place))
    session.tell_document(Exit.OK, lock_data(lock.place, lock.hold.holder, broken=True))
    return Exit.OK


_NO_TERMINAL_TO_UNLOCK = Diagnostic(
    "no-terminal",
    "breaking a lock is asked about first, and nobody can answer here",
    help="find out whether its holder is still at work, then add `--auto-approve`",
)
_NO_TERMINAL = Diagnostic(
    "no-terminal",
    "forgetting is asked about first, and nobody can answer here",
    help="look at `reconciler state show` first, then add `--auto-approve`",
)


def _warned(warnings: Iterable[Diagnostic]) -> dict[str, Any]:
    from reconciler.report.diagnostics import as_data

    return {"warnings": as_data(warnings)}


def _in_session(shared: Shared, form: str, work: Callable[[Session], Exit]) -> Exit:
    from reconciler.cli.session import in_session

    return in_session(shared, form, work)
