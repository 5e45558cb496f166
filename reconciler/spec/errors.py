"""What pydantic finds, as diagnostics that point at the spec. Values are never repeated."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.model.codes import EXPLANATIONS
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.nearest import did_you_mean
from reconciler.spec.tree import Node, Scalar, Sequence, Table, key_span_at, node_at, span_at

Location: TypeAlias = tuple[int | str, ...]

_KEY_MARKER = "[key]"
_EXPECTED = {
    "string_type": "text",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "dataclass_type": "a mapping",
    "mapping_expected": "a mapping",
    "list_type": "a list",
    "too_short": "a list with at least one entry",
    "bool_type": "`true` or `false`",
    "bool_parsing": "`true` or `false`",
    "int_type": "a whole number",
}
_FORMS = {
    "specs": 'write for example `specs: ["groups/*.yaml"]`',
    "overrides": 'write for example `overrides: ["prod.yaml"]`',
    "groups": "write one key per group below `groups:`, for example `analytics: {}`",
    "profiles": "write one key per profile below `profiles:`, with settings of destinations below it",
    "defaults": "write `destination:` below `defaults:`, with settings of destinations below it",
    "destination": "write settings below `destination:`, for example `service: snowflake`",
    "policies": "write for example `policies: [{allowed-regions: [AWS_US_EAST_1]}]`",
    "trust": "write `trust: {certificates: any}`, or `fingerprints` likewise",
    "setup_tests": "write for example `setup_tests: {on_failure: warn}`",
}
"""How the keys look whose values are not of one word."""
_ENTRIES = {"policies": "write a rule with what it wants, for example `- allowed-regions: [AWS_US_EAST_1]`"}
"""The same for entries of lists."""


def diagnostics_of(error: ValidationError, root: Table, model: type[BaseModel]) -> list[Diagnostic]:
    """One diagnostic per finding of pydantic about `root`, which was validated as `model`.

    A validator that raises PydanticCustomError with a diagnostic code as its type speaks for
    itself; `help` in its context is the help line. Everything else is told by its type and place.
    """
    findings = error.errors(include_url=False, include_input=False)
    return [_diagnostic(each, root, model) for each in findings]


def _diagnostic(finding: ErrorDetails, root: Table, model: type[BaseModel]) -> Diagnostic:
    location, kind = finding["loc"], finding["type"]
    if location and location[-1] == _KEY_MARKER:
        return _spoken(finding, root, location[:-1])
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        return _unknown_key(root, location, model)
    if kind == "missing":
        return _missing_key(root, location)
    if location == ("version",):
        return Diagnostic(
            "unsupported-version",
            "`version` must be `1`",
            span_at(root, location),
            help="write `version: 1`, or use a release that knows this format",
        )
    if kind in EXPLANATIONS:
        return _spoken(finding, root, location)
    return _wrong_shape(_expected(finding), root, location)


def _expected(finding: ErrorDetails) -> str:
    """What belongs there, in words."""
    match finding.get("ctx", {}):
        case {"ge": least}:
            return f"{least} or more"
        case {"le": most}:
            return f"{most} or less"
        case {"expected": choices} if finding["type"] not in _EXPECTED:
            return str(choices).replace("'", "`")
    return _EXPECTED.get(finding["type"], "something else")


def _spoken(finding: ErrorDetails, root: Table, location: Location) -> Diagnostic:
    is_key = finding["loc"][-1] == _KEY_MARKER
    span = key_span_at(root, location) if is_key else span_at(root, location)
    context = finding.get("ctx", {})
    return Diagnostic(
        finding["type"],
        finding["msg"],
        span,
        help=context.get("help", ""),
        secret=bool(context.get("secret")),
    )


def _unknown_key(root: Table, location: Location, model: type[BaseModel]) -> Diagnostic:
    key = str(location[-1])
    known = _fields_at(model, location[:-1])
    advice = did_you_mean(key, known)
    listed = "known here are " + ", ".join(f"`{each}`" for each in known)
    if "destination" in known and "id" in known:
        listed += "; settings of a destination stand below `destination:`"
    return Diagnostic(
        "unknown-key",
        f"`{key}` is not a key of {_place(location[:-1])}",
        key_span_at(root, location),
        help=advice or listed,
        secret=_may_show_a_secret(root, location, is_explained=bool(advice)),
    )


def _may_show_a_secret(root: Table, location: Location, *, is_explained: bool) -> bool:
    """Whether the line of an unknown key may hold a secret: `passwrod: …`, or a config on one line."""
    node, line = node_at(root, location), key_span_at(root, location).line
    if node.span.line != line:
        return False
    return not (is_explained and isinstance(node, Scalar)) and _holds_text(node)


def _holds_text(node: Node) -> bool:
    match node:
        case Scalar(value=value):
            return isinstance(value, str) and bool(value)
        case Sequence(items=items):
            return any(_holds_text(each) for each in items)
        case Table():
            return any(_holds_text(each) for _, each in node.items())


def _missing_key(root: Table, location: Location) -> Diagnostic:
    key = str(location[-1])
    advice = "write `version: 1` at the top" if key == "version" else _FORMS.get(key, f"add `{key}:`")
    owner = span_at(root, location[:-1])
    span = type(owner)(owner.path, owner.line, owner.column, owner.line, owner.column + 1)
    return Diagnostic("missing-key", f"`{key}` is missing from {_place(location[:-1])}", span, help=advice)


def _wrong_shape(expected: str, root: Table, location: Location) -> Diagnostic:
    node = node_at(root, location)
    found = "a list" if isinstance(node, Sequence) else "a mapping" if isinstance(node, Table) else "this"
    name = next((str(each) for each in reversed(location) if isinstance(each, str)), "this")
    entry_of = "an entry of " if location and isinstance(location[-1], int) else ""
    is_empty = isinstance(node, Scalar) and not node.as_written and node.value is None
    span = key_span_at(root, location) if is_empty else node.span  # an empty value has no place of its own
    advice = (_ENTRIES if entry_of else _FORMS).get(name, f"write {expected}")
    if expected == "text" and isinstance(node, Scalar):
        advice = "put the value in quotes" if node.value is not None else "write a value, or remove the key"
    elif expected == "a list" and isinstance(node, Scalar) and isinstance(node.value, str):
        is_command = "commands" in location
        items = ", ".join(node.value.split()) if is_command else f'"{node.value}"'
        advice = (
            f"write {'a program and its arguments one by one: ' if is_command else ''}`{name}: [{items}]`"
        )
    elif expected == "a mapping" and name not in _FORMS:
        advice = f"write `{name}: {{}}` for an entry without settings, with settings indented below it"
    if is_empty and name in _FORMS and location != (name,):
        advice += ", or remove the key"
    message = f"{entry_of}`{name}` must be {expected}"
    if found != "this" and not expected.startswith(found):
        message += f", not {found}"
    return Diagnostic("wrong-shape", message, span, help=advice, secret="destination" in location)


def _place(location: Location) -> str:
    if not location:
        return "the file"
    return f"`{'.'.join(str(each) for each in location)}`"


def _fields_at(model: type[BaseModel], location: Location) -> list[str]:
    """The keys that are known at a place below a model."""
    kind: Any = model
    for step in location:
        kind = _below(kind, step)
    return list(_fields_of(kind))


def _below(kind: Any, step: int | str) -> Any:
    fields_of_kind = _fields_of(kind)
    if fields_of_kind:
        return _required(fields_of_kind.get(str(step)))
    arguments = get_args(kind)
    return _required(arguments[-1]) if arguments else None


def _fields_of(kind: Any) -> dict[str, Any]:
    """The types of a model or dataclass by the keys of its file; empty for any other type."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    if is_dataclass(kind):
        types_of_fields = get_type_hints(kind, include_extras=True)
        return {field.name: types_of_fields[field.name] for field in fields(kind)}
    return {}


def _required(annotation: Any) -> Any:
    """The type without its `| None`, and without what is noted about it."""
    if get_origin(annotation) in {Union, types.UnionType}:
        return _required(next((each for each in get_args(annotation) if each is not type(None)), None))
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
