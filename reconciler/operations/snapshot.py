"""Take a snapshot of an account: read it by GET requests, and write it as a seed of the emulator."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reconciler.api.client import Client
from reconciler.api.errors import ApiError
from reconciler.api.retrying import RetryingSender
from reconciler.kinds.account_objects import MANAGERS
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.event import Listener
from reconciler.operations.account_reads import AccountObjects, AccountReader
from reconciler.operations.extra_lists import ExtraList
from reconciler.operations.snapshot_content import describe_account
from reconciler.planning.errors import explain_read
from reconciler.runtime import own_folder
from reconciler.runtime.deadline import ShutdownDeadline
from reconciler.runtime.events import EventQueue
from reconciler.runtime.workers import run_interruptible
from reconciler.spec.files import display_path
from reconciler.spec.plain_yaml import dump_plain_yaml
from reconciler.spec.project import read_project
from reconciler.spec.timeouts import TimeoutRules
from reconciler.state.atomic_file import write_atomically
from reconciler.workspace.connection import open_transport
from reconciler.workspace.project_state import ACCOUNT, SANDBOX, path_for
from reconciler.workspace.settings import Settings

_HEADER = """\
# Snapshot of an account at Fivetran. Stars stand for secrets, and for values that may be secrets.
# `reconciler plan --against FILE` plans against it, and `reconciler emulate --seed FILE` serves it.
"""


@dataclass(frozen=True, slots=True)
class SnapshotResult:
    """Result of a snapshot: facts about its account, and the objects that could not be read.

    `stars` is the number of hidden values, `requests` the number of requests.
    """

    account_id: str
    account_name: str
    taken_at: datetime
    groups: int
    destinations: int
    links_and_agents: int
    secrets_managers: int
    connections: int | None
    approvals: int | None
    stars: int
    requests: int
    unreadable: tuple[str, ...]


def check_target(settings: Settings, file: Path, *, replaces: bool) -> None:
    """Check that a snapshot can be written to a file, before the account is read. Raises ReconcilerError."""
    target = settings.directory / file
    if os.path.lexists(target) and (not replaces or not target.is_file()):
        raise ReconcilerError([_explain_existing(settings, target)])
    if not target.parent.is_dir():
        raise ReconcilerError([_explain_unwritable(settings, target, "its folder does not exist")])


def take_snapshot(
    settings: Settings, file: Path, extra_lists: Collection[ExtraList], listener: Listener, *, replaces: bool
) -> SnapshotResult:
    """Read the account of the credentials, and write it to a file that only its owner can read.

    The file is written whole or not at all. Raises ReconcilerError.
    """
    taken_at = settings.clock.now()
    content, requests = _read_account(settings, extra_lists, listener)
    described = describe_account(content, extra_lists, taken_at, settings.redactor)
    _write(settings, settings.directory / file, _HEADER + dump_plain_yaml(described.seed), replaces=replaces)
    approvals = (*content.certificates.values(), *content.fingerprints.values())
    return SnapshotResult(
        content.account.account_id,
        content.account.account_name,
        taken_at,
        groups=len(content.groups),
        destinations=len(content.destinations),
        links_and_agents=sum(len(items) for name, items in content.companions.items() if name != MANAGERS),
        secrets_managers=len(content.companions[MANAGERS]),
        connections=sum(map(len, content.connections.values()))
        if ExtraList.CONNECTIONS in extra_lists
        else None,
        approvals=sum(map(len, approvals)) if ExtraList.TRUST in extra_lists else None,
        stars=described.stars,
        requests=requests,
        unreadable=content.unreadable,
    )


def explain_incomplete(result: SnapshotResult, file: str) -> Diagnostic:
    """Explain that a snapshot lacks objects that the key may not read."""
    return Diagnostic(
        "snapshot-incomplete",
        f"`{file}` lacks what these credentials may not read (403)",
        notes=result.unreadable,
        help="take the snapshot with a key that may read the whole account",
    )


def _read_account(
    settings: Settings, extra_lists: Collection[ExtraList], listener: Listener
) -> tuple[AccountObjects, int]:
    """Read the account in a thread of its own, so that events are reported meanwhile. Returns the number of requests
    too."""
    rules, sandbox_file = _find_connection_settings(settings)
    cancelled = threading.Event()
    with open_transport(settings, rules, sandbox_file) as transport:

        def report_slow_calls() -> None:
            sender.report_slow_calls()

        events = EventQueue(listener, report_slow_calls)
        sender = RetryingSender(transport, settings.clock, cancelled=cancelled, listener=events.put)
        reader = AccountReader(Client(sender), events.put, settings.readers)
        deadline = ShutdownDeadline(settings.clock, cancelled)
        try:
            result = run_interruptible(lambda: (reader.read(extra_lists),), deadline, events)
        except ApiError as error:
            raise ReconcilerError([explain_read(error)]) from None
        if result is None:
            raise KeyboardInterrupt
        return result[0], sender.requests_sent


def _find_connection_settings(settings: Settings) -> tuple[TimeoutRules, Path]:
    """Find the timeouts of the project and the file of its sandbox. A snapshot needs no project."""
    path = settings.directory / settings.project
    if not os.path.lexists(path):
        return TimeoutRules(), path.parent / own_folder.NAME / SANDBOX / ACCOUNT
    project = read_project(settings.project, settings.directory)
    return project.content.timeouts, path_for(project, ACCOUNT, sandbox=True)


def _write(settings: Settings, target: Path, text: str, *, replaces: bool) -> None:
    """Write a file whole. Another file of the name, which may have been made meanwhile, is replaced only on demand."""
    content = text.encode()
    try:
        if replaces:
            write_atomically(target.resolve(), content)
            return
        temporary = target.with_name(f".{target.name}.{os.getpid()}.snapshot")
        write_atomically(temporary, content)
        try:
            os.link(temporary, target)  # unlike a rename, it replaces no file
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError:
        raise ReconcilerError([_explain_existing(settings, target)]) from None
    except OSError as error:
        raise ReconcilerError(
            [_explain_unwritable(settings, target, error.strerror or str(error))]
        ) from error


def _explain_existing(settings: Settings, target: Path) -> Diagnostic:
    shown = display_path(target, settings.directory)
    if os.path.lexists(target) and not target.is_file():
        return _explain_unwritable(settings, target, "it is not a file")
    return Diagnostic(
        "snapshot-exists",
        f"`{shown}` exists already, and nothing was written",
        help="choose another file, or replace it with `--force`",
    )


def _explain_unwritable(settings: Settings, target: Path, reason: str) -> Diagnostic:
    return Diagnostic(
        "file-unwritable",
        f"cannot write `{display_path(target, settings.directory)}`: {reason}",
        help="choose a file in a folder that exists and is writable",
    )
