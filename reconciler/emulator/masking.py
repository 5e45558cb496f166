"""Secrets out of what people paste into tickets: histories, dumps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from reconciler.catalogue.load import load_service, service_names

MASK = "******"

_SECRETIVE = re.compile(r"secret|password|passphrase|_key$|token|credential", re.IGNORECASE)


def masked(value: Any) -> Any:
    """A copy in which everything under the name of a secret is stars, and in a `config` everything under
    a name that no service has: it may be a secret with a slip in its name."""
    if isinstance(value, dict):
        return {name: _masked_member(name, each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [masked(each) for each in value]
    return value


def _masked_member(name: str, value: Any) -> Any:
    if value and _is_secret(name):
        return MASK
    if name == "config" and isinstance(value, dict):
        return {key: _masked_member(key, each) if key in _fields() else MASK for key, each in value.items()}
    return masked(value)


def _is_secret(name: str) -> bool:
    if name in ("public_key", "external_secrets_manager_id"):
        return False
    return _fields().get(name, False) or bool(_SECRETIVE.search(name))


@cache
def _fields() -> Mapping[str, bool]:
    """Every config field of any service, and whether it is a secret of some."""
    found: dict[str, bool] = {}
    for service in filter(None, map(load_service, service_names())):
        for name, field in service.fields.items():
            found[name] = found.get(name, False) or field.sensitive
    return found
