"""The `destination:` block of a spec entry: its keys, its leaves, and everything wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from reconciler.catalogue.anywhere import is_public
from reconciler.catalogue.canonical import CONFIG
from reconciler.catalogue.check import SERVICE, Extent, Problem, check_destination
from reconciler.catalogue.load import destination_facts, load_service
from reconciler.catalogue.secrecy import sounds_secret
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.nearest import did_you_mean, nearest
from reconciler.model.resource import Desired, OnFailure, SetupTests, Trust
from reconciler.model.source import Span
from reconciler.model.value import EXTERNAL, FieldPath, Reference, Structure, dotted
from reconciler.secrets.stores import BUILT_IN
from reconciler.spec.assemble import PROFILE
from reconciler.spec.errors import diagnostics_of
from reconciler.spec.load import GroupSpec
from reconciler.spec.merge import UNSET
from reconciler.spec.reference import SECRET, VALUE, Sources, is_atom, reference_of
from reconciler.spec.tree import Entry, Node, Scalar, Sequence, Table, node_at, plain

EXTRA_CONFIG = "extra_config"
POLICIES = "policies"
_OPTIONS = ("trust", "setup_tests", "lifecycle")
_HARMLESS = frozenset(
    {"version", "account_id", "specs", "overrides", "id", "name", PROFILE, SERVICE[0], UNSET}
    | {"certificates", "fingerprints", "run", "on_failure"}
    | {"group", "only"}  # of a removal
)
_MEANT = Reference("", "")
"""Stands for a reference with an error in it, which has been told."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _TrustBlock(_Strict):
    certificates: Literal["none", "any"] = Field(
        "none", description="Which TLS certificates Fivetran may trust without a person's approval."
    )
    fingerprints: Literal["none", "any"] = Field(
        "none", description="Which SSH host keys Fivetran may trust without a person's approval."
    )


class _SetupTestsBlock(_Strict):
    run: StrictBool = Field(True, description="Whether setup tests run after every write.")
    on_failure: OnFailure = Field(OnFailure.FAIL, description="What a failed setup test means for the run.")


class _LifecycleBlock(_Strict):
    protected: StrictBool = Field(False, description="Whether the entry may never be deleted.")
    allow_replace: StrictBool = Field(
        False, description="Whether a change that cannot be made in place may delete and create it again."
    )
    ignore_changes: tuple[str, ...] = Field(
        (), description="Fields, such as `config.bucket`, that are set on creation and left alone afterwards."
    )


class Options(_Strict):
    """The parts of a destination block that say how to treat it. They are no fields of Fivetran."""

    trust: _TrustBlock = Field(_TrustBlock(), description="What Fivetran may trust when it meets it.")
    setup_tests: _SetupTestsBlock = Field(_SetupTestsBlock(), description="Fivetran's own tests.")
    lifecycle: _LifecycleBlock = Field(_LifecycleBlock(), description="What may happen to it later.")


@dataclass(slots=True)
class _Leaves:
    """What a destination block declares, leaf by leaf, with the places of keys and values."""

    sources: Sources
    fields: dict[FieldPath, Any] = field(default_factory=dict)
    spans: dict[FieldPath, Span] = field(default_factory=dict)
    key_spans: dict[FieldPath, Span] = field(default_factory=dict)
    unchecked: set[FieldPath] = field(default_factory=set)
    written: dict[FieldPath, str] = field(default_factory=dict)
    config_is_readable: bool = True
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def add(self, path: FieldPath, key_span: Span, node: Node) -> None:
        """Take one leaf: a plain value, a reference, or a structure with references inside."""
        self._locate(path, key_span, node)
        if isinstance(node, Scalar) and node.value is None and not node.as_written:
            self.spans[path] = key_span  # an empty value has no place of its own
        match reference_of(node, self.sources):
            case Diagnostic() as diagnostic:
                self.diagnostics.append(diagnostic)
                self.fields[path] = _MEANT  # declared, as far as other fields ask
            case None:
                self.fields[path] = _as_meant(path, node, self._content(node))
                if isinstance(node, Scalar):
                    self.written[path] = node.as_written
            case reference:
                self.fields[path] = reference

    def _locate(self, path: FieldPath, key_span: Span, node: Node) -> None:
        """Note where a value stands, and everything inside it."""
        self.spans[path], self.key_spans[path] = node.span, key_span
        match node:
            case Table(entries=entries) if not is_atom(node):
                for name, entry in entries.items():
                    self._locate((*path, name), entry.key.span, entry.node)
            case Sequence(items=items):
                for number, item in enumerate(items):
                    self._locate((*path, str(number)), item.span, item)

    def _content(self, node: Node) -> Any:
        """Plain data with the references that stand inside a mapping or list."""
        match node:
            case Sequence(items=items):
                return [self._content(item) for item in items]
            case Table():
                match reference_of(node, self.sources):
                    case Diagnostic() as diagnostic:
                        self.diagnostics.append(diagnostic)
                        return _MEANT
                    case Reference(scheme=scheme) as reference if scheme == EXTERNAL:
                        self.diagnostics.append(_external_inside(node.span))
                        return reference
                    case None:
                        return {key: self._content(below) for key, below in node.items()}
                    case reference:
                        return reference
        return plain(node)

    def check(self, extent: Extent) -> list[Problem]:
        """What the catalogue finds wrong."""
        if extent is Extent.WHOLE and not self.config_is_readable:
            extent = Extent.WITHOUT_CONFIG
        return check_destination(self.fields, frozenset(self.unchecked), self.written, extent)

    def diagnostic(self, problem: Problem, otherwise: Span, address: Address | None) -> Diagnostic:
        """A problem with its place: `otherwise`, where it is about something that is not there."""
        places = self.key_spans if problem.on_key else self.spans
        return Diagnostic(
            problem.code,
            problem.message,
            span=places.get(problem.path) or otherwise,
            severity=problem.severity,
            label=problem.label,
            notes=problem.notes,
            help=problem.help,
            address=address,
            secret=problem.secret,
        )


