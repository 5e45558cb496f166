"""Load the specs of a project, merge them, and check them against the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain

from reconciler.kinds.destination_checks import warn_incomplete
from reconciler.kinds.destination_spec import build_desired_destination, check_shared_block
from reconciler.kinds.destination_trust import Certificates, parse_certificate_files
from reconciler.kinds.group import build_desired_group
from reconciler.kinds.visibility import find_hidden_spans, line_is_public
from reconciler.model.diagnostic import (
    Diagnostic,
    IgnoredWarning,
    ReconcilerError,
    Severity,
    select_errors,
    sort_diagnostics,
)
from reconciler.model.redaction import Redactor
from reconciler.model.resource import Desired
from reconciler.model.source import Span
from reconciler.model.value import Fields, Reference
from reconciler.policy.base import EntryView
from reconciler.policy.entry import build_entry
from reconciler.policy.ignored_warnings import IgnoreRule, ignore_warnings, parse_ignores
from reconciler.policy.load import Policy, parse_policies
from reconciler.secrets.stores import build_validators
from reconciler.spec.allowed_sources import SecretRules, build_allowed_sources
from reconciler.spec.certificate_files import CertificateFile
from reconciler.spec.excerpt_masking import mask_lines
from reconciler.spec.fill import note_variables
from reconciler.spec.load import GroupSpec, LoadedProject, load
from reconciler.spec.nodes import MappingNode
from reconciler.spec.project import Project
from reconciler.spec.reference import AllowedSources, parse_reference
from reconciler.spec.removal import RemovalEntry
from reconciler.spec.reused_parts import ReusedParts
from reconciler.spec.spec_text import covers, drop_covered
from reconciler.spec.unsaved import NO_UNSAVED_FILES, UnsavedFiles
from reconciler.spec.variables import Variable
from reconciler.workspace.exposed_secrets import find_exposed_secrets
from reconciler.workspace.settings import Settings
from reconciler.workspace.settings_from import apply_settings_from, note_settings_source

_NOTHING_RESOLVED: Mapping[str, Fields] = {}


@dataclass(frozen=True, slots=True)
class CompiledEntry:
    """Result of one entry: its two resources, the findings about its destination, and the hidden places in it."""

    spec: GroupSpec
    group: Desired
    destination: Desired | None
    findings: tuple[Diagnostic, ...]
    hidden: frozenset[Span]


@dataclass(frozen=True, slots=True)
class CompiledEntries:
    """Entries of a revision by key, for another revision of the project: an entry with the same merged destination has
    the same result, as long as the settings that it depends on are equal too. `parts` are those of all revisions."""

    parts: ReusedParts
    secrets: SecretRules
    certificate_files: Mapping[str, CertificateFile]
    entries: Mapping[str, CompiledEntry]

    def has_settings_of(self, loaded: LoadedProject) -> bool:
        """Return whether a revision has the settings that the results depend on."""
        is_same = self.secrets == loaded.project.content.secrets
        return is_same and self.certificate_files == loaded.certificate_files

    def find(self, spec: GroupSpec) -> CompiledEntry | None:
        """Find the result of an unchanged entry; None if the entry changed."""
        known = self.entries.get(spec.key)
        # Identity also keeps `1` and `true` apart, which are equal.
        is_same = known is not None and known.spec.destination is spec.destination and known.spec == spec
        return known if is_same else None


@dataclass(frozen=True, slots=True)
class Specs:
    """All entries of a project: groups and their destinations, sorted by key.

    `roots` are the parsed files by path. `hidden` are the source positions of values that must not be shown.
    `given_variables` are the values of `--var` by name, `filled` the variables of each text by its source position.
    `unmatched_globs` are findings about the globs of a fresh project, which are errors if the project has a state.
    `ignored` are the warnings that the project ignores by its `ignores`; other checks may find more of them.
    `compiled` are the entries for the comparison with another revision, if the run makes one.
    """

    project: Project
    groups: tuple[Desired, ...]
    destinations: tuple[Desired, ...]
    removed: tuple[RemovalEntry, ...]
    files: tuple[str, ...]
    warnings: tuple[Diagnostic, ...]
    fingerprint_key: Reference | None = None
    policies: tuple[Policy, ...] = ()
    roots: Mapping[str, MappingNode] = field(default_factory=dict)
    hidden: frozenset[Span] = frozenset()
    given_variables: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    filled: Mapping[Span, tuple[Variable, ...]] = field(default_factory=dict)
    unmatched_globs: tuple[Diagnostic, ...] = ()
    ignores: tuple[IgnoreRule, ...] = ()
    ignored: tuple[IgnoredWarning, ...] = ()
    compiled: CompiledEntries | None = field(default=None, repr=False, compare=False)

    @property
    def public_variables(self) -> frozenset[Variable]:
        """Variables whose values stand in a text that may be shown."""
        texts = (variables for span, variables in self.filled.items() if span not in self.hidden)
        return frozenset(chain.from_iterable(texts))

    @property
    def hidden_variables(self) -> frozenset[Variable]:
        """Variables whose values stand in a text that must not be shown."""
        return frozenset(chain.from_iterable(self.filled.get(span, ()) for span in self.hidden))

    def mask_excerpts(self, diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        """Mask hidden values in the source excerpts of findings, and note the variables that the findings are about."""
        noted = note_variables(diagnostics, self.filled)
        return tuple(mask_lines(noted, self.roots, line_is_public, self.hidden))

    @contextmanager
    def mask_errors(self) -> Iterator[None]:
        """Mask the excerpts of findings that are raised inside the block."""
        try:
            yield
        except ReconcilerError as error:
            raise ReconcilerError(self.mask_excerpts(error.diagnostics)) from error


def load_specs(
    settings: Settings, *, warns_incomplete: bool = False, unsaved: UnsavedFiles = NO_UNSAVED_FILES
) -> Specs:
    """Load a project file and all files that it names. `warns_incomplete` as in `compile_specs`, `unsaved` as in
    `load`.

    Raises ReconcilerError with all errors; warnings are returned.
    """
    parts = ReusedParts() if settings.changed_since is not None else None
    content = load(settings.project, settings.directory, given=settings.given, unsaved=unsaved, parts=parts)
    loaded = apply_settings_from(content, settings)
    try:
        return compile_specs(loaded, strict=settings.strict, warns_incomplete=warns_incomplete, parts=parts)
    except ReconcilerError as error:
        add_exposed_variables(settings.redactor, error.diagnostics, loaded.filling.filled)
        raise ReconcilerError(note_settings_source(error.diagnostics, loaded.project)) from None


def compile_specs(
    loaded: LoadedProject,
    *,
    strict: bool,
    tolerate_secrets: bool = False,
    warns_incomplete: bool = False,
    parts: ReusedParts | None = None,
    known: CompiledEntries | None = None,
) -> Specs:
    """Check a loaded project against the catalogue. Raises `ReconcilerError` with all errors, or returns warnings.

    With `strict` a field or service that the catalogue cannot check is an error. With `tolerate_secrets` a secret that
    is written in a spec is no obstacle. With `warns_incomplete` a destination whose creation would be refused is a
    warning, if the specs have no error: only a plan knows which destinations are created. `known` are the entries of
    another revision; with `parts` the entries of this one are kept for the next.
    """
    secrets = loaded.project.content.secrets
    sources, findings = build_allowed_sources(secrets, build_validators(secrets.commands))
    # The project file itself names this reference, so its own limits on references of specs do not hold.
    key = _resolve_key_reference(loaded.project, AllowedSources(sources.schemes))
    policies, policy_findings = parse_policies(loaded.project.content.policies)
    key_findings = [key] if isinstance(key, Diagnostic) else []
    ignores, ignore_findings = parse_ignores(loaded.project.content.warnings.ignore)
    diagnostics = [*loaded.findings, *findings, *key_findings, *policy_findings, *ignore_findings]
    certificates = parse_certificate_files(loaded.certificate_files)
    if known is not None and not known.has_settings_of(loaded):
        known = None
    compiled = [
        (known.find(spec) if known is not None else None) or _compile_entry(spec, sources, certificates)
        for spec in loaded.groups
    ]
    groups = [entry.group for entry in compiled]
    destinations = [entry.destination for entry in compiled if entry.destination is not None]
    diagnostics += chain.from_iterable(entry.findings for entry in compiled)
    diagnostics += find_exposed_secrets(destinations, key if isinstance(key, Reference) else None)
    checked = {span for desired in destinations for span in desired.spans.values()}
    diagnostics += [
        finding
        for block in loaded.shared
        for finding in check_shared_block(block, sources, checked, certificates)
    ]
    if warns_incomplete and not select_errors(diagnostics):
        diagnostics += chain.from_iterable(map(warn_incomplete, destinations))
    hidden = _with_definitions(chain.from_iterable(entry.hidden for entry in compiled), loaded.filling.filled)
    entries = build_entries(groups, destinations, loaded.project) if ignores else {}
    diagnostics, ignored = ignore_warnings(
        [rule for rule in ignores if not (strict and rule.is_about_gaps)], entries, diagnostics
    )
    diagnostics = drop_covered(_deduplicate(diagnostics), loaded.filling.unresolved)
    noted = note_variables(diagnostics, loaded.filling.filled)
    diagnostics = mask_lines(noted, loaded.roots, line_is_public, hidden)
    if strict:
        diagnostics = [to_strict(diagnostic) for diagnostic in diagnostics]
    errors = select_errors(diagnostics)
    if any(not (tolerate_secrets and error.code_facts.exposes_secret) for error in errors):
        raise ReconcilerError(sort_diagnostics(diagnostics))
    protected = {desired.address.key for desired in destinations if desired.protected}
    return Specs(
        loaded.project,
        tuple(
            replace(group, protected=True) if group.address.key in protected else group for group in groups
        ),
        tuple(destinations),
        loaded.removed,
        loaded.files,
        tuple(sort_diagnostics(diagnostics)),
        key if isinstance(key, Reference) else None,
        policies,
        loaded.reparsed_roots,
        hidden,
        loaded.filling.given,
        loaded.filling.filled,
        loaded.unmatched,
        ignores,
        tuple(dict.fromkeys(ignored)),
        compiled=CompiledEntries(
            parts, secrets, loaded.certificate_files, {entry.spec.key: entry for entry in compiled}
        )
        if parts is not None
        else None,
    )


def _compile_entry(spec: GroupSpec, sources: AllowedSources, certificates: Certificates) -> CompiledEntry:
    destination, findings = build_desired_destination(spec, sources, certificates)
    hidden = frozenset(find_hidden_spans(destination)) if destination is not None else frozenset()
    return CompiledEntry(spec, build_desired_group(spec), destination, tuple(findings), hidden)


def build_entries(
    groups: Iterable[Desired],
    destinations: Iterable[Desired],
    project: Project,
    resolved: Mapping[str, Fields] = _NOTHING_RESOLVED,
) -> dict[str, EntryView]:
    """Build the views of all entries by key. `resolved` has the clear values of references by key."""
    by_key = {destination.address.key: destination for destination in destinations}
    return {
        (key := group.address.key): build_entry(
            group, by_key.get(key), project.content.protected, resolved.get(key, {})
        )
        for group in groups
    }


def _with_definitions(hidden: Iterable[Span], filled: Mapping[Span, tuple[Variable, ...]]) -> frozenset[Span]:
    """Add the definitions of the variables in hidden texts to the places of hidden values."""
    spans = frozenset(hidden)
    variables = chain.from_iterable(filled.get(span, ()) for span in spans) if filled else ()
    return spans | {variable.span for variable in variables if variable.span is not None}


def add_exposed_variables(
    redactor: Redactor, diagnostics: Iterable[Diagnostic], filled: Mapping[Span, tuple[Variable, ...]]
) -> None:
    """Add the values of variables that stand in secret fields to a redactor: another error may be about the same
    value in a public field."""
    exposing = [finding.span for finding in diagnostics if finding.span and finding.code_facts.exposes_secret]
    for span, variables in filled.items() if exposing else ():
        if any(covers(secret_span, span) for secret_span in exposing):
            redactor.add([variable.text for variable in variables])


def _resolve_key_reference(project: Project, sources: AllowedSources) -> Reference | Diagnostic | None:
    """Resolve the reference of the fingerprint key.

    The key is a secret, so the reference must be a `secret` reference.
    """
    node = project.content.fingerprint_key
    found = parse_reference(node, sources) if node is not None else None
    if node is None or isinstance(found, Diagnostic) or (found is not None and found.confidential):
        return found
    return Diagnostic(
        "bad-reference",
        "`fingerprint_key` must refer to a secret",
        node.span,
        help='write for example `fingerprint_key: {secret: "env:FINGERPRINT_KEY"}`',
        secret=True,
    )


def _deduplicate(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Deduplicate findings: a shared block once, an outdated service once per project."""
    findings: dict[tuple[str, str, Span | None], list[Diagnostic]] = {}
    for diagnostic in diagnostics:
        span = None if diagnostic.code_facts.once_per_project else diagnostic.span
        findings.setdefault((diagnostic.code, diagnostic.message, span), []).append(diagnostic)
    return [_count_alike(alike) for alike in findings.values()]


def _count_alike(alike: list[Diagnostic]) -> Diagnostic:
    first, addresses = (
        alike[0],
        tuple(dict.fromkeys(diagnostic.address for diagnostic in alike if diagnostic.address)),
    )
    if not first.code_facts.once_per_project or len(addresses) < 2:
        return first
    note = f"{len(addresses)} destinations are of this service"
    others = tuple(address for address in addresses if address != first.address)
    return replace(first, notes=(*first.notes, note), others=others)


def to_strict(diagnostic: Diagnostic) -> Diagnostic:
    """Give a warning about what the catalogue cannot check the severity that it has under `--strict`."""
    severity = diagnostic.code_facts.severity_if_strict
    if severity is None or diagnostic.severity == severity:
        return diagnostic
    notes = (*diagnostic.notes, "without `--strict` this is a warning")
    return replace(diagnostic, severity=Severity(severity), notes=notes)
