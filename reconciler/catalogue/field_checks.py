"""Check single fields: whether a field exists, may be declared, and can have its value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.catalogue import region_checks
from reconciler.catalogue.declared_destination import DeclaredDestination
from reconciler.catalogue.load import load_destination_facts
from reconciler.catalogue.model import Field, FieldType
from reconciler.catalogue.normalize import (
    CONFIG,
    is_mask,
    match_enum,
    normalize_time_zone_offset,
    normalize_value,
)
from reconciler.catalogue.problem import Problem
from reconciler.catalogue.secret_detection import (
    detect_secret,
    find_literal_secrets,
    is_secret_name,
    is_sensitive,
)
from reconciler.model.diagnostic import Severity
from reconciler.model.suggestions import find_nearest
from reconciler.model.value import EXTERNAL_SCHEME, FieldPath, Reference, Structure, format_path

MAX_LISTED = 12
"""Longer lists of allowed values are not printed."""

_CHOICES: tuple[FieldPath, ...] = (("region",), ("time_zone_offset",))
_NEVER_EMPTY = (FieldType.INTEGER, FieldType.BOOLEAN)

_TYPE_NAMES = {
    FieldType.STRING: "a text",
    FieldType.INTEGER: "a whole number",
    FieldType.BOOLEAN: "true or false",
    FieldType.STRINGS: "a list of texts",
    FieldType.OBJECT: "a mapping",
}


def check_field(destination: DeclaredDestination, path: FieldPath, value: Any) -> Iterator[Problem]:
    """Check one declared field. A finding that explains all others is the only finding."""
    field = destination.find_field(path)
    if not is_sensitive(path[-1], field) and (kind := detect_secret(value)):
        yield _diagnose_disguised_secret(path, kind)  # first of all: other findings may quote a value
    elif field is None and (secrets := tuple(check_literals(destination, path, value))):
        yield from secrets
    elif field is None and _is_closed_schema(destination, path):
        yield _diagnose_unknown_field(destination, path)
    elif field is not None and field.read_only:
        yield _diagnose_read_only_field(destination, path, field)
    elif _clears(field, path, value):
        if field is not None and not field.clearable and not field.required:
            yield _diagnose_unclearable_field(path, field)
    elif isinstance(value, Reference) and value.scheme == EXTERNAL_SCHEME:
        yield from _check_external_secret(destination, path)
    elif is_mask(value):
        yield _diagnose_mask(path, is_sensitive(path[-1], field))
    elif field is not None and field.sensitive:
        yield from _check_exposure(path, field, value)
    elif field is not None and not isinstance(value, Reference):
        content = value.content if isinstance(value, Structure) else value
        yield from _check_value(path, field, content, destination.spellings.get(path, ""))


def _clears(field: Field | None, path: FieldPath, value: Any) -> bool:
    """Return whether a value clears a field. An empty text does too, unless the field takes one of a few values: for
    such a field it is an unknown value."""
    if value is None:
        return True
    has_choice = path in _CHOICES or (field is not None and (bool(field.enum) or field.type in _NEVER_EMPTY))
    return field is not None and not has_choice and not field.sensitive and value in ("", [], {})


def check_literals(destination: DeclaredDestination, path: FieldPath, value: Any) -> Iterator[Problem]:
    """Check for secrets in the spec, by the names of fields; also for fields that are not checked otherwise."""
    field = destination.find_field(path)
    if field is None:
        yield from (
            _diagnose_literal_secret(field, (*path[:-1], *secret_path))
            for secret_path in find_literal_secrets(path[-1], value)
        )
    elif field.sensitive and value is not None and not isinstance(value, Reference):
        yield _diagnose_literal_secret(field, path)


def _is_closed_schema(destination: DeclaredDestination, path: FieldPath) -> bool:
    """Return whether the catalogue lists every field that may stand here."""
    if path[0] != CONFIG:
        return True
    return destination.service is not None and not destination.service.free_form


def _diagnose_unknown_field(destination: DeclaredDestination, path: FieldPath) -> Problem:
    fields = {known[-1]: field for known, field in destination.iter_fields() if known[:-1] == path[:-1]}
    name = path[-1]
    suggestion = find_nearest(name, fields)
    if path[0] == CONFIG and destination.service:
        message = f"service `{destination.service.name}` has no config field `{name}`"
    else:
        message = f"a destination has no field `{format_path(path)}`"
    if path[0] == CONFIG and (name,) in dict(destination.iter_fields()):
        return Problem(
            "unknown-field",
            message,
            path=path,
            help="it is a setting of the destination: write it beside `config:`",
            on_key=True,
        )
    if suggestion:
        return Problem(
            "unknown-field",
            message,
            path=path,
            help=f"did you mean `{suggestion}`?",
            notes=("if Fivetran does have this field, write it below `extra_config:`",)
            if path[0] == CONFIG
            else (),
            on_key=True,
            secret=fields[suggestion].sensitive or is_secret_name(name),
        )
    return Problem(
        "unknown-field",
        f"{message} that the catalogue knows",
        path=path,
        notes=("it is passed on as it is, and its value is hidden",),
        help="check the spelling; if the field is new at Fivetran, write it below `extra_config:`",
        on_key=True,
        secret=True,  # it may be anything
        severity=Severity.WARNING,
    )


def _diagnose_read_only_field(destination: DeclaredDestination, path: FieldPath, field: Field) -> Problem:
    writable_fields = (other for _, other in destination.iter_fields() if other.reads_as == field.name)
    writable_field = next(writable_fields, None)
    return Problem(
        "read-only-field",
        f"`{format_path(path)}` is set by Fivetran and cannot be declared",
        path=path,
        help=f"declare `{writable_field.name}` instead" if writable_field else "remove it",
        on_key=True,
    )


def _diagnose_unclearable_field(path: FieldPath, field: Field) -> Problem:
    advice = "write `false`" if field.type is FieldType.BOOLEAN else "write another value"
    return Problem(
        "not-clearable",
        f"`{format_path(path)}` cannot be cleared",
        path=path,
        notes=("Fivetran keeps some value in this field once it has one",),
        help=f"{advice}, or remove the line to leave the field as it is",
    )


def _diagnose_mask(path: FieldPath, sensitive: bool) -> Problem:
    return Problem(
        "mask-literal",
        f"`{format_path(path)}` is the row of stars that Fivetran shows instead of a secret",
        path=path,
        help=_advise_reference(path) if sensitive else "write the value itself, or remove the line",
    )


def _check_exposure(path: FieldPath, field: Field, value: Any) -> Iterator[Problem]:
    """Check for a secret in the spec, or behind a visible reference."""
    if not isinstance(value, Reference):
        yield _diagnose_literal_secret(field, path)
    elif not value.confidential:
        yield Problem(
            "visible-secret",
            f"`{format_path(path)}` is sensitive, but plans show the value behind `value:`",
            path=path,
            help=f'write `{path[-1]}: {{secret: "{value}"}}`',
        )


def _diagnose_literal_secret(field: Field | None, path: FieldPath) -> Problem:
    notes = () if field else ("the catalogue does not describe this field, but its name sounds secret",)
    suffix = "" if field else "; if it is none, write `value:` instead of `secret:`"
    return Problem(
        "literal-secret",
        f"`{format_path(path)}` is sensitive and must not be written in a spec",
        path=path,
        notes=(*notes, "this file may already be in version control: replace the secret"),
        help=f"{_advise_reference(path)}{suffix}",
        secret=True,
    )


def _diagnose_disguised_secret(path: FieldPath, kind: str) -> Problem:
    return Problem(
        "literal-secret",
        f"the value of `{format_path(path)}` looks like {kind}",
        path=path,
        notes=("if it is a secret, this file may already be in version control: replace it",),
        help=f"{_advise_reference(path)}, even if it is none",
        secret=True,
    )


def _check_external_secret(destination: DeclaredDestination, path: FieldPath) -> Iterator[Problem]:
    """Check a reference to a value that Fivetran fetches by itself, as for a few fields of some services."""
    service = destination.service
    if service is None and path[0] == CONFIG:
        return  # the service has this finding already
    known = sorted(service.external_secrets) if service else []
    if path[0] == CONFIG and path[-1] in known:
        return
    listed = ", ".join(f"`{name}`" for name in known)
    owner = f"service `{service.name}`" if service else "a destination"
    yield Problem(
        "external-secret-unsupported",
        f"Fivetran cannot fetch `{format_path(path)}` of {owner} from a secrets manager by itself",
        path=path,
        notes=(f"it can for {listed}" if listed else "it can for no field of this service",),
        help="refer to a place that this program can read, such as `env:` or `vault:`",
    )


def _advise_reference(path: FieldPath) -> str:
    return f'refer to it instead: `{path[-1]}: {{secret: "env:{path[-1].upper()}"}}`'


def _check_value(path: FieldPath, field: Field, value: Any, spelling: str) -> Iterator[Problem]:
    match path:
        case ("time_zone_offset",):
            yield from _check_time_zone(path, value)
        case _ if _is_empty_collection_for_text(field, value) or not _has_type(
            field.type, normalize_value(field, value)
        ):
            yield _diagnose_wrong_type(path, field, value, spelling)
        case ("region",):
            yield from region_checks.check_region(path, value)
        case _ if field.is_aws_region and not field.enum:
            yield from region_checks.check_aws_region(path, value)
        case _ if field.type is FieldType.INTEGER:
            yield from _check_bounds(path, field, normalize_value(field, value))
        case _ if field.enum:
            for item in value if isinstance(value, list) else [value]:
                if not isinstance(item, Reference) and match_enum(field.enum, item) not in field.enum:
                    yield _diagnose_unknown_value(path, field, item)


def _is_empty_collection_for_text(field: Field, value: Any) -> bool:
    """Return whether an empty list or mapping stands for a text. It counts as no value, and so as a valid text, but no
    text of a choice is empty."""
    return field.type is FieldType.STRING and isinstance(value, list | Mapping)


def _check_bounds(path: FieldPath, field: Field, number: int) -> Iterator[Problem]:
    least, most = field.minimum, field.maximum
    if (least is None or number >= least) and (most is None or number <= most):
        return
    allowed = (
        f"from {least} to {most}"
        if least is not None and most is not None
        else f"{least} or more"
        if most is None
        else f"{most} or less"
    )
    yield Problem(
        "out-of-range",
        f"`{format_path(path)}` cannot be `{number}`",
        path=path,
        notes=(f"it is a number {allowed}",),
        help=f"for example `{path[-1]}: {field.example}`"
        if field.example is not None
        else "write a number in this range",
    )


def _has_type(expected: FieldType, value: Any) -> bool:
    """Return whether a normalized value is of a type. None is a valid text, list and mapping, and no number."""
    match expected:
        case FieldType.STRING:
            return value is None or isinstance(value, str)
        case FieldType.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)
        case FieldType.BOOLEAN:
            return isinstance(value, bool)
        case FieldType.STRINGS:
            return value is None or (
                isinstance(value, list) and all(isinstance(item, str | Reference) for item in value)
            )
        case FieldType.OBJECT:
            return value is None or isinstance(value, Mapping)


def _diagnose_wrong_type(path: FieldPath, field: Field, value: Any, spelling: str) -> Problem:
    name = path[-1]
    match field.type:
        case FieldType.STRING if field.enum and len(field.enum) <= MAX_LISTED:
            advice = f"write one of {', '.join(f'`{member}`' for member in field.enum)}"
        case FieldType.STRING if path == ("region",):
            advice = f"for example `{name}: {field.example}`"
        case FieldType.STRING if isinstance(value, int | float):
            literal = spelling or (str(value).lower() if isinstance(value, bool) else value)
            advice = f'put it in quotes: `{name}: "{literal}"`'
        case FieldType.STRINGS if isinstance(value, str):
            advice = f"write a list: `{name}: [{value}]`"
        case FieldType.BOOLEAN:
            advice = f"write `{name}: true` or `{name}: false`"
        case _ if field.example is not None:
            advice = f"for example `{name}: {_render_example(field.example)}`"
        case _:
            advice = f"write {_TYPE_NAMES[field.type]}"
    return Problem(
        "wrong-type", f"`{format_path(path)}` must be {_TYPE_NAMES[field.type]}", path=path, help=advice
    )


def _render_example(example: Any) -> Any:
    return json.dumps(example) if isinstance(example, list) else example


def _diagnose_unknown_value(path: FieldPath, field: Field, value: str) -> Problem:
    suggestion = find_nearest(value, field.enum)
    allowed = ", ".join(f"`{member}`" for member in field.enum)
    listed = (f"allowed values: {allowed}",) if len(field.enum) <= MAX_LISTED else ()
    return Problem(
        "unknown-value",
        f"`{format_path(path)}` cannot be `{value}`",
        path=path,
        notes=listed,
        help=f"did you mean `{suggestion}`?" if suggestion else "write one of the values that Fivetran takes",
    )


def _check_time_zone(path: FieldPath, value: Any) -> Iterator[Problem]:
    offsets = load_destination_facts().time_zone_offsets
    if normalize_time_zone_offset(value) in offsets:
        return
    hours = re.search(r"[+-]?\d{1,3}", str(value))
    nearest_offset = normalize_time_zone_offset(min(max(int(hours[0]), -11), 12)) if hours else None
    yield Problem(
        "bad-time-zone",
        f"`time_zone_offset` cannot be `{value}`",
        path=path,
        notes=(f"offsets are whole hours, from `{offsets[0]}` to `{offsets[-1]}`",),
        help=f'the nearest is `time_zone_offset: "{nearest_offset}"`'
        if nearest_offset
        else 'write hours, for example `"+1"`',
    )
