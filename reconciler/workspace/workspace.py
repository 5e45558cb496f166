"""Open the workspace of an operation: specs, client of one account, secrets and state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TypeVar

from reconciler.api.client import Client
from reconciler.api.retrying import RetryingSender
from reconciler.api.transport import Transport
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.model.event import Listener, WarningIssued, ignore_event
from reconciler.model.instant import Instant
from reconciler.model.lock_info import LockInfo
from reconciler.model.snapshot_origin import SnapshotOrigin
from reconciler.model.value import Secret, find_references
from reconciler.runtime.deadline import ShutdownDeadline
from reconciler.runtime.events import EventQueue
from reconciler.runtime.workers import run_interruptible
from reconciler.secrets.base import Registry, SecretUnavailable, StoreContext, strip_own_variables
from reconciler.secrets.stores import open_registry
from reconciler.spec.files import display_path
from reconciler.state.store import Store
from reconciler.workspace.baseline import Baseline, load_baseline, merge_specs
from reconciler.workspace.connection import open_transport
from reconciler.workspace.demo_secrets import build_demo_registry
from reconciler.workspace.key_in_git import warn_key_in_git
from reconciler.workspace.project_state import (
    ACCOUNT,
    KEY_WITH_STATE,
    UNKNOWN_KEY,
    FingerprintKey,
    ProjectState,
    path_for,
)
from reconciler.workspace.settings import Settings
from reconciler.workspace.snapshot import read_snapshot
from reconciler.workspace.spec_secrets import add_spec_secrets
from reconciler.workspace.specs import Specs, load_specs
from reconciler.workspace.state_memory import check_former_place, remember_place
from reconciler.workspace.store import build_empty_store, build_store, get_place

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Workspace:
    """An open account with its specs. Setting `cancelled` ends the run: no new request is sent.

    `listener` is for the thread that uses the workspace. On the main thread it is `events`, which also emits
    the events of other threads. `baseline` is the revision of `--changed-since`; `specs` already has its
    entries merged. `snapshot` is the snapshot in place of the account.
    """

    settings: Settings
    specs: Specs
    sender: RetryingSender
    client: Client
    registry: Registry
    state: ProjectState
    events: EventQueue
    listener: Listener
    cancelled: threading.Event
    baseline: Baseline | None = None
    snapshot: SnapshotOrigin | None = None

    def now(self) -> Instant:
        """Return the time of the own clock and of Fivetran's clock."""
        return Instant(self.settings.clock.now(), self.sender.get_server_time())

    @property
    def is_account_confirmed(self) -> bool:
        """Whether it is certain that the specs belong to this account."""
        is_named = bool(self.specs.project.content.account_id)
        return self.settings.sandbox or is_named or self.state.exists


def with_lock_renewal(workspace: Workspace, work: Callable[[Workspace], _Result]) -> _Result:
    """Run read-only work while the lock is renewed and events are emitted. Returns the result of the work.

    A pause that Fivetran demands may outlast the lock, and an answer may take so long that the run has to report what
    it waits for. Errors of the work are raised here.
    """
    worker_view = replace(workspace, listener=workspace.events.put)
    deadline = ShutdownDeadline(workspace.settings.clock, workspace.cancelled)
    result = run_interruptible(lambda: (work(worker_view),), deadline, workspace.events)
    if result is None:
        raise KeyboardInterrupt
    return result[0]


class Access(Enum):
    """Access of a run to a project's state."""

    READ = auto()
    WRITE = auto()  # one run at a time


