"""Specs as the engine wants them: loaded, merged, checked against the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reconciler.kinds.destination_spec import desired_destination
from reconciler.kinds.group import desired_group
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, errors_among, in_reading_order
from reconciler.model.resource import Desired
from reconciler.spec.load import load
from reconciler.spec.project import Project


@dataclass(frozen=True, slots=True)
class Specs:
    """All entries of a project: groups and, where they have one, their destinations, by entry key."""

    project: Project
    groups: tuple[Desired, ...]
    destinations: tuple[Desired, ...]
    files: tuple[str, ...]
    warnings: tuple[Diagnostic, ...]


def load_declared(project: Path, directory: Path) -> Specs:
    """Load a project file with everything it names. Raises `ReconcilerError` with all errors, or returns warnings."""
    loaded = load(project, directory)
    groups = tuple(desired_group(spec) for spec in loaded.groups)
    destinations: list[Desired] = []
    diagnostics = list(loaded.warnings)
    for spec in loaded.groups:
        desired, findings = desired_destination(spec)
        diagnostics += findings
        if desired is not None:
            destinations.append(desired)
    if errors_among(diagnostics):
        raise ReconcilerError(in_reading_order(diagnostics))
    return Specs(
        loaded.project, groups, tuple(destinations), loaded.files, tuple(in_reading_order(diagnostics))
    )
