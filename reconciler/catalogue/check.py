"""Everything that can be said about a declared destination without asking Fivetran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.catalogue import leaves, relations
from reconciler.catalogue.load import load_service, service_names
from reconciler.catalogue.model import Service, Stage
from reconciler.catalogue.problem import Problem
from reconciler.catalogue.subject import Subject
from reconciler.model.diagnostic import Severity
from reconciler.model.nearest import nearest
from reconciler.model.value import FieldPath, Reference

__all__ = ["Problem", "check_destination"]

SERVICE: FieldPath = ("service",)


def check_destination(
    fields: Mapping[FieldPath, Any], unchecked: frozenset[FieldPath] = frozenset()
) -> list[Problem]:
    """All findings about what is declared: of the service, then leaf by leaf, then between leaves.

    A leaf is a plain value, None (clear it) or a `Reference`. Leaves in `unchecked` are taken as
    they are, but they count as declared where another field asks for them.
    """
    name = fields.get(SERVICE)
    service = load_service(name) if isinstance(name, str) else None
    subject = Subject(service, fields)
    return [
        *_service_problems(fields, service),
        *(
            problem
            for path, value in fields.items()
            if path != SERVICE and path not in unchecked
            for problem in leaves.problems(subject, path, value)
        ),
        *relations.problems(subject),
    ]


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
    if suggestion := nearest(name, service_names()):
        return Problem(
            "unknown-service", SERVICE, f"there is no service `{name}`", help=f"did you mean `{suggestion}`?"
        )
    return Problem(
        "unknown-service",
        SERVICE,
        f"service `{name}` is not in the catalogue",
        notes=("nothing below `config` can be checked; it is passed on as it is",),
        help="compare the name with Fivetran's documentation",
        severity=Severity.WARNING,
    )


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
