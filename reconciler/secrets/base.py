"""Resolve references, by one resolver per scheme."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from reconciler.model.clock import Clock
from reconciler.model.redaction import Redactor
from reconciler.model.value import OWN_VARIABLES, Reference, Secret, UnresolvedSecret

_PLACEHOLDER = re.compile(r"\s*\$\{[^}]*\}\s*|\s*\$\([^)]*\)\s*|\s*\$[A-Za-z_][A-Za-z0-9_]*\s*")
_MASK = re.compile(r"\*+")


class SecretUnavailable(Exception):  # noqa: N818 - a problem of the environment, not a bug
    """The value of a reference is unavailable. `reason` is a text for users that never holds the value."""

    def __init__(self, reference: Reference, reason: str) -> None:
        super().__init__(f"{reference}: {reason}")
        self.reference = reference
        self.reason = reason


class Resolver(Protocol):
    """Store of values. It must not write, and its errors must not hold values."""

    def resolve(self, reference: Reference) -> str:
        """Resolve a reference to its clear value. Raises SecretUnavailable."""


@dataclass(frozen=True, slots=True)
class StoreContext:
    """Context that stores work in.

    `environ` must lack the settings of this program (see `strip_own_variables`). Relative paths start in
    `directory`. No look-up takes longer than `timeout` seconds.
    """

    directory: Path
    environ: Mapping[str, str] = field(repr=False)  # full of secrets
    clock: Clock
    timeout: float


def strip_own_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Copy the environment without the credentials and settings of this program."""
    return {name: value for name, value in environ.items() if not name.upper().startswith(OWN_VARIABLES)}


class ValueShape(StrEnum):
    """Shape that a field requires of the text behind a reference."""

    TEXT = "text"
    LIST = "list"  # the text is a JSON list
    OBJECT = "object"  # the text is a JSON object
    NUMBER = "a whole number"
    BOOLEAN = "true or false"


class Registry:
    """Registry of resolvers by scheme. It reads each reference at most once in a run.

    Failures are cached too, so that a run gets the same result for a reference everywhere.
    """

    def __init__(
        self,
        resolvers: Mapping[str, Resolver],
        *,
        fallback: Resolver | None = None,
        skip_secrets: bool = False,
        redactor: Redactor | None = None,
    ) -> None:
        """Create a registry. `fallback` resolves every scheme that has no resolver. `redactor` gets every secret.

        With `skip_secrets` no secret is looked up: each secret becomes an `UnresolvedSecret`.
        """
        self._resolvers = dict(resolvers)
        self._fallback = fallback
        self._skip_secrets = skip_secrets
        self._redactor = redactor
        self._added: set[tuple[tuple[str, str, str], bool]] = set()
        self._cache: dict[tuple[str, str, str], str | SecretUnavailable] = {}

    def resolve(self, reference: Reference, shape: ValueShape = ValueShape.TEXT) -> Any:
        """Resolve a reference to a value of the given shape, as a Secret if it is confidential.

        Raises SecretUnavailable, also for values that must not be sent: an empty value, or a placeholder that
        was never filled in, such as `${PASSWORD}`.
        """
        if self._skip_secrets and reference.confidential:
            return UnresolvedSecret()
        key = (reference.scheme, reference.locator, reference.part)
        if key not in self._cache:
            self._cache[key] = self._look_up(reference)
        cached = self._cache[key]
        if isinstance(cached, SecretUnavailable):
            raise SecretUnavailable(reference, cached.reason)
        if reference.confidential and _MASK.fullmatch(cached):
            raise SecretUnavailable(
                reference, "the value is the row of stars that Fivetran shows instead of one"
            )
        value = _convert_to_shape(shape, cached, reference)
        self._add_to_redactor(key, reference, value)
        return Secret(value) if reference.confidential else value

    def _add_to_redactor(self, key: tuple[str, str, str], reference: Reference, value: Any) -> None:
        """Add the value of a reference to the known secrets, or to the public texts, once."""
        if self._redactor is None or (key, reference.confidential) in self._added:
            return
        self._added.add((key, reference.confidential))
        text = self._cache[key]
        if reference.confidential:
            self._redactor.add((text, value))
        else:
            self._redactor.add_public(lambda: (str(text),))

    def _look_up(self, reference: Reference) -> str | SecretUnavailable:
        resolver = self._resolvers.get(reference.scheme, self._fallback)
        if resolver is None:
            return SecretUnavailable(reference, "no store of this name is known")
        try:
            value = resolver.resolve(reference)
        except SecretUnavailable as unavailable:
            return unavailable
        if not value.strip():
            return SecretUnavailable(reference, "the value is empty")
        if _PLACEHOLDER.fullmatch(value):
            return SecretUnavailable(reference, "the value is a placeholder that was never filled in")
        return value


class CachedDocuments:
    """Store that reads each document once and as a whole, for all references to its members."""

    def __init__(self, read: Callable[[Reference], str]) -> None:
        """Create a store. `read` returns the whole text behind a locator, or raises SecretUnavailable."""
        self._read = read
        self._cache: dict[str, str | SecretUnavailable] = {}

    def resolve(self, reference: Reference) -> str:
        """Resolve a reference to a text, or to one member of a JSON object. Raises SecretUnavailable."""
        if reference.locator not in self._cache:
            try:
                self._cache[reference.locator] = self._read(reference)
            except SecretUnavailable as unavailable:
                self._cache[reference.locator] = unavailable
        cached = self._cache[reference.locator]
        if isinstance(cached, SecretUnavailable):
            raise SecretUnavailable(reference, cached.reason)
        return select_member(cached, reference)


_TEXT_FORMS = {
    ValueShape.NUMBER: re.compile(r"[+-]?[0-9]+"),
    ValueShape.BOOLEAN: re.compile(r"true|false", re.IGNORECASE),
}


def _convert_to_shape(shape: ValueShape, text: str, reference: Reference) -> Any:
    if shape is ValueShape.TEXT:
        return text
    if shape in _TEXT_FORMS:
        if _TEXT_FORMS[shape].fullmatch(text) is None:
            raise SecretUnavailable(reference, f"the field needs {shape.value}")
        return text
    expected_type = list if shape is ValueShape.LIST else dict
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, expected_type):
        raise SecretUnavailable(reference, f"the field needs a JSON {shape.value}, and the value is none")
    return value


def decode_text(data: bytes, reference: Reference) -> str:
    """Decode bytes of a store as text without its last line end.

    Raises SecretUnavailable if they are not UTF-8.
    """
    try:
        return data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise SecretUnavailable(reference, "its content is not UTF-8 text") from None


def select_member(text: str, reference: Reference) -> str:
    """Select the member of a JSON object that `#part` names; the whole text without a part.

    Raises SecretUnavailable if the text is no JSON object, or the member is missing or no text.
    """
    if not reference.part:
        return text
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise SecretUnavailable(reference, "it is not JSON, so it has no parts") from None
    if not isinstance(document, dict):
        raise SecretUnavailable(reference, "it is not a JSON object, so it has no parts")
    if reference.part not in document:
        raise SecretUnavailable(reference, f"the JSON object has no member `{reference.part}`")
    member = document[reference.part]
    if isinstance(member, bool) or not isinstance(member, str | int):
        raise SecretUnavailable(
            reference, f"the member `{reference.part}` is neither text nor a whole number"
        )
    try:
        return str(member)
    except ValueError:  # Python refuses to print integers of thousands of digits
        raise SecretUnavailable(reference, f"the member `{reference.part}` is too long") from None