def _external_inside(span: Span) -> Diagnostic:
    return Diagnostic(
        "bad-reference",
        "Fivetran fetches whole fields from a secrets manager, and no part of one",
        span,
        help="refer to a place that this program can read, such as `env:` or `vault:`",
        secret=True,
    )


def _as_meant(path: FieldPath, node: Node, content: Any) -> Any:
    """The value; YAML reads `time_zone_offset: +1` as a number and would lose the sign that Fivetran wants."""
    if path == ("time_zone_offset",) and isinstance(node, Scalar) and isinstance(node.value, int):
        return node.as_written
    structure = Structure(content)
    return structure if structure.references else content


def desired_destination(spec: GroupSpec, sources: Sources) -> tuple[Desired | None, list[Diagnostic]]:
    """The destination that a spec entry declares (None: none, or none that can be understood) with all findings.

    `sources` says what its references may name.
    """
    if spec.destination is None:
        return None, []
    block = spec.destination
    address = Address(DESTINATION, spec.key)
    leaves = _leaves(block, sources)
    options, wrong_options = _options(block)
    problems = leaves.check(Extent.WHOLE if spec.complete else Extent.PART)
    diagnostics = [
        *leaves.diagnostics,
        *wrong_options,
        *(leaves.diagnostic(problem, spec.destination_span, address) for problem in problems),
    ]
    desired = Desired(
        address=address,
        name=spec.name,
        span=spec.destination_span,
        fields=leaves.fields,
        spans=leaves.spans | _option_spans(block),
        id=spec.id,
        id_span=spec.id_span,
        depends_on=(Address(GROUP, spec.key),),
        trust=Trust(options.trust.certificates == "any", options.trust.fingerprints == "any"),
        setup_tests=SetupTests(options.setup_tests.run, options.setup_tests.on_failure),
        unchecked=frozenset(leaves.unchecked),
        formerly=Address(DESTINATION, spec.was) if spec.was else None,
        protected=options.lifecycle.protected,
        allow_replace=options.lifecycle.allow_replace,
        ignored=frozenset(tuple(name.split(".", 1)) for name in options.lifecycle.ignore_changes),
    )
    return desired, [*diagnostics, *_ignored_but_undeclared(desired, block)]


def _ignored_but_undeclared(desired: Desired, block: Table) -> Iterator[Diagnostic]:
    """A name below `ignore_changes` that stands for nothing would ignore nothing, and nobody would notice."""
    declared = {dotted(path) for path in desired.fields}
    names = node_at(block, ("lifecycle", "ignore_changes"))
    for item in names.items if isinstance(names, Sequence) else ():
        if isinstance(item, Scalar) and isinstance(item.value, str) and item.value not in declared:
            yield Diagnostic(
                "unknown-field",
                f"`ignore_changes` names `{item.value}`, which this destination does not declare",
                span=item.span,
                address=desired.address,
                help=did_you_mean(item.value, declared) or "name a declared field, such as `config.bucket`",
            )


def shared_findings(block: Table, sources: Sources, checked: Collection[Span]) -> list[Diagnostic]:
    """What is wrong with a profile or with defaults alone, whether a group uses them or not.

    `checked` are the places of values that were checked as parts of destinations, which says more.
    """
    leaves = _leaves(_without(block, checked), sources)
    problems = leaves.check(Extent.PART)
    return [
        *leaves.diagnostics,
        *_options(block)[1],
        *(leaves.diagnostic(problem, block.span, None) for problem in problems),
    ]


