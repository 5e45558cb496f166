"""Everything an operation works with: the loaded specs, a client of one account, a source of secrets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TypeVar

from reconciler.api.client import Client
from reconciler.api.courier import Courier
from reconciler.api.endpoint import DEFAULT_BASE_URL
from reconciler.api.limiter import Budget
from reconciler.api.transport import Credentials, Transport
from reconciler.engine.crew import Grace, attended
from reconciler.engine.relay import Relay
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.model.event import Listener, Warned, ignore
from reconciler.model.holder import Holder
from reconciler.model.instant import Instant
from reconciler.model.value import Secret, references_of
from reconciler.operations.baseline import Baseline, load_baseline, merge_specs
from reconciler.operations.demo import demo_registry
from reconciler.operations.memory import (
    BESIDE_THE_STATE,
    UNKNOWN_KEY,
    FingerprintKey,
    Memory,
    place_of,
)
from reconciler.operations.sandbox import sandbox_transport
from reconciler.operations.settings import Settings
from reconciler.operations.specs import Specs, load_declared
from reconciler.operations.store import store_of
from reconciler.secrets.base import Registry, SecretUnavailable, Surroundings, without_own
from reconciler.secrets.stores import open_registry
from reconciler.spec.files import shown_path
from reconciler.spec.project import Project
from reconciler.state.store import Store

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Workspace:
    """An open account with the specs for it. Setting `cancelled` ends the run: nothing new is sent.

    `listener` is for the thread that works with it; it is `relay` for the main one, which tells what others post.
    `baseline` is the revision that the run is narrowed by; what only that one changed is in `specs` as it is there.
    """

    settings: Settings
    specs: Specs
    courier: Courier
    client: Client
    registry: Registry
    memory: Memory
    relay: Relay
    listener: Listener
    cancelled: threading.Event
    baseline: Baseline | None = None

    def now(self) -> Instant:
        """The time, by the own clock and by Fivetran's."""
        return Instant(self.settings.clock.now(), self.courier.server_now())

    @property
    def account_confirmed(self) -> bool:
        """Whether it is certain that this is the account the specs are for."""
        named = self.specs.project.account_id is not None
        return self.settings.sandbox or named or self.memory.exists


def while_tended(workspace: Workspace, work: Callable[[Workspace], _Result]) -> _Result:
    """The result of work that only reads, with the lock renewed and events told meanwhile: a pause that Fivetran asks
    for may be longer than the lock lasts. What the work raises is raised here."""
    beside = replace(workspace, listener=workspace.relay.post)
    grace = Grace(workspace.settings.clock, workspace.cancelled)
    result = attended(lambda: (work(beside),), grace, workspace.relay)
    if result is None:
        raise KeyboardInterrupt
    return result[0]


class Access(Enum):
    """What a run is allowed to do with the memory of a project."""

    READ = auto()
    WRITE = auto()  # one run at a time


@contextmanager
def open_workspace(
    settings: Settings,
    listener: Listener = ignore,
    access: Access = Access.READ,
    cancelled: threading.Event | None = None,
) -> Iterator[Workspace]:
    """Load the specs, then prepare the client. Nothing is sent yet.

    Raises `ReconcilerError` for anything wrong with specs, credentials, address or memory, and where
    another run is writing.
    """
    specs = load_declared(settings)
    baseline = load_baseline(settings, specs)
    ending = cancelled or threading.Event()
    store = store_of(specs.project, settings, ending)
    with ExitStack() as stack:
        if access is Access.WRITE:
            stack.callback(_tell_what_is_left, store, listener)
            stack.enter_context(store.locked(settings.holder))
        transport = stack.enter_context(_transport(settings, specs.project))
        # Nothing is sent by a run that only reads, so whoever may not read secrets can plan all the same.
        withholds = access is Access.READ and not settings.compare_secrets
        registry = _registry(settings, specs, withholds=withholds)
        key = _fingerprint_key(settings, specs, registry, store)
        memory = Memory(store, settings.entropy, key, settings.refuge, specs.destinations)
        if access is Access.WRITE:
            memory.prepare()
        else:
            told = (*_in_use(store, settings.holder), *_values_in_clear(memory))
            specs = replace(specs, warnings=(*specs.warnings, *told))
        relay = Relay(listener, lambda: None if memory.tend() else ending.set())
        courier = Courier(
            transport, settings.clock, cancelled=ending, told=relay.post, budget=_budget(specs.project)
        )
        yield Workspace(
            settings=settings,
            specs=merge_specs(specs, baseline),
            courier=courier,
            client=Client(courier),
            registry=registry,
            memory=memory,
            relay=relay,
            listener=relay,
            cancelled=ending,
            baseline=baseline,
        )


