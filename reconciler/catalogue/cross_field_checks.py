"""Check fields against each other: requirements, refusals and contradictions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from reconciler.catalogue.declared_destination import DeclaredDestination
from reconciler.catalogue.load import load_destination_facts
from reconciler.catalogue.model import Field, FieldType
from reconciler.catalogue.normalize import CONFIG, normalize_value
from reconciler.catalogue.problem import Problem
from reconciler.model.diagnostic import Severity
from reconciler.model.suggestions import find_nearest
from reconciler.model.value import EXTERNAL_SCHEME, FieldPath, Reference, format_path

NETWORKING_METHOD: FieldPath = ("networking_method",)
SECRETS_MANAGER: FieldPath = ("external_secrets_manager_id",)


def check_cross_fields(destination: DeclaredDestination) -> Iterator[Problem]:
    """Check the declared fields against each other, in the order of the catalogue."""
    missing: set[FieldPath] = set()
    for path, field in destination.iter_fields():
        problem = _check_missing(destination, path, field)
        if problem and not _is_misspelled(destination, path):
            missing.add(path)
            yield problem
        yield from _check_allowed(destination, path, field)
        yield from _check_deprecated(destination, path, field)
        yield from _check_networking(destination, field)
    yield from _check_required_companions(destination, missing)
    yield from _check_mutually_exclusive(destination)
    yield from _check_secrets_manager(destination)


def _check_missing(destination: DeclaredDestination, path: FieldPath, field: Field) -> Problem | None:
    if not (field.required or field.required_when) or destination.has_value(path):
        return None
    if field.required:
        owner = (
            f"service `{destination.service.name}`"
            if path[0] == CONFIG and destination.service
            else "a destination"
        )
        return Problem(
            "missing-field",
            f"{owner} needs `{format_path(path)}`",
            path=path,
            help=_advise_addition(path, field),
        )
    if field.required_when is None or not destination.satisfies(field.required_when):
        return None
    selector = destination.find_selector(field.required_when)
    return Problem(
        "missing-field",
        f"`{format_path(path)}` is needed while {_describe_condition(destination, field)}",
        path=selector[0] if selector else path,
        help=_advise_addition(path, field),
        label=f"needs `{path[-1]}`" if selector else "",
    )


def _is_misspelled(destination: DeclaredDestination, path: FieldPath) -> bool:
    """Return whether a field is declared under a misspelled name, which is a finding already."""
    siblings = [known[-1] for known, _ in destination.iter_fields() if known[:-1] == path[:-1]]
    return any(
        find_nearest(other[-1], siblings) == path[-1]
        for other in destination.fields
        if other[:-1] == path[:-1] and destination.find_field(other) is None
    )


def _describe_condition(destination: DeclaredDestination, field: Field) -> str:
    """Describe the settings that require a field."""
    condition = field.required_when or {}
    return " and ".join(_describe_setting(destination, name, allowed) for name, allowed in condition.items())


def _describe_setting(destination: DeclaredDestination, name: str, allowed: tuple[Any, ...]) -> str:
    selector = destination.find_selector({name: allowed})
    if selector is None:
        return f"`{CONFIG}.{name}` is {_render_value(allowed[0])}, its default"
    return f"`{format_path(selector[0])}` is {_render_value(selector[1])}"


def _check_allowed(destination: DeclaredDestination, path: FieldPath, field: Field) -> Iterator[Problem]:
    if (
        field.only_when is None
        or not destination.has_value(path)
        or destination.satisfies(field.only_when) is not False
    ):
        return
    condition_text = " and ".join(
        f"`{CONFIG}.{name}` is {' or '.join(_render_value(value) for value in values)}"
        for name, values in field.only_when.items()
    )
    yield Problem(
        "field-not-allowed",
        f"`{format_path(path)}` can only be used while {condition_text}",
        path=path,
        notes=("Fivetran refuses the whole destination otherwise",),
        help=f"remove `{path[-1]}`, or change the other setting",
        on_key=True,
        secret=field.sensitive,
    )


def _check_deprecated(destination: DeclaredDestination, path: FieldPath, field: Field) -> Iterator[Problem]:
    if field.deprecated_for is None or not destination.has_value(path):
        return
    successor = (*path[:-1], field.deprecated_for)
    if successor not in destination.fields:
        yield Problem(
            "deprecated-field",
            f"`{format_path(path)}` is an old name",
            path=path,
            help=f"call it `{field.deprecated_for}`",
            on_key=True,
            severity=Severity.WARNING,
        )
        return
    old, new = (
        normalize_value(field, destination.fields[declared_path]) for declared_path in (path, successor)
    )
    if old != new and isinstance(old, Reference) == isinstance(new, Reference):
        yield Problem(
            "conflicting-fields",
            f"`{format_path(path)}` and `{format_path(successor)}` differ, but they are one setting",
            path=path,
            help=f"keep `{format_path(successor)}` only",
        )


def _check_networking(destination: DeclaredDestination, field: Field) -> Iterator[Problem]:
    """Check a networking method against the service's own list of connection types."""
    if field.mirrors is None or destination.service is None:
        return
    method = normalize_value(field, destination.fields.get((field.mirrors,)))
    if method in load_destination_facts().networking_methods and method not in field.enum:
        yield Problem(
            "unsupported-networking",
            f"service `{destination.service.name}` is not known to work with `{method}`",
            path=(field.mirrors,),
            notes=(f"known for it: {', '.join(f'`{known_method}`' for known_method in field.enum)}",),
            help="choose one of these methods, or make sure that Fivetran offers it by now",
            severity=Severity.WARNING,
        )


