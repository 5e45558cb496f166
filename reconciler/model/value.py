"""Define values that need a type of their own: secrets, references, field paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

FieldPath: TypeAlias = tuple[str, ...]
"""A field below a resource, for example `("config", "host")`."""

MASKED_IN_OUTPUT = "••••••••"

OWN_VARIABLES = ("FIVETRAN_", "RECONCILER_")
"""Prefixes of environment variables that configure this program; no spec may refer to such a variable."""


EXTERNAL_SCHEME = "esm"
"""Scheme of references to a secrets manager that Fivetran itself reads; this program never has the values."""


@lru_cache(maxsize=4096)
def make_path(*names: str) -> FieldPath:
    """Make a path, one object for all resources: thousands of destinations have the same fields."""
    return names


def format_path(path: FieldPath) -> str:
    """Format a path: `config.host`."""
    return ".".join(path)


class Secret:
    """Clear value that must not be shown. Only `reveal()` returns it, so that uses can be searched for."""

    __slots__ = ("_clear",)

    def __init__(self, clear: Any) -> None:
        self._clear = clear

    def reveal(self) -> Any:
        """Return the clear value. Called only by code that sends bytes to Fivetran."""
        return self._clear

    @classmethod
    def wrap(cls, content: Any) -> Secret:
        """Wrap a mapping or list with secrets inside as one secret. An unresolved secret inside withholds the whole."""
        is_unresolved = any(isinstance(nested, UnresolvedSecret) for nested in walk(content))
        return UnresolvedSecret() if is_unresolved else cls(_reveal_nested(content))

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> Any:
        raise TypeError("a Secret cannot be pickled or copied")


class UnresolvedSecret(Secret):
    """Secret that this run may not read. A plan can hold it, but no request can."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(None)

    def reveal(self) -> Any:
        """Raise RuntimeError: the run did not look the secret up."""
        raise RuntimeError("a run that may not read secrets has nothing to send")


def _reveal_nested(content: Any) -> Any:
    match content:
        case Secret():
            return content._clear
        case Mapping():
            return {key: _reveal_nested(child) for key, child in content.items()}
        case list():
            return [_reveal_nested(child) for child in content]
    return content


@dataclass(frozen=True, slots=True)
class ExternalKey:
    """Name of an entry in the customer's secrets manager, from which Fivetran fetches a field's value."""

    name: str


@dataclass(frozen=True, slots=True)
class Reference:
    """`scheme:locator#part` in a spec: the source of a value that a run reads when it needs the value.

    `confidential` is true for `{secret: …}` and false for its visible twin `{value: …}`.
    """

    scheme: str
    locator: str
    part: str = ""
    confidential: bool = True

    def __str__(self) -> str:
        return f"{self.scheme}:{self.locator}" + (f"#{self.part}" if self.part else "")


@dataclass(frozen=True, slots=True)
class ObjectName(Reference):
    """Name of an object of the account in place of its id: `scheme` is the key of the spec, `locator` the name.

    Each plan replaces it by the id before it compares anything.
    """

    confidential: bool = False

    def __str__(self) -> str:
        return self.locator


@dataclass(frozen=True, slots=True)
class Structure:
    """A mapping or list of a spec with references inside: `content` is plain data with `Reference` leaves."""

    content: Any

    @property
    def references(self) -> tuple[Reference, ...]:
        """All references inside, in the order of the spec."""
        return tuple(nested for nested in walk(self.content) if isinstance(nested, Reference))

    @property
    def confidential(self) -> bool:
        """Whether any reference inside is to a secret."""
        return any(reference.confidential for reference in self.references)

    def __str__(self) -> str:
        return ", ".join(map(str, self.references))


def find_references(value: Any) -> tuple[Reference, ...]:
    """Find the references that a declared value consists of or holds."""
    match value:
        case Reference():
            return (value,)
        case Structure():
            return value.references
    return ()


def walk(value: Any) -> Iterator[Any]:
    """Iterate over a value and, for a mapping or list, everything inside it at any depth."""
    yield value
    match value:
        case Mapping():
            children = list(value.values())
        case list() | tuple():
            children = list(value)
        case _:
            children = []
    for child in children:
        yield from walk(child)


def is_secret(value: Any) -> bool:
    """Check whether a declared value is or holds a reference to a secret."""
    return isinstance(value, Reference | Structure) and value.confidential


def is_external_secret(value: Any) -> bool:
    """Check whether Fivetran itself fetches the value from the customer's secrets manager."""
    return isinstance(value, Reference) and value.scheme == EXTERNAL_SCHEME


Plain: TypeAlias = str | int | float | bool | Sequence[Any] | Mapping[str, Any]
"""A value of YAML or JSON that stands for itself."""

Leaf: TypeAlias = Plain | Reference | Structure | Secret | ExternalKey | None
"""The value of one field on its way from a spec to a request body: None clears the field, a `Reference` or `Structure`
is not resolved yet, a `Secret` or `ExternalKey` is."""

Fields: TypeAlias = Mapping[FieldPath, Leaf]
"""The fields of one resource, leaf by leaf."""
