"""Convert findings of pydantic to diagnostics with places in the spec. Messages never repeat values."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.model.codes import load_codes
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.suggestions import did_you_mean
from reconciler.spec.nodes import (
    FilledScalar,
    MappingNode,
    Node,
    Scalar,
    Sequence,
    find_key_span,
    find_node,
    find_span,
)

Location: TypeAlias = tuple[int | str, ...]

_KEY_MARKER = "[key]"
_EXPECTATIONS = {
    "string_type": "text",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "dataclass_type": "a mapping",
    "mapping_expected": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
    "too_short": "a list with at least one entry",
    "bool_type": "`true` or `false`",
    "bool_parsing": "`true` or `false`",
    "int_type": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
}
_KEY_EXAMPLES = {
    "specs": 'write for example `specs: ["groups/*.yaml"]`',
    "overrides": 'write for example `overrides: ["prod.yaml"]`',
    "groups": "write one key per group below `groups:`, for example `analytics: {}`",
    "profiles": "write one key per profile below `profiles:`, with settings of destinations below it",
    "defaults": "write `destination:` below `defaults:`, with settings of destinations below it",
    "destination": "write settings below `destination:`, for example `service: snowflake`",
    "policies": "write for example `policies: [{allowed-regions: [AWS_US_EAST_1]}]`",
    "warnings": 'write for example `warnings: {ignore: [{code: legacy-service, because: "stays until 2027"}]}`',
    "trust": "write for example `trust: {certificates: [{pem: certs/ca.pem}]}`, or `fingerprints` likewise",
    "setup_tests": "write for example `setup_tests: {on_failure: warn}`",
    "was": "write the one key that the entry had before, for example `was: old_key`",
    "ignore_changes": "list the fields, for example `[config.bucket]`, or `[config]` for all its fields",
    "removed": "write a list, for example `removed: [{group: old_key, id: its_id}]`",
    "vars": "write one value per name below `vars:`, for example `ENVIRONMENT: dev`",
}
"""Advice for keys with structured values."""
_NOT_FROM_TEXT = {"ignore", "ignore_changes", "policies", "removed"}
"""Lists that a single text cannot be an entry of, or must not be taken for."""
_MAX_WORD_LENGTH = 32
_OTHER_PLACES = {"vars": "define variables in the project file, or in a file under `overrides`"}
"""Advice for keys of other files."""
_ENTRY_EXAMPLES = {
    "removed": "write a mapping for each entry, for example `- {group: old_key, id: its_id}`",
    "policies": "write a rule with its settings, for example `- allowed-regions: [AWS_US_EAST_1]`",
    "ignore": 'write a code with its reason, for example `- {code: legacy-service, because: "stays until 2027"}`',
}
"""Advice for entries of lists."""


def to_diagnostics(error: ValidationError, root: MappingNode, model: type[BaseModel]) -> list[Diagnostic]:
    """Build a diagnostic for each finding of pydantic about `root`, which was validated as `model`.

    A PydanticCustomError of our own validators has a diagnostic code as its type, a message, and the advice as `help`
    in its context. The message of any other finding follows from its type and its place.
    """
    findings = error.errors(include_url=False, include_input=False)
    return [_to_diagnostic(finding, root, model) for finding in findings]


def _to_diagnostic(finding: ErrorDetails, root: MappingNode, model: type[BaseModel]) -> Diagnostic:
    location, kind = finding["loc"], finding["type"]
    if location and location[-1] == _KEY_MARKER:
        return _explain_custom_error(finding, root, location[:-1])
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        return _explain_unknown_key(root, location, model)
    if kind == "missing":
        return _explain_missing_key(root, location)
    if location == ("version",):
        return Diagnostic(
            "unsupported-version",
            "`version` must be `1`",
            find_span(root, location),
            help="write `version: 1`, or use a release that knows this format",
        )
    if kind in load_codes():
        return _explain_custom_error(finding, root, location)
    return _explain_wrong_shape(_describe_expected(finding), root, location)


def _describe_expected(finding: ErrorDetails) -> str:
    """Describe the expected value in words."""
    match finding.get("ctx", {}):
        case {"ge": least}:
            return f"{least} or more"
        case {"le": most}:
            return f"{most} or less"
        case {"expected": choices} if finding["type"] not in _EXPECTATIONS:
            return str(choices).replace("'", "`")
    return _EXPECTATIONS.get(finding["type"], "something else")


def _explain_custom_error(finding: ErrorDetails, root: MappingNode, location: Location) -> Diagnostic:
    is_key = finding["loc"][-1] == _KEY_MARKER
    span = find_key_span(root, location) if is_key else find_span(root, location)
    context = finding.get("ctx", {})
    return Diagnostic(
        finding["type"],
        finding["msg"],
        span,
        help=context.get("help", ""),
        secret=bool(context.get("secret")),
    )


def _explain_unknown_key(root: MappingNode, location: Location, model: type[BaseModel]) -> Diagnostic:
    key = str(location[-1])
    known = _list_keys(model, location[:-1])
    advice = did_you_mean(key, known)
    known_keys = "known here are " + ", ".join(f"`{known_key}`" for known_key in known)
    if "destination" in known and "id" in known:
        known_keys += "; settings of a destination stand below `destination:`"
    return Diagnostic(
        "unknown-key",
        f"`{key}` is not a key of {_describe_location(location[:-1])}",
        find_key_span(root, location),
        help=_OTHER_PLACES.get(key) or advice or known_keys,
        secret=_may_show_secret(root, location, is_explained=bool(advice)),
    )


def _may_show_secret(root: MappingNode, location: Location, *, is_explained: bool) -> bool:
    """Return whether the line of an unknown key may hold a secret: `passwrod: …`, or a config on one line."""
    node, line = find_node(root, location), find_key_span(root, location).line
    if node.span.line != line:
        return False
    return not (is_explained and isinstance(node, Scalar)) and _has_text(node)


def _has_text(node: Node) -> bool:
    match node:
        case Scalar(value=value):
            return isinstance(value, str) and bool(value)
        case Sequence(items=items):
            return any(_has_text(child) for child in items)
        case MappingNode():
            return any(_has_text(child) for _, child in node.items())


def _explain_missing_key(root: MappingNode, location: Location) -> Diagnostic:
    key = str(location[-1])
    advice = "write `version: 1` at the top" if key == "version" else _KEY_EXAMPLES.get(key, f"add `{key}:`")
    parent_span = find_span(root, location[:-1])
    span = type(parent_span)(
        parent_span.path, parent_span.line, parent_span.column, parent_span.line, parent_span.column + 1
    )
    return Diagnostic(
        "missing-key", f"`{key}` is missing from {_describe_location(location[:-1])}", span, help=advice
    )


def _explain_wrong_shape(expected: str, root: MappingNode, location: Location) -> Diagnostic:
    node = find_node(root, location)
    actual = (
        "a list" if isinstance(node, Sequence) else "a mapping" if isinstance(node, MappingNode) else "this"
    )
    name = next((str(step) for step in reversed(location) if isinstance(step, str)), "this")
    entry_of = "an entry of " if location and isinstance(location[-1], int) else ""
    is_empty = isinstance(node, Scalar) and not node.as_written and node.value is None
    span = find_key_span(root, location) if is_empty else node.span  # an empty value has no position
    advice = (_ENTRY_EXAMPLES if entry_of else _KEY_EXAMPLES).get(name, f"write {expected}")
    if (
        expected == "a whole number" or expected[0].isdigit()
    ):  # `setup_tests` is also a timeout, without a structure
        advice = f"write {expected}"
    if expected == "text" and isinstance(node, Scalar):
        owner = "the value of the variable" if isinstance(node, FilledScalar) else "the value"
        advice = f"put {owner} in quotes" if node.value is not None else "write a value, or remove the key"
    elif (
        expected == "a list"
        and name not in _NOT_FROM_TEXT
        and isinstance(node, Scalar)
        and isinstance(node.value, str)
    ):
        is_command = "commands" in location
        items = ", ".join(node.value.split()) if is_command else f'"{node.value}"'
        advice = (
            f"write {'a program and its arguments one by one: ' if is_command else ''}`{name}: [{items}]`"
        )
    elif expected == "a mapping" and name not in {*_KEY_EXAMPLES, *_ENTRY_EXAMPLES}:
        advice = f"write `{name}: {{}}` for an entry without settings, with settings indented below it"
    if is_empty and name in _KEY_EXAMPLES and location != (name,):
        advice += ", or remove the key"
    message = f"{entry_of}`{name}` must be {expected}"
    if actual != "this" and not expected.startswith(actual):
        message += f", not {actual}"
    is_secret = "destination" in location or _may_be_key(node)
    return Diagnostic("wrong-shape", message, span, help=advice, secret=is_secret)


def _may_be_key(node: Node) -> bool:
    """Return whether a value in the wrong place is so long that it may be a private key."""
    return isinstance(node, Scalar) and len(node.as_written) > _MAX_WORD_LENGTH


def _describe_location(location: Location) -> str:
    if not location:
        return "the file"
    return f"`{'.'.join(str(step) for step in location)}`"


def _list_keys(model: type[BaseModel], location: Location) -> list[str]:
    """List the known keys at a place below a model."""
    kind: Any = model
    for step in location:
        kind = _descend(kind, step)
    return list(_get_fields(kind))


def _descend(kind: Any, step: int | str) -> Any:
    fields_of_kind = _get_fields(kind)
    if fields_of_kind:
        return _unwrap_type(fields_of_kind.get(str(step)))
    arguments = [argument for argument in get_args(kind) if argument is not Ellipsis]
    return _unwrap_type(arguments[-1]) if arguments else None


def _get_fields(kind: Any) -> dict[str, Any]:
    """Return the types of a model or dataclass by the keys of its file; empty for any other type."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    if is_dataclass(kind):
        types_of_fields = get_type_hints(kind, include_extras=True)
        return {field.name: types_of_fields[field.name] for field in fields(kind)}
    return {}


def _unwrap_type(annotation: Any) -> Any:
    """Return the type without its `| None`, and without its annotations."""
    if get_origin(annotation) in {Union, types.UnionType}:
        return _unwrap_type(
            next((argument for argument in get_args(annotation) if argument is not type(None)), None)
        )
    if get_origin(annotation) is Annotated:
        return _unwrap_type(get_args(annotation)[0])
    return annotation
