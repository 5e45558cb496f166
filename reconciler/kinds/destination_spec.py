"""The `destination:` block of a spec entry: its keys, its leaves, and everything wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, StrictBool, ValidationError

from reconciler.catalogue.check import Problem, check_destination
from reconciler.catalogue.load import destination_facts
from reconciler.kinds.destination import CONFIG, SERVICE
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.nearest import nearest
from reconciler.model.resource import Desired, OnFailure, SetupTests, Trust
from reconciler.model.source import Span
from reconciler.model.value import FieldPath
from reconciler.spec.errors import diagnostics_of
from reconciler.spec.load import GroupSpec
from reconciler.spec.reference import reference_of
from reconciler.spec.tree import Entry, Node, Scalar, Table, plain

EXTRA_CONFIG = "extra_config"
_OPTIONS = ("trust", "setup_tests")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _TrustBlock(_Strict):
    certificates: Literal["none", "any"] = "none"
    fingerprints: Literal["none", "any"] = "none"


class _SetupTestsBlock(_Strict):
    run: StrictBool = True
    on_failure: OnFailure = OnFailure.FAIL


class _Options(_Strict):
    trust: _TrustBlock = _TrustBlock()
    setup_tests: _SetupTestsBlock = _SetupTestsBlock()


@dataclass(slots=True)
class _Leaves:
    """What a destination block declares, leaf by leaf, with the places of keys and values."""

    fields: dict[FieldPath, Any] = field(default_factory=dict)
    spans: dict[FieldPath, Span] = field(default_factory=dict)
    key_spans: dict[FieldPath, Span] = field(default_factory=dict)
    unchecked: set[FieldPath] = field(default_factory=set)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def add(self, path: FieldPath, key_span: Span, node: Node) -> None:
        """Take one leaf: a plain value or a reference."""
        self.spans[path], self.key_spans[path] = node.span, key_span
        match reference_of(node):
            case Diagnostic() as diagnostic:
                self.diagnostics.append(diagnostic)
            case None:
                self.fields[path] = _as_meant(path, node)
            case reference:
                self.fields[path] = reference


def _as_meant(path: FieldPath, node: Node) -> Any:
    """The plain value; YAML reads `time_zone_offset: +1` as a number and would lose the sign that Fivetran wants."""
    if path == ("time_zone_offset",) and isinstance(node, Scalar) and isinstance(node.value, int):
        return node.as_written
    return plain(node)


def desired_destination(spec: GroupSpec) -> tuple[Desired | None, list[Diagnostic]]:
    """The destination that a spec entry declares (None: none, or none that can be understood) with all findings."""
    if spec.destination is None:
        return None, []
    block = spec.destination
    address = Address(DESTINATION, spec.key)
    leaves = _leaves(block)
    options, wrong_options = _options(block)
    problems = check_destination(leaves.fields, unchecked=frozenset(leaves.unchecked))
    diagnostics = [
        *leaves.diagnostics,
        *wrong_options,
        *(_diagnostic(problem, leaves, spec, address) for problem in problems),
    ]
    desired = Desired(
        address=address,
        name=spec.name,
        span=spec.destination_span,
        fields=leaves.fields,
        spans=leaves.spans,
        id=spec.id,
        id_span=spec.id_span,
        depends_on=(Address(GROUP, spec.key),),
        trust=Trust(options.trust.certificates == "any", options.trust.fingerprints == "any"),
        setup_tests=SetupTests(options.setup_tests.run, options.setup_tests.on_failure),
        unchecked=frozenset(leaves.unchecked),
    )
    return desired, diagnostics


def _leaves(block: Table) -> _Leaves:
    leaves = _Leaves()
    known = (SERVICE[0], *destination_facts().fields, CONFIG, EXTRA_CONFIG, *_OPTIONS)
    for key, entry in _from_general_to_particular(block, known):
        if key in (CONFIG, EXTRA_CONFIG):
            _add_config(leaves, key, entry.node)
        elif key not in known:
            leaves.diagnostics.append(_unknown_key(key, entry.key.span, known))
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
                )
            )
            continue
        if key == EXTRA_CONFIG:
            leaves.unchecked.add(path)
        leaves.add(path, entry.key.span, entry.node)


def _unknown_key(key: str, span: Span, known: tuple[str, ...]) -> Diagnostic:
    suggestion = nearest(key, known)
    listed = ", ".join(f"`{name}`" for name in known)
    return Diagnostic(
        "unknown-key",
        f"a destination has no setting `{key}`",
        span=span,
        notes=() if suggestion else (f"its settings are {listed}",),
        help=f"did you mean `{suggestion}`?" if suggestion else "fields of the service stand below `config:`",
    )


def _options(block: Table) -> tuple[_Options, list[Diagnostic]]:
    given = {key: plain(node) for key, node in block.items() if key in _OPTIONS}
    try:
        return _Options.model_validate(given), []
    except ValidationError as error:
        return _Options(), diagnostics_of(error, block, _Options)


def _diagnostic(problem: Problem, leaves: _Leaves, spec: GroupSpec, address: Address) -> Diagnostic:
    places = leaves.key_spans if problem.on_key else leaves.spans
    return Diagnostic(
        problem.code,
        problem.message,
        span=places.get(problem.path) or spec.destination_span,
        severity=problem.severity,
        label=problem.label,
        notes=problem.notes,
        help=problem.help,
        address=address,
        secret=problem.secret,
    )
