"""Resolve references, by one resolver per scheme."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from reconciler.model.clock import Clock
from reconciler.model.redaction import Redactor
from reconciler.model.value import OWN_VARIABLES, Reference, Secret, UnresolvedSecret
from reconciler.runtime.workers import map_parallel

_Key = TypeVar("_Key", bound=Hashable)

_PLACEHOLDER = re.compile(r"\s*\$\{[^}]*\}\s*|\s*\$\([^)]*\)\s*|\s*\$[A-Za-z_][A-Za-z0-9_]*\s*")
_MASK = re.compile(r"\*+")
_MAX_TIMEOUTS = 2
"""Look-ups without an answer after which a store is asked no more: each other look-up would wait as long."""


class SecretUnavailable(Exception):  # noqa: N818 - a problem of the environment, not a bug
    """The value of a reference is unavailable. `reason` is a text for users that never holds the value."""

    def __init__(self, reference: Reference, reason: str) -> None:
        super().__init__(f"{reference}: {reason}")
        self.reference = reference
        self.reason = reason


class StoreTimeout(SecretUnavailable):
    """The store of a reference has used up the time of a look-up without an answer."""


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


class _LookUps(Generic[_Key]):
    """Results of look-ups by key. Each key is looked up once, also if several threads ask at the same moment: the
    others wait for the result of the first.

    Failures are kept too, so that a run gets the same result everywhere.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._results: dict[_Key, Future[str | SecretUnavailable]] = {}

    def get(self, key: _Key, look_up: Callable[[], str | SecretUnavailable]) -> str | SecretUnavailable:
        """Return the result of a key."""
        with self._lock:
            is_first = key not in self._results
            result = self._results.setdefault(key, Future())
        if is_first:
            try:
                result.set_result(look_up())
            except BaseException as error:  # a thread that waits must end as well
                result.set_exception(error)
        return result.result()


class Registry:
    """Registry of resolvers by scheme. It reads each reference at most once in a run, from any number of threads.

    A store that has used up the whole time of several look-ups is asked no more in this run.
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
        self._look_ups = _LookUps[tuple[str, str, str]]()
        self._timeouts: dict[str, list[str]] = {}

    def prefetch(self, references: Iterable[Reference], workers: int) -> None:
        """Read the documents of references that `resolve` will be asked for, `workers` at the same time.

        Only stores that keep whole documents are read ahead: environment and files are at hand, and stores of other
        packages may not be made for several threads. A reference without a value is an error of `resolve`, so that
        errors have the order of the callers.
        """
        documents = {
            (reference.scheme, reference.locator): reference
            for reference in references
            if isinstance(self._resolvers.get(reference.scheme), CachedDocuments)
            and not (self._skip_secrets and reference.confidential)
        }
        for _ in map_parallel(self._get_text, documents.values(), workers):
            pass

    def resolve(self, reference: Reference, shape: ValueShape = ValueShape.TEXT) -> Any:
        """Resolve a reference to a value of the given shape, as a Secret if it is confidential.

        Raises SecretUnavailable, also for values that must not be sent: an empty value, or a placeholder that
        was never filled in, such as `${PASSWORD}`.
        """
        if self._skip_secrets and reference.confidential:
            return UnresolvedSecret()
        text = self._get_text(reference)
        if isinstance(text, SecretUnavailable):
            raise SecretUnavailable(reference, text.reason)
        if reference.confidential and _MASK.fullmatch(text):
            raise SecretUnavailable(
                reference, "the value is the row of stars that Fivetran shows instead of one"
            )
        value = _convert_to_shape(shape, text, reference)
        self._add_to_redactor(reference, text, value)
        return Secret(value) if reference.confidential else value

    def _get_text(self, reference: Reference) -> str | SecretUnavailable:
        return self._look_ups.get(_get_key(reference), partial(self._look_up, reference))

    def _add_to_redactor(self, reference: Reference, text: str, value: Any) -> None:
        """Add the value of a reference to the known secrets, or to the public texts, once."""
        key = (_get_key(reference), reference.confidential)
        if self._redactor is None or key in self._added:
            return
        self._added.add(key)
        if reference.confidential:
            self._redactor.add((text, value))
        else:
            self._redactor.add_public(lambda: (text,))

    def _look_up(self, reference: Reference) -> str | SecretUnavailable:
        timeouts = self._timeouts.setdefault(reference.scheme, [])
        if len(timeouts) >= _MAX_TIMEOUTS:
            return SecretUnavailable(reference, timeouts[-1])
        text = self._ask_store(reference)
        if isinstance(text, StoreTimeout):
            timeouts.append(text.reason)
        return text

    def _ask_store(self, reference: Reference) -> str | SecretUnavailable:
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


def _get_key(reference: Reference) -> tuple[str, str, str]:
    return reference.scheme, reference.locator, reference.part


class CachedDocuments:
    """Store that reads each document once and as a whole, for all references to its members, from any number of
    threads."""

    def __init__(self, read: Callable[[Reference], str]) -> None:
        """Create a store. `read` returns the whole text behind a locator, or raises SecretUnavailable. It is called by
        several threads."""
        self._read = read
        self._look_ups = _LookUps[str]()

    def resolve(self, reference: Reference) -> str:
        """Resolve a reference to a text, or to one member of a JSON object. Raises SecretUnavailable."""
        text = self._look_ups.get(reference.locator, partial(self._look_up, reference))
        if isinstance(text, StoreTimeout) and text.reference is reference:
            raise text  # others that wait for the same document count no further timeout
        if isinstance(text, SecretUnavailable):
            raise SecretUnavailable(reference, text.reason)
        return select_member(text, reference)

    def _look_up(self, reference: Reference) -> str | SecretUnavailable:
        try:
            return self._read(reference)
        except SecretUnavailable as unavailable:
            return unavailable


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