def _tell_what_is_left(store: Store, listener: Listener) -> None:
    if store.left_behind is not None:
        listener(Warned(store.left_behind))


def _values_in_clear(memory: Memory) -> Iterator[Diagnostic]:
    if memory.values_in_clear is not None:
        yield memory.values_in_clear


def _in_use(store: Store, me: Holder) -> Iterator[Diagnostic]:
    """A plan that is made while another run changes things is right about neither before nor after."""
    hold = store.writer(me)
    if hold is not None:
        yield Diagnostic(
            "state-in-use",
            f"another run is writing to the state `{store.shown_as}`, so this may change at any moment",
            severity=Severity.WARNING,
            notes=(f"it is held by {hold.holder}",),
            help="wait for that run to end, and plan again",
        )


@contextmanager
def _transport(settings: Settings, project: Project) -> Iterator[Transport]:
    if settings.sandbox:
        file = place_of(project, "account.sqlite", sandbox=True)
        with sandbox_transport(file, shown_path(file, settings.directory), settings.clock) as transport:
            yield transport
        return
    address = settings.environ.get("FIVETRAN_API_URL") or DEFAULT_BASE_URL
    with Transport(
        address, _credentials(settings.environ), clock=settings.clock, environ=settings.environ
    ) as transport:
        yield transport


def _budget(project: Project) -> Budget:
    budget = project.budget
    return Budget(budget.requests_per_hour, budget.setup_tests_per_minute, budget.setup_tests_per_hour)


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


def _registry(settings: Settings, specs: Specs, *, withholds: bool) -> Registry:
    """Sources of values. The sandbox makes them all up, so that it needs no set-up and reads no secret. With
    `withholds` only what plans show is looked up."""
    if settings.sandbox:
        return demo_registry(specs.destinations)
    project = specs.project
    values = (value for desired in specs.destinations for value in desired.fields.values())
    used = {
        reference.scheme
        for value in (*values, specs.fingerprint_key)
        for reference in references_of(value)
        if not (withholds and reference.confidential)
    }
    surroundings = Surroundings(
        project.directory, without_own(settings.environ), settings.clock, project.secrets.timeout
    )
    return open_registry(used, project.secrets.commands, surroundings, withholds=withholds)


def _fingerprint_key(settings: Settings, specs: Specs, registry: Registry, store: Store) -> FingerprintKey:
    """The key that the project refers to, looked up only where secrets are compared. Raises `ReconcilerError`."""
    reference = specs.fingerprint_key
    if settings.sandbox or reference is None:
        return BESIDE_THE_STATE if store.keeps_key else UNKNOWN_KEY
    if not settings.compare_secrets:
        return UNKNOWN_KEY
    try:
        key = registry.resolve(reference)
    except SecretUnavailable as problem:
        raise ReconcilerError(
            [
                Diagnostic(
                    "secret-unavailable",
                    f"`fingerprint_key` needs `{reference}`, which cannot be had: {problem.reason}",
                    span=specs.project.fingerprint_key.span if specs.project.fingerprint_key else None,
                    help="provide it where the reference points; or run with `--secrets skip`, which compares none",
                )
            ]
        ) from None
    return key if isinstance(key, Secret) else Secret(key)
