"""Check a declared destination without a request to Fivetran."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType

from reconciler.catalogue import cross_field_checks, field_checks, serviceless_checks
from reconciler.catalogue.creation_checks import SERVICE
from reconciler.catalogue.declared_destination import DeclaredDestination
from reconciler.catalogue.load import load_service, load_service_names
from reconciler.catalogue.model import Service, ServiceStage
from reconciler.catalogue.normalize import CONFIG
from reconciler.catalogue.problem import Problem
from reconciler.model.diagnostic import Severity
from reconciler.model.suggestions import find_nearest
from reconciler.model.value import FieldPath, Fields, Reference

__all__ = ["SERVICE", "Completeness", "Problem", "check_destination", "declares_all"]


class Completeness(StrEnum):
    """Extent of the destination that is checked."""

    WHOLE = "whole"  # a new destination: what is not declared is not there
    SUBSET = "subset"  # of a destination that may exist: it keeps what is not declared
    WITHOUT_CONFIG = "without-config"  # its config could not be read
    PART = "part"  # a profile, or the rest of a destination with errors: other parts may complete it


_COMMON_SUFFIX = "_warehouse"
_NO_SPELLINGS: Mapping[FieldPath, str] = MappingProxyType({})


def check_destination(
    fields: Fields,
    unchecked: frozenset[FieldPath] = frozenset(),
    spellings: Mapping[FieldPath, str] = _NO_SPELLINGS,
    completeness: Completeness = Completeness.SUBSET,
    *,
    is_complete: bool = False,
) -> list[Problem]:
    """Check a declaration: the service, then each field, then combinations of fields. Returns all findings.

    The value of a field is a plain value, None (clear it), a `Reference` or a `Structure` with references inside.
    Fields in `unchecked` are accepted as they are, unless their names suggest secrets, but they count as declared if
    another field requires them. `spellings` are the numbers and truth values as the file spells them. A part is not
    checked for missing or contradicting fields; without a service a config field is wrong if it is wrong for every
    service. A subset is not checked for missing fields either, but its fields must not contradict each other. Fields
    that are known to be complete (`declares_all`) are not checked against each other.
    """
    name = fields.get(SERVICE)
    service = load_service(name) if isinstance(name, str) else None
    is_new = completeness is Completeness.WHOLE
    destination = DeclaredDestination(service, fields, spellings, is_new)
    problems = [
        problem
        for path, value in fields.items()
        if path != SERVICE
        for problem in (
            field_checks.check_literals(destination, path, value)
            if path in unchecked
            else _check_leaf(destination, path, completeness)
        )
    ]
    if completeness is Completeness.PART:
        return [*(_check_service(fields, service) if SERVICE in fields else ()), *problems]
    checked_destination = (
        DeclaredDestination(None, fields, spellings, is_new)
        if completeness is Completeness.WITHOUT_CONFIG
        else destination
    )
    return [
        *_check_service(fields, service),
        *problems,
        *(() if is_complete else cross_field_checks.check_cross_fields(checked_destination)),
    ]


def declares_all(fields: Fields) -> bool:
    """Return whether a new destination with these fields lacks none, and whether no field contradicts another.

    Then the declaration of an existing destination has no such finding either: defaults do not hold for it, and it
    keeps what the declaration leaves out.
    """
    name = fields.get(SERVICE)
    service = load_service(name) if isinstance(name, str) else None
    found = cross_field_checks.check_cross_fields(DeclaredDestination(service, fields))
    return next(found, None) is None


def _check_leaf(
    destination: DeclaredDestination, path: FieldPath, completeness: Completeness
) -> Iterable[Problem]:
    if completeness is Completeness.PART and SERVICE not in destination.fields and path[0] == CONFIG:
        return serviceless_checks.check_serviceless_field(destination, path)
    return field_checks.check_field(destination, path, destination.fields[path])


def _check_service(fields: Fields, service: Service | None) -> Iterator[Problem]:
    match fields.get(SERVICE):
        case Reference():
            return
        case None | "":
            yield Problem(
                "missing-field",
                "a destination needs a `service`",
                path=SERVICE,
                help="name the kind of warehouse, for example `service: snowflake`",
            )
        case str(name) if service is None:
            yield _diagnose_unknown_service(name)
        case str() if service is not None and service.stage is not ServiceStage.CURRENT:
            yield _diagnose_legacy_service(service)
        case str():
            return
        case _:
            yield Problem(
                "wrong-type", "`service` must be a text", path=SERVICE, help="write the name of a service"
            )


def _diagnose_unknown_service(name: str) -> Problem:
    if suggestion := _suggest_service(name):
        return Problem(
            "unknown-service",
            f"there is no service `{name}`",
            path=SERVICE,
            help=f"did you mean `{suggestion}`?",
        )
    return Problem(
        "unknown-service",
        f"service `{name}` is not in the catalogue",
        path=SERVICE,
        notes=("nothing below `config` can be checked; it is passed on as it is, and values are hidden",),
        help="compare the name with Fivetran's documentation",
        severity=Severity.WARNING,
    )


def _suggest_service(name: str) -> str | None:
    """Suggest a similar service. An ending that half of all names share does not make two names similar."""
    suggestion = find_nearest(name, load_service_names())
    if suggestion is None or not (name.endswith(_COMMON_SUFFIX) and suggestion.endswith(_COMMON_SUFFIX)):
        return suggestion
    short_match = find_nearest(name.removesuffix(_COMMON_SUFFIX), [suggestion.removesuffix(_COMMON_SUFFIX)])
    return suggestion if short_match else None


def _diagnose_legacy_service(service: Service) -> Problem:
    state = (
        "is no longer supported" if service.stage is ServiceStage.RETIRED else "may refuse new destinations"
    )
    return Problem(
        "legacy-service",
        f"service `{service.name}` {state}",
        path=SERVICE,
        help=f"use `{service.successor}` for new destinations"
        if service.successor
        else "choose another service for new destinations",
        severity=Severity.WARNING,
    )
