"""Run all checks that need no network, for `validate`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, IgnoredWarning, ReconcilerError, select_errors
from reconciler.model.policy import PolicyResult, PolicyStatus
from reconciler.operations.selection import select_files
from reconciler.planning.policies import evaluate_spec_policies, split_by_severity
from reconciler.planning.trust_findings import warn_expired
from reconciler.policy.ignored_warnings import find_unused_ignores, ignore_warnings
from reconciler.spec.load import LoadedProject, load
from reconciler.workspace.settings import Settings
from reconciler.workspace.settings_from import apply_settings_from, note_settings_source
from reconciler.workspace.specs import (
    Specs,
    add_exposed_variables,
    build_entries,
    compile_specs,
    load_specs,
)


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """Checked entries and the findings about them.

    `elsewhere` counts findings in files that were not selected. `judgements` are the results of policies,
    whose findings are also in `warnings` and `refusals`. `entries` has the file that declares each checked
    entry. `ignored` are the warnings that the project ignores.
    """

    groups: int
    destinations: int
    files: int
    warnings: tuple[Diagnostic, ...]
    elsewhere: int = 0
    judgements: tuple[PolicyResult, ...] = ()
    refusals: tuple[Diagnostic, ...] = ()
    entries: Mapping[Address, str] = field(default_factory=dict)
    ignored: tuple[IgnoredWarning, ...] = ()


def validate(settings: Settings, paths: Sequence[Path] = ()) -> ValidationResult:
    """Validate all specs and evaluate the policies. Sends nothing, resolves no secret.

    With `paths` all files are loaded too, since files depend on each other, but only findings in these files
    count. Raises ReconcilerError with every error; refusals of policies are in the result.
    """
    if paths:
        return _validate_files(settings, {path.shown for path in select_files(settings, paths)})
    specs = load_specs(settings, warns_incomplete=True)
    judgements = _evaluate_policies(specs)
    warnings, refusals = split_by_severity(judgements)
    findings, ignored = _ignore_warnings(specs, settings)
    return ValidationResult(
        len(specs.groups),
        len(specs.destinations),
        len(specs.files),
        (*findings, *warnings),
        judgements=judgements,
        refusals=tuple(note_settings_source(refusals, specs.project)),
        entries={entry.address: entry.span.path for entry in (*specs.groups, *specs.destinations)},
        ignored=ignored,
    )


def _validate_files(settings: Settings, files: Collection[str]) -> ValidationResult:
    loaded = apply_settings_from(_load_all(settings, files), settings)
    findings, ignored, judgements = _collect_findings(loaded, settings)
    own_findings = _filter_by_file(files, findings)
    if select_errors(own_findings):
        raise ReconcilerError(own_findings)
    # Errors in other files may have prevented checks of these files. Only `findings` have safe excerpts.
    blocking = {(error.code, error.span) for error in select_errors(loaded.findings)}
    if errors := [finding for finding in findings if (finding.code, finding.span) in blocking]:
        raise ReconcilerError(errors)
    groups = [group for group in loaded.groups if group.key_span.path in files]
    destinations = sum(group.destination is not None for group in groups)
    judgements = tuple(_narrow_result(judgement, files) for judgement in judgements)
    warnings, refusals = split_by_severity(judgements)
    return ValidationResult(
        len(groups),
        destinations,
        len(files),
        (*own_findings, *warnings),
        len(findings) - len(own_findings),
        judgements,
        tuple(note_settings_source(refusals, loaded.project)),
        {
            Address(kind, group.key): group.key_span.path
            for group in groups
            for kind in (GROUP, *([DESTINATION] if group.destination is not None else []))
        },
        tuple(each for each in ignored if _filter_by_file(files, [each.warning])),
    )


def _narrow_result(judgement: PolicyResult, files: Collection[str]) -> PolicyResult:
    """Narrow the result of a policy to findings in some files. A failed policy fails for all files."""
    if judgement.standing is not PolicyStatus.VIOLATED:
        return judgement
    findings = tuple(_filter_by_file(files, judgement.findings))
    return replace(
        judgement, findings=findings, standing=PolicyStatus.VIOLATED if findings else PolicyStatus.PASSED
    )


def _load_all(settings: Settings, files: Collection[str]) -> LoadedProject:
    """Load all files together. An error that prevents loading is raised, whichever file it is in."""
    try:
        return load(settings.project, settings.directory, given=settings.given)
    except ReconcilerError as error:
        own_findings = _filter_by_file(files, error.diagnostics)
        raise ReconcilerError(own_findings if select_errors(own_findings) else error.diagnostics) from None


def _collect_findings(
    loaded: LoadedProject, settings: Settings
) -> tuple[tuple[Diagnostic, ...], tuple[IgnoredWarning, ...], tuple[PolicyResult, ...]]:
    """Collect all findings of the specs and, if the specs are valid, the ignored warnings and the results of the
    policies."""
    try:
        specs = compile_specs(loaded, strict=settings.strict, warns_incomplete=True)
    except ReconcilerError as error:
        add_exposed_variables(settings.redactor, error.diagnostics, loaded.filling.filled)
        return error.diagnostics, (), ()
    findings, ignored = _ignore_warnings(specs, settings)
    return findings, ignored, _evaluate_policies(specs)


def _ignore_warnings(
    specs: Specs, settings: Settings
) -> tuple[tuple[Diagnostic, ...], tuple[IgnoredWarning, ...]]:
    """Return the warnings of valid specs and the ignored ones. A rule that ignores nothing is a warning too."""
    expired = _warn_expired(specs, settings)
    if not specs.ignores:
        return (*specs.warnings, *expired), ()
    entries = build_entries(specs.groups, specs.destinations, specs.project)
    kept, found = ignore_warnings(specs.ignores, entries, expired)
    ignored = (*specs.ignored, *found)
    return (*specs.warnings, *kept, *find_unused_ignores(specs.ignores, entries, ignored)), ignored


def _warn_expired(specs: Specs, settings: Settings) -> tuple[Diagnostic, ...]:
    return specs.mask_excerpts(warn_expired(specs.destinations, settings.clock.now().date()))


def _evaluate_policies(specs: Specs) -> tuple[PolicyResult, ...]:
    return tuple(
        replace(
            judgement,
            findings=specs.mask_excerpts(judgement.findings),
            older=specs.mask_excerpts(judgement.older),
        )
        for judgement in evaluate_spec_policies(specs)
    )


def _filter_by_file(files: Collection[str], diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Filter the diagnostics of these files, and diagnostics without a source position."""
    return [
        diagnostic for diagnostic in diagnostics if diagnostic.span is None or diagnostic.span.path in files
    ]
