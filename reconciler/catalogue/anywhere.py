"""Config fields where no service is named yet, as in a profile: what would be wrong for every service."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache

from reconciler.catalogue import leaves
from reconciler.catalogue.load import load_service, service_names
from reconciler.catalogue.model import Field, Service
from reconciler.catalogue.problem import Problem
from reconciler.catalogue.secrecy import is_sensitive, sounds_secret
from reconciler.catalogue.subject import Subject
from reconciler.model.nearest import nearest
from reconciler.model.value import FieldPath


def problems(subject: Subject, path: FieldPath) -> list[Problem]:
    """What is wrong with one declared config field: a literal where any service has a secret, a name that is
    near to what some service has, or a value that no service takes of those with the field."""
    services = [service for name in service_names() if (service := load_service(name))]
    owners = [service for service in services if path[-1] in service.fields]
    if not owners:
        return _of_service(None, subject, path) or _near_misses(path, services)
    found = [_of_service(owner, subject, path) for owner in owners]
    secrets = [problem for each in found for problem in each if problem.code == "literal-secret"]
    return secrets[:1] or (found[0] if all(found) else [])


@cache
def is_public(name: str) -> bool:
    """Whether a config field, or the one that a mistyped name was meant for, is a secret of no service."""
    fields = _fields_anywhere()
    return not fields.get(nearest(name, fields) or "", True)


def config_fields() -> Collection[str]:
    """Names of the config fields of all services."""
    return _fields_anywhere().keys()


@cache
def _fields_anywhere() -> Mapping[str, bool]:
    """All config fields with whether any service has a secret in them."""
    services = [service for name in service_names() if (service := load_service(name))]
    fields = [field for service in services for field in service.fields.values()]
    secret = {field.name for field in fields if field.sensitive}
    return {field.name: field.name in secret for field in fields}


def _of_service(service: Service | None, subject: Subject, path: FieldPath) -> list[Problem]:
    owned = Subject(service, subject.fields, subject.written)
    return list(leaves.problems(owned, path, subject.fields[path]))


def _near_misses(path: FieldPath, services: Iterable[Service]) -> list[Problem]:
    known: dict[str, Field] = {name: field for service in services for name, field in service.fields.items()}
    suggestion = nearest(path[-1], known)
    if suggestion is None:
        return []
    return [
        Problem(
            "unknown-field",
            path,
            f"no service has a config field `{path[-1]}`",
            help=f"did you mean `{suggestion}`?",
            notes=("if Fivetran does have this field, write it below `extra_config:`",),
            on_key=True,
            secret=is_sensitive(suggestion, known[suggestion]) or sounds_secret(path[-1]),
        )
    ]
