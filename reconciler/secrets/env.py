"""Read `env:NAME` from environment variables."""

from __future__ import annotations

import re
from collections.abc import Mapping

from reconciler.model.value import OWN_VARIABLES, Reference
from reconciler.secrets.base import SecretUnavailable, select_member

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def validate_reference(reference: Reference) -> tuple[str, str] | None:
    """Validate the text of a reference. Returns problem and advice; None if valid."""
    name = reference.locator
    if not _VARIABLE.fullmatch(name):
        return (
            "the name of an environment variable has letters, digits and underscores only",
            "name the variable without `$` or braces",
        )
    if name.upper().startswith(OWN_VARIABLES):
        return "specs cannot read this program's own credentials and settings", "name another variable"
    return None


class Environment:
    """Store of environment variables, without the variables that configure this program.

    A spec that could read the API key could also send it into a field that other users see.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def resolve(self, reference: Reference) -> str:
        """Resolve a reference to the variable, or to one member of a JSON object.

        Raises SecretUnavailable.
        """
        name = reference.locator
        if name.upper().startswith(OWN_VARIABLES):
            raise SecretUnavailable(reference, "specs cannot read this program's own settings")
        value = self._environ.get(name)
        if value is None:
            raise SecretUnavailable(reference, f"environment variable `{name}` is not set")
        if not value.strip():
            raise SecretUnavailable(reference, f"environment variable `{name}` is empty")
        # Bytes that are not UTF-8 arrive as halves of surrogate pairs, which no request can carry.
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise SecretUnavailable(reference, f"environment variable `{name}` is not valid text")
        return select_member(value, reference)
