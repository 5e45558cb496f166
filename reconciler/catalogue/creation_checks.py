"""Find missing fields: the needs of a new destination, and needed fields that the spec of an existing one clears.

An existing destination keeps every value that its spec leaves out, so it lacks a field only if the spec clears it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.catalogue.declared_destination import DeclaredDestination
from reconciler.catalogue.load import load_destination_facts
from reconciler.catalogue.model import Condition, Field, FieldType, Need
from reconciler.catalogue.normalize import CONFIG
from reconciler.catalogue.problem import Problem
from reconciler.model.diagnostic import Severity
from reconciler.model.suggestions import find_nearest
from reconciler.model.value import EXTERNAL_SCHEME, FieldPath, Reference, format_path

SERVICE: FieldPath = ("service",)
NETWORKING_METHOD: FieldPath = ("networking_method",)
SECRETS_MANAGER: FieldPath = ("external_secrets_manager_id",)


def check_missing_fields(destination: DeclaredDestination) -> Iterator[Problem]:
    """Check for missing fields. Each field is reported once, for the first reason."""
    missing: set[FieldPath] = set()
    checks = (_check_needs, _check_required, _check_required_companions)
    for check in checks:
        for problem in check(destination, missing):
            missing.update(problem.missing)
            yield problem
    yield from _check_secrets_manager(destination)


def _check_needs(destination: DeclaredDestination, missing: set[FieldPath]) -> Iterator[Problem]:
    """Check the needs of a new destination of this service."""
    if destination.service is None or not destination.is_new:
        return
    for need in destination.service.merged_needs:
        paths = [path for path in _find_unmet(destination, need) if path not in missing]
        if paths:
            yield _diagnose_missing(destination, need, paths)


def find_unmet_needs(destination: DeclaredDestination) -> list[FieldPath]:
    """Find the missing fields of all needs that hold for a new destination, for certain or not."""
    needs = destination.service.creation if destination.service else ()
    return list(dict.fromkeys(path for need in needs for path in _find_unmet(destination, need)))


def _find_unmet(destination: DeclaredDestination, need: Need) -> list[FieldPath]:
    """Find the missing fields of a need; none if the need does not hold or other fields meet it."""
    # Half of a pair shows which login is meant, and the need of the pair misses the other half.
    if not _holds(destination, need) or any(
        _is_declared(destination, name) for names in need.instead for name in names
    ):
        return []
    paths = [_to_path(name) for name in need.fields]
    return [
        path for path in paths if not destination.has_value(path) and not _is_misspelled(destination, path)
    ]


def _holds(destination: DeclaredDestination, need: Need) -> bool:
    return (
        (need.when is None or destination.satisfies(need.when) is True)
        and (not need.when_set or any(_is_declared(destination, name) for name in need.when_set))
        and not any(_is_declared(destination, name) for name in need.when_unset)
    )


def _is_declared(destination: DeclaredDestination, name: str) -> bool:
    return destination.has_value(_to_path(name))


def _diagnose_missing(destination: DeclaredDestination, need: Need, paths: list[FieldPath]) -> Problem:
    """Build the finding about missing fields, at the setting that demands them or else at the destination."""
    selector = destination.find_selector(need.when) if need.when else None
    partner = next((name for name in need.when_set if _is_declared(destination, name)), None)
    names = join_words([f"`{format_path(path)}`" for path in paths])
    if need.instead:
        others = [
            join_words([f"`{format_path(_to_path(name))}`" for name in group]) for group in need.instead
        ]
        names = f"{names} (or instead {' or '.join(others)})"
    are_needed = f"{names} {'is' if len(paths) == 1 else 'are'} needed"
    place, label = paths[0], ""
    if selector is not None:
        place, label = selector[0], f"needs {join_words([f'`{path[-1]}`' for path in paths])}"
    if need.when:
        message = f"{are_needed} while {describe_condition(destination, need.when)}"
    elif partner is not None:
        place = _to_path(partner)
        message = f"{are_needed} beside `{format_path(place)}`"
    else:
        message = f"service `{destination.service.name}` needs {names}" if destination.service else are_needed
    return Problem(
        "missing-field",
        message,
        path=place,
        help=_advise_additions(destination, paths),
        label=label,
        notes=()
        if need.grade.is_certain
        else (f"no source says so for certain; it follows from {need.source}",),
        severity=Severity.ERROR if need.grade.is_certain else Severity.WARNING,
        missing=tuple(paths),
    )


def _check_required(destination: DeclaredDestination, missing: set[FieldPath]) -> Iterator[Problem]:
    """Check the fields that the API definition requires, always or because of another setting."""
    for path, field in destination.iter_required():
        if destination.has_value(path) or path in missing or _is_kept(destination, path):
            continue
        problem = _check_required_field(destination, path, field)
        if problem and not _is_misspelled(destination, path):
            yield problem


def _is_kept(destination: DeclaredDestination, path: FieldPath) -> bool:
    """Return whether an existing destination keeps its value of a field, because the spec says nothing about it."""
    return not destination.is_new and path not in destination.fields


def _check_required_field(destination: DeclaredDestination, path: FieldPath, field: Field) -> Problem | None:
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
            missing=(path,),
        )
    if field.required_when is None or not destination.satisfies(field.required_when):
        return None
    selector = destination.find_selector(field.required_when)
    return Problem(
        "missing-field",
        f"`{format_path(path)}` is needed while {describe_condition(destination, field.required_when)}",
        path=selector[0] if selector else path,
        help=_advise_addition(path, field),
        label=f"needs `{path[-1]}`" if selector else "",
        missing=(path,),
    )


def _is_misspelled(destination: DeclaredDestination, path: FieldPath) -> bool:
    """Return whether a field is declared under a misspelled name, which is a finding already."""
    unknown = [
        other
        for other in destination.fields
        if other[:-1] == path[:-1] and other != SERVICE and destination.find_field(other) is None
    ]
    if not unknown:
        return False
    siblings = [known[-1] for known, _ in destination.iter_fields() if known[:-1] == path[:-1]]
    return any(find_nearest(other[-1], siblings) == path[-1] for other in unknown)


def describe_condition(destination: DeclaredDestination, condition: Condition) -> str:
    """Describe the settings that meet a condition."""
    return " and ".join(_describe_setting(destination, name, allowed) for name, allowed in condition.items())


def _describe_setting(destination: DeclaredDestination, name: str, allowed: tuple[Any, ...]) -> str:
    selector = destination.find_selector({name: allowed})
    if selector is None:
        return f"`{CONFIG}.{name}` is {render_value(allowed[0])}, its default"
    return f"`{format_path(selector[0])}` is {render_value(selector[1])}"


def _check_required_companions(
    destination: DeclaredDestination, missing: set[FieldPath]
) -> Iterator[Problem]:
    """Check for the fields that go with the networking method."""
    facts = load_destination_facts()
    method = destination.values.get(NETWORKING_METHOD)
    companions = facts.companions.get(method, ()) if isinstance(method, str) else ()
    for path in (tuple(companion.split(".")) for companion in companions):
        field = destination.find_field(path)
        if (
            field
            and not destination.has_value(path)
            and path not in missing
            and not _is_kept(destination, path)
        ):
            yield Problem(
                "missing-field",
                f"`{format_path(path)}` is needed while `networking_method` is `{method}`",
                path=NETWORKING_METHOD,
                help=_advise_addition(path, field),
                label=f"needs `{format_path(path)}`",
                missing=(path,),
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
    if (
        external_paths
        and field
        and not destination.has_value(SECRETS_MANAGER)
        and not _is_kept(destination, SECRETS_MANAGER)
    ):
        yield Problem(
            "missing-field",
            f"`{format_path(SECRETS_MANAGER)}` is needed"
            f" while `{format_path(external_paths[0])}` comes from a secrets manager",
            path=external_paths[0],
            help=_advise_addition(SECRETS_MANAGER, field),
            label="fetched by Fivetran itself",
            missing=(SECRETS_MANAGER,),
        )


def _advise_additions(destination: DeclaredDestination, paths: list[FieldPath]) -> str:
    """Render the lines to write, as far as they are known."""
    fields = [(path, field) for path in paths if (field := destination.find_field(path))]
    if len(fields) == 1:
        return _advise_addition(*fields[0])
    lines = [
        f'`{path[-1]}: {{secret: "env:{path[-1].upper()}"}}`'
        if field.sensitive
        else f"`{path[-1]}: {_render_example(field.example)}`"
        if field.example is not None
        else f"`{path[-1]}:`"
        for path, field in fields
    ]
    return f"add {join_words(lines)} below `{CONFIG}:`, with your own values"


def _advise_addition(path: FieldPath, field: Field) -> str:
    """Render the line to write, as far as it is known."""
    name = path[-1]
    place = f" below `{CONFIG}:`" if path[0] == CONFIG else ""
    if field.sensitive:
        return f'add `{name}: {{secret: "env:{name.upper()}"}}`{place}'
    if field.type is FieldType.BOOLEAN:
        return f"add `{name}:`{place}, for example `{name}: true`"
    if field.example is None:
        return f"add `{name}:`{place}"
    return f"add `{name}:`{place}, for example `{name}: {_render_example(field.example)}`"


def _render_example(example: Any) -> Any:
    if isinstance(example, list):
        return f"[{', '.join(example)}]"
    return f'"{example}"' if str(example).startswith("+") else example


def render_value(value: Any) -> str:
    """Render the value of a setting."""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def join_words(words: Sequence[str]) -> str:
    """Join words as a sentence does: `a, b and c`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _to_path(name: str) -> FieldPath:
    return (CONFIG, name)
