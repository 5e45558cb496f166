"""Check declared fields against each other: refusals and contradictions. `creation_checks` finds missing fields."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from reconciler.catalogue.creation_checks import (
    NETWORKING_METHOD,
    check_missing_fields,
    join_words,
    render_value,
)
from reconciler.catalogue.declared_destination import DeclaredDestination
from reconciler.catalogue.load import load_destination_facts
from reconciler.catalogue.model import Condition, Field
from reconciler.catalogue.normalize import CONFIG, normalize_value
from reconciler.catalogue.problem import Problem
from reconciler.model.diagnostic import Severity
from reconciler.model.value import FieldPath, Reference, format_path

PROXY_AGENT: FieldPath = ("proxy_agent_id",)
HYBRID_AGENTS: tuple[FieldPath, ...] = (("hybrid_deployment_agent_id",), ("local_processing_agent_id",))

_UNDOCUMENTED = "Fivetran does not document whether it refuses or ignores this"


def check_cross_fields(destination: DeclaredDestination) -> Iterator[Problem]:
    """Check the declared fields against each other, in the order of the catalogue."""
    yield from check_missing_fields(destination)
    for path, field in destination.declared_fields:
        if not field.is_tied:
            continue
        refusals = list(_check_allowed(destination, path, field))
        yield from refusals or _check_meaning(destination, path, field)
        yield from _check_forced(destination, path, field)
        yield from _check_deprecated(destination, path, field)
        yield from _check_mirror(destination, path, field)
    yield from _check_networking(destination)
    yield from _check_unused_companions(destination)
    yield from _check_agents(destination)
    yield from _check_mutually_exclusive(destination)


def _check_allowed(destination: DeclaredDestination, path: FieldPath, field: Field) -> Iterator[Problem]:
    if (
        field.only_when is None
        or not destination.has_value(path)
        or destination.satisfies(field.only_when) is not False
    ):
        return
    yield Problem(
        "field-not-allowed",
        f"`{format_path(path)}` can only be used while {_render_condition(field.only_when)}",
        path=path,
        notes=("Fivetran refuses the whole destination otherwise",),
        help=f"remove `{path[-1]}`, or change the other setting",
        on_key=True,
        secret=field.sensitive,
    )


def _check_meaning(destination: DeclaredDestination, path: FieldPath, field: Field) -> Iterator[Problem]:
    """Check for a field that the other settings leave no meaning."""
    if (
        field.meant_for is None
        or not destination.has_value(path)
        or destination.values[path] is False
        or destination.satisfies(field.meant_for) is not False
    ):
        return
    is_certain = field.contradiction.is_certain
    yield Problem(
        "conflicting-fields" if is_certain else "doubtful-combination",
        f"`{format_path(path)}` means something only while {_render_condition(field.meant_for)}",
        path=path,
        notes=() if is_certain else (_UNDOCUMENTED,),
        help=f"remove `{path[-1]}`, or change the other setting",
        on_key=True,
        secret=field.sensitive,
        severity=Severity.ERROR if is_certain else Severity.WARNING,
    )


def _check_forced(destination: DeclaredDestination, path: FieldPath, field: Field) -> Iterator[Problem]:
    """Check for a value that Fivetran replaces by another value."""
    if field.forced_value is None:
        return
    value = destination.values.get(path)
    if value is not (not field.forced_value):
        return
    met = [each for each in field.forced_when if destination.satisfies(each)]
    if field.forced_when and not met:
        return
    reason = f" while {_render_condition(met[0])}" if met else f" for service `{_get_name(destination)}`"
    yield Problem(
        "conflicting-fields",
        f"`{format_path(path)}` is always {render_value(field.forced_value)}{reason}",
        path=path,
        help=f"remove `{path[-1]}`" + (", or change the other setting" if met else ""),
    )


def _get_name(destination: DeclaredDestination) -> str:
    return destination.service.name if destination.service else ""


def _render_condition(condition: Condition) -> str:
    return " and ".join(
        f"`{CONFIG}.{name}` is {' or '.join(render_value(value) for value in values)}"
        for name, values in condition.items()
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


def _check_mirror(destination: DeclaredDestination, path: FieldPath, field: Field) -> Iterator[Problem]:
    """Check a field of `config` against the equivalent field of the destination."""
    if field.mirrors is None or path not in destination.fields:
        return
    method = _get_method(destination)
    value = destination.values.get(path)
    if method is None or value not in field.enum:
        return
    if field.mirrored_as.get(value, value) == method:
        return
    yield Problem(
        "doubtful-combination" if field.may_differ_because else "conflicting-fields",
        f"`{format_path(path)}` is `{value}`, but `{field.mirrors}` is `{method}`",
        path=path,
        notes=(field.may_differ_because,)
        if field.may_differ_because
        else ("both choose the networking method",),
        help=f"keep `{field.mirrors}` only, with the method that you mean",
        severity=Severity.WARNING if field.may_differ_because else Severity.ERROR,
    )


def _get_method(destination: DeclaredDestination) -> str | None:
    """Get the declared networking method in its present spelling; None if it is not declared or not a known one."""
    facts = load_destination_facts()
    method = destination.values.get(NETWORKING_METHOD)
    return method if method in facts.networking_methods else None


def _check_networking(destination: DeclaredDestination) -> Iterator[Problem]:
    """Check a networking method against the service's own list of connection types."""
    method, known_methods = _get_method(destination), destination.list_services_methods()
    if destination.service and method and known_methods is not None and method not in known_methods:
        yield Problem(
            "unsupported-networking",
            f"service `{destination.service.name}` is not known to work with `{method}`",
            path=NETWORKING_METHOD,
            notes=(f"known for it: {', '.join(f'`{known_method}`' for known_method in known_methods)}",),
            help="choose one of these methods",
        )