def _check_required_companions(
    destination: DeclaredDestination, missing: set[FieldPath]
) -> Iterator[Problem]:
    facts = load_destination_facts()
    method = normalize_value(
        destination.find_field(NETWORKING_METHOD), destination.fields.get(NETWORKING_METHOD)
    )
    companions = facts.companions.get(method, ()) if isinstance(method, str) else ()
    for path in (tuple(companion.split(".")) for companion in companions):
        field = destination.find_field(path)
        if field and not destination.has_value(path) and path not in missing:
            yield Problem(
                "missing-field",
                f"`{format_path(path)}` is needed while `networking_method` is `{method}`",
                path=NETWORKING_METHOD,
                help=_advise_addition(path, field),
                label=f"needs `{format_path(path)}`",
            )


def _check_secrets_manager(destination: DeclaredDestination) -> Iterator[Problem]:
    """Check for references to a secrets manager without the manager: Fivetran could not fetch their values."""
    external_paths = [
        path
        for path, value in destination.fields.items()
        if isinstance(value, Reference)
        and value.scheme == EXTERNAL_SCHEME
        and (destination.service is None or path[-1] in destination.service.external_secrets)
    ]
    field = destination.find_field(SECRETS_MANAGER)
    if external_paths and field and not destination.has_value(SECRETS_MANAGER):
        yield Problem(
            "missing-field",
            f"`{format_path(SECRETS_MANAGER)}` is needed"
            f" while `{format_path(external_paths[0])}` comes from a secrets manager",
            path=external_paths[0],
            help=_advise_addition(SECRETS_MANAGER, field),
            label="fetched by Fivetran itself",
        )


def _check_mutually_exclusive(destination: DeclaredDestination) -> Iterator[Problem]:
    """Check for credentials of two methods without a choice between them: the API refuses both kinds at once."""
    undecided = [
        (path, field.only_when)
        for path, field in destination.iter_fields()
        if field.only_when and destination.has_value(path) and destination.satisfies(field.only_when) is None
    ]
    for (first_path, first_condition), (second_path, second_condition) in pairwise(undecided):
        for name in first_condition.keys() & second_condition.keys():
            if (CONFIG, name) not in destination.fields and set(first_condition[name]).isdisjoint(
                second_condition[name]
            ):
                yield Problem(
                    "field-not-allowed",
                    f"`{format_path(first_path)}` and `{format_path(second_path)}` cannot be used together",
                    path=second_path,
                    notes=(f"they belong to different values of `{CONFIG}.{name}`",),
                    help=f"declare `{CONFIG}.{name}` and keep the fields that belong to it",
                    on_key=True,
                    secret=True,
                )


def _advise_addition(path: FieldPath, field: Field) -> str:
    """Advise to add a field, with an example value if the catalogue has one."""
    name = path[-1]
    place = " below `config:`" if path[0] == CONFIG else ""
    if field.sensitive:
        return f'add `{name}: {{secret: "env:{name.upper()}"}}`{place}'
    if field.type is FieldType.BOOLEAN:
        return f"add `{name}:`{place}, for example `{name}: true`"
    if field.example is None:
        return f"add `{name}:`{place}"
    quoted = f'"{field.example}"' if str(field.example).startswith("+") else field.example
    return f"add `{name}:`{place}, for example `{name}: {quoted}`"


def _render_value(value: Any) -> str:
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
