"""`validate`: everything that can be known without the network."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, errors_among
from reconciler.operations.selection import select_files
from reconciler.operations.settings import Settings
from reconciler.operations.specs import declared, load_declared
from reconciler.spec.load import Loaded, gather


@dataclass(frozen=True, slots=True)
class Validated:
    """What was checked and found to be in order. `elsewhere` counts findings in files that were not asked about."""

    groups: int
    destinations: int
    files: int
    warnings: tuple[Diagnostic, ...]
    elsewhere: int = 0


def validate(settings: Settings, paths: Sequence[Path] = ()) -> Validated:
    """Load and check all specs. Raises `ReconcilerError` with every error; sends nothing, resolves no secret.

    With `paths` everything is loaded as well, since files depend on each other, but only findings in
    these files count.
    """
    if paths:
        return _validate_files(settings, {each.shown for each in select_files(settings, paths)})
    specs = load_declared(settings)
    return Validated(len(specs.groups), len(specs.destinations), len(specs.files), specs.warnings)


def _validate_files(settings: Settings, files: Collection[str]) -> Validated:
    loaded = _gathered(settings, files)
    findings = _findings(loaded, settings)
    own = _within(files, findings)
    if errors_among(own):
        raise ReconcilerError(own)
    if errors_among(loaded.findings):  # elsewhere, but it may have kept these files from being checked
        raise ReconcilerError(loaded.findings)
    groups = [group for group in loaded.groups if group.key_span.path in files]
    destinations = sum(group.destination is not None for group in groups)
    return Validated(len(groups), destinations, len(files), tuple(own), len(findings) - len(own))


def _gathered(settings: Settings, files: Collection[str]) -> Loaded:
    """All files together. What keeps everything from being read is told, wherever it is."""
    try:
        return gather(settings.project, settings.directory)
    except ReconcilerError as error:
        own = _within(files, error.diagnostics)
        raise ReconcilerError(own if errors_among(own) else error.diagnostics) from None


def _findings(loaded: Loaded, settings: Settings) -> tuple[Diagnostic, ...]:
    try:
        return declared(loaded, strict=settings.strict).warnings
    except ReconcilerError as error:
        return error.diagnostics


def _within(files: Collection[str], diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Those about these files, and those that have no place."""
    return [each for each in diagnostics if each.span is None or each.span.path in files]
