"""Open a snapshot of an account in this process, for plans without the account."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.api.transport import Timeouts, Transport
from reconciler.model.clock import Clock
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.snapshot_origin import SnapshotOrigin
from reconciler.spec.files import display_path
from reconciler.spec.guard import SNAPSHOT_LIMITS
from reconciler.spec.source import read_text
from reconciler.workspace.documents import read_document
from reconciler.workspace.sandbox import connect_in_process, explain_not_installed
from reconciler.workspace.settings import Settings

if TYPE_CHECKING:
    from reconciler.emulator.seed import Seed


@dataclass(frozen=True, slots=True)
class OpenSnapshot:
    """A valid snapshot: the seed of its account, and facts about its file."""

    seed: Seed
    origin: SnapshotOrigin


def read_snapshot(settings: Settings) -> OpenSnapshot | None:
    """Read the snapshot of a run; None for a run against the account.

    Raises ReconcilerError with one error for a file that describes no account.
    """
    if settings.against is None:
        return None
    try:
        from reconciler.emulator.app import create_app  # noqa: F401 - fails before the file is read
        from reconciler.emulator.seed import Seed
    except ModuleNotFoundError as error:
        raise ReconcilerError([explain_not_installed(error)]) from error
    file = settings.directory / settings.against
    shown = display_path(file, settings.directory)
    text = read_text(file, shown, SNAPSHOT_LIMITS)
    try:
        seed = read_document(text, Seed, shown, SNAPSHOT_LIMITS)
    except ReconcilerError as error:
        raise ReconcilerError([_explain_unusable(shown, error.diagnostics)]) from None
    if seed.account is None:
        missing = Diagnostic("missing-key", "`account` is missing")
        raise ReconcilerError([_explain_unusable(shown, (missing,))])
    return OpenSnapshot(seed, _describe_origin(seed, shown))


@contextmanager
def open_snapshot(snapshot: OpenSnapshot, clock: Clock, timeouts: Timeouts) -> Iterator[Transport]:
    """Open a transport to the account of a snapshot, which is in memory and lost at the end."""
    from reconciler.emulator.app import create_app
    from reconciler.emulator.switches import Behaviour

    # A snapshot has the values that Fivetran answers: they must not be rewritten once more.
    echoed = Behaviour(private_link_host="echoed", cloud_provider="echoed")
    app = create_app(behaviour=echoed, clock=clock.now)
    with connect_in_process(app, clock, timeouts) as transport:
        app.load_seed(snapshot.seed)
        yield transport


def _describe_origin(seed: Seed, shown: str) -> SnapshotOrigin:
    has_connections = any(group.connections for group in seed.groups)
    has_approvals = any(group.certificates or group.fingerprints for group in seed.groups)
    if seed.snapshot is None:
        return SnapshotOrigin(shown, has_connections=has_connections, has_approvals=has_approvals)
    return SnapshotOrigin(
        shown,
        seed.snapshot.taken_at,
        seed.snapshot.connections or has_connections,
        seed.snapshot.trust or has_approvals,
    )


def _explain_unusable(shown: str, findings: tuple[Diagnostic, ...] | list[Diagnostic]) -> Diagnostic:
    """Explain a file that describes no account by its first finding."""
    first = findings[0]
    more = len(findings) - 1
    notes = (f"and {more:,} more {'finding' if more == 1 else 'findings'}",) if more else ()
    return Diagnostic(
        "snapshot-unusable",
        f"`{shown}` is no snapshot of an account: {first.message}",
        span=first.span,
        notes=notes,
        help="give a file that `reconciler snapshot --out FILE` has written",
        secret=True,  # the file may be anything, so its lines are not shown
    )
