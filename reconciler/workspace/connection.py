"""Connect to the API: to Fivetran with the credentials of the environment, or to the account of a sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from reconciler.api.transport import Credentials, Timeouts, Transport
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.value import Secret
from reconciler.runtime.endpoint import DEFAULT_BASE_URL
from reconciler.spec.files import display_path
from reconciler.spec.timeouts import TimeoutRules
from reconciler.workspace.sandbox import open_sandbox
from reconciler.workspace.settings import Settings
from reconciler.workspace.snapshot import OpenSnapshot, open_snapshot

_CREDENTIALS = ("FIVETRAN_APIKEY", "FIVETRAN_APISECRET")
_BLANK = re.compile(r"^\s|\s$|[\x00-\x1f]")


@contextmanager
def open_transport(
    settings: Settings, rules: TimeoutRules, sandbox_file: Path, snapshot: OpenSnapshot | None = None
) -> Iterator[Transport]:
    """Open a transport to the API. `sandbox_file` is the account of a sandbox. A snapshot takes the place of any
    account.

    Sends nothing. Raises ReconcilerError for missing credentials, a bad address, and an unusable sandbox.
    """
    timeouts = Timeouts(
        connect=rules.connect, read=rules.read, total=rules.call, setup_tests=rules.setup_tests
    )
    if snapshot is not None:
        with open_snapshot(snapshot, settings.clock, timeouts) as transport:
            yield transport
        return
    if settings.sandbox:
        shown_as = display_path(sandbox_file, settings.directory)
        with open_sandbox(sandbox_file, shown_as, settings.clock, timeouts) as transport:
            yield transport
        return
    address = settings.environ.get("FIVETRAN_API_URL") or DEFAULT_BASE_URL
    with Transport(
        address,
        read_credentials(settings.environ),
        clock=settings.clock,
        environ=settings.environ,
        timeouts=timeouts,
        redactor=settings.redactor,
    ) as transport:
        yield transport


def read_credentials(environ: Mapping[str, str]) -> Credentials:
    """Read the credentials of the environment. Raises ReconcilerError if a variable is missing or has a blank."""
    missing = [name for name in _CREDENTIALS if not environ.get(name)]
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
    unusable = [name for name in _CREDENTIALS if _BLANK.search(environ[name])]
    if unusable:
        raise ReconcilerError([_explain_blanks(unusable)])
    return Secret(environ["FIVETRAN_APIKEY"]), Secret(environ["FIVETRAN_APISECRET"])


def _explain_blanks(names: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "blank-in-credentials",
        f"{' and '.join(f'`{name}`' for name in names)} {'has' if len(names) == 1 else 'have'} a blank or a line end"
        " around it, which no credential of Fivetran has",
        help="set it again without blanks; a secret store or a file often adds a line end",
    )