def _check_unused_companions(destination: DeclaredDestination) -> Iterator[Problem]:
    """Check for fields that go with another networking method than the declared one."""
    chosen = _find_choice(destination)
    if chosen is None:
        return
    place, method = chosen
    facts = load_destination_facts()
    for other, companions in facts.companions.items():
        paths = [tuple(companion.split(".")) for companion in companions]
        unused = [path for path in paths if destination.has_value(path) and destination.find_field(path)]
        if other == method or not unused:
            continue
        names = join_words([f"`{format_path(path)}`" for path in unused])
        goes = "goes" if len(unused) == 1 else "go"
        yield Problem(
            "doubtful-combination",
            f"{names} {goes} with `{other}`, but `{format_path(place)}` is `{method}`",
            path=unused[0],
            notes=(_UNDOCUMENTED,),
            help=f"remove {names}, or choose `networking_method: {other}`",
            on_key=True,
            severity=Severity.WARNING,
        )


def _find_choice(destination: DeclaredDestination) -> tuple[FieldPath, str] | None:
    """Find the field that declares how Fivetran reaches the destination, and the method in it."""
    if (method := _get_method(destination)) is not None:
        return NETWORKING_METHOD, method
    for path, field in destination.declared_fields:
        value = destination.values.get(path) if field.mirrors else None
        if value is not None and value in field.enum:
            return path, field.mirrored_as.get(value, value)
    return None


def _check_agents(destination: DeclaredDestination) -> Iterator[Problem]:
    """Check that at most one agent moves the data: a hybrid agent moves it inside the user's own network, a proxy agent
    lets Fivetran into that network."""
    hybrid = next((path for path in HYBRID_AGENTS if destination.has_value(path)), None)
    if hybrid is None:
        return
    method = _get_method(destination)
    if destination.has_value(PROXY_AGENT):
        yield Problem(
            "conflicting-fields",
            f"`{format_path(PROXY_AGENT)}` and `{format_path(hybrid)}` cannot be used together",
            path=PROXY_AGENT,
            notes=("a hybrid agent moves the data in your network, a proxy agent lets Fivetran into it",),
            help="keep one of them",
            on_key=True,
        )
    elif method == "ProxyAgent":
        yield Problem(
            "conflicting-fields",
            f"`networking_method` is `{method}`, but `{format_path(hybrid)}` is declared",
            path=NETWORKING_METHOD,
            notes=("a hybrid agent moves the data in your network, a proxy agent lets Fivetran into it",),
            help="keep one of them",
        )


def _check_mutually_exclusive(destination: DeclaredDestination) -> Iterator[Problem]:
    """Check for credentials of two methods without a choice between them: the API refuses both kinds at once."""
    undecided = [
        (path, field.only_when)
        for path, field in destination.declared_fields
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
