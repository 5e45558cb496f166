"""Mask secrets in histories and dumps, which users paste into tickets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from reconciler.catalogue.load import load_service, load_service_names

MASK = "******"

_SECRET_PARAMETER = re.compile(r"secret|pass|key|token|credential|auth|signature", re.IGNORECASE)
_SECRET_NAME = re.compile(r"secret|password|passphrase|_key$|token|credential", re.IGNORECASE)


def mask_secrets(value: Any) -> Any:
    """Copy a value with all secrets masked.

    A secret is recognised by its name. In a `config`, values of names that no service has are masked too:
    such a name may be a misspelled secret.
    """
    if isinstance(value, dict):
        return {name: _mask_member(name, item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask_secrets(item) for item in value]
    return value


def is_secret_parameter(name: str) -> bool:
    """Check whether a parameter of a query may be a secret. No parameter of the API has such a name."""
    return bool(_SECRET_PARAMETER.search(name))


def _mask_member(name: str, value: Any) -> Any:
    if value and _is_secret(name):
        return MASK
    if name == "config" and isinstance(value, dict):
        return {
            key: _mask_member(key, item) if key in _load_sensitive_fields() else MASK
            for key, item in value.items()
        }
    return mask_secrets(value)


def _is_secret(name: str) -> bool:
    # These names match the pattern of secrets, but hold public keys and ids.
    if name in ("public_key", "external_secrets_manager_id"):
        return False
    return _load_sensitive_fields().get(name, False) or bool(_SECRET_NAME.search(name))


@cache
def _load_sensitive_fields() -> Mapping[str, bool]:
    """Load all config fields by name: true if the field is a secret of any service."""
    sensitive: dict[str, bool] = {}
    for service in filter(None, map(load_service, load_service_names())):
        for name, field in service.fields.items():
            sensitive[name] = sensitive.get(name, False) or field.sensitive
    return sensitive
