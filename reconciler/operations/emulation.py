"""Open an emulated account from a seed file, a scenario, switches, faults and latencies, for `emulate`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from reconciler.model.clock import Clock
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.source import Span
from reconciler.model.suggestions import did_you_mean
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
    from reconciler.emulator.scenario import StartScenario
    from reconciler.emulator.seed import Seed
    from reconciler.emulator.setup_tests import SetupTestScript
    from reconciler.emulator.switches import Behaviour

_KEY_LINE = re.compile(r"(ssh|ecdsa|sk)-\S+ ")


@dataclass(frozen=True, slots=True)
class EmulationOptions:
    """Options of an emulated account.

    Without a database the account is lost at the end; without credentials any credentials are accepted. `switches` win
    over the behaviour file. Faults of options come before faults of the fault file. `certificates` and `host_keys` are
    pairs of a group and the source of an identity: a file, a word of `ServerIdentity`, the line of a host key, or the
    empty text for a generated identity. `network` has durations of setup tests. `offline_agents` are ids or names of
    agents of the account. These and `setup_tests` win over the seed.
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
    network: tuple[NetworkSettings, ...] = ()
    setup_tests: tuple[SetupTestScript, ...] = ()
    offline_agents: tuple[str, ...] = ()


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
    try:
        _check_agents(emulation, app)
    except ReconcilerError:
        app.close()
        raise
    return RunningEmulation(app, is_seeded)


def _check_agents(emulation: EmulationOptions, app: Emulator) -> None:
    """Check that the account has the agents of the options. Raises ReconcilerError with all that it lacks."""
    known = sorted({name for agent in app.dashboard.list_agents() for name in (agent["id"], agent["name"])})
    findings = [
        Diagnostic(
            "unknown-agent",
            f"the emulated account has no agent `{name}`",
            help=did_you_mean(name, known) or "add it to `hybrid_agents:` or `proxy_agents:` of the seed",
        )
        for name in emulation.offline_agents
        if name not in known
    ]
    if findings:
        raise ReconcilerError(findings)


def _read_seed(emulation: EmulationOptions) -> Seed | None:
    from reconciler.emulator.seed import Seed

    if emulation.seed_file is None:
        return None
    shown = display_path(emulation.seed_file, emulation.directory)
    text = read_text(emulation.seed_file, shown, SNAPSHOT_LIMITS)
    return read_document(text, Seed, shown, SNAPSHOT_LIMITS)


def _build_scenario(emulation: EmulationOptions) -> StartScenario:
    """Build the scenario of the options. Raises ReconcilerError with all findings."""
    from reconciler.emulator.scenario import StartScenario

    network: list[NetworkSettings] = [*emulation.network]
    findings: list[Diagnostic] = []
    for name, pairs in (("certificate", emulation.certificates), ("host_key", emulation.host_keys)):
        for group, source in pairs:
            try:
                network.append(_read_identity(name, group, source, emulation.directory))
            except ReconcilerError as error:
                findings += error.diagnostics
    if findings:
        raise ReconcilerError(findings)
    return StartScenario(
        network=tuple(network), setup_tests=emulation.setup_tests, offline_agents=emulation.offline_agents
    )


def _read_identity(name: str, group: str, source: str, directory: Path) -> NetworkSettings:
    """Read the certificate or the host key that an option names by its source. Raises ReconcilerError."""
    from reconciler.emulator.network import NetworkSettings, ServerIdentity

    if source in ("", *ServerIdentity):
        return NetworkSettings.model_validate({"group": group, name: source or ServerIdentity.GENERATED})
    if name == "host_key" and _KEY_LINE.match(source):
        return _parse_identity(name, group, source, f"the host key of `{group}`", None)
    shown = display_path(directory / source, directory)
    text = read_text(directory / source, shown)
    return _parse_identity(name, group, text, f"`{shown}`", Span(shown, 1, 1, 1, 2))


def _parse_identity(name: str, group: str, text: str, what: str, span: Span | None) -> NetworkSettings:
    """Parse the text of a certificate or a host key. Raises ReconcilerError, which repeats nothing of the text."""
    from reconciler.emulator.network import NetworkSettings

    try:
        return NetworkSettings.model_validate({"group": group, name: text})
    except ValidationError as error:
        context: Any = error.errors()[0].get("ctx", {})
        message = f"{what} cannot be presented: {context['reason']}"
        advice = f"give the group alone to generate the {name.replace('_', ' ')}"
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
