"""`validate`: everything that can be known without the network."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, errors_among
from reconciler.model.policy import Judgement, Standing
from reconciler.operations.gate import settings_told, with_settings
from reconciler.operations.policies import judge_specs, weighed
from reconciler.operations.selection import select_files
from reconciler.operations.settings import Settings
from reconciler.operations.specs import Specs, declared, load_declared
from reconciler.spec.load import Loaded, gather


@dataclass(frozen=True, slots=True)
class Validated:
    """What was checked and found to be in order as far as specs go. `elsewhere` counts findings in files that were
    not asked about. `judgements` are what the policies say; `warnings` and `refusals` have their findings too.
    `entries` are the files that declare what was checked."""

    groups: int
    destinations: int
    files: int
    warnings: tuple[Diagnostic, ...]
    elsewhere: int = 0
    judgements: tuple[Judgement, ...] = ()
    refusals: tuple[Diagnostic, ...] = ()
    entries: Mapping[Address, str] = field(default_factory=dict)


def validate(settings: Settings, paths: Sequence[Path] = ()) -> Validated:
    """Load and check all specs, and hold them against the policies. Sends nothing, resolves no secret.

    With `paths` everything is loaded as well, since files depend on each other, but only findings in these files
    count. Raises `ReconcilerError` with every error; what policies refuse is in the result.
    """
    if paths:
        return _validate_files(settings, {each.shown for each in select_files(settings, paths)})
    specs = load_declared(settings)
    judgements = _judgements(specs)
    warnings, refusals = weighed(judgements)
    return Validated(
        len(specs.groups),
        len(specs.destinations),
        len(specs.files),
        (*specs.warnings, *warnings),
        judgements=judgements,
        refusals=tuple(settings_told(refusals, specs.project)),
        entries={each.address: each.span.path for each in (*specs.groups, *specs.destinations)},
    )


def _validate_files(settings: Settings, files: Collection[str]) -> Validated:
    loaded = with_settings(_gathered(settings, files), settings)
    findings, judgements = _findings(loaded, settings)
    own = _within(files, findings)
    if errors_among(own):
        raise ReconcilerError(own)
    if errors_among(loaded.findings):  # elsewhere, but it may have kept these files from being checked
        raise ReconcilerError(loaded.findings)
    groups = [group for group in loaded.groups if group.key_span.path in files]
    destinations = sum(group.destination is not None for group in groups)
    judgements = tuple(_narrowed(each, files) for each in judgements)
    warnings, refusals = weighed(judgements)
    return Validated(
        len(groups),
        destinations,
        len(files),
        (*own, *warnings),
        len(findings) - len(own),
        judgements,
        tuple(settings_told(refusals, loaded.project)),
        {
            Address(kind, group.key): group.key_span.path
            for group in groups
            for kind in (GROUP, *([DESTINATION] if group.destination is not None else []))
        },
    )


def _narrowed(judgement: Judgement, files: Collection[str]) -> Judgement:
    """What a policy says about some files. One that could not judge says that about all."""
    if judgement.standing is not Standing.VIOLATED:
        return judgement
    findings = tuple(_within(files, judgement.findings))
    return replace(judgement, findings=findings, standing=Standing.VIOLATED if findings else Standing.PASSED)


def _gathered(settings: Settings, files: Collection[str]) -> Loaded:
    """All files together. What keeps everything from being read is told, wherever it is."""
    try:
        return gather(settings.project, settings.directory)
    except ReconcilerError as error:
        own = _within(files, error.diagnostics)
        raise ReconcilerError(own if errors_among(own) else error.diagnostics) from None


def _findings(loaded: Loaded, settings: Settings) -> tuple[tuple[Diagnostic, ...], tuple[Judgement, ...]]:
    """Everything wrong with specs, and, where they are in order, what the policies say."""
    try:
        specs = declared(loaded, strict=settings.strict)
    except ReconcilerError as error:
        return error.diagnostics, ()
    return specs.warnings, _judgements(specs)


def _judgements(specs: Specs) -> tuple[Judgement, ...]:
    return tuple(
        replace(each, findings=specs.shaded(each.findings), older=specs.shaded(each.older))
        for each in judge_specs(specs)
    )


def _within(files: Collection[str], diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Those about these files, and those that have no place."""
    return [each for each in diagnostics if each.span is None or each.span.path in files]
