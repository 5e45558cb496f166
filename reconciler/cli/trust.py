"""Define the `reconciler trust` command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import click

from reconciler.cli.completion_items import complete_address
from reconciler.cli.durations import make_duration_parser
from reconciler.cli.exit import ExitCode, get_exit_code
from reconciler.cli.help_pages import CommandGroup
from reconciler.cli.option_groups import OptionGroup, option
from reconciler.cli.options import (
    format_option,
    parallelism_option,
    shared_options,
    state_options,
    variables_option,
)
from reconciler.cli.output import OutputOptions
from reconciler.cli.prompt import can_prompt, choose, confirm
from reconciler.cli.usage import MisuseError
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.trust import ServerIdentity, ServerKind
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext
    from reconciler.model.address import Address
    from reconciler.operations.pinning import PinCandidates


@click.group("trust", cls=CommandGroup)
def command() -> None:
    """List and pin the certificates and SSH host keys that Fivetran trusts.

    A pin in a spec approves a server: `trust pin` writes it, a review of the commit confirms it, and the next apply
    gives the approval at Fivetran.
    """


@command.command("pin")
@click.argument("address", metavar="ADDR", shell_complete=complete_address)
@click.argument("typed", metavar="[HASH]", required=False)
@option(
    OptionGroup.SAFETY, "--dry-run", is_flag=True, help="Show the difference of the file, and write nothing."
)
@format_option("text", "json")
@state_options
@variables_option
def pin_server(
    *,
    settings: Settings,
    output: OutputOptions,
    form: str,
    address: str,
    typed: str | None,
    dry_run: bool,
) -> ExitCode:
    """Write a server that waits for an approval into the spec of its destination.

    ADDR is an address or a key. HASH names one of several servers: its hash in any notation, or the first six
    characters of one. Without it, a question at the terminal decides. Sends nothing to Fivetran: the servers are those
    that the last apply or `reconciler test` met.
    """
    from reconciler.cli.context import run_command
    from reconciler.operations.pinning import MIN_PREFIX, strip_algorithm

    if typed is not None and len(strip_algorithm(typed)) < MIN_PREFIX:
        raise MisuseError(
            f"`HASH` has less than {MIN_PREFIX} characters", "write more of the hash, or all of it"
        )
    return run_command(
        settings, output, form, partial(_pin, address=address, typed=typed, is_dry_run=dry_run)
    )


def _pin(context: CommandContext, address: str, typed: str | None, is_dry_run: bool) -> ExitCode:
    from reconciler.operations.pinning import choose_servers, find_candidates
    from reconciler.report.pinning import render_already_pinned, serialize_pinned

    candidates = find_candidates(context.settings, address)
    choice = choose_servers(candidates, typed)
    if choice.pinned:
        context.print_result(render_already_pinned(candidates.address, choice.pinned))
        content = serialize_pinned(candidates.address, None, choice.pinned, is_written=False)
        context.print_document(ExitCode.OK, content)
        return ExitCode.OK
    servers = _ask_for_servers(context, candidates, choice.servers)
    if not servers:
        context.print_result("Nothing was written.")
        return ExitCode.FAILED
    return _write_pins(context, candidates, servers, is_written=not is_dry_run)


def _write_pins(
    context: CommandContext,
    candidates: PinCandidates,
    servers: Sequence[ServerIdentity],
    *,
    is_written: bool,
) -> ExitCode:
    """Show the pins of servers, and write them."""
    from reconciler.importing.changed_files import write_changed_files
    from reconciler.importing.pinning import plan_pins
    from reconciler.operations.pinning import warn_expired
    from reconciler.report.diagnostics import serialize_diagnostics
    from reconciler.report.pinning import render_pin_plan, render_pinned, serialize_pinned

    plan = plan_pins(context.settings, candidates.specs, candidates.desired, servers)
    warnings = list(warn_expired(candidates, servers))
    context.show(context.renderer.warnings(warnings))
    if not context.renderer.is_document:
        context.show(render_pin_plan(plan))
    if is_written:
        write_changed_files(plan.files)
    context.print_result(render_pinned(plan, is_written=is_written))
    content = serialize_pinned(candidates.address, plan, (), is_written=is_written)
    context.print_document(ExitCode.OK, {**content, "warnings": serialize_diagnostics(warnings)})
    return ExitCode.OK


def _ask_for_servers(
    context: CommandContext, candidates: PinCandidates, servers: Sequence[ServerIdentity]
) -> list[ServerIdentity]:
    """Ask which of several servers are to be pinned, one of each kind. Returns the answers. A single server needs no
    question. Raises ReconcilerError without a terminal."""
    from reconciler.operations.pinning import explain_several

    if len(servers) == 1:
        return list(servers)
    if context.renderer.is_document or not can_prompt():
        raise ReconcilerError([explain_several(candidates, servers)])
    by_kind = [[each for each in servers if each.kind is kind] for kind in ServerKind]
    answers = [_ask_for_server(context, candidates.address, group) for group in by_kind if group]
    return [server for server in answers if server is not None]


def _ask_for_server(
    context: CommandContext, address: Address, servers: Sequence[ServerIdentity]
) -> ServerIdentity | None:
    from reconciler.report.pinning import render_choice, render_choice_question

    context.print_result(render_choice(address, servers))
    question = render_choice_question(servers)
    if len(servers) == 1:
        return servers[0] if confirm(context, question) else None
    number = choose(context, question, len(servers))
    return None if number is None else servers[number - 1]


@command.command("list")
@click.argument("addresses", nargs=-1, metavar="[ADDR]...", shell_complete=complete_address)
@click.option(
    "--expiring",
    metavar="TIME",
    callback=make_duration_parser("`30d`, or `0d` for today"),
    help="Only servers that expire within this time, as in 30d, or that have expired.",
)
@format_option("text", "json")
@shared_options
@parallelism_option
@variables_option
def list_servers(
    *,
    settings: Settings,
    output: OutputOptions,
    form: str,
    addresses: tuple[str, ...],
    expiring: timedelta | None,
) -> ExitCode:
    """List the certificates and SSH host keys that are pinned, approved, or waiting. Only reads.

    ADDR is an address or a key, `*` for any text; without it, all destinations of the specs are listed. Two requests
    for each destination. Fivetran lists an approved certificate with its name alone, so its issuer and its expiry are
    known if a PEM file or a setup test has shown the certificate.
    """
    from reconciler.cli.context import run_command

    updated = replace(settings, targets=addresses, compare_secrets=False)
    return run_command(updated, output, form, partial(_list, expiring=expiring))


def _list(context: CommandContext, expiring: timedelta | None) -> ExitCode:
    from reconciler.model.trust_listing import ExpiryFilter
    from reconciler.operations.trust import explain_unread, list_trust
    from reconciler.report.diagnostics import serialize_diagnostics
    from reconciler.report.trust_list import render_listing, serialize_listing
    from reconciler.workspace.workspace import open_workspace, with_lock_renewal

    settings = context.settings
    with context.make_progress() as progress, open_workspace(settings, progress) as workspace:
        listing = with_lock_renewal(workspace, partial(list_trust, selectors=settings.targets))
    today = settings.clock.now().date()
    expiry = None if expiring is None else ExpiryFilter(today.isoformat(), (today + expiring).isoformat())
    problems = list(explain_unread(listing.unread))
    code = get_exit_code(problems) if problems else ExitCode.OK
    context.print_result(render_listing(listing, expiry))
    context.show(context.renderer.blockers(problems))
    content = {**serialize_listing(listing, expiry), "diagnostics": serialize_diagnostics(problems)}
    context.print_document(code, content)
    return code
