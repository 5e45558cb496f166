"""Everything an operation works with: the loaded specs, a client of one account, a source of secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.api.client import Client
from reconciler.api.transport import Credentials, Transport
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.event import Listener, ignore
from reconciler.model.value import Secret
from reconciler.operations.sandbox import sandbox_transport
from reconciler.operations.settings import Settings
from reconciler.operations.specs import Specs, load_declared
from reconciler.secrets.base import Registry
from reconciler.secrets.demo import Demo
from reconciler.secrets.env import Environment
from reconciler.secrets.file import Files

DEFAULT_API_URL = "https://api.fivetran.com/v1"


@dataclass(frozen=True, slots=True)
class Workspace:
    """An open account with the specs for it."""

    settings: Settings
    specs: Specs
    transport: Transport
    client: Client
    registry: Registry
    listener: Listener

    @property
    def account_confirmed(self) -> bool:
        """Whether it is certain that this is the account the specs are for."""
        return self.settings.sandbox or self.specs.project.account_id is not None


@contextmanager
def open_workspace(settings: Settings, listener: Listener = ignore) -> Iterator[Workspace]:
    """Load the specs, then prepare the client. Nothing is sent yet.

    Raises `ReconcilerError` for anything wrong with specs, credentials or address.
    """
    specs = load_declared(settings.project, settings.directory)
    directory = specs.project.directory
    with _transport(settings, directory) as transport:
        yield Workspace(
            settings=settings,
            specs=specs,
            transport=transport,
            client=Client(transport),
            registry=_registry(settings, directory),
            listener=listener,
        )


@contextmanager
def _transport(settings: Settings, directory: Path) -> Iterator[Transport]:
    if settings.sandbox:
        with sandbox_transport(directory, settings.clock) as transport:
            yield transport
        return
    address = settings.environ.get("FIVETRAN_API_URL") or DEFAULT_API_URL
    with Transport(
        address, _credentials(settings.environ), clock=settings.clock, environ=settings.environ
    ) as transport:
        yield transport


def _credentials(environ: Mapping[str, str]) -> Credentials:
    missing = [name for name in ("FIVETRAN_APIKEY", "FIVETRAN_APISECRET") if not environ.get(name)]
    if missing:
        raise ReconcilerError(
            [
                Diagnostic(
                    "missing-credentials",
                    f"{' and '.join(f'`{name}`' for name in missing)} {'is' if len(missing) == 1 else 'are'} not set",
                    notes=("an API key and its secret are made in Fivetran under your user, API Config",),
                    help="export them, or add `--sandbox` to try this on an embedded Fivetran without any account",
                )
            ]
        )
    return Secret(environ["FIVETRAN_APIKEY"]), Secret(environ["FIVETRAN_APISECRET"])


def _registry(settings: Settings, directory: Path) -> Registry:
    """Sources of values. The sandbox makes them all up, so that it needs no set-up and reads no secret."""
    if settings.sandbox:
        return Registry({}, otherwise=Demo())
    return Registry({"env": Environment(settings.environ), "file": Files(directory)})
