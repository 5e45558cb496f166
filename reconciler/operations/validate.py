"""`validate`: everything that can be known without the network."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.diagnostic import Diagnostic
from reconciler.operations.settings import Settings
from reconciler.operations.specs import load_declared


@dataclass(frozen=True, slots=True)
class Validated:
    """What was found to be in order."""

    groups: int
    destinations: int
    files: int
    warnings: tuple[Diagnostic, ...]


def validate(settings: Settings) -> Validated:
    """Load and check all specs. Raises `ReconcilerError` with every error; sends nothing, resolves no secret."""
    specs = load_declared(settings.project, settings.directory)
    return Validated(len(specs.groups), len(specs.destinations), len(specs.files), specs.warnings)