@contextmanager
def open_workspace(
    settings: Settings,
    listener: Listener = ignore_event,
    access: Access = Access.READ,
    cancelled: threading.Event | None = None,
    specs: Specs | None = None,
) -> Iterator[Workspace]:
    """Load the specs, unless they are given, and prepare the client. Sends nothing.

    Raises ReconcilerError for invalid specs, credentials, address or state, and if another run holds the lock.
    """
    specs = load_specs(settings) if specs is None else specs
    add_spec_secrets(settings.redactor, specs, settings.directory)
    baseline = load_baseline(settings, specs)
    cancel_event = cancelled or threading.Event()
    snapshot = read_snapshot(settings)
    store, unread_warning = _find_store(specs, settings, cancel_event)
    with ExitStack() as stack:
        if access is Access.WRITE:
            stack.enter_context(_hold_lock(store, settings.holder, listener))
        sandbox_file = path_for(specs.project, ACCOUNT, sandbox=True)
        rules = specs.project.content.timeouts
        transport = stack.enter_context(open_transport(settings, rules, sandbox_file, snapshot))
        registry = build_registry(settings, specs, access)
        key = resolve_fingerprint_key(settings, specs, registry, store)
        state = ProjectState(store, settings.entropy, key, specs.destinations)
        _check_lost_specs(specs, state)
        if unread_warning is None:
            specs = _check_place(specs, settings, state, access)
        else:
            specs = replace(specs, warnings=(*specs.warnings, unread_warning))
        if access is Access.WRITE:
            state.ensure_key()
        else:
            specs = _add_state_warnings(specs, store, state, settings.holder)
        specs = _add_key_warning(specs, store, settings)

        def on_flush() -> None:
            """Renew the lock, and report slow calls. A lost lock cancels the run."""
            if not state.renew_and_flush():
                cancel_event.set()
            sender.report_slow_calls()

        events = EventQueue(listener, on_flush)
        sender = _build_sender(transport, settings, specs, events, cancel_event)
        if access is Access.WRITE:
            stack.callback(_remember_place, specs, settings, state)
        yield Workspace(
            settings=settings,
            specs=replace(merge_specs(specs, baseline), compiled=None),
            sender=sender,
            client=Client(sender),
            registry=registry,
            state=state,
            events=events,
            listener=events,
            cancelled=cancel_event,
            baseline=baseline,
            snapshot=snapshot.origin if snapshot is not None else None,
        )


def _find_store(
    specs: Specs, settings: Settings, cancelled: threading.Event
) -> tuple[Store, Diagnostic | None]:
    """Find the store of a run. A plan against a snapshot goes on without a state that it cannot read: its store is
    empty, and the warning explains why."""
    if settings.against is None:
        return build_store(specs.project, settings, cancelled), None
    try:
        store = build_store(specs.project, settings, cancelled)
        store.read()
        if store.key_file is not None and specs.fingerprint_key is None:
            store.key_file.read()
    except ReconcilerError as error:
        return build_empty_store(specs.project), _explain_unread_state(error)
    return store, None


def _explain_unread_state(error: ReconcilerError) -> Diagnostic:
    first = error.diagnostics[0]
    return Diagnostic(
        "state-not-read",
        "this plan is made without the records of the state",
        severity=Severity.WARNING,
        notes=(first.message, *first.notes),
        help=first.help,
    )


def _build_sender(
    transport: Transport, settings: Settings, specs: Specs, events: EventQueue, cancelled: threading.Event
) -> RetryingSender:
    budget = specs.project.content.budget
    return RetryingSender(
        transport,
        settings.clock,
        cancelled=cancelled,
        listener=events.put,
        budget=budget,
        max_requests=settings.max_requests,
    )


@contextmanager
def _hold_lock(store: Store, holder: LockInfo, listener: Listener) -> Iterator[None]:
    """Hold the lock of the state, and emit a warning if it could not be released."""
    try:
        with store.lock.hold(holder):
            yield
    finally:
        if store.lock.release_failure is not None:
            listener(WarningIssued(store.lock.release_failure))


def _check_lost_specs(specs: Specs, state: ProjectState) -> None:
    """Check that a project without any spec file has no records: a fresh project has none, and a project with records
    has lost its files. Raises ReconcilerError."""
    if specs.unmatched_globs and state.records:
        note = f"the state has records of this project ({len(state.records)}), so it had specs"
        raise ReconcilerError(
            [replace(finding, notes=(*finding.notes, note)) for finding in specs.unmatched_globs]
        )


