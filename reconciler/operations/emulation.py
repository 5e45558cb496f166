"""Open an emulated account from a seed file, a scenario, switches, faults and latencies, for `emulate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from reconciler.model.clock import Clock
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.source import Span
from reconciler.spec.files import display_path
from reconciler.spec.guard import SNAPSHOT_LIMITS
from reconciler.spec.nodes import MappingNode, Scalar, find_key_span, to_plain
from reconciler.spec.source import parse, read_text
from reconciler.workspace.documents import read_document
from reconciler.workspace.sandbox import explain_not_installed

if TYPE_CHECKING:
    from reconciler.emulator.app import Emulator
    from reconciler.emulator.faults import Fault
    from reconciler.emulator.handled_requests import RequestObserver
    from reconciler.emulator.latency import Latency
    from reconciler.emulator.network import NetworkSettings
    from reconciler.emulator.quota import QuotaProfile
    from reconciler.emulator.scenario import Scenario
    from reconciler.emulator.seed import Seed
    from reconciler.emulator.setup_tests import SetupTestScript
    from reconciler.emulator.switches import Behaviour


@dataclass(frozen=True, slots=True)
class EmulationOptions:
    """Options of an emulated account.

    Without a database the account is lost at the end; without credentials any credentials are accepted. `switches` win
    over the behaviour file. Faults of options come before faults of the fault file. `certificates` and `host_keys` are
    pairs of a group and a file, which is empty for a generated identity. They and `setup_tests` win over the seed.
    """

    directory: Path
    database: Path | None = None
    credentials: tuple[str, str] | None = None
    seed_file: Path | None = None
    behaviour_file: Path | None = None
    switches: Mapping[str, str] = field(default_factory=dict)
    fault_file: Path | None = None
    faults: tuple[Fault, ...] = ()
    latencies: tuple[Latency, ...] = ()
    quota: QuotaProfile | None = None
    certificates: tuple[tuple[str, str], ...] = ()
    host_keys: tuple[tuple[str, str], ...] = ()
    setup_tests: tuple[SetupTestScript, ...] = ()


@dataclass(frozen=True, slots=True)
class RunningEmulation:
    """A running account.

    `is_seeded` is False if the seed was skipped, because the account already had content.
    """

    app: Emulator
    is_seeded: bool


def open_emulation(
    emulation: EmulationOptions, clock: Clock, observe: RequestObserver | None = None
) -> RunningEmulation:
    """Open the emulated account. The caller closes its app. `observe` gets every handled request.

    Raises ReconcilerError with all findings of the first invalid file.
    """
    try:
        from reconciler.emulator.app import create_app
        from reconciler.emulator.quota import UNLIMITED
        from reconciler.emulator.store import UnusableDatabaseError
    except ModuleNotFoundError as error:
        raise ReconcilerError([explain_not_installed(error)]) from error
    seed = _read_seed(emulation)
    behaviour = _read_behaviour(emulation)
    faults = (*emulation.faults, *_read_faults(emulation))
    scenario = _build_scenario(emulation)
    try:
        app = create_app(
            emulation.database or ":memory:",
            credentials=emulation.credentials,
            behaviour=behaviour,
            clock=clock.now,
            faults=faults,
            latencies=emulation.latencies,
            quota=emulation.quota or UNLIMITED,
            scenario=scenario,
            read_document=read_document,
            observe=observe,
        )
    except UnusableDatabaseError as error:
        raise ReconcilerError([_explain_unusable(error)]) from error
    # An account from an earlier run keeps its content: a seed is for new accounts only.
    is_seeded = seed is not None and not app.has_content
    if is_seeded and seed is not None:
        app.load_seed(seed)
    return RunningEmulation(app, is_seeded)


def _read_seed(emulation: EmulationOptions) -> Seed | None:
    from reconciler.emulator.seed import Seed

    if emulation.seed_file is None:
        return None
    shown = display_path(emulation.seed_file, emulation.directory)
    text = read_text(emulation.seed_file, shown, SNAPSHOT_LIMITS)
    return read_document(text, Seed, shown, SNAPSHOT_LIMITS)


def _build_scenario(emulation: EmulationOptions) -> Scenario:
    """Build the scenario of the options. Raises ReconcilerError with all findings."""
    from reconciler.emulator.scenario import Scenario

    network: list[NetworkSettings] = []
    findings: list[Diagnostic] = []
    for name, pairs in (("certificate", emulation.certificates), ("host_key", emulation.host_keys)):
        for group, file in pairs:
            try:
                network.append(_read_identity(name, group, file, emulation.directory))
            except ReconcilerError as error:
                findings += error.diagnostics
    if findings:
        raise ReconcilerError(findings)
    return Scenario(network=tuple(network), setup_tests=emulation.setup_tests)


def _read_identity(name: str, group: str, file: str, directory: Path) -> NetworkSettings:
    """Read a certificate or a host key from a file, or choose a generated identity. Raises ReconcilerError."""
    from reconciler.emulator.network import NetworkSettings, ServerIdentity

    if not file:
        return NetworkSettings.model_validate({"group": group, name: ServerIdentity.GENERATED})
    shown = display_path(directory / file, directory)
    text = read_text(directory / file, shown)
    try:
        return NetworkSettings.model_validate({"group": group, name: text})
    except ValidationError as error:
        context: Any = error.errors()[0].get("ctx", {})
        span = Span(shown, 1, 1, 1, 2)
        message = f"`{shown}` cannot be presented: {context['reason']}"
        advice = f"give the group without a file to generate the {name.replace('_', ' ')}"
        raise ReconcilerError(
            [Diagnostic("invalid-server-identity", message, span, help=advice, secret=True)]
        ) from None


def _read_behaviour(emulation: EmulationOptions) -> Behaviour:
    from reconciler.emulator.switches import AS_DOCUMENTED, BehaviourError, change_switches

    behaviour, findings = AS_DOCUMENTED, []
    if emulation.behaviour_file is not None:
        root = _read_mapping(emulation.behaviour_file, emulation.directory)
        for name, node in root.items():
            # The text as written: here a bare `null` is the name of a value.
            value = node.as_written if isinstance(node, Scalar) else to_plain(node)
            try:
                behaviour = change_switches(behaviour, {name: value})
            except BehaviourError as error:
                span = find_key_span(root, (name,))
                findings.append(Diagnostic("unknown-switch", error.message, span, help=error.advice))
    if findings:
        raise ReconcilerError(findings)
    return change_switches(behaviour, emulation.switches)


def _read_faults(emulation: EmulationOptions) -> list[Fault]:
    from reconciler.emulator.fault_kinds import FaultError
    from reconciler.emulator.fault_text import parse_faults

    if emulation.fault_file is None:
        return []
    shown = display_path(emulation.fault_file, emulation.directory)
    found, findings = [], []
    for number, line in enumerate(read_text(emulation.fault_file, shown).splitlines(), 1):
        try:
            found += parse_faults([line])
        except FaultError as error:
            span = Span(shown, number, len(line) - len(line.lstrip()) + 1, number, len(line) + 1)
            findings.append(Diagnostic("invalid-fault", error.message, span, help=error.advice))
    if findings:
        raise ReconcilerError(findings)
    return found


def _read_mapping(file: Path, directory: Path) -> MappingNode:
    shown = display_path(file, directory)
    return parse(read_text(file, shown), shown)


def _explain_unusable(error: Exception) -> Diagnostic:
    return Diagnostic(
        "sandbox-unusable",
        f"the emulated account cannot be kept in {error}",
        help="give another file with `--db`, or leave it out to keep the account in memory",
    )
