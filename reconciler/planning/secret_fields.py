"""Which declared fields are secrets, and which of them go out together with other changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.catalogue.model import Field
from reconciler.kinds.base import Kind
from reconciler.model.resource import Desired
from reconciler.model.value import FieldPath, is_external_secret, is_secret
from reconciler.planning.diff import Comparison


def is_resolved_locally(desired: Desired, path: FieldPath) -> bool:
    """Whether a declared field is a secret whose value goes through here, and not only its name."""
    value = desired.fields[path]
    return is_secret(value) and not is_external_secret(value)


def dependent_secrets(
    kind: Kind, service: str | None, declared: Mapping[FieldPath, Any], comparison: Comparison
) -> list[FieldPath]:
    """Secrets whose meaning depends on a field that changes: a new `auth` without its key would lock Fivetran out.

    Names in a secrets manager depend on the manager too. They go all together, since it is written
    nowhere whether those that a request leaves out stay.
    """
    changed_names = {path[-1] for path in comparison.changed}
    dependents = [
        path
        for path, value in declared.items()
        if is_secret(value)
        and path not in comparison.changed
        and changed_names & _find_governing_fields(kind.get_field(path, service), is_external_secret(value))
    ]
    # What changed may go by its present name, while the spec declares it by an old one.
    if not any(is_external_secret(declared.get(path)) for path in (*dependents, *comparison.changed)):
        return dependents
    external_paths = (
        path
        for path, value in declared.items()
        if is_external_secret(value) and path not in comparison.changed
    )
    return list(dict.fromkeys([*dependents, *external_paths]))


def _find_governing_fields(field: Field | None, is_external: bool) -> set[str]:
    manager = {"external_secrets_manager_id"} if is_external else set()
    return manager | ({*(field.only_when or ()), *(field.required_when or ())} if field else set())
