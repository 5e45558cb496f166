"""`reconciler emulate`."""

from __future__ import annotations

import shlex
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import Exit
from reconciler.cli.options import Shared
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.report.neutral import neutral
from reconciler.report.verbosity import Verbosity

if TYPE_CHECKING:
    from reconciler.cli.session import Session

_HOST = "127.0.0.1"
_DEFAULT_PORT = 8228


@dataclass(frozen=True, slots=True)
class Emulation:
    """What to serve. Without credentials any are accepted."""

    port: int
    database: Path | None
    credentials: tuple[str, str] | None


@click.command("emulate")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=_DEFAULT_PORT, show_default=True, help="0: any free one."
)
@click.option(
    "--db",
    "database",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep the account here; else it is forgotten at the end.",
)
@click.option("--apikey", metavar="TEXT", help="Accept only this key. Without it any is accepted.")
@click.option("--apisecret", metavar="TEXT", help="The secret of that key.")
def command(port: int, database: Path | None, apikey: str | None, apisecret: str | None) -> Exit:
    """Serve an emulated Fivetran account on this machine, for trying things out and for tests.

    Prints the settings that make reconciler (or anything else) talk to it. Ctrl-C ends it.
    """
    from reconciler.cli.session import in_session

    if (apikey is None) is not (apisecret is None):
        raise click.UsageError("`--apikey` and `--apisecret` belong together")
    credentials = (apikey, apisecret) if apikey is not None and apisecret is not None else None
    shared = Shared(project=Path(), sandbox=True, no_color=False, verbosity=Verbosity.NORMAL)
    return in_session(shared, "text", partial(_emulate, emulation=Emulation(port, database, credentials)))


def _emulate(session: Session, emulation: Emulation) -> Exit:
    try:
        from reconciler.emulator.app import create_app
        from reconciler.emulator.serve import serve
        from reconciler.emulator.store import UnusableDatabaseError
    except ModuleNotFoundError as error:
        raise ReconcilerError([_not_installed(error)]) from error
    _check_port(emulation.port)
    database = emulation.database if emulation.database is not None else ":memory:"
    try:
        app = create_app(database, credentials=emulation.credentials, clock=session.clock.now)
    except UnusableDatabaseError as error:
        raise ReconcilerError([_unusable(error)]) from error
    try:
        with suppress(KeyboardInterrupt):
            serve(app, host=_HOST, port=emulation.port, on_ready=partial(_announce, session, emulation))
        session.err.print("\nEnded.")
    finally:
        app.close()
    return Exit.OK


def _check_port(port: int) -> None:
    """Raise `ReconcilerError` where nobody can listen on the port."""
    # Asked here, because werkzeug would print a message of its own and end the process.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise ReconcilerError([_port_unavailable(port, error)]) from error


def _announce(session: Session, emulation: Emulation, url: str) -> None:
    """Settings go to stdout, so that `eval` and scripts can take them."""
    from reconciler.report.style import write_plain

    kept = f"kept in {neutral(str(emulation.database))}" if emulation.database else "forgotten at the end"
    session.err.print(f"An emulated Fivetran listens at {url}, its account is {kept}. Ctrl-C ends it.\n")
    key, secret = emulation.credentials or ("demo", "demo")
    write_plain(session.out, f"export FIVETRAN_API_URL={shlex.quote(url)}")
    write_plain(
        session.out, f"export FIVETRAN_APIKEY={shlex.quote(key)} FIVETRAN_APISECRET={shlex.quote(secret)}"
    )


def _not_installed(error: ModuleNotFoundError) -> Diagnostic:
    return Diagnostic(
        "sandbox-not-installed",
        f"the emulated Fivetran needs the package `{error.name}`, which is not installed",
        help="install it with `pip install 'fivetran-reconciler[sandbox]'`",
    )


def _port_unavailable(port: int, error: OSError) -> Diagnostic:
    return Diagnostic(
        "port-unavailable",
        f"cannot listen on port {port}: {error.strerror or error}",
        help="choose another one with `--port`, or let `--port 0` find one",
    )


def _unusable(error: Exception) -> Diagnostic:
    return Diagnostic(
        "sandbox-unusable",
        f"the emulated account cannot be kept in {error}",
        help="give another file with `--db`, or leave it out to keep the account in memory",
    )