def _check_place(specs: Specs, settings: Settings, state: ProjectState, access: Access) -> Specs:
    """Check that a project without a state has not left its records at another place. Adds a warning, and raises
    ReconcilerError for a run that writes."""
    if state.exists or settings.sandbox:
        return specs
    finding = check_former_place(specs.project, settings, writes=access is Access.WRITE)
    if finding is not None and finding.severity is Severity.ERROR:
        raise ReconcilerError([finding])
    return specs if finding is None else replace(specs, warnings=(*specs.warnings, finding))


def _remember_place(specs: Specs, settings: Settings, state: ProjectState) -> None:
    """Remember the place of a state that this run has used. The state of a sandbox has no other place."""
    if state.exists and not settings.sandbox:
        remember_place(specs.project, get_place(specs.project))


def _add_state_warnings(specs: Specs, store: Store, state: ProjectState, holder: LockInfo) -> Specs:
    """Add the warnings about a state that a run only reads."""
    warnings = (*_warn_in_use(store, holder), *_warn_clear_values(state))
    return replace(specs, warnings=(*specs.warnings, *warnings))


def _add_key_warning(specs: Specs, store: Store, settings: Settings) -> Specs:
    """Add a warning about a key beside a local state that git would publish. A sandbox has no key worth hiding."""
    if store.key_file is None or settings.sandbox:
        return specs
    path = store.key_file.path
    warnings = warn_key_in_git(path, display_path(path, settings.directory), settings.environ)
    return replace(specs, warnings=(*specs.warnings, *warnings))


def _warn_clear_values(state: ProjectState) -> Iterator[Diagnostic]:
    if state.clear_values_warning is not None:
        yield state.clear_values_warning


def _warn_in_use(store: Store, holder: LockInfo) -> Iterator[Diagnostic]:
    """Warn that another run holds the lock: a plan made meanwhile fits neither the account before
    nor the account after that run."""
    lock_status = store.lock.current_owner(holder)
    if lock_status is not None:
        yield Diagnostic(
            "state-in-use",
            f"another run is writing to the state `{store.display_name}`, so this may change at any moment",
            severity=Severity.WARNING,
            notes=(f"it is held by {lock_status.holder}",),
            help="wait for that run to end, and plan again",
        )


def build_registry(settings: Settings, specs: Specs, access: Access) -> Registry:
    """Build the registry of references.

    In the sandbox all values are generated: it needs no set-up and reads no secret.
    """
    if settings.sandbox:
        return build_demo_registry(specs.destinations)
    # A run that only reads sends no secrets, so users without access to secrets can still plan.
    withholds = access is Access.READ and not settings.compare_secrets
    project = specs.project
    values = (value for desired in specs.destinations for value in desired.fields.values())
    schemes = {
        reference.scheme
        for value in (*values, specs.fingerprint_key)
        for reference in find_references(value)
        if not (withholds and reference.confidential)
    }
    context = StoreContext(
        project.directory,
        strip_own_variables(settings.environ),
        settings.clock,
        project.content.secrets.timeout,
    )
    return open_registry(
        schemes,
        project.content.secrets.commands,
        context,
        skip_secrets=withholds,
        redactor=settings.redactor,
    )


def resolve_fingerprint_key(
    settings: Settings, specs: Specs, registry: Registry, store: Store
) -> FingerprintKey:
    """Resolve the fingerprint key of the project, if secrets are compared. Raises ReconcilerError."""
    reference = specs.fingerprint_key
    if settings.sandbox or reference is None:
        return KEY_WITH_STATE if store.key_file is not None else UNKNOWN_KEY
    if not settings.compare_secrets:
        return UNKNOWN_KEY
    try:
        key = registry.resolve(reference)
    except SecretUnavailable as problem:
        raise ReconcilerError(
            [
                Diagnostic(
                    "secret-unavailable",
                    f"`fingerprint_key` needs `{reference}`, which cannot be resolved: {problem.reason}",
                    span=key.span if (key := specs.project.content.fingerprint_key) else None,
                    help="provide the referenced value, or run with `--secrets skip`, which compares no secrets",
                )
            ]
        ) from None
    return key if isinstance(key, Secret) else Secret(key)
