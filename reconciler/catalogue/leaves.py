"""Rules about single leaves: is there such a field, may it be declared, can it have this value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.catalogue.canonical import (
    CONFIG,
    canonical_value,
    in_spelling_of,
    is_mask,
    time_zone_offset,
)
from reconciler.catalogue.load import destination_facts
from reconciler.catalogue.model import Field, FieldType
from reconciler.catalogue.problem import Problem
from reconciler.catalogue.secrecy import is_sensitive, literal_secrets, secret_within, sounds_secret
from reconciler.catalogue.subject import Subject
from reconciler.model.diagnostic import Severity
from reconciler.model.nearest import nearest
from reconciler.model.value import EXTERNAL, FieldPath, Reference, dotted

LISTED_AT_MOST = 12
"""Longer lists of allowed values are not printed."""

_KINDS = {
    FieldType.STRING: "a text",
    FieldType.INTEGER: "a whole number",
    FieldType.BOOLEAN: "true or false",
    FieldType.STRINGS: "a list of texts",
    FieldType.OBJECT: "a mapping",
}


def problems(subject: Subject, path: FieldPath, value: Any) -> Iterator[Problem]:
    """What is wrong with one declared leaf. The first finding that explains it all is the only one."""
    field = subject.field(path)
    if not is_sensitive(path[-1], field) and (kind := secret_within(value)):
        yield _disguised(path, kind)  # first of all: other findings may quote a value
    elif field is None and (secrets := tuple(written_out(subject, path, value))):
        yield from secrets
    elif field is None and _is_typed(subject, path):
        yield _unknown_field(subject, path)
    elif field is not None and field.read_only:
        yield _read_only(subject, path, field)
    elif value is None:
        if field is not None and not field.clearable and not field.required:
            yield _not_clearable(path, field)
    elif isinstance(value, Reference) and value.scheme == EXTERNAL:
        yield from _external(subject, path)
    elif is_mask(value):
        yield _mask(path, is_sensitive(path[-1], field))
    elif field is not None and field.sensitive:
        yield from _exposed(path, field, value)
    elif field is not None and not isinstance(value, Reference):
        yield from _value_problems(path, field, value, subject.written.get(path, ""))


def written_out(subject: Subject, path: FieldPath, value: Any) -> Iterator[Problem]:
    """Secrets that stand in the spec, going by the names of fields; asked also where nothing else is checked."""
    field = subject.field(path)
    if field is None:
        yield from (_literal(field, (*path[:-1], *each)) for each in literal_secrets(path[-1], value))
    elif field.sensitive and value is not None and not isinstance(value, Reference):
        yield _literal(field, path)


def _is_typed(subject: Subject, path: FieldPath) -> bool:
    """Whether the catalogue lists every field that may stand here."""
    if path[0] != CONFIG:
        return True
    return subject.service is not None and not subject.service.free_form


def _unknown_field(subject: Subject, path: FieldPath) -> Problem:
    fields = {known[-1]: field for known, field in subject.described() if known[:-1] == path[:-1]}
    name = path[-1]
    suggestion = nearest(name, fields)
    if path[0] == CONFIG and subject.service:
        message = f"service `{subject.service.name}` has no config field `{name}`"
    else:
        message = f"a destination has no field `{dotted(path)}`"
    if path[0] == CONFIG and (name,) in dict(subject.described()):
        return Problem(
            "unknown-field",
            path,
            message,
            help="it is a setting of the destination: write it beside `config:`",
            on_key=True,
        )
    if suggestion:
        return Problem(
            "unknown-field",
            path,
            message,
            help=f"did you mean `{suggestion}`?",
            notes=("if Fivetran does have this field, write it below `extra_config:`",)
            if path[0] == CONFIG
            else (),
            on_key=True,
            secret=fields[suggestion].sensitive or sounds_secret(name),
        )
    return Problem(
        "unknown-field",
        path,
        f"{message} that the catalogue knows",
        notes=("it is passed on as it is, and its value is hidden",),
        help="check the spelling; if the field is new at Fivetran, write it below `extra_config:`",
        on_key=True,
        secret=True,  # S-41: it may be anything
        severity=Severity.WARNING,
    )


def _read_only(subject: Subject, path: FieldPath, field: Field) -> Problem:
    twins = (other for _, other in subject.described() if other.reads_as == field.name)
    twin = next(twins, None)
    return Problem(
        "read-only-field",
        path,
        f"`{dotted(path)}` is set by Fivetran and cannot be declared",
        help=f"declare `{twin.name}` instead" if twin else "remove it",
        on_key=True,
    )


def _not_clearable(path: FieldPath, field: Field) -> Problem:
    instead = "write `false`" if field.type is FieldType.BOOLEAN else "write another value"
    return Problem(
        "not-clearable",
        path,
        f"`{dotted(path)}` cannot be cleared",
        notes=("Fivetran keeps some value in this field once it has one",),
        help=f"{instead}, or remove the line to leave the field as it is",
    )


def _mask(path: FieldPath, sensitive: bool) -> Problem:
    return Problem(
        "mask-literal",
        path,
        f"`{dotted(path)}` is the row of stars that Fivetran shows instead of a secret",
        help=_refer(path) if sensitive else "write the value itself, or remove the line",
    )


def _exposed(path: FieldPath, field: Field, value: Any) -> Iterator[Problem]:
    """A secret that stands in the spec, or that a visible reference would show."""
    if not isinstance(value, Reference):
        yield _literal(field, path)
    elif not value.confidential:
        yield Problem(
            "visible-secret",
            path,
            f"`{dotted(path)}` is sensitive, but what `value:` refers to is shown in plans",
            help=f'write `{path[-1]}: {{secret: "{value}"}}`',
        )


def _literal(field: Field | None, path: FieldPath) -> Problem:
    undescribed = () if field else ("the catalogue does not describe this field, but its name sounds secret",)
    otherwise = "" if field else "; if it is none, write `value:` instead of `secret:`"
    return Problem(
        "literal-secret",
        path,
        f"`{dotted(path)}` is sensitive and must not be written in a spec",
        notes=(*undescribed, "this file may already be in version control: replace the secret"),
        help=f"{_refer(path)}{otherwise}",
        secret=True,
    )


def _disguised(path: FieldPath, kind: str) -> Problem:
    return Problem(
        "literal-secret",
        path,
        f"the value of `{dotted(path)}` looks like {kind}",
        notes=("if it is a secret, this file may already be in version control: replace it",),
        help=f"{_refer(path)}; if it is none, write `value:` instead of `secret:`",
        secret=True,
    )


def _external(subject: Subject, path: FieldPath) -> Iterator[Problem]:
    """A reference to what Fivetran fetches by itself, which it does for a few fields of some services."""
    service = subject.service
    if service is None and path[0] == CONFIG:
        return  # said of the service already
    known = sorted(service.external_secrets) if service else []
    if path[0] == CONFIG and path[-1] in known:
        return
    listed = ", ".join(f"`{name}`" for name in known)
    owner = f"service `{service.name}`" if service else "a destination"
    yield Problem(
        "external-secret-unsupported",
        path,
        f"Fivetran cannot fetch `{dotted(path)}` of {owner} from a secrets manager by itself",
        notes=(f"it can for {listed}" if listed else "it can for no field of this service",),
        help="refer to a place that this program can read, such as `env:` or `vault:`",
    )


def _refer(path: FieldPath) -> str:
    return f'refer to it instead: `{path[-1]}: {{secret: "env:{path[-1].upper()}"}}`'


def _value_problems(path: FieldPath, field: Field, value: Any, written: str) -> Iterator[Problem]:
    match path:
        case ("time_zone_offset",):
            yield from _time_zone_problems(path, value)
        case _ if not _has_type(field.type, canonical_value(field, value)):
            yield _wrong_type(path, field, value, written)
        case ("region",):
            yield from _region_problems(path, value)
        case _ if field.type is FieldType.INTEGER:
            yield from _bounds_problems(path, field, canonical_value(field, value))
        case _ if field.enum:
            for item in value if isinstance(value, list) else [value]:
                if in_spelling_of(field.enum, item) not in field.enum:
                    yield _unknown_value(path, field, item)


def _bounds_problems(path: FieldPath, field: Field, number: int) -> Iterator[Problem]:
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
        path,
        f"`{dotted(path)}` cannot be `{number}`",
        notes=(f"it is a number {allowed}",),
        help=f"for example `{path[-1]}: {field.example}`"
        if field.example is not None
        else "write a number in this range",
    )


def _has_type(expected: FieldType, value: Any) -> bool:
    """Whether a canonical value is of a type. Nothing at all is a text, a list, a mapping, and no number."""
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


def _wrong_type(path: FieldPath, field: Field, value: Any, written: str) -> Problem:
    name = path[-1]
    match field.type:
        case FieldType.STRING if field.enum and len(field.enum) <= LISTED_AT_MOST:
            advice = f"write one of {', '.join(f'`{member}`' for member in field.enum)}"
        case FieldType.STRING if path == ("region",):
            advice = f"for example `{name}: {field.example}`"
        case FieldType.STRING if isinstance(value, int | float):
            spelled = written or (str(value).lower() if isinstance(value, bool) else value)
            advice = f'put it in quotes: `{name}: "{spelled}"`'
        case FieldType.STRINGS if isinstance(value, str):
            advice = f"write a list: `{name}: [{value}]`"
        case FieldType.BOOLEAN:
            advice = f"write `{name}: true` or `{name}: false`"
        case _ if field.example is not None:
            advice = f"for example `{name}: {_spelled(field.example)}`"
        case _:
            advice = f"write {_KINDS[field.type]}"
    return Problem("wrong-type", path, f"`{dotted(path)}` must be {_KINDS[field.type]}", help=advice)


def _spelled(example: Any) -> Any:
    return json.dumps(example) if isinstance(example, list) else example


def _unknown_value(path: FieldPath, field: Field, value: str) -> Problem:
    suggestion = nearest(value, field.enum)
    allowed = ", ".join(f"`{member}`" for member in field.enum)
    listed = (f"allowed values: {allowed}",) if len(field.enum) <= LISTED_AT_MOST else ()
    return Problem(
        "unknown-value",
        path,
        f"`{dotted(path)}` cannot be `{value}`",
        notes=listed,
        help=f"did you mean `{suggestion}`?" if suggestion else "write one of the values that Fivetran takes",
    )


def _region_problems(path: FieldPath, value: str) -> Iterator[Problem]:
    facts = destination_facts()
    spelled = in_spelling_of((*facts.regions, *facts.region_aliases), value)
    if spelled in facts.region_aliases:
        meant = facts.region_aliases[spelled]
        yield Problem(
            "old-region-name",
            path,
            f"`{value}` is a region name from before regions had clouds",
            notes=(f"it is taken for `{meant}`",) if meant else ("it is passed on as it is",),
            help=f"write `{meant}`" if meant else "write the present name, for example `AWS_EU_CENTRAL_1`",
            severity=Severity.WARNING,
        )
    elif spelled not in facts.regions:
        suggestion = nearest(value, facts.regions)
        yield Problem(
            "unlisted-region",
            path,
            f"region `{value}` is not in the catalogue",
            notes=("it is passed on as it is",),
            help=f"did you mean `{suggestion}`?"
            if suggestion
            else "a region is written like `AWS_EU_CENTRAL_1`",
            severity=Severity.WARNING,
        )
    elif not facts.regions[spelled].listed:
        yield Problem(
            "unlisted-region",
            path,
            f"region `{spelled}` is documented for proxy agents, but not for destinations",
            help="it may work; if Fivetran refuses it, choose a neighbouring region",
            severity=Severity.WARNING,
        )


def _time_zone_problems(path: FieldPath, value: Any) -> Iterator[Problem]:
    offsets = destination_facts().time_zone_offsets
    if time_zone_offset(value) in offsets:
        return
    hours = re.search(r"[+-]?\d{1,3}", str(value))
    near = time_zone_offset(min(max(int(hours[0]), -11), 12)) if hours else None
    yield Problem(
        "bad-time-zone",
        path,
        f"`time_zone_offset` cannot be `{value}`",
        notes=(f"offsets are whole hours, from `{offsets[0]}` to `{offsets[-1]}`",),
        help=f'the nearest is `time_zone_offset: "{near}"`' if near else 'write hours, for example `"+1"`',
    )
