"""Values that need a type of their own: secrets, references, field paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

FieldPath: TypeAlias = tuple[str, ...]
"""A field below a resource, for example `("config", "host")`."""

MASKED_IN_OUTPUT = "••••••••"

OWN_VARIABLES = ("FIVETRAN_", "RECONCILER_")
"""Environment variables that configure this program; no spec may refer to them."""


EXTERNAL = "esm"
"""Scheme of references to a secrets manager that Fivetran itself reads; their values never come through here."""


def dotted(path: FieldPath) -> str:
    """`config.host`, as people write it."""
    return ".".join(path)


class Secret:
    """A clear value that must not be shown. Only `reveal()` gives it away, so that uses can be searched for."""

    __slots__ = ("_clear",)

    def __init__(self, clear: Any) -> None:
        self._clear = clear

    def reveal(self) -> Any:
        """The clear value. Called where bytes go to Fivetran, and nowhere else."""
        return self._clear

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> Any:
        raise TypeError("a Secret cannot be pickled or copied")


class Withheld(Secret):
    """A secret that this run may not read. It can be planned with, and never be sent."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(None)

    def reveal(self) -> Any:
        """Raises RuntimeError: nobody looked it up."""
        raise RuntimeError("a run that may not read secrets has nothing to send")


@dataclass(frozen=True, slots=True)
class ExternalKey:
    """Name of an entry in the customer's secrets manager, from which Fivetran fetches a field's value."""

    name: str


@dataclass(frozen=True, slots=True)
class Reference:
    """`scheme:locator#part` in a spec: where a value comes from when a run needs it.

    `confidential` is true for `{secret: …}` and false for its visible twin `{value: …}`.
    """

    scheme: str
    locator: str
    part: str = ""
    confidential: bool = True

    def __str__(self) -> str:
        return f"{self.scheme}:{self.locator}" + (f"#{self.part}" if self.part else "")
