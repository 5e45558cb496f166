"""Which declared fields are secrets, and which of them go out together with other changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.catalogue.model import Field
from reconciler.engine.diff import Comparison
from reconciler.kinds.base import Kind
from reconciler.model.resource import Desired
from reconciler.model.value import EXTERNAL, FieldPath, Reference, Structure


def confidential(value: Any) -> bool:
    """Whether a declared value is a reference to a secret, or holds one."""
    return isinstance(value, Reference | Structure) and value.confidential


def is_sent_by_us(desired: Desired, path: FieldPath) -> bool:
    """Whether a declared field is a secret whose value goes through here, and not only its name."""
    value = desired.fields[path]
    return confidential(value) and not external(value)


def external(value: Any) -> bool:
    """Whether Fivetran fetches the value by itself, from the customer's secrets manager."""
    return isinstance(value, Reference) and value.scheme == EXTERNAL


def secrets_that_follow(
    kind: Kind, service: str | None, declared: Mapping[FieldPath, Any], comparison: Comparison
) -> list[FieldPath]:
    """Secrets whose meaning depends on a field that changes: a new `auth` without its key would lock Fivetran out.

    Names in a secrets manager depend on the manager too. They go all together, since it is written
    nowhere whether those that a request leaves out stay.
    """
    changing = {path[-1] for path in comparison.changed}
    following = [
        path
        for path, value in declared.items()
        if confidential(value)
        and path not in comparison.changed
        and changing & _governing(kind.field(path, service), external(value))
    ]
    # What changed may go by its present name, while the spec declares it by an old one.
    if not any(external(declared.get(path)) for path in (*following, *comparison.changed)):
        return following
    others = (path for path, value in declared.items() if external(value) and path not in comparison.changed)
    return list(dict.fromkeys([*following, *others]))


def _governing(field: Field | None, is_external: bool) -> set[str]:
    manager = {"external_secrets_manager_id"} if is_external else set()
    return manager | ({*(field.only_when or ()), *(field.required_when or ())} if field else set())
