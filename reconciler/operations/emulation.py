"""An emulated account to serve: made from a file, a seed and switches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from reconciler.model.clock import Clock
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.source import Span
from reconciler.operations.sandbox import not_installed
from reconciler.spec.errors import diagnostics_of
from reconciler.spec.files import shown_path
from reconciler.spec.source import parse, read
from reconciler.spec.tree import Scalar, Table, key_span_at, plain

if TYPE_CHECKING:
    from reconciler.emulator.app import Emulator
    from reconciler.emulator.behaviour import Behaviour
    from reconciler.emulator.faults import Fault
    from reconciler.emulator.latency import Latency
    from reconciler.emulator.quota import Profile
    from reconciler.emulator.seed import Seed


@dataclass(frozen=True, slots=True)
class Emulation:
    """What to serve. Without a database the account is forgotten at the end; without credentials any
    are let in. `switches` outrank those of the behaviour file, faults of options stand before those
    of the fault file."""

    directory: Path
    database: Path | None = None
    credentials: tuple[str, str] | None = None
    seed_file: Path | None = None
    behaviour_file: Path | None = None
    switches: Mapping[str, str] = field(default_factory=dict)
    fault_file: Path | None = None
    faults: tuple[Fault, ...] = ()
    latencies: tuple[Latency, ...] = ()
    quota: Profile | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A running account. `planted` is False where it had groups already and the seed was left out."""

    app: Emulator
    planted: bool


def open_emulation(emulation: Emulation, clock: Clock) -> Opened:
    """Make the account ready. Close its app at the end. Raises ReconcilerError with all findings of the
    first file that is wrong."""
    try:
        from reconciler.emulator.app import create_app
        from reconciler.emulator.quota import OFF
        from reconciler.emulator.store import UnusableDatabaseError
    except ModuleNotFoundError as error:
        raise ReconcilerError([not_installed(error)]) from error
    seed = _seed(emulation)
    behaviour = _behaviour(emulation)
    faults = (*emulation.faults, *_faults(emulation))
    try:
        app = create_app(
            emulation.database or ":memory:",
            credentials=emulation.credentials,
            behaviour=behaviour,
            clock=clock.now,
            faults=faults,
            latencies=emulation.latencies,
            quota=emulation.quota or OFF,
        )
    except UnusableDatabaseError as error:
        raise ReconcilerError([_unusable(error)]) from error
    planted = seed is not None and not app.has_groups
    if planted and seed is not None:
        app.plant(seed)
    return Opened(app, planted)


def _seed(emulation: Emulation) -> Seed | None:
    from reconciler.emulator.seed import Seed

    if emulation.seed_file is None:
        return None
    root = _table(emulation.seed_file, emulation.directory)
    try:
        return Seed.model_validate(plain(root))
    except ValidationError as error:
        raise ReconcilerError(diagnostics_of(error, root, Seed)) from None


def _behaviour(emulation: Emulation) -> Behaviour:
    from reconciler.emulator.behaviour import AS_DOCUMENTED, BehaviourError, switched

    behaviour, findings = AS_DOCUMENTED, []
    if emulation.behaviour_file is not None:
        root = _table(emulation.behaviour_file, emulation.directory)
        for name, node in root.items():
            # As written: a bare `null` is the name of a value here.
            value = node.as_written if isinstance(node, Scalar) else plain(node)
            try:
                behaviour = switched(behaviour, {name: value})
            except BehaviourError as error:
                span = key_span_at(root, (name,))
                findings.append(Diagnostic("unknown-switch", error.message, span, help=error.advice))
    if findings:
        raise ReconcilerError(findings)
    return switched(behaviour, emulation.switches)


def _faults(emulation: Emulation) -> list[Fault]:
    from reconciler.emulator.fault_kinds import FaultError
    from reconciler.emulator.fault_text import parse_faults

    if emulation.fault_file is None:
        return []
    shown = shown_path(emulation.fault_file, emulation.directory)
    found, findings = [], []
    for number, line in enumerate(read(emulation.fault_file, shown).splitlines(), 1):
        try:
            found += parse_faults([line])
        except FaultError as error:
            span = Span(shown, number, len(line) - len(line.lstrip()) + 1, number, len(line) + 1)
            findings.append(Diagnostic("invalid-fault", error.message, span, help=error.advice))
    if findings:
        raise ReconcilerError(findings)
    return found


def _table(file: Path, directory: Path) -> Table:
    shown = shown_path(file, directory)
    return parse(read(file, shown), shown)


def _unusable(error: Exception) -> Diagnostic:
    return Diagnostic(
        "sandbox-unusable",
        f"the emulated account cannot be kept in {error}",
        help="give another file with `--db`, or leave it out to keep the account in memory",
    )
