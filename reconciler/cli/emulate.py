"""`reconciler emulate`."""

from __future__ import annotations

import shlex
import shutil
import socket
import subprocess
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.exit import Exit
from reconciler.cli.interrupt import TerminatedError
from reconciler.cli.options import Shared
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.report.neutral import neutral
from reconciler.report.verbosity import Verbosity

if TYPE_CHECKING:
    from reconciler.cli.session import Session
    from reconciler.emulator.app import Emulator
    from reconciler.operations.emulation import Emulation, Opened

_HOST = "127.0.0.1"
_DEFAULT_PORT = 8228
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("emulate")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help=f"0: any free one.  [default: {_DEFAULT_PORT}; any free one for a COMMAND]",
)
@click.option(
    "--db",
    "database",
    type=_FILE,
    metavar="FILE",
    help="Keep the account here; else it is forgotten at the end.",
)
@click.option("--apikey", metavar="TEXT", help="Accept only this key. Without it any is accepted.")
@click.option("--apisecret", metavar="TEXT", help="The secret of that key.")
@click.option(
    "--seed", "seed_file", type=_FILE, metavar="FILE", help="Begin with the account that this YAML describes."
)
@click.option(
    "--behaviour",
    "switches",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a switch; see --switches. Repeatable.",
)
@click.option(
    "--behaviour-file", type=_FILE, metavar="FILE", help="Switches as YAML, one `NAME: VALUE` a line."
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="TEXT",
    help='Let something go wrong: "POST /v1/destinations #2 after-effect reset". See --faults. Repeatable.',
)
@click.option("--fault-file", type=_FILE, metavar="FILE", help="Faults, one a line.")
@click.option(
    "--quota",
    default="off",
    show_default=True,
    metavar="PROFILE",
    help="Rate limits: off, paid or trial; `paid,group=100` also limits what is created in an hour.",
)
@click.option(
    "--latency",
    "latencies",
    multiple=True,
    metavar="TEXT",
    help='Take time: "80ms", "50ms..200ms", "p50=120ms p99=2s", or "POST /v1/destinations 2s". Repeatable.',
)
@click.option("--list", "listing", is_flag=True, help="Show what is in the account, and serve nothing.")
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="How --list is written. `json` can be used as a --seed.",
)
@click.option("--show-secrets", is_flag=True, help="Write secrets out in a --list.")
@click.option(
    "--switches", "list_switches", is_flag=True, help="List every switch with its values and meaning."
)
@click.option("--faults", "list_faults", is_flag=True, help="Describe the language of faults.")
@click.argument("words", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
def command(words: tuple[str, ...], **options: Any) -> int:
    """Serve an emulated Fivetran account on this machine, for trying things out and for tests.

    With a COMMAND behind `--` it serves that command alone, and ends with it and with its exit code:

      reconciler emulate --seed account.yaml -- reconciler plan

    Else it prints the settings that make reconciler (or anything else) talk to it. Ctrl-C ends it. What was asked and
    what it did is told at /_emulator/history beside the API.
    """
    from reconciler.cli.session import in_session

    list_switches, list_faults = options.pop("list_switches"), options.pop("list_faults")
    if list_switches:
        return _list_switches()
    if list_faults:
        return _list_faults()
    port, form = options.pop("port"), options.pop("form")
    listing, show_secrets = options.pop("listing"), options.pop("show_secrets")
    emulation = _emulation(**options)
    if words and shutil.which(words[0]) is None:
        raise click.UsageError(f"`{words[0]}` is no command that can be run")
    shared = Shared(project=Path(), sandbox=True, no_color=False, verbosity=Verbosity.NORMAL)
    if listing:
        return in_session(shared, form, partial(_list, emulation=emulation, show_secrets=show_secrets))
    if words:
        ended: list[int] = []
        work = partial(_rehearse, emulation=emulation, port=port or 0, words=words, ended=ended)
        return ended[0] if in_session(shared, "text", work) is Exit.OK else Exit.FAILED
    port = _DEFAULT_PORT if port is None else port
    return in_session(shared, "text", partial(_emulate, emulation=emulation, port=port))


def _emulation(
    *,
    database: Path | None,
    apikey: str | None,
    apisecret: str | None,
    switches: tuple[str, ...],
    faults: tuple[str, ...],
    quota: str,
    latencies: tuple[str, ...],
    **files: Path | None,
) -> Emulation:
    """What the options ask for. Raises click.UsageError for the first one that makes no sense."""
    if (apikey is None) is not (apisecret is None):
        raise click.UsageError("`--apikey` and `--apisecret` belong together")
    from reconciler.emulator.behaviour import AS_DOCUMENTED, BehaviourError, switched
    from reconciler.emulator.fault_kinds import FaultError
    from reconciler.emulator.fault_text import parse_fault
    from reconciler.emulator.latency import LatencyError, parse_latency
    from reconciler.emulator.quota import QuotaError, parse_quota
    from reconciler.operations.emulation import Emulation

    try:
        wanted = dict(map(_switch, switches))
        switched(AS_DOCUMENTED, wanted)
        return Emulation(
            directory=Path.cwd(),
            database=database,
            credentials=(apikey, apisecret) if apikey is not None and apisecret is not None else None,
            switches=wanted,
            faults=tuple(map(parse_fault, faults)),
            latencies=tuple(map(parse_latency, latencies)),
            quota=parse_quota(quota),
            **files,
        )
    except (BehaviourError, FaultError, LatencyError, QuotaError) as error:
        raise click.UsageError(f"{error.message}: {error.advice}") from None


def _switch(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"`{text}` sets no switch: write `NAME=VALUE`, for example `last_page=null`")
    return name.strip(), value.strip()


def _list_switches() -> Exit:
    from reconciler.cli.output import say
    from reconciler.emulator.behaviour import switches
    from reconciler.report.account_text import switches_text

    return say(switches_text((each.name, each.values, each.default, each.meaning) for each in switches()))


def _list_faults() -> Exit:
    from reconciler.cli.output import say
    from reconciler.emulator.fault_kinds import EFFECT_AFTER_MEANING, PHASE_MEANINGS, TRAITS
    from reconciler.emulator.fault_text import SHAPE
    from reconciler.report.account_text import faults_text

    kinds = ((_usage(kind), each.meaning, each.phases) for kind, each in TRAITS.items())
    return say(faults_text(SHAPE, PHASE_MEANINGS.items(), kinds, EFFECT_AFTER_MEANING))


def _usage(kind: Any) -> str:
    from reconciler.emulator.fault_kinds import TRAITS

    argument = TRAITS[kind].argument
    return f"{kind} {argument}" if argument else str(kind)


def _list(session: Session, emulation: Emulation, show_secrets: bool) -> Exit:
    from reconciler.operations.emulation import open_emulation
    from reconciler.report.account_text import account_text
    from reconciler.report.document import dumped
    from reconciler.report.style import write_plain

    database = emulation.database
    if database is not None and emulation.seed_file is None and not database.exists():
        raise ReconcilerError([_no_such(database)])
    app = open_emulation(emulation, session.clock).app
    try:
        account = app.written_down(show_secrets=show_secrets)
    finally:
        app.close()
    write_plain(session.out, dumped(account) if session.wants_document else account_text(account))
    return Exit.OK


def _emulate(session: Session, emulation: Emulation, port: int) -> Exit:
    from reconciler.operations.emulation import open_emulation

    _check_port(port)
    opened = open_emulation(emulation, session.clock)
    try:
        from reconciler.emulator.serve import serve

        with suppress(KeyboardInterrupt):
            announce = partial(_announce, session, emulation, opened)
            serve(opened.app, host=_HOST, port=port, on_ready=announce)
        session.err.print("\nEnded.")
    finally:
        opened.app.close()
    return Exit.OK


def _rehearse(
    session: Session, emulation: Emulation, port: int, words: tuple[str, ...], ended: list[int]
) -> Exit:
    """Serve one command. Its exit code goes into `ended`."""
    from reconciler.operations.emulation import open_emulation

    _check_port(port)
    opened = open_emulation(emulation, session.clock)
    try:
        from reconciler.emulator.serve import serving

        with serving(opened.app, host=_HOST, port=port) as url:
            settings = _settings(emulation, url)
            with subprocess.Popen(words, env={**session.environ, **settings}) as process:
                ended.append(_end_of(process))
    finally:
        opened.app.close()
    return Exit.OK


def _end_of(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a command as a shell tells it. Ctrl-C reaches the command as well, and SIGTERM is passed on to
    it: the command decides."""
    while True:
        try:
            code = process.wait()
        except TerminatedError:
            process.terminate()
        except KeyboardInterrupt:
            continue
        else:
            return code if code >= 0 else 128 - code


def _settings(emulation: Emulation, url: str) -> dict[str, str]:
    key, secret = emulation.credentials or ("demo", "demo")
    return {"FIVETRAN_API_URL": url, "FIVETRAN_APIKEY": key, "FIVETRAN_APISECRET": secret}


def _check_port(port: int) -> None:
    """Raise `ReconcilerError` where nobody can listen on the port."""
    # Asked first, because a seed would be planted for nothing.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise ReconcilerError([_port_unavailable(port, error)]) from error


def _announce(session: Session, emulation: Emulation, opened: Opened, url: str) -> None:
    """Settings go to stdout, so that `eval` and scripts can take them."""
    from reconciler.report.style import write_plain

    kept = f"kept in {neutral(str(emulation.database))}" if emulation.database else "forgotten at the end"
    session.err.print(f"An emulated Fivetran listens at {url}, its account is {kept}. Ctrl-C ends it.")
    if emulation.seed_file is not None and not opened.planted:
        session.err.print("The account has groups already: it stays as it is, and the seed is left out.")
    session.err.print(f"{_standing(opened.app)}\n")
    base, *credentials = (f"{name}={shlex.quote(text)}" for name, text in _settings(emulation, url).items())
    write_plain(session.out, f"export {base}")
    write_plain(session.out, f"export {' '.join(credentials)}")


def _standing(app: Emulator) -> str:
    """What is out of the ordinary: a line for each fault that waits."""
    faults = [f"  {neutral(str(each.fault))}" for each in app.faults.standing()]
    return "\n".join(["Faults:", *faults]) if faults else "Nothing will go wrong; `--fault` changes that."


def _port_unavailable(port: int, error: OSError) -> Diagnostic:
    return Diagnostic(
        "port-unavailable",
        f"cannot listen on port {port}: {error.strerror or error}",
        help="choose another one with `--port`, or let `--port 0` find one",
    )


def _no_such(database: Path) -> Diagnostic:
    return Diagnostic(
        "sandbox-unusable",
        f"there is no emulated account in {neutral(str(database))}",
        help="give the file that `reconciler emulate --db FILE` was started with",
    )
