"""What pydantic finds, as diagnostics that point at the spec. Values are never repeated."""

from __future__ import annotations

import types
from typing import Any, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.model.codes import EXPLANATIONS
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.nearest import did_you_mean
from reconciler.spec.tree import Scalar, Sequence, Table, key_span_at, node_at, span_at

Location: TypeAlias = tuple[int | str, ...]

_KEY_MARKER = "[key]"
_EXPECTED = {
    "string_type": "text",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "mapping_expected": "a mapping",
    "list_type": "a list",
    "too_short": "a list with at least one entry",
    "bool_type": "`true` or `false`",
    "bool_parsing": "`true` or `false`",
    "int_type": "a whole number",
}
_OF_DESTINATIONS = {
    "service",
    "region",
    "config",
    "profile",
    "time_zone_offset",
    "networking_method",
    "trust",
}
_OF_DESTINATIONS |= {"setup_tests", "private_link_id", "daylight_saving_time_enabled"}


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
    if kind == "extra_forbidden":
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
    choices = str(finding.get("ctx", {}).get("expected", "")).replace("'", "`")
    return _wrong_shape(_EXPECTED.get(kind) or choices or "something else", root, location)


def _spoken(finding: ErrorDetails, root: Table, location: Location) -> Diagnostic:
    is_key = finding["loc"][-1] == _KEY_MARKER
    span = key_span_at(root, location) if is_key else span_at(root, location)
    advice = finding.get("ctx", {}).get("help", "")
    return Diagnostic(finding["type"], finding["msg"], span, help=advice)


def _unknown_key(root: Table, location: Location, model: type[BaseModel]) -> Diagnostic:
    key = str(location[-1])
    known = _fields_at(model, location[:-1])
    advice = did_you_mean(key, known)
    if not advice and "destination" in known and key in _OF_DESTINATIONS:
        advice = f"put `{key}` below `destination:`"
    return Diagnostic(
        "unknown-key",
        f"`{key}` is not a key of {_place(location[:-1])}",
        key_span_at(root, location),
        help=advice or "known here are " + ", ".join(f"`{each}`" for each in known),
        secret=_may_show_a_secret(root, location, is_explained=bool(advice)),
    )


def _may_show_a_secret(root: Table, location: Location, *, is_explained: bool) -> bool:
    """Whether the line of an unknown key may hold a secret: `passwrod: …`, or a config on one line."""
    node, line = node_at(root, location), key_span_at(root, location).line
    if node.span.line != line:
        return False
    return not (is_explained and isinstance(node, Scalar))


def _missing_key(root: Table, location: Location) -> Diagnostic:
    key = str(location[-1])
    advice = {
        "version": "write `version: 1` at the top",
        "specs": 'write for example `specs: ["groups/*.yaml"]`',
        "groups": "write `groups:` with the entries to change",
    }.get(key, f"add `{key}:`")
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
    advice = f"write {expected}"
    if expected == "text" and isinstance(node, Scalar):
        advice = "put the value in quotes" if node.value is not None else "write a value, or remove the key"
    if expected == "a mapping" and isinstance(node, Scalar) and node.value is None:
        advice = "write `{}` for an entry without settings, or remove the key"
    message = f"{entry_of}`{name}` must be {expected}" + (f", not {found}" if found != "this" else "")
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
    return list(kind.model_fields) if _is_model(kind) else []


def _below(kind: Any, step: int | str) -> Any:
    if _is_model(kind):
        field = kind.model_fields.get(step)
        return _required(field.annotation) if field else None
    arguments = get_args(kind)
    return _required(arguments[-1]) if arguments else None


def _required(annotation: Any) -> Any:
    """The type without its `| None`."""
    if get_origin(annotation) in {Union, types.UnionType}:
        return next((each for each in get_args(annotation) if each is not type(None)), None)
    return annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
