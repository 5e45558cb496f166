"""Open the emulator in this process for `--sandbox`, with its account in a file beside the project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.api.transport import Timeouts, Transport
from reconciler.api.wsgi_adapter import WsgiAdapter
from reconciler.model.clock import Clock
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.extras import Extra, describe_installation
from reconciler.model.value import Secret
from reconciler.runtime.own_folder import make_folder

if TYPE_CHECKING:
    from reconciler.emulator.app import Emulator

ADDRESS = "https://sandbox.invalid/v1"  # never resolved: every request goes to the adapter


@contextmanager
def open_sandbox(file: Path, shown_as: str, clock: Clock, timeouts: Timeouts) -> Iterator[Transport]:
    """Open a transport to the sandbox account in `file`. Raises ReconcilerError if it cannot be opened."""
    with connect_in_process(_open_emulator(file, shown_as, clock), clock, timeouts) as transport:
        yield transport


@contextmanager
def connect_in_process(app: Emulator, clock: Clock, timeouts: Timeouts) -> Iterator[Transport]:
    """Open a transport to an emulated account of this process, and close the account at the end."""
    credentials = Secret("sandbox"), Secret("sandbox")
    try:
        with Transport(
            ADDRESS, credentials, clock=clock, environ={}, adapter=WsgiAdapter(app), timeouts=timeouts
        ) as transport:
            yield transport
    finally:
        app.close()


def _open_emulator(file: Path, shown_as: str, clock: Clock) -> Emulator:
    try:
        from reconciler.emulator.app import create_app
        from reconciler.emulator.store import UnusableDatabaseError
    except ModuleNotFoundError as error:
        raise ReconcilerError([explain_not_installed(error)]) from error
    try:
        make_folder(file.parent)
        return create_app(file, clock=clock.now)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ReconcilerError([_explain_unusable(shown_as, reason, "make that folder writable")]) from error
    except UnusableDatabaseError as error:
        help_text = "delete the folder it is in, to start with an empty account"
        raise ReconcilerError(
            [_explain_unusable(shown_as, "it is no account of this version", help_text)]
        ) from error


def explain_not_installed(error: ModuleNotFoundError) -> Diagnostic:
    """Build the diagnostic of a missing library: the emulator's libraries are an extra."""
    return Diagnostic(
        "sandbox-not-installed",
        f"the embedded Fivetran needs the package `{error.name}`, which is not installed",
        help=f"install it with {describe_installation(Extra.SANDBOX)}",
    )


def _explain_unusable(shown_as: str, reason: str, help_text: str) -> Diagnostic:
    return Diagnostic(
        "sandbox-unusable", f"the sandbox cannot use its account `{shown_as}`: {reason}", help=help_text
    )
