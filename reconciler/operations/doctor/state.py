"""Check the place of the state, its lock, its writes, and the key of its fingerprints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.checkup import AreaChecks, CheckupArea, CheckupItem
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.record import State
from reconciler.model.state_location import LocalFile
from reconciler.operations.doctor.project import ExaminedProject
from reconciler.spec.files import display_path
from reconciler.spec.project import Project
from reconciler.state.backend import BackendError
from reconciler.state.lock import LockHolderState, LockStatus
from reconciler.state.store import Store
from reconciler.state.write_check import check_writes
from reconciler.workspace.key_in_git import warn_key_in_git
from reconciler.workspace.project_state import STATE, path_for
from reconciler.workspace.settings import Settings
from reconciler.workspace.state_memory import check_former_place
from reconciler.workspace.store import build_backend_context, build_store, get_place

_CHECKS = AreaChecks(CheckupArea.STATE)
_NAMES = ("state", "lock", "writes", "fingerprint key")
_UNREACHED = "the state cannot be read"
_WAIT = "wait for that run to end; `reconciler state unlock` frees the lock of a run that has died"


@dataclass(frozen=True, slots=True)
class ExaminedState:
    """State of a project. `content` is None without a state, and if the state could not be read (not `is_read`)."""

    items: tuple[CheckupItem, ...]
    content: State | None = None
    is_read: bool = False


def check_state(settings: Settings, view: ExaminedProject, *, write_check: bool) -> ExaminedState:
    """Check the state of a project. Writes nothing without `write_check`."""
    project = view.project
    if project is None:
        return ExaminedState(tuple(_CHECKS.skip(name, view.obstacle) for name in _NAMES))
    try:
        store = build_store(project, settings)
        content = store.read()
        former = None if content or settings.sandbox else check_former_place(project, settings, writes=True)
    except ReconcilerError as error:
        skipped = (_CHECKS.skip(name, _UNREACHED) for name in _NAMES[1:])
        return ExaminedState((_CHECKS.judge("state", "", error.diagnostics), *skipped))
    items = (
        _CHECKS.judge("state", _describe(store, content), [former] if former is not None else []),
        _check_lock(store, settings),
        _check_writes(project, settings, write_check=write_check),
        *_check_key(project, store, settings),
    )
    return ExaminedState(items, content, is_read=True)


def _describe(store: Store, content: State | None) -> str:
    if content is None:
        return f"`{store.display_name}`, none yet: the first apply creates it"
    records = "1 record" if len(content.records) == 1 else f"{len(content.records):,} records"
    return f"`{store.display_name}`, serial {content.serial}, {records}"


def _check_lock(store: Store, settings: Settings) -> CheckupItem:
    try:
        status = store.lock.inspect(settings.holder.host)
    except ReconcilerError as error:
        return _CHECKS.judge("lock", "", error.diagnostics)
    match status:
        case LockStatus(LockHolderState.FREE, None):
            return _CHECKS.pass_check("lock", "free")
        case LockStatus(LockHolderState.FREE, holder):
            return _CHECKS.pass_check("lock", f"free; the lock of {holder} has expired")
        case LockStatus(LockHolderState.LOCAL_DEAD, holder, ""):
            return _CHECKS.pass_check("lock", f"free; {holder} has ended")
        case LockStatus(LockHolderState.UNKNOWN):
            return _CHECKS.warn("lock", "its holder cannot be read", _WAIT)
    until = f"; it expires at {status.expires_at}" if status.expires_at else ""
    return _CHECKS.warn("lock", f"held by {status.holder}{until}", _WAIT)


def _check_writes(project: Project, settings: Settings, *, write_check: bool) -> CheckupItem:
    place = get_place(project)
    if settings.sandbox or isinstance(place, LocalFile):
        return _check_folder(path_for(project, STATE, sandbox=settings.sandbox), settings)
    if not write_check:
        advice = "`--write-check` checks them with an object of its own, which it deletes"
        return _CHECKS.skip("writes", "a check has to write", advice)
    try:
        made = check_writes(place, build_backend_context(project, settings))
    except BackendError as error:
        advice = error.advice or "see that these credentials may write there"
        return _CHECKS.fail("writes", "; ".join((str(error), *error.notes)), advice)
    except ReconcilerError as error:
        return _CHECKS.judge("writes", "", error.diagnostics)
    return _CHECKS.pass_check("writes", f"they depend on the version; `{made}` was made and deleted")


def _check_folder(file: Path, settings: Settings) -> CheckupItem:
    """Check that the folder of a local state can be written, or made, without writing."""
    nearest = next(parent for parent in file.parents if os.path.lexists(parent))
    shown = display_path(nearest, settings.directory)
    if not os.access(nearest, os.W_OK | os.X_OK):
        return _CHECKS.fail("writes", f"the folder `{shown}` cannot be written", "correct its permissions")
    return _CHECKS.pass_check("writes", f"the folder `{shown}` can be written")


def _check_key(project: Project, store: Store, settings: Settings) -> Iterator[CheckupItem]:
    """Check the key of the fingerprints. The reference to a key is checked with all references."""
    if settings.sandbox:
        return
    if project.content.fingerprint_key is not None:
        yield _CHECKS.pass_check("fingerprint key", "a secret that the project file refers to")
        return
    if store.key_file is None:
        yield _CHECKS.warn(
            "fingerprint key",
            "none, so changed secrets are not noticed",
            'write for example `fingerprint_key: {secret: "env:FINGERPRINT_KEY"}` into the project file',
        )
        return
    path = store.key_file.path
    shown = display_path(path, settings.directory)
    text = f"`{shown}`" if path.exists() else "none yet: the first apply creates it"
    yield _CHECKS.judge("fingerprint key", text, list(warn_key_in_git(path, shown, settings.environ)))
