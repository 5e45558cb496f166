"""Everything that can be said about a declared destination without asking Fivetran."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from reconciler.catalogue import anywhere, leaves, relations
from reconciler.catalogue.canonical import CONFIG
from reconciler.catalogue.load import load_service, service_names
from reconciler.catalogue.model import Service, Stage
from reconciler.catalogue.problem import Problem
from reconciler.catalogue.subject import Subject
from reconciler.model.diagnostic import Severity
from reconciler.model.nearest import nearest
from reconciler.model.value import FieldPath, Reference

__all__ = ["Extent", "Problem", "check_destination"]


class Extent(StrEnum):
    """How much of a destination is declared in what is checked."""

    WHOLE = "whole"
    WITHOUT_CONFIG = "without-config"  # its config could not be read
    PART = "part"  # a profile, or what an error left of a destination: other parts may complete it


SERVICE: FieldPath = ("service",)
_ENDING = "_warehouse"
_NOTHING: Mapping[FieldPath, str] = MappingProxyType({})


def check_destination(
    fields: Mapping[FieldPath, Any],
    unchecked: frozenset[FieldPath] = frozenset(),
    written: Mapping[FieldPath, str] = _NOTHING,
    extent: Extent = Extent.WHOLE,
) -> list[Problem]:
    """All findings about what is declared: of the service, then leaf by leaf, then between leaves.

    A leaf is a plain value, None (clear it), a `Reference` or a `Structure` with references inside.
    Leaves in `unchecked` are taken as they are, unless their names say that they are secrets, but they
    count as declared where another field asks for them. `written` is how the
    file spells numbers and truth values. Nothing is missing from a part, and nothing contradicts
    what it holds; without a service a config field is wrong where it is for every service.
    """
    name = fields.get(SERVICE)
    service = load_service(name) if isinstance(name, str) else None
    subject = Subject(service, fields, written)
    found = [
        problem
        for path, value in fields.items()
        if path != SERVICE
        for problem in (
            leaves.written_out(subject, path, value)
            if path in unchecked
            else _leaf_problems(subject, path, extent)
        )
    ]
    if extent is Extent.PART:
        return [*(_service_problems(fields, service) if SERVICE in fields else ()), *found]
    known = Subject(None, fields, written) if extent is Extent.WITHOUT_CONFIG else subject
    return [*_service_problems(fields, service), *found, *relations.problems(known)]


def _leaf_problems(subject: Subject, path: FieldPath, extent: Extent) -> Iterable[Problem]:
    if extent is Extent.PART and SERVICE not in subject.fields and path[0] == CONFIG:
        return anywhere.problems(subject, path)
    return leaves.problems(subject, path, subject.fields[path])


def _service_problems(fields: Mapping[FieldPath, Any], service: Service | None) -> Iterator[Problem]:
    match fields.get(SERVICE):
        case Reference():
            return
        case None | "":
            yield Problem(
                "missing-field",
                SERVICE,
                "a destination needs a `service`",
                help="say what kind of warehouse it is, for example `service: snowflake`",
            )
        case str(name) if service is None:
            yield _unknown_service(name)
        case str() if service is not None and service.stage is not Stage.CURRENT:
            yield _outdated_service(service)
        case str():
            return
        case _:
            yield Problem(
                "wrong-type", SERVICE, "`service` must be a text", help="write the name of a service"
            )


def _unknown_service(name: str) -> Problem:
    if suggestion := _nearest_service(name):
        return Problem(
            "unknown-service", SERVICE, f"there is no service `{name}`", help=f"did you mean `{suggestion}`?"
        )
    return Problem(
        "unknown-service",
        SERVICE,
        f"service `{name}` is not in the catalogue",
        notes=("nothing below `config` can be checked; it is passed on as it is, and values are hidden",),
        help="compare the name with Fivetran's documentation",
        severity=Severity.WARNING,
    )


def _nearest_service(name: str) -> str | None:
    """The service that was probably meant. What half of all names end with does not make two of them alike."""
    suggestion = nearest(name, service_names())
    if suggestion is None or not (name.endswith(_ENDING) and suggestion.endswith(_ENDING)):
        return suggestion
    alike = nearest(name.removesuffix(_ENDING), [suggestion.removesuffix(_ENDING)])
    return suggestion if alike else None


def _outdated_service(service: Service) -> Problem:
    state = "is no longer supported" if service.stage is Stage.RETIRED else "may refuse new destinations"
    return Problem(
        "legacy-service",
        SERVICE,
        f"service `{service.name}` {state}",
        help=f"use `{service.successor}` for new destinations"
        if service.successor
        else "choose another service for new destinations",
        severity=Severity.WARNING,
    )
