"""The embedded Fivetran behind `--sandbox`: the emulator in this process, its account in a file beside the project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.api.inprocess import WsgiAdapter
from reconciler.api.transport import Transport
from reconciler.model.clock import Clock
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.value import Secret

if TYPE_CHECKING:
    from reconciler.emulator.app import Emulator

ADDRESS = "https://sandbox.invalid/v1"  # never looked up: every request goes to the adapter
FOLDER = Path(".reconciler") / "sandbox"


@contextmanager
def sandbox_transport(beside: Path, clock: Clock) -> Iterator[Transport]:
    """A transport to the sandbox account kept below `beside`. Raises `ReconcilerError` where it cannot be opened."""
    app = _open(beside / FOLDER, clock)
    try:
        with Transport(
            ADDRESS, (Secret("sandbox"), Secret("sandbox")), clock=clock, environ={}, adapter=WsgiAdapter(app)
        ) as transport:
            yield transport
    finally:
        app.close()


def _open(folder: Path, clock: Clock) -> Emulator:
    try:
        from reconciler.emulator.app import create_app
        from reconciler.emulator.store import UnusableDatabaseError
    except ModuleNotFoundError as error:
        raise ReconcilerError([not_installed(error)]) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return create_app(folder / "account.sqlite", clock=clock.now)
    except (OSError, UnusableDatabaseError) as error:
        raise ReconcilerError([_unusable(folder, error)]) from error


def not_installed(error: ModuleNotFoundError) -> Diagnostic:
    """The emulator's own libraries are an extra."""
    return Diagnostic(
        "sandbox-not-installed",
        f"the embedded Fivetran needs the package `{error.name}`, which is not installed",
        help="install it with `pip install 'fivetran-reconciler[sandbox]'`",
    )


def _unusable(folder: Path, error: Exception) -> Diagnostic:
    return Diagnostic(
        "sandbox-unusable",
        f"the sandbox cannot keep its account in `{folder}`: {error}",
        help="make that folder writable; or delete it to start with an empty account",
    )
