"""Open a session of GET requests that gives up soon, and notes the quota that Fivetran reports."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.api.client import Client
from reconciler.api.errors import ApiError
from reconciler.api.retry import RetryPolicy
from reconciler.api.retrying import RetryingSender
from reconciler.api.transport import Request, Response, Sender
from reconciler.model.event import Listener
from reconciler.spec.project import Project
from reconciler.spec.timeouts import TimeoutRules
from reconciler.workspace.connection import open_transport
from reconciler.workspace.project_state import ACCOUNT, path_for
from reconciler.workspace.settings import Settings

_FEW_ATTEMPTS = RetryPolicy(max_attempts=2, max_seconds=30.0)
_MAX_SECONDS = 30


class QuotaObserver:
    """Sender that notes the number of requests that the account has left. Safe to share between threads."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self.remaining: int | None = None

    def send(self, request: Request) -> Response:
        """Send a request. Raises `ApiError`s."""
        try:
            response = self._sender.send(request)
        except ApiError as error:
            self._note(error.exchange.remaining)
            raise
        self._note(response.exchange.remaining)
        return response

    def _note(self, remaining: int | None) -> None:
        self.remaining = self.remaining if remaining is None else remaining


@dataclass(frozen=True, slots=True)
class ApiSession:
    """Session with one account, for reads only."""

    client: Client
    sender: RetryingSender
    quota: QuotaObserver

    def get_server_time(self) -> datetime | None:
        """Get the time at the server; None if no answer had a date."""
        return self.sender.get_server_time()


@contextmanager
def open_session(settings: Settings, project: Project | None, listener: Listener) -> Iterator[ApiSession]:
    """Open a session with the account of the credentials. Sends nothing. Raises ReconcilerError.

    The account of a sandbox is copied, since an emulated account records every request in its file.
    """
    rules = project.content.timeouts if project is not None else TimeoutRules()
    bounds = {name: min(getattr(rules, name), _MAX_SECONDS) for name in ("call", "connect", "read")}
    with (
        _copy_sandbox(settings, project) as sandbox_file,
        open_transport(settings, rules.model_copy(update=bounds), sandbox_file) as transport,
    ):
        sender = RetryingSender(
            transport,
            settings.clock,
            cancelled=threading.Event(),
            listener=listener,
            retry_policy=_FEW_ATTEMPTS,
        )
        quota = QuotaObserver(sender)
        yield ApiSession(Client(quota), sender, quota)


@contextmanager
def _copy_sandbox(settings: Settings, project: Project | None) -> Iterator[Path]:
    """Copy the account of a sandbox into a temporary folder. Without such an account the copy does not exist."""
    if not settings.sandbox:
        yield Path(ACCOUNT)  # not used
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / ACCOUNT
        if project is not None:
            account = path_for(project, ACCOUNT, sandbox=True)
            for file in account.parent.glob(f"{account.name}*"):  # the database, and its journal
                shutil.copy(file, f"{copy}{file.name.removeprefix(account.name)}")
        yield copy
