"""Parse the `destination:` block of a spec entry: its keys, its fields, and its errors."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from reconciler.catalogue.check import SERVICE, Completeness, Problem, check_destination, declares_all
from reconciler.catalogue.load import load_destination_facts, load_service
from reconciler.catalogue.model import Service
from reconciler.catalogue.normalize import CONFIG
from reconciler.kinds.account_objects import FIELDS_BY_NAME_KEY
from reconciler.kinds.destination_trust import (
    TRUST,
    Certificates,
    TrustBlock,
    build_trust,
    check_trust,
    drop_pins,
)
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.resource import Desired, OnFailure, SetupTests
from reconciler.model.source import Span
from reconciler.model.suggestions import did_you_mean, find_nearest
from reconciler.model.value import (
    EXTERNAL_SCHEME,
    FieldPath,
    Fields,
    ObjectName,
    Reference,
    Structure,
    format_path,
    make_path,
)
from reconciler.spec.errors import to_diagnostics
from reconciler.spec.load import GroupSpec
from reconciler.spec.nodes import KeyValue, MappingNode, Node, Scalar, Sequence, find_node, to_plain
from reconciler.spec.reference import AllowedSources, is_reference, parse_reference

EXTRA_CONFIG = "extra_config"
_OPTIONS = (TRUST, "setup_tests", "lifecycle")
_OTHER_NAMES = {
    "trust_certificates": "write `trust: {certificates: any}`, or a list of the pinned certificates",
    "trust_fingerprints": "write `trust: {fingerprints: any}`, or a list of the pinned fingerprints",
    "run_setup_tests": "write `setup_tests: {run: true}`, or `false`",
}
"""Advice for settings by their names in the API and in Terraform."""
_INVALID_REFERENCE = Reference("", "")
"""Placeholder of an invalid reference whose error is reported elsewhere."""


class _StrictOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _SetupTestsBlock(_StrictOptions):
    run: StrictBool = Field(True, description="Whether setup tests run after every write.")
    on_failure: OnFailure = Field(OnFailure.FAIL, description="Effect of a failed setup test on the run.")


class _LifecycleBlock(_StrictOptions):
    protected: StrictBool = Field(False, description="Whether the entry may never be deleted.")
    allow_replace: StrictBool = Field(
        False, description="Whether a change that cannot be made in place may delete and create it again."
    )
    ignore_changes: tuple[str, ...] = Field(
        (),
        description="Fields, such as `config.bucket`, that are set on creation and not changed afterwards. `config`"
        " stands for all its fields.",
    )
    with_platform_connection: StrictBool = Field(
        False,
        description="Whether a replacement also deletes Fivetran's own metadata connection, which blocks it.",
    )


class Options(_StrictOptions):
    """Blocks of a destination that are no fields of Fivetran: trust, setup tests, lifecycle."""

    trust: TrustBlock = Field(TrustBlock(), description="Servers that Fivetran may trust.")
    setup_tests: _SetupTestsBlock = Field(_SetupTestsBlock(), description="Setup tests of Fivetran.")
    lifecycle: _LifecycleBlock = Field(_LifecycleBlock(), description="Later changes that are permitted.")


@dataclass(slots=True)
class _DestinationFields:
    """Declared leaves of a destination block, with the source positions of keys and values."""

    sources: AllowedSources
    fields: dict[FieldPath, Any] = field(default_factory=dict)
    spans: dict[FieldPath, Span] = field(default_factory=dict)
    key_spans: dict[FieldPath, Span] = field(default_factory=dict)
    unchecked: set[FieldPath] = field(default_factory=set)
    source_texts: dict[FieldPath, str] = field(default_factory=dict)
    config_is_readable: bool = True
    is_complete: bool = False
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def add(self, path: FieldPath, key_span: Span, node: Node) -> None:
        """Add a leaf: a plain value, a reference, or a structure with references inside."""
        self._locate(path, key_span, node)
        if isinstance(node, Scalar) and node.value is None and not node.as_written:
            self.spans[path] = key_span  # an empty value has no position of its own
        match parse_reference(node, self.sources):
            case Diagnostic() as diagnostic:
                self.diagnostics.append(diagnostic)
                self.fields[path] = _INVALID_REFERENCE  # other fields treat it as declared
            case None:
                self.fields[path] = _interpret_value(path, node, self._extract_content(node))
                if isinstance(node, Scalar):
                    self.source_texts[path] = node.as_written
            case reference:
                self.fields[path] = reference

    def _locate(self, path: FieldPath, key_span: Span, node: Node) -> None:
        """Record the source positions of a value and of everything inside it."""
        self.spans[path], self.key_spans[path] = node.span, key_span
        match node:
            case MappingNode(entries=entries) if not is_reference(node):
                for name, entry in entries.items():
                    self._locate((*path, name), entry.key.span, entry.node)
            case Sequence(items=items):
                for index, item in enumerate(items):
                    self._locate((*path, str(index)), item.span, item)

    def _extract_content(self, node: Node) -> Any:
        """Extract plain data, with the references inside a mapping or list."""
        match node:
            case Sequence(items=items):
                return [self._extract_content(item) for item in items]
            case MappingNode():
                match parse_reference(node, self.sources):
                    case Diagnostic() as diagnostic:
                        self.diagnostics.append(diagnostic)
                        return _INVALID_REFERENCE
                    case Reference(scheme=scheme) as reference if scheme == EXTERNAL_SCHEME:
                        self.diagnostics.append(_diagnose_nested_external(node.span))
                        return reference
                    case None:
                        return {key: self._extract_content(child) for key, child in node.items()}
                    case reference:
                        return reference
        return to_plain(node)

    def check(self, completeness: Completeness) -> list[Problem]:
        """Check the fields against the catalogue, and note whether a new destination would lack any."""
        # An unreadable config must not lead to findings about missing fields.
        if completeness is Completeness.SUBSET and not self.config_is_readable:
            completeness = Completeness.WITHOUT_CONFIG
        self.is_complete = completeness is Completeness.SUBSET and declares_all(self.fields)
        return check_destination(
            self.fields,
            frozenset(self.unchecked),
            self.source_texts,
            completeness,
            is_complete=self.is_complete,
        )

    def build_diagnostic(self, problem: Problem, fallback_span: Span, address: Address | None) -> Diagnostic:
        """Locate a problem: at its field, or at `fallback_span` if the field is missing from the block."""
        places = self.key_spans if problem.on_key else self.spans
        return problem.locate(places.get(problem.path) or fallback_span, address)


def _diagnose_nested_external(span: Span) -> Diagnostic:
    return Diagnostic(
        "bad-reference",
        "Fivetran fetches whole fields from a secrets manager, and no part of a field",
        span,
        help="refer to a place that this program can read, such as `env:` or `vault:`",
        secret=True,
    )


def _interpret_value(path: FieldPath, node: Node, content: Any) -> Any:
    """Interpret a value by the type of its field.

    YAML reads `time_zone_offset: +1` as a number and would lose the sign, which Fivetran requires.
    """
    if isinstance(node, Scalar):
        is_number = path == ("time_zone_offset",) and isinstance(node.value, int)
        return node.as_written if is_number else content
    structure = Structure(content)
    return structure if structure.references else content


def build_desired_destination(
    spec: GroupSpec, sources: AllowedSources, certificates: Certificates
) -> tuple[Desired | None, list[Diagnostic]]:
    """Build the desired destination of a spec entry, with all findings.

    None if the entry has no destination. `sources` are the allowed sources of references, `certificates` those of
    the PEM files.
    """
    if spec.destination is None:
        return None, []
    block = spec.destination
    address = Address(DESTINATION, spec.key)
    collected = _collect_fields(block, sources)
    options, option_findings = _parse_options(block)
    trust, pin_findings = build_trust(block, options.trust, certificates)
    problems = collected.check(Completeness.SUBSET if spec.complete else Completeness.PART)
    diagnostics = [
        *collected.diagnostics,
        *option_findings,
        *(replace(finding, address=address) for finding in pin_findings),
        *(collected.build_diagnostic(problem, spec.destination_span, address) for problem in problems),
        *check_trust(
            address,
            trust,
            block,
            _find_service(collected.fields),
            runs_tests=options.setup_tests.run,
            has_bad_pins=bool(pin_findings),
        ),
    ]
    desired = Desired(
        address=address,
        name=spec.name,
        span=spec.destination_span,
        fields=collected.fields,
        spans=collected.spans | _find_option_spans(block),
        id=spec.id,
        id_span=spec.id_span,
        depends_on=(Address(GROUP, spec.key),),
        trust=trust,
        setup_tests=SetupTests(options.setup_tests.run, options.setup_tests.on_failure),
        unchecked=frozenset(collected.unchecked),
        moved_from=Address(DESTINATION, spec.was) if spec.was else None,
        protected=options.lifecycle.protected,
        allow_replace=options.lifecycle.allow_replace,
        ignore_changes=frozenset(_expand_config(options.lifecycle.ignore_changes, collected.fields)),
        key_spans=collected.key_spans,
        with_platform_connection=options.lifecycle.with_platform_connection,
        is_complete=collected.is_complete,
    )
    return desired, [*diagnostics, *_check_ignore_changes(desired, block)]


def _find_service(fields: Fields) -> Service | None:
    name = fields.get(SERVICE)
    return load_service(name) if isinstance(name, str) else None


def _expand_config(names: Iterable[str], fields: Fields) -> Iterator[FieldPath]:
    """Expand the names of ignored fields. `config` stands for all its declared fields."""
    for name in names:
        if name == CONFIG:
            yield from (path for path in fields if path[0] == CONFIG)
        else:
            yield tuple(name.split(".", 1))


def _check_ignore_changes(desired: Desired, block: MappingNode) -> Iterator[Diagnostic]:
    """Check that `ignore_changes` names declared fields: a misspelled name would silently ignore nothing."""
    declared = {format_path(path) for path in desired.fields}
    declared |= {CONFIG for path in desired.fields if path[0] == CONFIG}
    names = find_node(block, ("lifecycle", "ignore_changes"))
    for item in names.items if isinstance(names, Sequence) else ():
        if isinstance(item, Scalar) and isinstance(item.value, str) and item.value not in declared:
            yield Diagnostic(
                "unknown-field",
                f"`ignore_changes` names `{item.value}`, which this destination does not declare",
                span=item.span,
                address=desired.address,
                help=did_you_mean(item.value, declared)
                or "name a declared field, such as `config.bucket`, or `config` for all its fields",
            )


def check_shared_block(
    block: MappingNode,
    sources: AllowedSources,
    checked_spans: Collection[Span],
    certificates: Certificates,
) -> list[Diagnostic]:
    """Check a profile or defaults alone, used by an entry or not.

    Values at `checked_spans` were checked as parts of whole destinations already.
    """
    collected = _collect_fields(_drop_checked(block, checked_spans), sources)
    problems = collected.check(Completeness.PART)
    options, findings = _parse_options(block)
    return [
        *collected.diagnostics,
        *findings,
        *build_trust(block, options.trust, certificates)[1],
        *(collected.build_diagnostic(problem, block.span, None) for problem in problems),
    ]


def _drop_checked(block: MappingNode, checked_spans: Collection[Span]) -> MappingNode:
    """Drop checked values from a block. The service stays, since other checks depend on it."""
    entries = {}
    for key, entry in block.entries.items():
        if key in (CONFIG, EXTRA_CONFIG) and isinstance(entry.node, MappingNode):
            entries[key] = KeyValue(entry.key, _drop_checked(entry.node, checked_spans))
        elif key in (SERVICE[0], *_OPTIONS) or entry.node.span not in checked_spans:
            entries[key] = entry
    return MappingNode(entries, block.span)


def _collect_fields(block: MappingNode, sources: AllowedSources) -> _DestinationFields:
    collected = _DestinationFields(sources)
    known_keys = _rank_keys()
    for key, entry in _sort_settings(block):
        if key in (CONFIG, EXTRA_CONFIG):
            _add_config(collected, key, entry.node)
        elif key in FIELDS_BY_NAME_KEY:
            _add_object_name(collected, key, entry)
        elif key not in known_keys:
            collected.diagnostics.append(
                _diagnose_unknown_key(key, entry.key.span, known_keys, block.get(SERVICE[0]))
            )
            if (
                (suggestion := find_nearest(key, known_keys))
                and suggestion not in block
                and suggestion not in (CONFIG, *_OPTIONS)
            ):
                # A misspelled key counts as declared, so that it is not reported as missing too.
                collected.fields[(suggestion,)] = _INVALID_REFERENCE
            elif suggestion == CONFIG:
                collected.config_is_readable = False
        elif key not in _OPTIONS:
            collected.add(make_path(key), entry.key.span, entry.node)
    return collected


def _add_object_name(collected: _DestinationFields, key: str, entry: KeyValue) -> None:
    """Add the id of an object that the spec refers to by its name."""
    path, noun = FIELDS_BY_NAME_KEY[key].path, FIELDS_BY_NAME_KEY[key].noun
    node = entry.node
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value.strip():
        problem = Diagnostic(
            "wrong-type",
            f"`{key}` is the name of a {noun}",
            span=node.span,
            help=f"write the name as Fivetran shows it, or its id as `{path[0]}:`",
        )
        collected.diagnostics.append(problem)
        collected.fields[path] = _INVALID_REFERENCE
        return
    if collected.fields.get(path) is not None:
        collected.diagnostics.append(
            Diagnostic(
                "conflicting-fields",
                f"`{key}` and `{path[0]}` both name the {noun}",
                span=entry.key.span,
                notes=(f"the other one is at {collected.key_spans[path]}",),
                help="keep one of them; `{unset: true}` drops an inherited one",
            )
        )
    collected.fields[path] = ObjectName(key, node.value)
    collected.spans[path], collected.key_spans[path] = node.span, entry.key.span


@cache
def _rank_keys() -> Mapping[str, int]:
    """Rank the known keys of a destination."""
    keys = (
        SERVICE[0],
        *load_destination_facts().fields,
        *FIELDS_BY_NAME_KEY,
        CONFIG,
        EXTRA_CONFIG,
        *_OPTIONS,
    )
    return {key: position for position, key in enumerate(keys)}


def _sort_settings(block: MappingNode) -> list[tuple[str, KeyValue]]:
    """Sort settings: the service first, config last.

    All destinations get one order, however profiles and overrides were merged.
    """
    rank = _rank_keys()
    return sorted(block.entries.items(), key=lambda item: rank.get(item[0], len(rank)))


def _add_config(collected: _DestinationFields, key: str, node: Node) -> None:
    if not isinstance(node, MappingNode):
        collected.diagnostics.append(
            Diagnostic(
                "wrong-shape",
                f"`{key}` must be a mapping of fields",
                span=node.span,
                help=f"write the fields below `{key}:`, one per line",
                secret=True,
            )
        )
        collected.config_is_readable = False
        return
    for name, entry in node.entries.items():
        path = make_path(CONFIG, name)
        if path in collected.fields:
            collected.diagnostics.append(
                Diagnostic(
                    "duplicate-key",
                    f"`{name}` stands in both `{CONFIG}` and `{EXTRA_CONFIG}`",
                    span=entry.key.span,
                    notes=(f"the other one is at {collected.key_spans[path]}",),
                    help="keep one of them",
                    secret=True,
                )
            )
            continue
        if key == EXTRA_CONFIG:
            collected.unchecked.add(path)
        collected.add(path, entry.key.span, entry.node)


def _diagnose_unknown_key(
    key: str, span: Span, known_keys: Collection[str], service: Node | None
) -> Diagnostic:
    service_facts = load_service(str(service.value)) if isinstance(service, Scalar) else None
    advice = _OTHER_NAMES.get(key) or did_you_mean(key, known_keys)
    settings = ", ".join(f"`{name}`" for name in known_keys)
    if service_facts and key in service_facts.fields:
        return Diagnostic(
            "unknown-key",
            f"a destination has no setting `{key}`",
            span=span,
            help=f"it is a field of `{service_facts.name}`: write it below `config:`",
            secret=True,
        )
    return Diagnostic(
        "unknown-key",
        f"a destination has no setting `{key}`",
        span=span,
        notes=() if advice else (f"its settings are {settings}",),
        help=advice or "fields of the service stand below `config:`",
        secret=True,  # the value of an unknown key may be a secret
    )


def _find_option_spans(block: MappingNode) -> dict[FieldPath, Span]:
    """Find the source positions of `trust`, `setup_tests` and `lifecycle` settings."""
    tables = ((key, node) for key, node in block.items() if key in _OPTIONS)
    return {
        (key, name): entry.node.span
        for key, table in tables
        if isinstance(table, MappingNode)
        for name, entry in table.entries.items()
    }


def _parse_options(block: MappingNode) -> tuple[Options, list[Diagnostic]]:
    values = {
        key: to_plain(drop_pins(node) if key == TRUST else node)
        for key, node in block.items()
        if key in _OPTIONS
    }
    try:
        return Options.model_validate(values), []
    except ValidationError as error:
        return Options(), to_diagnostics(error, block, Options)