def _without(block: Table, checked: Collection[Span]) -> Table:
    """A block with only what is still to be checked, and with the service, which the rest depends on."""
    entries = {}
    for key, entry in block.entries.items():
        if key in (CONFIG, EXTRA_CONFIG) and isinstance(entry.node, Table):
            entries[key] = Entry(entry.key, _without(entry.node, checked))
        elif key in (SERVICE[0], *_OPTIONS) or entry.node.span not in checked:
            entries[key] = entry
    return Table(entries, block.span)


def is_harmless(keys: tuple[str, ...], text: str) -> bool:
    """Whether a value in a file of specs is no secret, judged by the keys that lead to it and by its text."""
    if keys[0] == POLICIES:
        return not keys[-1].startswith(f"{CONFIG}.") or is_public(keys[-1].partition(".")[2])
    if keys[-1] in (SECRET, VALUE) and text.partition(":")[0] in BUILT_IN:
        return True  # plans show references too
    if CONFIG in keys[:-1] or EXTRA_CONFIG in keys[:-1]:
        return is_public(keys[-1])
    if keys[-1] in _HARMLESS or keys[-1] in destination_facts().fields:
        return True
    return not sounds_secret(keys[-1]) and nearest(keys[-1], sorted(_HARMLESS)) is not None


def _leaves(block: Table, sources: Sources) -> _Leaves:
    leaves = _Leaves(sources)
    known = (SERVICE[0], *destination_facts().fields, CONFIG, EXTRA_CONFIG, *_OPTIONS)
    for key, entry in _from_general_to_particular(block, known):
        if key in (CONFIG, EXTRA_CONFIG):
            _add_config(leaves, key, entry.node)
        elif key not in known:
            leaves.diagnostics.append(_unknown_key(key, entry.key.span, known, block.get(SERVICE[0])))
            if (meant := nearest(key, known)) and meant not in block and meant not in (CONFIG, *_OPTIONS):
                leaves.fields[(meant,)] = _MEANT
            elif meant == CONFIG:
                leaves.config_is_readable = False
        elif key not in _OPTIONS:
            leaves.add((key,), entry.key.span, entry.node)
    return leaves


def _from_general_to_particular(block: Table, known: tuple[str, ...]) -> list[tuple[str, Entry]]:
    """The settings in one order for all destinations, wherever they came from: the service first, config last."""
    rank = {key: position for position, key in enumerate(known)}
    return sorted(block.entries.items(), key=lambda item: rank.get(item[0], len(rank)))


def _add_config(leaves: _Leaves, key: str, node: Node) -> None:
    if not isinstance(node, Table):
        leaves.diagnostics.append(
            Diagnostic(
                "wrong-shape",
                f"`{key}` must be a mapping of fields",
                span=node.span,
                help=f"write the fields below `{key}:`, one per line",
                secret=True,
            )
        )
        leaves.config_is_readable = False
        return
    for name, entry in node.entries.items():
        path = (CONFIG, name)
        if path in leaves.fields:
            leaves.diagnostics.append(
                Diagnostic(
                    "duplicate-key",
                    f"`{name}` stands in both `{CONFIG}` and `{EXTRA_CONFIG}`",
                    span=entry.key.span,
                    notes=(f"the other one is at {leaves.key_spans[path]}",),
                    help="keep one of them",
                    secret=True,
                )
            )
            continue
        if key == EXTRA_CONFIG:
            leaves.unchecked.add(path)
        leaves.add(path, entry.key.span, entry.node)


def _unknown_key(key: str, span: Span, known: tuple[str, ...], service: Node | None) -> Diagnostic:
    owner = load_service(str(service.value)) if isinstance(service, Scalar) else None
    suggestion = nearest(key, known)
    listed = ", ".join(f"`{name}`" for name in known)
    if owner and key in owner.fields:
        return Diagnostic(
            "unknown-key",
            f"a destination has no setting `{key}`",
            span=span,
            help=f"it is a field of `{owner.name}`: write it below `config:`",
            secret=True,
        )
    return Diagnostic(
        "unknown-key",
        f"a destination has no setting `{key}`",
        span=span,
        notes=() if suggestion else (f"its settings are {listed}",),
        help=f"did you mean `{suggestion}`?" if suggestion else "fields of the service stand below `config:`",
        secret=True,  # S-41: what follows may be anything
    )


def _option_spans(block: Table) -> dict[FieldPath, Span]:
    """Where what says how to treat it stands."""
    tables = ((key, node) for key, node in block.items() if key in _OPTIONS)
    return {
        (key, name): entry.node.span
        for key, table in tables
        if isinstance(table, Table)
        for name, entry in table.entries.items()
    }


def _options(block: Table) -> tuple[Options, list[Diagnostic]]:
    given = {key: plain(node) for key, node in block.items() if key in _OPTIONS}
    try:
        return Options.model_validate(given), []
    except ValidationError as error:
        return Options(), diagnostics_of(error, block, Options)
