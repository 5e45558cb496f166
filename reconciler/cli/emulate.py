"""Define the `reconciler emulate` command."""

from __future__ import annotations

import shlex
import shutil
import socket
import subprocess
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.completion_items import complete_from
from reconciler.cli.exit import ExitCode
from reconciler.cli.help_pages import Command
from reconciler.cli.interrupt import TerminatedError
from reconciler.cli.option_groups import OptionGroup, option
from reconciler.cli.output import OutputOptions, get_terminal_columns, print_text
from reconciler.cli.usage import MisuseError
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.redaction import Redactor
from reconciler.model.sanitize import escape

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext
    from reconciler.emulator.app import Emulator
    from reconciler.emulator.handled_requests import HandledRequest
    from reconciler.operations.emulation import EmulationOptions, RunningEmulation

_HOST = "127.0.0.1"
_DEFAULT_PORT = 8228
_QUOTAS = ("off", "paid", "trial")
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("emulate", cls=Command)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help=f"Port to listen on; 0: any free port.  [default: {_DEFAULT_PORT}; any free port for a COMMAND]",
)
@option(
    OptionGroup.ACCOUNT,
    "--db",
    "database",
    type=_FILE,
    metavar="FILE",
    help="Keep the account in FILE. Without it the account is lost at the end.",
)
@option(
    OptionGroup.ACCOUNT,
    "--apikey",
    metavar="TEXT",
    help="Accept only this key. Without it any key is accepted.",
)
@option(OptionGroup.ACCOUNT, "--apisecret", metavar="TEXT", help="Secret of that key.")
@option(
    OptionGroup.ACCOUNT,
    "--seed",
    "seed_file",
    type=_FILE,
    metavar="FILE",
    help="Begin with the account that this YAML describes.",
)
@option(
    OptionGroup.FAULTS,
    "--behaviour",
    "switches",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a switch; see --switches. Repeatable.",
)
@option(
    OptionGroup.FAULTS,
    "--behaviour-file",
    type=_FILE,
    metavar="FILE",
    help="Switches as YAML, one `NAME: VALUE` a line.",
)
@option(
    OptionGroup.FAULTS,
    "--fault",
    "faults",
    multiple=True,
    metavar="TEXT",
    help='Inject a fault: "POST /v1/destinations #2 after-effect reset". See --faults. Repeatable.',
)
@option(OptionGroup.FAULTS, "--fault-file", type=_FILE, metavar="FILE", help="Faults, one a line.")
@option(
    OptionGroup.ACCOUNT,
    "--quota",
    default="off",
    show_default=True,
    metavar="PROFILE",
    shell_complete=complete_from(lambda: _QUOTAS),
    help="Rate limits: off, paid or trial; `paid,requests=50000,group=100` sets the requests of an hour and limits the"
    " groups created in it.",
)
@option(
    OptionGroup.FAULTS,
    "--latency",
    "latencies",
    multiple=True,
    metavar="TEXT",
    help='Delay answers: "80ms", "50ms..200ms", "p50=120ms p99=2s", or "POST /v1/destinations 2s". Repeatable.',
)
@option(
    OptionGroup.SERVERS,
    "--certificate",
    "certificates",
    multiple=True,
    metavar="GROUP[=FILE]",
    help="Present an untrusted certificate (generated, or the chain in FILE) behind the destination of GROUP; `*`: of"
    " any group; `GROUP=rotated`: another certificate than last time. Repeatable.",
)
@option(
    OptionGroup.SERVERS,
    "--host-key",
    "host_keys",
    multiple=True,
    metavar="GROUP[=FILE|KEY]",
    help="Present an untrusted key of the SSH host, likewise. Only destinations behind an SSH tunnel see it."
    " Repeatable.",
)
@option(
    OptionGroup.SERVERS,
    "--setup-test",
    "setup_tests",
    multiple=True,
    metavar="TEXT",
    help='Script a setup test of every run: "sales: Permission Test FAILED no rights". Repeatable.',
)
@option(
    OptionGroup.SERVERS,
    "--setup-test-seconds",
    "durations",
    multiple=True,
    metavar="GROUP=SECONDS",
    help="Let every run of setup tests of the destination of GROUP take SECONDS. Repeatable.",
)
@option(
    OptionGroup.SERVERS,
    "--offline-agent",
    "offline_agents",
    multiple=True,
    metavar="NAME",
    help="Let a hybrid or proxy agent of the account go offline. Repeatable.",
)
@click.option("--list", "listing", is_flag=True, help="List the content of the account, and serve nothing.")
@option(
    OptionGroup.OUTPUT,
    "--format",
    "form",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="Format of --list. `json` can be used as a --seed.",
)
@option(OptionGroup.OUTPUT, "--show-secrets", is_flag=True, help="Show secrets in a --list.")
@click.option(
    "--switches", "list_switches", is_flag=True, help="List every switch with its values and meaning."
)
@click.option("--faults", "list_faults", is_flag=True, help="Describe the language of faults.")
@option(OptionGroup.OUTPUT, "-q", "--quiet", is_flag=True, help="Print no line per request.")
@option(
    OptionGroup.OUTPUT,
    "-v",
    "--verbose",
    is_flag=True,
    help="Print a line per request for a COMMAND too, on stderr.",
)
@click.argument("words", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
def command(words: tuple[str, ...], **options: Any) -> int:
    """Serve an emulated Fivetran account on this machine, for trials and tests.

    With a COMMAND after `--`, serves that command only, and ends with its exit code.

    Without a COMMAND, prints the settings that point reconciler (or any other client) to it, and serves until Ctrl-C.
    Each request is printed as a line on stderr. Its effects are listed at /_emulator/history beside the API, where
    /_emulator lists what can be changed while it runs.
    """
    from reconciler.cli.context import make_settings, run_command

    list_switches, list_faults = options.pop("list_switches"), options.pop("list_faults")
    if list_switches:
        return _list_switches()
    if list_faults:
        return _list_faults()
    port, form = options.pop("port"), options.pop("form")
    listing, show_secrets = options.pop("listing"), options.pop("show_secrets")
    quiet, verbose = options.pop("quiet"), options.pop("verbose")
    if quiet and verbose:
        raise MisuseError("`--quiet` and `--verbose` exclude each other", "leave one of them out")
    emulation = _build_emulation(**options)
    if words and shutil.which(words[0]) is None:
        raise click.UsageError(f"`{words[0]}` is not a command of this machine")
    # The credentials of an emulated account are no secrets: scripts read them from the output.
    settings = replace(make_settings(Path(), sandbox=True), redactor=Redactor())
    output = OutputOptions()
    if listing:
        return run_command(
            settings, output, form, partial(_list, emulation=emulation, show_secrets=show_secrets)
        )
    if words:
        exit_codes: list[int] = []
        work = partial(
            _run_with_emulator,
            emulation=emulation,
            port=port or 0,
            words=words,
            exit_codes=exit_codes,
            # Lines among the output of the command would confuse, so a user asks for them.
            log_requests=verbose,
        )
        return (
            exit_codes[0] if run_command(settings, output, "text", work) is ExitCode.OK else ExitCode.FAILED
        )
    port = _DEFAULT_PORT if port is None else port
    work = partial(_emulate, emulation=emulation, port=port, log_requests=not quiet)
    return run_command(settings, output, "text", work)


def _build_emulation(
    *,
    database: Path | None,
    apikey: str | None,
    apisecret: str | None,
    switches: tuple[str, ...],
    faults: tuple[str, ...],
    quota: str,
    latencies: tuple[str, ...],
    certificates: tuple[str, ...],
    host_keys: tuple[str, ...],
    setup_tests: tuple[str, ...],
    durations: tuple[str, ...],
    offline_agents: tuple[str, ...],
    **files: Path | None,
) -> EmulationOptions:
    """Parse the options. Raises click.UsageError for the first option that is invalid or contradicts another."""
    if (apikey is None) is not (apisecret is None):
        raise click.UsageError("`--apikey` and `--apisecret` belong together")
    from reconciler.emulator.fault_kinds import FaultError
    from reconciler.emulator.fault_text import parse_fault
    from reconciler.emulator.latency import LatencyError, parse_latency
    from reconciler.emulator.quota import QuotaError, parse_quota
    from reconciler.emulator.scenario_text import (
        ScenarioError,
        parse_duration,
        parse_identity,
        parse_setup_tests,
    )
    from reconciler.emulator.switches import AS_DOCUMENTED, BehaviourError, change_switches
    from reconciler.operations.emulation import EmulationOptions

    try:
        switch_values = dict(map(_parse_switch, switches))
        change_switches(AS_DOCUMENTED, switch_values)
        return EmulationOptions(
            directory=Path.cwd(),
            database=database,
            credentials=(apikey, apisecret) if apikey is not None and apisecret is not None else None,
            switches=switch_values,
            faults=tuple(map(parse_fault, faults)),
            latencies=tuple(map(parse_latency, latencies)),
            quota=parse_quota(quota),
            certificates=tuple(map(parse_identity, certificates)),
            host_keys=tuple(map(parse_identity, host_keys)),
            network=tuple(map(parse_duration, durations)),
            setup_tests=parse_setup_tests(setup_tests),
            offline_agents=offline_agents,
            **files,
        )
    except (BehaviourError, FaultError, LatencyError, QuotaError, ScenarioError) as error:
        raise click.UsageError(f"{error.message}: {error.advice}") from None


def _parse_switch(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"`{text}` sets no switch: write `NAME=VALUE`, for example `last_page=null`")
    return name.strip(), value.strip()


def _list_switches() -> ExitCode:
    from reconciler.emulator.switches import list_switches
    from reconciler.report.account_text import render_switches

    switches = (
        (switch.name, switch.values, switch.default, switch.meaning, str(switch.evidence))
        for switch in list_switches()
    )
    return print_text(render_switches(switches, get_terminal_columns()))


def _list_faults() -> ExitCode:
    from reconciler.emulator.fault_kinds import EFFECT_AFTER_MEANING, FAULT_SPECS, PHASE_MEANINGS
    from reconciler.emulator.fault_text import FAULT_SYNTAX
    from reconciler.report.account_text import render_faults
    from reconciler.report.style import fold_lines

    kinds = ((_format_usage(kind), spec.meaning, spec.phases) for kind, spec in FAULT_SPECS.items())
    text = render_faults(FAULT_SYNTAX, PHASE_MEANINGS.items(), kinds, EFFECT_AFTER_MEANING)
    return print_text(fold_lines(text, get_terminal_columns()))


def _format_usage(kind: Any) -> str:
    from reconciler.emulator.fault_kinds import FAULT_SPECS

    argument = FAULT_SPECS[kind].argument
    return f"{kind} {argument}" if argument else str(kind)


def _list(context: CommandContext, emulation: EmulationOptions, show_secrets: bool) -> ExitCode:
    from reconciler.operations.emulation import open_emulation
    from reconciler.report.account_text import render_account
    from reconciler.report.json_document import dump_document
    from reconciler.report.style import fold_lines, get_terminal_width, write_plain

    database = emulation.database
    if database is not None and emulation.seed_file is None and not database.exists():
        raise ReconcilerError([_describe_missing_database(database)])
    app = open_emulation(emulation, context.settings.clock).app
    try:
        account = app.dump(show_secrets=show_secrets)
    finally:
        app.close()
    is_document = context.renderer.is_document
    listing = fold_lines(render_account(account), get_terminal_width(context.out))
    write_plain(context.out, dump_document(account) if is_document else listing)
    return ExitCode.OK


def _emulate(context: CommandContext, emulation: EmulationOptions, port: int, log_requests: bool) -> ExitCode:
    from reconciler.operations.emulation import open_emulation

    _check_port(port)
    observe = partial(_log_request, context) if log_requests else None
    opened = open_emulation(emulation, context.settings.clock, observe)
    try:
        from reconciler.emulator.serve import serve

        with suppress(KeyboardInterrupt):
            announce = partial(_announce, context, emulation, opened)
            serve(opened.app, host=_HOST, port=port, on_ready=announce)
        context.err.print("\nEnded.")
    finally:
        opened.app.close()
    return ExitCode.OK


def _run_with_emulator(
    context: CommandContext,
    emulation: EmulationOptions,
    port: int,
    words: tuple[str, ...],
    exit_codes: list[int],
    *,
    log_requests: bool,
) -> ExitCode:
    """Serve one command, and append its exit code to `exit_codes`."""
    from reconciler.operations.emulation import open_emulation

    _check_port(port)
    observe = partial(_log_request, context) if log_requests else None
    opened = open_emulation(emulation, context.settings.clock, observe)
    try:
        from reconciler.emulator.serve import serve_in_thread

        with serve_in_thread(opened.app, host=_HOST, port=port) as url:
            settings = _build_environment(emulation, url)
            with subprocess.Popen(words, env={**context.settings.environ, **settings}) as process:
                exit_codes.append(_wait_for_exit(process))
    finally:
        opened.app.close()
    return ExitCode.OK


def _log_request(context: CommandContext, request: HandledRequest) -> None:
    """Print a request on stderr. A closed or full stream does not stop the server."""
    from reconciler.report.request_line import render_request

    context.err.print(
        render_request(
            at=request.at,
            method=request.method,
            target=request.target,
            status=request.status,
            seconds=request.seconds,
            note=request.note,
        )
    )


def _wait_for_exit(process: subprocess.Popen[bytes]) -> int:
    """Wait for a command. Returns its exit code as a shell does.

    The command receives Ctrl-C from the terminal, and SIGTERM from this process, and decides itself when to end.
    """
    while True:
        try:
            code = process.wait()
        except TerminatedError:
            process.terminate()
        except KeyboardInterrupt:
            continue
        else:
            return code if code >= 0 else 128 - code


def _build_environment(emulation: EmulationOptions, url: str) -> dict[str, str]:
    key, secret = emulation.credentials or ("demo", "demo")
    return {"FIVETRAN_API_URL": url, "FIVETRAN_APIKEY": key, "FIVETRAN_APISECRET": secret}


def _check_port(port: int) -> None:
    """Check that this machine can listen on the port. Raises `ReconcilerError`."""
    # Before the account is opened: otherwise a seed would be loaded for nothing.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise ReconcilerError([_describe_unavailable_port(port, error)]) from error


def _announce(
    context: CommandContext, emulation: EmulationOptions, opened: RunningEmulation, url: str
) -> None:
    """Print the settings to stdout, so that `eval` and scripts can read them."""
    from reconciler.report.style import write_plain

    storage = f"kept in {escape(str(emulation.database))}" if emulation.database else "lost at the end"
    context.err.print(f"An emulated Fivetran listens at {url}, its account is {storage}. Ctrl-C ends it.")
    if emulation.seed_file is not None and not opened.is_seeded:
        context.err.print("The account has content already, so the seed is not loaded.")
    context.err.print(f"Dashboard: {url.removesuffix('/v1')}/_emulator/")
    context.err.print(f"{_describe_faults(opened.app)}\n")
    base, *credentials = (
        f"{name}={shlex.quote(text)}" for name, text in _build_environment(emulation, url).items()
    )
    write_plain(context.out, f"export {base}")
    write_plain(context.out, f"export {' '.join(credentials)}")


def _describe_faults(app: Emulator) -> str:
    """Describe the active faults, one line each."""
    faults = [f"  {escape(str(active.fault))}" for active in app.faults.active()]
    return "\n".join(["Faults:", *faults]) if faults else "No faults are active; `--fault` adds faults."


def _describe_unavailable_port(port: int, error: OSError) -> Diagnostic:
    return Diagnostic(
        "port-unavailable",
        f"cannot listen on port {port}: {error.strerror or error}",
        help="choose another port with `--port`; `--port 0` finds a free port",
    )


def _describe_missing_database(database: Path) -> Diagnostic:
    return Diagnostic(
        "sandbox-unusable",
        f"there is no emulated account in {escape(str(database))}",
        help="give the file that `reconciler emulate --db FILE` was started with",
    )
