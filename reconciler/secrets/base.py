"""Where the values behind references come from: one resolver per scheme."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from reconciler.model.clock import Clock
from reconciler.model.value import OWN_VARIABLES, Reference, Secret, Withheld

_UNFILLED = re.compile(r"\s*\$\{[^}]*\}\s*|\s*\$\([^)]*\)\s*|\s*\$[A-Za-z_][A-Za-z0-9_]*\s*")


class SecretUnavailable(Exception):  # noqa: N818 - a state of the world, not a bug
    """The value behind a reference cannot be had. `reason` is fit for people and never holds the value."""

    def __init__(self, reference: Reference, reason: str) -> None:
        super().__init__(f"{reference}: {reason}")
        self.reference = reference
        self.reason = reason


class Resolver(Protocol):
    """A store of values. Must not write, and must not tell a value in an error."""

    def resolve(self, reference: Reference) -> str:
        """The clear value. Raises SecretUnavailable."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stores may know. `environ` must lack the settings of this program, see `without_own`; relative
    paths start in `directory`; no look-up takes longer than `timeout` seconds."""

    directory: Path
    environ: Mapping[str, str] = field(repr=False)  # full of secrets
    clock: Clock
    timeout: float


def without_own(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without the credentials and settings of this program."""
    return {name: value for name, value in environ.items() if not name.upper().startswith(OWN_VARIABLES)}


class Form(StrEnum):
    """What a field wants of the text behind a reference."""

    TEXT = "text"
    LIST = "list"  # the text is a JSON list
    OBJECT = "object"  # the text is a JSON object


class Registry:
    """Resolves references by their scheme, each at most once in a run.

    Failures are remembered too, so that a run judges a reference the same way everywhere.
    """

    def __init__(
        self,
        resolvers: Mapping[str, Resolver],
        *,
        otherwise: Resolver | None = None,
        withholds: bool = False,
    ) -> None:
        """`otherwise` answers for every scheme that has no resolver. With `withholds` secrets are not looked up: each
        is a `Withheld`."""
        self._resolvers = dict(resolvers)
        self._otherwise = otherwise
        self._withholds = withholds
        self._known: dict[tuple[str, str, str], str | SecretUnavailable] = {}

    def resolve(self, reference: Reference, form: Form = Form.TEXT) -> Any:
        """The value behind a reference in the form that is asked for, as a Secret where it is confidential.

        Raises SecretUnavailable, also for what would be wrong to send: an empty value, or the name
        of a variable that nobody filled in, such as `${PASSWORD}`.
        """
        if self._withholds and reference.confidential:
            return Withheld()
        key = (reference.scheme, reference.locator, reference.part)
        if key not in self._known:
            self._known[key] = self._looked_up(reference)
        known = self._known[key]
        if isinstance(known, SecretUnavailable):
            raise SecretUnavailable(reference, known.reason)
        value = _in_form(form, known, reference)
        return Secret(value) if reference.confidential else value

    def _looked_up(self, reference: Reference) -> str | SecretUnavailable:
        resolver = self._resolvers.get(reference.scheme, self._otherwise)
        if resolver is None:
            return SecretUnavailable(reference, "no store of this name is known")
        try:
            value = resolver.resolve(reference)
        except SecretUnavailable as unavailable:
            return unavailable
        if not value.strip():
            return SecretUnavailable(reference, "the value is empty")
        if _UNFILLED.fullmatch(value):
            return SecretUnavailable(reference, "the value is a placeholder that was never filled in")
        return value


class Documents:
    """A store whose entries are read once and whole, however many of their parts are referred to."""

    def __init__(self, read: Callable[[Reference], str]) -> None:
        """`read` gives the whole text behind a locator, or raises SecretUnavailable."""
        self._read = read
        self._known: dict[str, str | SecretUnavailable] = {}

    def resolve(self, reference: Reference) -> str:
        """The text, or one member of it where it is a JSON object. Raises SecretUnavailable."""
        if reference.locator not in self._known:
            try:
                self._known[reference.locator] = self._read(reference)
            except SecretUnavailable as unavailable:
                self._known[reference.locator] = unavailable
        known = self._known[reference.locator]
        if isinstance(known, SecretUnavailable):
            raise SecretUnavailable(reference, known.reason)
        return part_of(known, reference)


def _in_form(form: Form, text: str, reference: Reference) -> Any:
    if form is Form.TEXT:
        return text
    wanted = list if form is Form.LIST else dict
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, wanted):
        raise SecretUnavailable(reference, f"the field wants a JSON {form.value}, which this is not")
    return value


def text_of(data: bytes, reference: Reference) -> str:
    """Bytes of a store as text without its last line end. Raises SecretUnavailable where they are not UTF-8."""
    try:
        return data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise SecretUnavailable(reference, "what is kept there is not UTF-8 text") from None


def part_of(text: str, reference: Reference) -> str:
    """The member of a JSON object that `#part` names; the whole text where there is no part.

    Raises SecretUnavailable where the text is no JSON object, or the member is absent or not text.
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
