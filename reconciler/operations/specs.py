"""Specs as the engine wants them: loaded, merged, checked against the catalogue."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain

from reconciler.catalogue.canonical import CONFIG
from reconciler.kinds.destination import SERVICE
from reconciler.kinds.destination_spec import desired_destination, is_harmless, shared_findings
from reconciler.kinds.group import desired_group
from reconciler.kinds.visibility import Masking, is_slip
from reconciler.model.address import DESTINATION
from reconciler.model.diagnostic import (
    Diagnostic,
    ReconcilerError,
    Severity,
    errors_among,
    in_reading_order,
)
from reconciler.model.resource import Desired
from reconciler.model.source import Span
from reconciler.model.value import Reference
from reconciler.operations.exposed import exposed
from reconciler.operations.gate import settings_told, with_settings
from reconciler.operations.settings import Settings
from reconciler.policy.load import Policy, policies_of
from reconciler.secrets.stores import rules
from reconciler.spec.exposure import shaded
from reconciler.spec.load import Loaded, gather
from reconciler.spec.project import Project
from reconciler.spec.reference import Sources, reference_of
from reconciler.spec.removal import Tombstone
from reconciler.spec.sources import sources_of
from reconciler.spec.tree import Table


@dataclass(frozen=True, slots=True)
class Specs:
    """All entries of a project: groups and, where they have one, their destinations, by entry key. `roots` are the
    files as trees, by path, and `hidden` are the places of values that are never shown."""

    project: Project
    groups: tuple[Desired, ...]
    destinations: tuple[Desired, ...]
    removed: tuple[Tombstone, ...]
    files: tuple[str, ...]
    warnings: tuple[Diagnostic, ...]
    fingerprint_key: Reference | None = None
    policies: tuple[Policy, ...] = ()
    roots: Mapping[str, Table] = field(default_factory=dict)
    hidden: frozenset[Span] = frozenset()

    def shaded(self, diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        """Findings about these specs, of which no excerpt shows a value that is hidden."""
        return tuple(shaded(diagnostics, self.roots, is_harmless, self.hidden))

    @contextmanager
    def shading(self) -> Iterator[None]:
        """Shade findings that are raised."""
        try:
            yield
        except ReconcilerError as error:
            raise ReconcilerError(self.shaded(error.diagnostics)) from error


UNCHECKED = frozenset({"unknown-service", "unknown-field", "unlisted-region", "unsupported-networking"})
"""Warnings that say: the catalogue knows nothing about this, it is passed on as it is."""


def load_declared(settings: Settings) -> Specs:
    """Load a project file with everything it names. Raises `ReconcilerError` with all errors, or returns warnings."""
    loaded = with_settings(gather(settings.project, settings.directory), settings)
    try:
        return declared(loaded, strict=settings.strict)
    except ReconcilerError as error:
        raise ReconcilerError(settings_told(error.diagnostics, loaded.project)) from None


def declared(loaded: Loaded, *, strict: bool, tolerated: Collection[str] = ()) -> Specs:
    """Check what was loaded against the catalogue. Raises `ReconcilerError` with all errors, or returns warnings.

    With `strict` it is an error what the catalogue cannot check. Errors of a `tolerated` code are none.
    """
    groups = tuple(desired_group(spec) for spec in loaded.groups)
    destinations: list[Desired] = []
    secrets = loaded.project.secrets
    sources, findings = sources_of(secrets, rules(secrets.commands))
    key = _fingerprint_key(loaded.project, Sources(sources.schemes))  # which the project file itself names
    policies, unfit = policies_of(loaded.project.policies)
    diagnostics = [*loaded.findings, *findings, *([key] if isinstance(key, Diagnostic) else []), *unfit]
    for spec in loaded.groups:
        desired, findings = desired_destination(spec, sources)
        diagnostics += findings
        if desired is not None:
            destinations.append(desired)
    diagnostics += exposed(destinations, key if isinstance(key, Reference) else None)
    checked = {span for desired in destinations for span in desired.spans.values()}
    diagnostics += [found for block in loaded.shared for found in shared_findings(block, sources, checked)]
    hidden = frozenset(chain.from_iterable(map(_hidden_places, destinations)))
    diagnostics = shaded(_once(diagnostics), loaded.roots, is_harmless, hidden)
    if strict:
        diagnostics = [_strictly(each) for each in diagnostics]
    if any(each.code not in tolerated for each in errors_among(diagnostics)):
        raise ReconcilerError(in_reading_order(diagnostics))
    protected = {desired.address.key for desired in destinations if desired.protected}
    return Specs(
        loaded.project,
        tuple(replace(group, protected=group.address.key in protected) for group in groups),
        tuple(destinations),
        loaded.removed,
        loaded.files,
        tuple(in_reading_order(diagnostics)),
        key if isinstance(key, Reference) else None,
        policies,
        loaded.roots,
        hidden,
    )


def _hidden_places(desired: Desired) -> Iterator[Span]:
    """Where values stand that are never shown. References may be, and the value of a slip for a public field."""
    service = desired.fields.get(SERVICE)
    masking = Masking(DESTINATION, service, desired.unchecked)
    for path, span in desired.spans.items():
        leaf = path[:2] if path[0] == CONFIG else path[:1]
        is_literal = leaf in desired.fields and not isinstance(desired.fields[leaf], Reference)
        if (
            is_literal
            and masking.hides(leaf)
            and not (leaf not in desired.unchecked and is_slip(service, leaf))
        ):
            yield span


def _fingerprint_key(project: Project, sources: Sources) -> Reference | Diagnostic | None:
    """Where the key of the fingerprints comes from. It is a secret itself, so only a secret reference will do."""
    node = project.fingerprint_key
    found = reference_of(node, sources) if node is not None else None
    if node is None or isinstance(found, Diagnostic) or (found is not None and found.confidential):
        return found
    return Diagnostic(
        "bad-reference",
        "`fingerprint_key` must refer to a secret",
        node.span,
        help='write for example `fingerprint_key: {secret: "env:FINGERPRINT_KEY"}`',
        secret=True,
    )


def _once(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """What is wrong with something that many share, once; an outdated service once per project."""
    findings: dict[tuple[str, str, Span | None], list[Diagnostic]] = {}
    for each in diagnostics:
        span = None if each.code == "legacy-service" else each.span
        findings.setdefault((each.code, each.message, span), []).append(each)
    return [_counted(alike) for alike in findings.values()]


def _counted(alike: list[Diagnostic]) -> Diagnostic:
    first, several = alike[0], len({each.address for each in alike if each.address})
    if first.code != "legacy-service" or several < 2:
        return first
    return replace(first, notes=(*first.notes, f"{several} destinations are of this service"))


def _strictly(diagnostic: Diagnostic) -> Diagnostic:
    if diagnostic.severity is Severity.ERROR or diagnostic.code not in UNCHECKED:
        return diagnostic
    notes = (*diagnostic.notes, "without `--strict` this is a warning")
    return replace(diagnostic, severity=Severity.ERROR, notes=notes)
