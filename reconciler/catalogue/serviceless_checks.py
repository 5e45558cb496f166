"""Check config fields without a service, as in a profile: findings hold for every service."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache

from reconciler.catalogue import field_checks
from reconciler.catalogue.declared_destination import DeclaredDestination
from reconciler.catalogue.load import load_service, load_service_names
from reconciler.catalogue.model import Field, Service
from reconciler.catalogue.problem import Problem
from reconciler.catalogue.secret_detection import is_secret_name, is_sensitive
from reconciler.model.suggestions import find_nearest
from reconciler.model.value import FieldPath


def check_serviceless_field(destination: DeclaredDestination, path: FieldPath) -> list[Problem]:
    """Check one declared config field: for a literal under the name of a secret of some service, for a misspelled name,
    and for a value that no service with the field accepts."""
    services = [service for name in load_service_names() if (service := load_service(name))]
    owners = [service for service in services if path[-1] in service.fields]
    if not owners:
        return _check_for_service(None, destination, path) or _check_near_misses(path, services)
    problems_by_owner = [_check_for_service(owner, destination, path) for owner in owners]
    secrets = [
        problem
        for owner_problems in problems_by_owner
        for problem in owner_problems
        if problem.code_facts.exposes_secret
    ]
    return secrets[:1] or (problems_by_owner[0] if all(problems_by_owner) else [])


@cache
def is_public_field(name: str) -> bool:
    """Return whether a config field, or the field that a mistyped name is close to, is a secret of no service."""
    fields = _index_config_fields()
    return not fields.get(find_nearest(name, fields) or "", True)


def list_config_fields() -> Collection[str]:
    """List the names of the config fields of all services."""
    return _index_config_fields().keys()


@cache
def _index_config_fields() -> Mapping[str, bool]:
    """Index all config fields by name: true if the field is a secret of any service."""
    services = [service for name in load_service_names() if (service := load_service(name))]
    fields = [field for service in services for field in service.fields.values()]
    secret = {field.name for field in fields if field.sensitive}
    return {field.name: field.name in secret for field in fields}


def _check_for_service(
    service: Service | None, destination: DeclaredDestination, path: FieldPath
) -> list[Problem]:
    owned_destination = DeclaredDestination(service, destination.fields, destination.spellings)
    return list(field_checks.check_field(owned_destination, path, destination.fields[path]))


def _check_near_misses(path: FieldPath, services: Iterable[Service]) -> list[Problem]:
    known: dict[str, Field] = {name: field for service in services for name, field in service.fields.items()}
    suggestion = find_nearest(path[-1], known)
    if suggestion is None:
        return []
    return [
        Problem(
            "unknown-field",
            f"no service has a config field `{path[-1]}`",
            path=path,
            help=f"did you mean `{suggestion}`?",
            notes=("if Fivetran does have this field, write it below `extra_config:`",),
            on_key=True,
            secret=is_sensitive(suggestion, known[suggestion]) or is_secret_name(path[-1]),
        )
    ]
